//! What all kinds of the commands have in common.

use std::fmt::Debug;

use kube::Resource;
use kube::core::NamespaceResourceScope;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::RequestError;
use crate::api::names::is_object_name;

/// A kind of Velero.
pub trait Kind:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + DeserializeOwned
    + Serialize
    + Send
    + Sync
    + 'static
{
}

impl<K> Kind for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Serialize
        + Send
        + Sync
        + 'static
{
}

pub(super) fn failed<K: Kind>(error: kube::Error) -> RequestError {
    RequestError::of(error, &format!("{}.{}", K::plural(&()), K::group(&())))
}

/// Refuses an invalid name before it becomes part of the path of a request, with client-go's message if there is one. kube does
/// not escape names: `x?dryRun=All` would request the object `x`.
pub(super) fn check_name<K: Kind>(name: &str) -> Result<(), RequestError> {
    let invalid = |why: &str| RequestError::Refused {
        code: 400,
        reason: "BadRequest".to_owned(),
        message: format!("invalid resource name {name:?}: [{why}]"),
    };
    match name {
        "" => Err(RequestError::Refused {
            code: 400,
            reason: "BadRequest".to_owned(),
            message: "resource name may not be empty".to_owned(),
        }),
        "." | ".." => Err(invalid(&format!("may not be '{name}'"))),
        _ if name.contains('/') => Err(invalid("may not contain '/'")),
        _ if name.contains('%') => Err(invalid("may not contain '%'")),
        _ if !is_object_name(name) => Err(RequestError::Refused {
            code: 404,
            reason: "NotFound".to_owned(),
            message: format!("{}.{} {name:?} not found", K::plural(&()), K::group(&())),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::v1::Backup;

    #[test]
    fn names_that_change_the_path_are_refused() {
        for (name, refused) in [
            ("b1", None),
            ("b-1.nightly", None),
            ("", Some("resource name may not be empty")),
            (".", Some("invalid resource name \".\": [may not be '.']")),
            ("..", Some("invalid resource name \"..\": [may not be '..']")),
            ("a/b", Some("invalid resource name \"a/b\": [may not contain '/']")),
            ("a%2fb", Some("invalid resource name \"a%2fb\": [may not contain '%']")),
            ("x?dryRun=All", Some("backups.velero.io \"x?dryRun=All\" not found")),
            ("x#y", Some("backups.velero.io \"x#y\" not found")),
            ("b 1", Some("backups.velero.io \"b 1\" not found")),
        ] {
            let error = check_name::<Backup>(name).err().map(|error| error.to_string());
            assert_eq!(error.as_deref(), refused);
        }
    }
}
