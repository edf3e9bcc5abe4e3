//! Writes the files of `manifests/`: the CRDs of `velero::api`, and an installation as `velero install` makes it. With
//! `--check` it compares them instead.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, io};

use anyhow::{Context as _, Result, bail};
use velero::api::crds::CRDS;
use velero::cli::install::manifests;
use velero::cluster::yaml;

const USAGE: &str = "usage: crd-gen [--check] [DIRECTORY]

Writes the files of manifests/ to DIRECTORY (manifests when not given): one for each kind below crds, and an installation.
With --check nothing is written: prints the files that are missing, different or left over, and exits with 1 if there are any.";

/// The directory of the CRDs; upstream's documentation applies it alone.
const CRDS_DIRECTORY: &str = "crds";

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
    let directory = directory.unwrap_or_else(|| PathBuf::from("manifests"));
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

/// A file's path below the directory and its text.
type File = (String, String);

fn files() -> Result<Vec<File>> {
    let crds = CRDS.iter().map(|crd| {
        let text = yaml::to_string(&crd.manifest()).with_context(|| format!("write the CRD of `{}`", crd.kind))?;
        let path = format!("{CRDS_DIRECTORY}/{}", crd.file_name());
        Ok((path, format!("---\n{text}")))
    });
    let mut files = crds.collect::<Result<Vec<_>>>()?;
    files.extend(manifests().context("write an installation")?);
    Ok(files)
}

fn write(directory: &Path, files: &[File]) -> Result<()> {
    for (name, text) in files {
        let path = directory.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("create directory `{}`", parent.display()))?;
        }
        fs::write(&path, text).with_context(|| format!("write `{}`", path.display()))?;
    }
    Ok(())
}

/// The files that are missing, different or left over, each with which of these it is.
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

/// Files that are no longer written; `kubectl apply` of the directory would still create their objects.
fn left_over(directory: &Path, files: &[File]) -> Result<Vec<String>> {
    let ours: BTreeSet<PathBuf> = files.iter().map(|(name, _)| directory.join(name)).collect();
    let directories: BTreeSet<&Path> = ours.iter().filter_map(|path| path.parent()).collect();
    let mut wrong = Vec::new();
    for &inside in &directories {
        let entries = match fs::read_dir(inside) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries.with_context(|| format!("list directory `{}`", inside.display()))?,
        };
        for entry in entries {
            let path = entry
                .with_context(|| format!("list directory `{}`", inside.display()))?
                .path();
            if !ours.contains(&path) && !directories.contains(path.as_path()) {
                wrong.push(format!("{}: left over", path.display()));
            }
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
        eprintln!("run `make manifests` and commit what it writes");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<File> {
        vec![
            ("crds/a.yaml".to_owned(), "a: 1\n".to_owned()),
            ("b.yaml".to_owned(), "b: 2\n".to_owned()),
        ]
    }

    #[test]
    fn written_files_pass_the_check() {
        let directory = tempfile::tempdir().unwrap();
        let below = directory.path().join("manifests");
        write(&below, &sample()).unwrap();
        assert_eq!(differences(&below, &sample()).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn missing_different_and_left_over_files_are_named() {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("crds")).unwrap();
        fs::write(directory.path().join("crds/a.yaml"), "a: 2\n").unwrap();
        fs::write(directory.path().join("crds/c.yaml"), "").unwrap();
        fs::write(directory.path().join("d.yaml"), "").unwrap();
        let named: Vec<String> = differences(directory.path(), &sample())
            .unwrap()
            .iter()
            .filter_map(|line| line.rsplit_once('/').map(|(_, name)| name.to_owned()))
            .collect();
        let want = [
            "a.yaml: differs",
            "b.yaml: missing",
            "c.yaml: left over",
            "d.yaml: left over",
        ];
        assert_eq!(named, want);
    }

    #[test]
    fn a_missing_directory_misses_every_file() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(differences(&directory.path().join("none"), &sample()).unwrap().len(), 2);
    }

    #[test]
    fn every_run_writes_the_same_text() {
        assert_eq!(files().unwrap(), files().unwrap());
    }
}
