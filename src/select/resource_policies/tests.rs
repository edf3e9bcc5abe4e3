use std::collections::BTreeMap;

use super::*;

fn policies(text: &str) -> ResourcePolicies {
    ResourcePolicies::parse(text).unwrap_or_else(|error| panic!("{error} in\n{text}"))
}

fn refused(text: &str) -> String {
    ResourcePolicies::parse(text).expect_err(text).to_string()
}

/// Policies with one that skips what meets these conditions (YAML's flow form).
fn skipping(conditions: &str) -> ResourcePolicies {
    policies(&format!(
        "version: v1\nvolumePolicies:\n- conditions: {conditions}\n  action: {{type: skip}}\n"
    ))
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

/// The volumes of the table below, by name.
fn with_volumes(test: impl FnOnce(&[(&str, VolumeTraits<'_>)])) {
    let (attributes, labels) = (
        map(&[("protocol", "nfs"), ("tier", "1")]),
        map(&[("app", "db"), ("tier", "1")]),
    );
    let none = BTreeMap::new();
    let of = |field| VolumeType::of_field(field);
    test(&[
        (
            "disk",
            VolumeTraits {
                capacity: "10Gi".parse().unwrap(),
                storage_class: "fast",
                volume_type: of("gcePersistentDisk"),
                claim: Some(ClaimTraits {
                    labels: &labels,
                    phase: "Bound",
                }),
                ..VolumeTraits::default()
            },
        ),
        (
            "csi",
            VolumeTraits {
                capacity: "200Gi".parse().unwrap(),
                storage_class: "slow",
                csi: Some(CsiTraits {
                    driver: "files.csi",
                    attributes: &attributes,
                }),
                volume_type: of("csi"),
                claim: Some(ClaimTraits {
                    labels: &none,
                    phase: "Bound",
                }),
                ..VolumeTraits::default()
            },
        ),
        (
            "nfs",
            VolumeTraits {
                capacity: "1Gi".parse().unwrap(),
                nfs: Some(NfsTraits {
                    server: "10.0.0.1",
                    path: "/a",
                }),
                volume_type: of("nfs"),
                ..VolumeTraits::default()
            },
        ),
        (
            "scratch",
            VolumeTraits {
                volume_type: of("emptyDir"),
                ..VolumeTraits::default()
            },
        ),
        (
            "pending",
            VolumeTraits {
                claim: Some(ClaimTraits {
                    labels: &labels,
                    phase: "Pending",
                }),
                ..VolumeTraits::default()
            },
        ),
    ]);
}

#[test]
fn a_volume_meets_the_conditions_that_are_about_it() {
    let all = ["disk", "csi", "nfs", "scratch", "pending"];
    // conditions, and the volumes that meet them
    let table: [(&str, &[&str]); 35] = [
        ("{}", &all),
        ("", &all),
        ("null", &all),
        (
            "{capacity: '', storageClass: [], nfs: null, csi: null, volumeTypes: [], pvcLabels: {}, pvcPhase: []}",
            &all,
        ),
        ("{capacity: '10Gi,100Gi'}", &["disk"]),
        ("{capacity: '10Gi,'}", &["disk", "csi"]),
        ("{capacity: ',10Gi'}", &["disk", "nfs", "scratch", "pending"]),
        ("{capacity: ','}", &all),
        ("{storageClass: [fast]}", &["disk"]),
        ("{storageClass: [fast, slow]}", &["disk", "csi"]),
        ("{storageClass: [FAST]}", &[]),
        ("{storageClass: ['']}", &[]),
        ("{nfs: {}}", &["nfs"]),
        ("{nfs: {server: 10.0.0.1}}", &["nfs"]),
        ("{nfs: {path: /a}}", &["nfs"]),
        ("{nfs: {server: 10.0.0.1, path: /a}}", &["nfs"]),
        ("{nfs: {server: 10.0.0.1, path: /b}}", &[]),
        ("{nfs: {server: 10.0.0.2}}", &[]),
        ("{csi: {}}", &["csi"]),
        ("{csi: {driver: files.csi}}", &["csi"]),
        ("{csi: {driver: other.csi}}", &[]),
        (
            "{csi: {driver: files.csi, volumeAttributes: {protocol: nfs}}}",
            &["csi"],
        ),
        ("{csi: {driver: files.csi, volumeAttributes: {tier: 1}}}", &["csi"]),
        (
            "{csi: {driver: files.csi, volumeAttributes: {protocol: nfs, more: x}}}",
            &[],
        ),
        ("{csi: {driver: files.csi, volumeAttributes: {protocol: smb}}}", &[]),
        ("{volumeTypes: [emptyDir, nfs]}", &["nfs", "scratch"]),
        ("{volumeTypes: [awsAzureDisk, storageOS]}", &[]),
        ("{pvcLabels: {app: db}}", &["disk", "pending"]),
        ("{pvcLabels: {app: db, tier: 1}}", &["disk", "pending"]),
        ("{pvcLabels: {app: db, tier: 2}}", &[]),
        ("{pvcPhase: [Bound]}", &["disk", "csi"]),
        ("{pvcPhase: [Pending, Lost]}", &["pending"]),
        ("{pvcPhase: [Lost]}", &[]),
        (
            "{pvcPhase: [Bound], pvcLabels: {app: db}, capacity: '1Gi,', storageClass: [fast]}",
            &["disk"],
        ),
        (
            "{pvcPhase: [Bound], pvcLabels: {app: db}, capacity: '20Gi,', storageClass: [fast]}",
            &[],
        ),
    ];
    for (conditions, expected) in table {
        let policies = skipping(conditions);
        with_volumes(|volumes| {
            let met: Vec<&str> = volumes
                .iter()
                .filter(|(_, volume)| policies.action_for(volume).is_some())
                .map(|(name, _)| *name)
                .collect();
            assert_eq!(met, expected, "{conditions}");
        });
    }
}

#[test]
fn the_first_policy_with_all_conditions_met_decides() {
    let policies = policies(
        "version: v1
volumePolicies:
- conditions: {storageClass: [fast]}
  action: {type: snapshot}
- conditions: {capacity: '5Gi,'}
  action: {type: fs-backup}
- conditions: {volumeTypes: [emptyDir]}
  action:
    type: custom
    parameters: {tool: mover, deep: {retries: 3}}
- conditions: {pvcPhase: [Pending]}
  action: {type: skip}
",
    );
    with_volumes(|volumes| {
        let actions: Vec<_> = volumes
            .iter()
            .map(|(name, volume)| (*name, policies.action_for(volume).map(|action| action.kind)))
            .collect();
        assert_eq!(
            actions,
            [
                ("disk", Some(ActionType::Snapshot)),
                ("csi", Some(ActionType::FsBackup)),
                ("nfs", None),
                ("scratch", Some(ActionType::Custom)),
                ("pending", Some(ActionType::Skip)),
            ]
        );
        let custom = policies.action_for(&volumes[3].1).expect("a policy");
        assert_eq!(custom.parameters["deep"]["retries"], 3);
    });
    assert!(policies.has_volume_policies() && policies.look_at_claims());
}

#[test]
fn without_policies_nothing_is_decided() {
    for policies in [ResourcePolicies::default(), policies("version: v1\nvolumePolicies:\n")] {
        assert!(!policies.has_volume_policies() && !policies.look_at_claims() && !policies.has_lists());
        assert_eq!(policies.lists(), PolicyLists::default());
    }
    assert!(!skipping("{storageClass: [fast]}").look_at_claims());
}

#[test]
fn lists_of_types_are_read() {
    let policies = policies(
        "version: v1
includeExcludePolicy:
  includedClusterScopedResources: [nodes]
  excludedClusterScopedResources: [persistentvolumes]
  includedNamespaceScopedResources: [pods, 'deploy*']
  excludedNamespaceScopedResources:
",
    );
    let lists = policies.lists();
    assert_eq!(lists.included_cluster_scoped, ["nodes"]);
    assert_eq!(lists.excluded_cluster_scoped, ["persistentvolumes"]);
    assert_eq!(lists.included_namespace_scoped, ["pods", "deploy*"]);
    assert!(lists.excluded_namespace_scoped.is_empty() && policies.has_lists());
}

#[test]
fn an_invalid_value_is_refused_with_its_line() {
    // Lines count from 1; what is wrong with the whole text has none.
    let table = [
        ("volumePolicies: []", "missing field `version`", 0),
        (
            "version: v2",
            "incompatible version number \"v2\" with supported version v1",
            1,
        ),
        ("version: v1\nvolumePolicy: []", "unknown field `volumePolicy`", 2),
        (
            "version: v1\nvolumePolicies: {a: b}",
            "volumePolicies: invalid type: map, expected a sequence",
            2,
        ),
        (
            "version: v1\nvolumePolicies:\n- conditions: {}\n  action:\n    type: delete",
            "volumePolicies[0].action.type: invalid action type \"delete\", expected one of skip, fs-backup, snapshot, custom",
            5,
        ),
        (
            "version: v1\nvolumePolicies:\n- action: {type: skip}\n- conditions: {}",
            "missing field `action`",
            4,
        ),
        (
            "version: v1\nvolumePolicies:\n- conditions: {}\n  action: {}",
            "missing field `type`",
            4,
        ),
        (
            "version: v1\nvolumePolicies:\n- action:\n    type: skip\n    param: x",
            "volumePolicies[0].action: unknown field `param`",
            5,
        ),
        (
            "version: v1\nvolumePolicies:\n- conditions:\n    capacity: '1Gi,'\n    storageclass: [a]\n  action: {type: skip}",
            "volumePolicies[0].conditions: unknown field `storageclass`, expected one of",
            5,
        ),
        (
            "version: v1\nvolumePolicies:\n- conditions:\n    capacity: 10Gi\n  action: {type: skip}",
            "volumePolicies[0].conditions.capacity: wrong format of capacity \"10Gi\"",
            4,
        ),
        (
            "version: v1\nvolumePolicies:\n- action: {type: skip}\n- conditions:\n    capacity: 2Gi,1Gi\n  action: {type: skip}",
            "volumePolicies[1].conditions.capacity: illegal values for capacity \"2Gi,1Gi\"",
            5,
        ),
        (
            "version: v1\nvolumePolicies:\n- conditions:\n    storageClass: fast\n  action: {type: skip}",
            "storageClass: invalid type: string \"fast\", expected a sequence",
            4,
        ),
        (
            "version: v1\nvolumePolicies:\n- conditions:\n    csi:\n      volumeAttributes: {a: b}\n  action: {type: skip}",
            "csi driver should not be empty",
            5,
        ),
        (
            "version: v1\nvolumePolicies:\n- conditions:\n    nfs:\n      host: a\n  action: {type: skip}",
            "unknown field `host`, expected `server` or `path`",
            5,
        ),
        (
            "version: v1\nvolumePolicies:\n- conditions:\n    volumeTypes:\n    - emptyDir\n    - emptydir\n  action: {type: skip}",
            "volumeTypes[1]: unknown volume type \"emptydir\", expected one of awsAzureDisk,",
            6,
        ),
        (
            "version: v1\nvolumePolicies:\n- conditions:\n    pvcLabels: [app]\n  action: {type: skip}",
            "pvcLabels: invalid type: sequence, expected a map",
            4,
        ),
        (
            "version: v1\nvolumePolicies:\n- conditions:\n    pvcPhase: [bound]\n  action: {type: skip}",
            "unknown phase \"bound\" of a claim, expected one of Pending, Bound, Lost",
            4,
        ),
        (
            "version: v1\nincludeExcludePolicy:\n  includedNamespaceScopedResources: ['*']",
            "'*' is not allowed",
            3,
        ),
        (
            "version: v1\nincludeExcludePolicy:\n  includedClusterScopedResources: [a]\n  excludedClusterScopedResources: [a]",
            "excludes list cannot contain an item in the includes list: a",
            3,
        ),
        (
            "version: v1\nincludeExcludePolicy:\n  includedResources: [a]",
            "unknown field `includedResources`",
            3,
        ),
        ("version: v1\nversion: v1", "duplicate field `version`", 0),
        (
            "version: v1\nvolumePolicies:\n- conditions:\n    pvcLabels: {a: b, a: c}\n  action: {type: skip}",
            "duplicate entry with key \"a\"",
            4,
        ),
        (
            "version: v1\nvolumePolicies: [",
            "did not find expected node content",
            3,
        ),
    ];
    let mut wrong = Vec::new();
    for (text, part, line) in table {
        let error = refused(text);
        if !error.contains(part) || (line > 0 && !error.contains(&format!("at line {line} "))) {
            wrong.push(format!("{text}\nexpected {part:?} at line {line}, got: {error}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn a_text_without_content_is_refused() {
    for text in ["", "# nothing\n", "null", "just words"] {
        refused(text);
    }
}

#[test]
fn a_text_too_long_for_the_run_record_is_refused() {
    let text = format!("version: v1\n#{}", "x".repeat(MAX_TEXT));
    assert!(refused(&text).contains("and more than 262144 are refused"));
}
