//! What the framework's own tests have beside the public kit: the kit for one kind, and objects of it.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::Status;

use super::backoff::Policy;
use super::object::ObjectRef;
use super::task::Task;
use super::testing;
use super::watch::{Guarded, SharedWatch};

pub(crate) use super::testing::{Answer, LeaseServer, Oops, Stage, gone, pass};

pub(crate) type Probe = testing::Probe<ConfigMap>;
pub(crate) type Script = testing::Script<ConfigMap>;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// Waits that double from one second, without jitter.
pub(crate) const EXACT: Policy = Policy::doubling(SECOND, Duration::from_mins(5)).exact();

pub(crate) fn scripted() -> (Script, SharedWatch<ConfigMap>, Task<()>) {
    testing::scripted()
}

pub(crate) fn object(name: &str, uid: &str, version: u64) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.into()),
            namespace: Some("ns".into()),
            uid: Some(uid.into()),
            resource_version: Some(version.to_string()),
            ..ObjectMeta::default()
        },
        ..ConfigMap::default()
    }
}

pub(crate) fn labelled(mut object: ConfigMap, key: &str, value: &str) -> ConfigMap {
    object.metadata.labels = Some(BTreeMap::from([(key.into(), value.into())]));
    object
}

pub(crate) fn key(name: &str) -> ObjectRef<ConfigMap> {
    ObjectRef::new(name).within("ns")
}

pub(crate) fn unreadable(name: &str, uid: &str) -> Guarded<ConfigMap> {
    Guarded::Broken {
        metadata: Box::new(object(name, uid, 1).metadata),
        error: "invalid type: integer `5`, expected a map".into(),
    }
}

pub(crate) fn refused(code: u16) -> kube::Error {
    kube::Error::Api(Box::new(Status::failure("refused", "Refused").with_code(code)))
}
