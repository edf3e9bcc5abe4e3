//! Which staged objects belong into one block: upstream's item block actions `velero.io/pod` and
//! `velero.io/pvc` (spec backup 8), read from one object at a time.
//!
//! The third, `velero.io/service-account`, is not needed: the item action of that name already saves the same objects.

use serde_json::Error;

use super::done::Key;
use super::facts::{ClaimFacts, PodFacts};
use super::staging::Related;
use super::types::KnownType;
use crate::cluster::discovery::GroupResource;
use crate::cluster::raw::RawObject;
use crate::hook;

/// The objects of the same block. `group_label`: the label with the value that groups claims (`spec.volumeGroupSnapshotLabelKey`).
///
/// Every pod shares a block with its claims. Upstream does so only for running pods, which are those with hooks. But every
/// saved pod has its claims saved with it, and in a block of its own that could be before the pods that write to them are
/// frozen.
pub(super) fn related(known: KnownType, object: &RawObject, group_label: &str) -> Result<Related, Error> {
    let namespace = object.head.namespace.as_deref();
    let claims = GroupResource::new("", "persistentvolumeclaims");
    Ok(match known {
        KnownType::Pod => {
            let pod: PodFacts = serde_json::from_slice(&object.json)?;
            Related {
                with: pod.claims().map(|name| Key::new(&claims, namespace, name)).collect(),
                hooked: hook::asked(pod.annotations()),
                ..Related::default()
            }
        }
        KnownType::Claim => {
            let claim: ClaimFacts = serde_json::from_slice(&object.json)?;
            let volumes = GroupResource::new("", "persistentvolumes");
            let group = object.head.labels.get(group_label).filter(|value| !value.is_empty());
            Related {
                with: claim
                    .bound_volume()
                    .map(|name| Key::new(&volumes, None, name))
                    .into_iter()
                    .collect(),
                group: group.map(|value| Key::new(&claims, namespace, value)),
                ..Related::default()
            }
        }
        KnownType::Volume | KnownType::Namespace | KnownType::Crd | KnownType::Other => Related::default(),
    })
}
