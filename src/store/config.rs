//! The validated settings of a BackupStorageLocation's store.

use std::collections::BTreeMap;
use std::fmt;

use super::{Result, StoreError, key};

/// A location's configuration, without the Kubernetes kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreConfig {
    /// `spec.provider`: `velero.io/fs` (or `filesystem`), `velero.io/aws`; a name without a slash means one of `velero.io`.
    pub provider: String,
    /// `spec.objectStorage.bucket`. Slashes around it are dropped.
    pub bucket: String,
    /// `spec.objectStorage.prefix`. Slashes around it are dropped.
    pub prefix: String,
    /// `spec.config`.
    pub config: BTreeMap<String, String>,
    /// `spec.objectStorage.caCert` or the content of `caCertRef`: PEM, added to the system's roots.
    pub ca_cert: Option<Vec<u8>>,
    /// Content of the credentials file: of `spec.credential`, else of the file named by [`credentials_variable`]. With `None` the environment provides
    /// credentials (web identity, roles of containers and instances).
    pub credentials: Option<Secret>,
}

/// Text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself; not for logs and errors.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The providers that are built in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `velero.io/fs`
    Filesystem,
    /// `velero.io/aws`
    S3,
}

/// The built-in provider of this name, if any (spec api 6.4: a name without a slash gets the prefix `velero.io/`).
pub fn built_in(provider: &str) -> Option<Kind> {
    let name = provider.strip_prefix("velero.io/").unwrap_or(provider);
    match name {
        "fs" | "filesystem" => Some(Kind::Filesystem),
        "aws" => Some(Kind::S3),
        _ => None,
    }
}

/// The environment variable with the path of the credentials file that locations without `spec.credential` use (spec api 13.1).
pub fn credentials_variable(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Filesystem => None,
        Kind::S3 => Some("AWS_SHARED_CREDENTIALS_FILE"),
    }
}

/// Keys that every location may have. The server sets the first four for plugins (spec api 13.3), and old servers wrote them into the location.
/// The last is for restic repositories.
const COMMON_KEYS: [&str; 5] = ["bucket", "prefix", "caCert", "credentialsFile", "resticRepoPrefix"];

impl StoreConfig {
    pub(super) fn kind(&self) -> Result<Kind> {
        built_in(&self.provider).ok_or_else(|| {
            let provider = &self.provider;
            StoreError::Config(format!(
                "there is no object store for provider `{provider}`; built in are `velero.io/fs` and `velero.io/aws`"
            ))
        })
    }

    /// Bucket and prefix without the slashes around them.
    pub(super) fn place(&self) -> Result<(&str, &str)> {
        let bucket = self.bucket.trim_matches('/');
        if bucket.is_empty() {
            return Err(StoreError::Config("`objectStorage.bucket` is required".to_owned()));
        }
        if bucket.contains('/') {
            let text = format!(
                "`objectStorage.bucket` is `{bucket}` and must not have a slash inside; use `objectStorage.prefix` for what comes after the bucket"
            );
            return Err(StoreError::Config(text));
        }
        let prefix = self.prefix.trim_matches('/');
        if !prefix.is_empty() && key::check(prefix).is_err() {
            return Err(StoreError::Config(format!(
                "`objectStorage.prefix` is `{prefix}`, which cannot begin a key"
            )));
        }
        Ok((bucket, prefix))
    }

    /// Refuses keys of `spec.config` that the provider does not know: a misspelt one would be ignored in silence.
    pub(super) fn check_keys(&self, known: &[&str]) -> Result<()> {
        let unknown = self
            .config
            .keys()
            .find(|key| !known.contains(&key.as_str()) && !COMMON_KEYS.contains(&key.as_str()));
        match unknown {
            None => self.check_set_by_server(),
            Some(unknown) => {
                let known = known.join("`, `");
                Err(StoreError::Config(format!(
                    "`config` has the unknown key `{unknown}`; there are `{known}`"
                )))
            }
        }
    }

    /// Refuses keys that duplicate a field of the location. Upstream overwrites them in silence. A key with the same value as its field is accepted:
    /// old servers wrote it.
    fn check_set_by_server(&self) -> Result<()> {
        let ca_cert = self.ca_cert.as_deref().and_then(|pem| std::str::from_utf8(pem).ok());
        let fields = [
            ("bucket", "objectStorage.bucket", Some(self.bucket.as_str())),
            ("prefix", "objectStorage.prefix", Some(&self.prefix)),
            ("caCert", "objectStorage.caCert", ca_cert),
            ("credentialsFile", "credential", None),
        ];
        let plain = |text: &str| text.trim().trim_matches('/').to_owned();
        for (key, field, own) in fields {
            if self.get(key).is_some_and(|text| own.map(plain) != Some(plain(text))) {
                return Err(StoreError::Config(format!(
                    "`config.{key}` would have no effect; set `spec.{field}` in its place and remove it"
                )));
            }
        }
        Ok(())
    }

    /// A key of `spec.config`; an empty value counts as missing.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.config
            .get(key)
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
    }

    /// A boolean key of `spec.config`, in the spellings that Go accepts; missing means false.
    pub(super) fn flag(&self, key: &str) -> Result<bool> {
        match self.get(key) {
            None | Some("false" | "False" | "FALSE" | "f" | "F" | "0") => Ok(false),
            Some("true" | "True" | "TRUE" | "t" | "T" | "1") => Ok(true),
            Some(other) => Err(StoreError::Config(format!(
                "`config.{key}` is `{other}`; it must be `true` or `false`"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(bucket: &str, prefix: &str) -> StoreConfig {
        StoreConfig {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            ..StoreConfig::default()
        }
    }

    #[test]
    fn slashes_are_trimmed_around_and_refused_inside_a_bucket() {
        assert_eq!(config("/b/", "//p/q/").place().unwrap(), ("b", "p/q"));
        assert_eq!(config("b", "").place().unwrap(), ("b", ""));
        for (bucket, prefix) in [
            ("", ""),
            ("/", ""),
            ("a/b", ""),
            ("b", "p//q"),
            ("b", "../p"),
            ("b", "p/./q"),
        ] {
            assert!(config(bucket, prefix).place().is_err(), "{bucket} {prefix}");
        }
    }

    #[test]
    fn providers_go_by_several_names() {
        for (name, kind) in [
            ("velero.io/fs", Some(Kind::Filesystem)),
            ("fs", Some(Kind::Filesystem)),
            ("filesystem", Some(Kind::Filesystem)),
            ("velero.io/filesystem", Some(Kind::Filesystem)),
            ("aws", Some(Kind::S3)),
            ("velero.io/aws", Some(Kind::S3)),
            ("example.com/aws", None),
            ("gcp", None),
            ("", None),
        ] {
            assert_eq!(built_in(name), kind, "{name}");
        }
    }

    #[test]
    fn an_unknown_key_is_named_with_the_known_ones() {
        let mut config = config("b", "");
        config.config.insert("fsPath".to_owned(), "/x".to_owned());
        let error = config.check_keys(&["fspath"]).unwrap_err().to_string();
        assert!(error.contains("`fsPath`") && error.contains("`fspath`"), "{error}");
    }

    #[test]
    fn keys_that_contradict_their_field_are_refused() {
        for (key, value, fine) in [
            ("prefix", "zzz", false),
            ("prefix", "/p/", true),
            ("prefix", "", true),
            ("bucket", "other", false),
            ("bucket", "b", true),
            ("caCert", "pem", false),
            ("credentialsFile", "/credentials/cloud", false),
            ("resticRepoPrefix", "s3:anywhere", true),
        ] {
            let mut config = config("b/", "p");
            config.config.insert(key.to_owned(), value.to_owned());
            let checked = config.check_keys(&[]);
            assert_eq!(checked.is_ok(), fine, "{key}={value}");
            let error = checked.err().map(|error| error.to_string()).unwrap_or_default();
            assert!(fine || error.contains(&format!("`config.{key}`")), "{error}");
        }
    }

    #[test]
    fn a_secret_is_not_shown() {
        let config = StoreConfig {
            credentials: Some(Secret::new("hunter2")),
            ..StoreConfig::default()
        };
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
