//! Which kubeconfig counts, by kubectl's rules: `--kubeconfig` alone if it is given, else the files of `$KUBECONFIG`, else
//! the user's own. The files are merged: the first to name a cluster, a user, a context or the current context wins.

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use kube::config::{Kubeconfig, KubeconfigError};

use super::error::ConnectError;

/// Where a process finds its kubeconfig.
#[derive(Clone, Debug, Default)]
pub(super) struct Surroundings {
    /// `$KUBECONFIG`.
    pub(super) list: Option<OsString>,
    /// The user's directory.
    pub(super) home: Option<PathBuf>,
}

impl Surroundings {
    /// Those of this process.
    pub(super) fn of_process() -> Self {
        Self {
            list: env::var_os("KUBECONFIG"),
            home: env::home_dir(),
        }
    }
}

/// What the files say.
#[derive(Debug)]
pub(super) enum Found {
    /// A configuration that chooses this context.
    Chosen(Box<Kubeconfig>, String),
    /// None chooses a context. The reason is part of the error if there is no in-cluster configuration either.
    Nothing(String),
}

/// Reads and merges the files. `explicit` is the file of `--kubeconfig`, `context` that of `--kubecontext`.
///
/// # Errors
/// A file that was named alone does not exist, one cannot be read, or the context is in none.
pub(super) fn find(
    explicit: Option<&Path>,
    context: Option<&str>,
    surroundings: &Surroundings,
) -> Result<Found, ConnectError> {
    let (files, merged) = if let Some(file) = explicit {
        (vec![file.to_owned()], read(file)?)
    } else {
        let files = files(surroundings);
        let merged = merge(&files)?;
        (files, merged)
    };
    let shown = shown(&files);
    let current = merged.current_context.as_deref().filter(|name| !name.is_empty());
    let Some(name) = context.or(current).map(str::to_owned) else {
        let why = format!("no current context is set in {shown}");
        return match explicit {
            // A file that was named is never replaced by the in-cluster configuration.
            Some(_) => Err(ConnectError::Config(why)),
            None => Ok(Found::Nothing(why)),
        };
    };
    if !merged.contexts.iter().any(|known| known.name == name) {
        return Err(ConnectError::Config(format!(
            "context {name:?} does not exist in {shown}"
        )));
    }
    Ok(Found::Chosen(Box::new(merged), name))
}

/// The files in the order in which they count, without empty entries and repetitions.
fn files(surroundings: &Surroundings) -> Vec<PathBuf> {
    let Some(list) = surroundings.list.as_ref().filter(|list| !list.is_empty()) else {
        let own = surroundings.home.as_ref().map(|home| home.join(".kube/config"));
        return own.into_iter().collect();
    };
    let mut files: Vec<PathBuf> = Vec::new();
    for file in env::split_paths(list) {
        if !file.as_os_str().is_empty() && !files.contains(&file) {
            files.push(file);
        }
    }
    files
}

/// Merges the files that exist.
fn merge(files: &[PathBuf]) -> Result<Kubeconfig, ConnectError> {
    let mut merged = Kubeconfig::default();
    for file in files {
        let next = match Kubeconfig::read_from(file) {
            Ok(next) => next,
            Err(KubeconfigError::ReadConfig(error, _)) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(unread(file, &error)),
        };
        // The crate prefers an empty current context of an earlier file to the name in a later one.
        merged.current_context = merged.current_context.filter(|name| !name.is_empty());
        merged = merged.merge(next).map_err(|error| unread(file, &error))?;
    }
    Ok(merged)
}

fn read(file: &Path) -> Result<Kubeconfig, ConnectError> {
    Kubeconfig::read_from(file).map_err(|error| unread(file, &error))
}

fn unread(file: &Path, error: &KubeconfigError) -> ConnectError {
    let why = match error {
        KubeconfigError::ReadConfig(error, _) => error.to_string(),
        other => other.to_string(),
    };
    ConnectError::Config(format!("read the kubeconfig {:?}: {why}", file.display().to_string()))
}

fn shown(files: &[PathBuf]) -> String {
    if files.is_empty() {
        return "any kubeconfig, because none is named".to_owned();
    }
    let shown: Vec<String> = files
        .iter()
        .map(|file| {
            let note = if file.exists() { "" } else { " (which does not exist)" };
            format!("{}{note}", file.display())
        })
        .collect();
    shown.join(", ")
}

#[cfg(test)]
mod tests;
