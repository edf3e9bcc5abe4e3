//! The config file of the client (spec server-cli 1.1).

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::flag::go_bool;

/// The settings: one flat JSON object. Unknown keys are kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config(BTreeMap<String, Value>);

/// An error of the config file.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file exists and cannot be read.
    #[error("read the config file `{0}`: {1}")]
    Read(PathBuf, #[source] io::Error),
    /// The file is not one JSON object.
    #[error("read the config file `{0}`: it must hold one JSON object: {1}")]
    Parse(PathBuf, #[source] serde_json::Error),
    /// The file cannot be written.
    #[error("write the config file `{0}`: {1}; check the directory's owner and free space")]
    Write(PathBuf, #[source] io::Error),
}

/// The path of the config file: `$HOME/.config/velero/config.json`, relative when `HOME` is empty.
pub fn path() -> PathBuf {
    PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(".config/velero/config.json")
}

impl Config {
    /// Reads the settings. A missing file is empty.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Self)
                .map_err(|e| ConfigError::Parse(path.to_owned(), e)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(ConfigError::Read(path.to_owned(), error)),
        }
    }

    /// Writes the settings: compact JSON, keys sorted, readable by the owner only. The file is replaced in one step.
    pub fn save(&self, path: &Path) -> Result<(), ConfigError> {
        self.write(path)
            .map_err(|error| ConfigError::Write(path.to_owned(), error))
    }

    fn write(&self, path: &Path) -> io::Result<()> {
        let directory = path.parent().unwrap_or(Path::new("."));
        create_private_directory(directory)?;
        // A temporary file is readable by its owner only.
        let mut file = tempfile::NamedTempFile::new_in(directory)?;
        serde_json::to_writer(&mut file, &self.0)?;
        file.write_all(b"\n")?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    }

    /// The namespace, if a text is set.
    pub fn namespace(&self) -> Option<&str> {
        self.text("namespace").filter(|namespace| !namespace.is_empty())
    }

    /// The features, split at commas.
    pub fn features(&self) -> Vec<String> {
        self.text("features")
            .map(|text| text.split(',').map(str::to_owned).collect())
            .unwrap_or_default()
    }

    /// The file with the certificates to trust for downloads.
    pub fn cacert(&self) -> Option<&str> {
        self.text("cacert").filter(|path| !path.is_empty())
    }

    /// Whether colours are wanted. As upstream, only a string counts.
    pub fn colorized(&self) -> Option<bool> {
        self.text("colorized").and_then(|text| go_bool(text).ok())
    }

    /// A key's value as text: strings without quotes, other values as JSON.
    pub fn display(&self, key: &str) -> Option<String> {
        self.0
            .get(key)
            .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    }

    /// All keys, sorted.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Sets a key to a string. An empty one removes the key.
    pub fn set(&mut self, key: &str, value: &str) {
        if value.is_empty() {
            self.0.remove(key);
        } else {
            self.0.insert(key.to_owned(), value.into());
        }
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(Value::as_str)
    }
}

fn create_private_directory(directory: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("config.json");
        fs::write(&path, text).unwrap();
        (home, path)
    }

    #[test]
    fn a_missing_file_is_empty() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(Config::load(&home.path().join("none.json")).unwrap(), Config::default());
    }

    #[test]
    fn settings_of_the_wrong_type_are_ignored() {
        let (_home, path) = file(r#"{"namespace":1,"colorized":false,"features":"a,b","cacert":""}"#);
        let config = Config::load(&path).unwrap();
        assert_eq!(config.namespace(), None);
        assert_eq!(config.colorized(), None);
        assert_eq!(config.cacert(), None);
        assert_eq!(config.features(), ["a", "b"]);
        assert_eq!(config.display("namespace").as_deref(), Some("1"));
    }

    #[test]
    fn colours_are_parsed_like_a_flag() {
        let (_home, path) = file(r#"{"colorized":"F"}"#);
        assert_eq!(Config::load(&path).unwrap().colorized(), Some(false));
    }

    #[test]
    fn the_error_of_an_invalid_file_names_it() {
        let (_home, path) = file("[]");
        assert!(Config::load(&path).unwrap_err().to_string().contains("config.json"));
    }

    #[test]
    fn a_saved_file_is_compact_sorted_and_private() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(".config/velero/config.json");
        let mut config = Config::default();
        config.set("namespace", "x");
        config.set("cacert", "/ca");
        config.set("gone", "1");
        config.set("gone", "");
        config.save(&path).unwrap();
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "{\"cacert\":\"/ca\",\"namespace\":\"x\"}\n"
        );
        assert_eq!(Config::load(&path).unwrap(), config);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            assert_eq!(
                fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777,
                0o700
            );
        }
    }
}
