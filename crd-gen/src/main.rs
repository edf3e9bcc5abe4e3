//! Writes the custom resource definitions of `velero::api` to a directory, or checks that they are there.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, io};

use anyhow::{Context as _, Result, bail};
use velero::api::schema::DEFINITIONS;
use velero::cluster::yaml;

const USAGE: &str = "usage: crd-gen [--check] [DIRECTORY]

Writes one file for each kind to DIRECTORY (manifests/crds when not given).
With --check nothing is written: names the files that are missing, different or left over, and ends with 1 if there are any.";

fn main() -> Result<ExitCode> {
    let mut check = false;
    let mut directory = None;
    for argument in env::args().skip(1) {
        match argument.as_str() {
            "--check" => check = true,
            other if directory.is_none() && !other.starts_with('-') => directory = Some(PathBuf::from(other)),
            _ => bail!("{USAGE}"),
        }
    }
    let directory = directory.unwrap_or_else(|| PathBuf::from("manifests/crds"));
    let files = files()?;
    if !check {
        return write(&directory, &files).map(|()| ExitCode::SUCCESS);
    }
    let wrong = differences(&directory, &files)?;
    report(&wrong);
    Ok(if wrong.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// A file's name and its text.
type File = (String, String);

fn files() -> Result<Vec<File>> {
    DEFINITIONS
        .iter()
        .map(|definition| {
            let text = yaml::to_string(&definition.crd())
                .with_context(|| format!("write the definition of `{}`", definition.kind))?;
            Ok((definition.file_name(), format!("---\n{text}")))
        })
        .collect()
}

fn write(directory: &Path, files: &[File]) -> Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("create directory `{}`", directory.display()))?;
    for (name, text) in files {
        let path = directory.join(name);
        fs::write(&path, text).with_context(|| format!("write `{}`", path.display()))?;
    }
    Ok(())
}

/// The files that are missing, different or not ours, each with which of these it is.
fn differences(directory: &Path, files: &[File]) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for (name, text) in files {
        let path = directory.join(name);
        match fs::read_to_string(&path) {
            Ok(found) if found == *text => {}
            Ok(_) => wrong.push(format!("{}: differs", path.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                wrong.push(format!("{}: missing", path.display()));
            }
            Err(error) => return Err(error).with_context(|| format!("read `{}`", path.display())),
        }
    }
    wrong.extend(left_over(directory, files)?);
    Ok(wrong)
}

/// Files of kinds that are no more; `kubectl apply` of the directory would still create them.
fn left_over(directory: &Path, files: &[File]) -> Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(|| format!("list directory `{}`", directory.display()))?,
    };
    let mut wrong = Vec::new();
    for entry in entries {
        let path = entry
            .with_context(|| format!("list directory `{}`", directory.display()))?
            .path();
        let ours = path
            .file_name()
            .is_some_and(|name| files.iter().any(|(file, _)| name == file.as_str()));
        if !ours {
            wrong.push(format!("{}: left over", path.display()));
        }
    }
    wrong.sort();
    Ok(wrong)
}

#[expect(clippy::print_stderr, reason = "a command speaks to its caller")]
fn report(wrong: &[String]) {
    for line in wrong {
        eprintln!("{line}");
    }
    if !wrong.is_empty() {
        eprintln!("run `make crds` and commit what it writes");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<File> {
        vec![
            ("a.yaml".to_owned(), "a: 1\n".to_owned()),
            ("b.yaml".to_owned(), "b: 2\n".to_owned()),
        ]
    }

    #[test]
    fn what_was_written_is_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let below = directory.path().join("manifests/crds");
        write(&below, &sample()).unwrap();
        assert_eq!(differences(&below, &sample()).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn missing_different_and_left_over_files_are_named() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("a.yaml"), "a: 2\n").unwrap();
        fs::write(directory.path().join("c.yaml"), "").unwrap();
        let named: Vec<String> = differences(directory.path(), &sample())
            .unwrap()
            .iter()
            .filter_map(|line| line.rsplit_once('/').map(|(_, name)| name.to_owned()))
            .collect();
        assert_eq!(named, ["a.yaml: differs", "b.yaml: missing", "c.yaml: left over"]);
    }

    #[test]
    fn a_directory_that_is_not_there_misses_every_file() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(differences(&directory.path().join("none"), &sample()).unwrap().len(), 2);
    }

    #[test]
    fn the_text_is_the_same_every_time() {
        assert_eq!(files().unwrap(), files().unwrap());
    }
}
