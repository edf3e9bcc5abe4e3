//! CSI snapshots in the files of releases before 1.13: the Kubernetes objects themselves.

use serde_json::Value;

use crate::api::artifact::{CsiSnapshotInfo, VolumeInfo};

/// One volume for each snapshot content, with the claim of the snapshot that is bound to it.
pub(super) fn volumes(snapshots: &Value, contents: &Value) -> Vec<VolumeInfo> {
    let snapshots = items(snapshots);
    items(contents)
        .iter()
        .map(|content| volume(content, snapshots))
        .collect()
}

fn items(list: &Value) -> &[Value] {
    list.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn volume(content: &Value, snapshots: &[Value]) -> VolumeInfo {
    let name = text(content, "/metadata/name");
    let claim = snapshots.iter().rev().find(|snapshot| {
        !text(snapshot, "/spec/source/persistentVolumeClaimName").is_empty()
            && text(snapshot, "/status/boundVolumeSnapshotContentName") == name
    });
    VolumeInfo {
        pvc_namespace: claim
            .map(|snapshot| text(snapshot, "/metadata/namespace"))
            .unwrap_or_default(),
        pvc_name: claim.map_or_else(
            || "<PVC name not found>".to_owned(),
            |snapshot| text(snapshot, "/spec/source/persistentVolumeClaimName"),
        ),
        preserve_local_snapshot: true,
        csi_snapshot_info: Some(CsiSnapshotInfo {
            driver: text(content, "/spec/driver"),
            snapshot_handle: text(content, "/status/snapshotHandle"),
            size: content
                .pointer("/status/restoreSize")
                .and_then(Value::as_i64)
                .unwrap_or_default(),
            vsc_name: name,
            ..CsiSnapshotInfo::default()
        }),
        ..VolumeInfo::default()
    }
}

fn text(object: &Value, pointer: &str) -> String {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_content_has_the_pvc_name_of_its_snapshot() {
        let snapshots = json!([{
            "metadata": {"name": "s", "namespace": "shop"},
            "spec": {"source": {"persistentVolumeClaimName": "data"}},
            "status": {"boundVolumeSnapshotContentName": "c1"},
        }]);
        let contents = json!([
            {"metadata": {"name": "c1"}, "spec": {"driver": "d"}, "status": {"snapshotHandle": "h", "restoreSize": 5}},
            {"metadata": {"name": "c2"}, "spec": {"driver": "d"}},
        ]);
        let volumes = volumes(&snapshots, &contents);
        assert_eq!(
            (volumes[0].pvc_namespace.as_str(), volumes[0].pvc_name.as_str()),
            ("shop", "data")
        );
        let info = volumes[0].csi_snapshot_info.as_ref().unwrap();
        assert_eq!((info.snapshot_handle.as_str(), info.size), ("h", 5));
        assert_eq!(volumes[1].pvc_name, "<PVC name not found>");
        assert_eq!(super::volumes(&Value::Null, &Value::Null), []);
    }
}
