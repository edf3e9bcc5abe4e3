//! The CRDs against upstream's, and against the committed manifests.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;
use similar_asserts::assert_eq;
use velero::api::crds::CRDS;
use velero::api::schema::Crd;
use velero::cluster::yaml;

use super::data::{file_names, read_yaml, root};
use super::schema::{comparable, narrower, remove, schema, schema_mut, undescribed};

#[test]
fn crds_equal_upstreams_but_for_descriptions_and_additions() {
    let mut unused = additions();
    for crd in CRDS {
        let mut ours = comparable(serde_json::to_value(crd.manifest()).unwrap());
        let theirs = comparable(read_yaml(&format!("crds/1.18.1/{}", crd.file_name())));
        for path in additions()
            .iter()
            .filter(|(plural, _)| plural == crd.plural)
            .map(|(_, path)| path)
        {
            assert!(
                remove(schema_mut(&mut ours), path).is_some(),
                "{}: {path} is listed but missing",
                crd.kind
            );
            unused.remove(&(crd.plural.to_owned(), path.clone()));
        }
        assert_eq!(ours: ours, upstream: theirs, "{}", crd.kind);
    }
    assert_eq!(unused, BTreeSet::new(), "additions to kinds that are not there");
}

#[test]
fn every_kind_of_upstream_has_a_crd() {
    let theirs = file_names("tests/data/crds/1.18.1");
    let ours: BTreeSet<String> = CRDS.iter().map(Crd::file_name).collect();
    assert_eq!(ours, theirs);
}

/// Where our CRDs accept less than those of 1.6.3, with the reason.
const NARROWER_THAN_1_6_3: [(&str, &str); 1] = [(
    "podvolumerestores spec.required sourceNamespace",
    "required by upstream since 1.10; older objects are read, and are only ever deleted",
)];

#[test]
fn whatever_crds_of_1_6_3_accept_is_accepted() {
    let mut found = Vec::new();
    for name in file_names("tests/data/crds/1.6.3") {
        if name == "velero.io_resticrepositories.yaml" {
            continue; // a kind that later releases neither read nor migrate
        }
        let theirs = read_yaml(&format!("crds/1.6.3/{name}"));
        let crd = CRDS.iter().find(|crd| crd.file_name() == name).unwrap();
        let ours = serde_json::to_value(crd.manifest()).unwrap();
        assert_eq!(ours["spec"]["names"]["kind"], theirs["spec"]["names"]["kind"]);
        assert_eq!(ours["spec"]["scope"], theirs["spec"]["scope"]);
        narrower(crd.plural, "", schema(&ours), schema(&theirs), &mut found);
    }
    let expected: Vec<String> = NARROWER_THAN_1_6_3.iter().map(|(what, _)| (*what).to_owned()).collect();
    assert_eq!(found, expected);
}

#[test]
fn committed_manifests_match_the_types() {
    let directory = root().join("manifests/crds");
    let ours: BTreeSet<String> = CRDS.iter().map(Crd::file_name).collect();
    assert_eq!(file_names("manifests/crds"), ours, "run `make manifests`");
    for crd in CRDS {
        let text = fs::read_to_string(directory.join(crd.file_name())).unwrap();
        let committed: Value = yaml::from_str(&text).unwrap();
        assert_eq!(
            committed,
            serde_json::to_value(crd.manifest()).unwrap(),
            "{}: run `make manifests`",
            crd.kind
        );
    }
}

#[test]
fn every_property_has_a_description() {
    for crd in CRDS {
        let manifest = serde_json::to_value(crd.manifest()).unwrap();
        let mut silent = Vec::new();
        undescribed("", schema(&manifest), &mut silent);
        // controller-gen leaves metadata without one; the API server describes it itself.
        assert_eq!(silent, ["metadata"], "{}", crd.kind);
    }
}

fn additions() -> BTreeSet<(String, String)> {
    fs::read_to_string(root().join("tests/crd_additions.txt"))
        .unwrap()
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once(' ').unwrap())
        .map(|(plural, path)| (plural.to_owned(), path.to_owned()))
        .collect()
}
