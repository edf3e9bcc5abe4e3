//! Flags of `velero install` that go together, and those that do not.

use clap::Parser;

use super::*;

#[test]
fn a_directory_of_a_node_needs_a_namespace_that_admits_it() {
    let admitted = |level: Option<&str>| {
        let labels = level.map(|level| (POD_SECURITY.to_owned(), level.to_owned()));
        host_path_is_admitted("v", &labels.into_iter().collect()).map_err(|refused| refused.to_string())
    };
    assert_eq!((admitted(None), admitted(Some("privileged"))), (Ok(()), Ok(())));
    for level in ["baseline", "restricted"] {
        let refused = admitted(Some(level)).unwrap_err();
        assert!(
            refused.contains(&format!(
                "namespace \"v\" admits pods of the pod security level \"{level}\" only"
            )),
            "{refused}"
        );
    }
}

#[test]
fn values_out_of_bounds_are_refused_before_anything_is_made() {
    for (flags, text) in [
        ("--concurrent-backups=-5", "--concurrent-backups cannot be negative"),
        (
            "--item-block-worker-count=-1",
            "--item-block-worker-count cannot be negative",
        ),
        (
            "--artifact-url https://n:80 --artifact-node-port 80",
            "--artifact-node-port is below",
        ),
        (
            "--sa-annotations a=b --service-account-name s",
            "--sa-annotations and --service-account-name",
        ),
        ("--pod-labels a=-b", "--pod-labels: a=-b is no label"),
    ] {
        let refused = checked(&format!("--image i --filesystem-claim c {flags}"))
            .unwrap_err()
            .to_string();
        assert!(refused.starts_with(text), "{refused}");
    }
    let refused = checked("--image i --filesystem-host-path d --node n")
        .unwrap_err()
        .to_string();
    assert_eq!(refused, "--filesystem-host-path: \"d\" is no absolute path");
    assert!(
        checked("--image i --filesystem-claim c --artifact-url https://n:30443 --artifact-node-port 30443").is_ok()
    );
}

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    install: Install,
}

fn checked(line: &str) -> Result<InstallOptions, Refused> {
    let words = ["install"].into_iter().chain(line.split_whitespace());
    Line::try_parse_from(words)
        .unwrap()
        .install
        .checked("velero", &BTreeSet::new())
}

#[test]
fn without_a_provider_backups_go_to_a_volume() {
    let options = checked("--image i --filesystem-claim c").unwrap();
    assert_eq!(options.location, Some(LocationOptions::filesystem()));
    assert_eq!(options.volume, Some(Volume::Claim("c".into())));
    assert_eq!(options.snapshot_location, None);
    assert_eq!(options.resources, Resources::server_defaults());
    let demo = checked("--image i --filesystem-host-path /d --node n --backup-location-config fspath=/x").unwrap();
    assert_eq!(
        demo.volume,
        Some(Volume::HostPath {
            directory: "/d".into(),
            node: "n".into()
        })
    );
    assert_eq!(demo.mount_path(), "/x");
}

#[test]
fn another_provider_needs_a_bucket_and_a_word_about_the_secret() {
    let options = checked("--image i --provider aws --bucket b --no-secret").unwrap();
    assert_eq!(options.location.unwrap().bucket, "b");
    assert_eq!(options.snapshot_location.unwrap().provider, "aws");
    assert_eq!(options.volume, None);
}

#[test]
fn what_does_not_go_together_is_refused() {
    let cases = [
        ("", "stores in a volume"),
        ("--filesystem-claim c", "--image is required"),
        ("--provider aws", "--bucket is required"),
        (
            "--provider aws --bucket b",
            "One of --secret-file or --no-secret is required",
        ),
        ("--provider aws --bucket=-b", "Bucket names cannot begin with a dash"),
        (
            "--provider aws --bucket b --no-secret --secret-file x",
            "Cannot use both --secret-file and --no-secret",
        ),
        (
            "--provider aws --bucket b --filesystem-claim c",
            "need the provider velero.io/fs",
        ),
        ("--filesystem-claim c --filesystem-host-path /d", "exclude one another"),
        ("--filesystem-host-path /d", "need one another"),
        ("--no-default-backup-location --bucket b", "Cannot use both --bucket"),
        (
            "--no-default-backup-location --provider aws --use-volume-snapshots=false",
            "--provider must be empty",
        ),
        (
            "--no-default-backup-location --use-volume-snapshots",
            "--provider is required when",
        ),
        (
            "--provider aws --bucket b --use-volume-snapshots=false --snapshot-location-config a=b",
            "must be empty",
        ),
        ("--filesystem-claim c --use-node-agent", "no node agent yet"),
        (
            "--filesystem-claim c --default-volumes-to-fs-backup",
            "--use-node-agent is required",
        ),
        (
            "--filesystem-claim c --uploader-type restic",
            "invalid uploader type 'restic'",
        ),
        (
            "--filesystem-claim c --garbage-collection-frequency=-1s",
            "must be non-negative",
        ),
        (
            "--image i --filesystem-claim c --velero-pod-cpu-request 2",
            "must be less than or equal",
        ),
        ("--image i --provider aws --bucket b --secret-file /no/such", "/no/such"),
        (
            "--image i --filesystem-claim c --artifact-node-port 30443",
            "--artifact-node-port needs --artifact-url",
        ),
        (
            "--image i --filesystem-claim c --artifact-ingress-class nginx",
            "--artifact-ingress-class needs --artifact-url",
        ),
        (
            "--image i --filesystem-claim c --artifact-ingress-class nginx --artifact-url https://10.0.0.1",
            "--artifact-ingress-class needs --artifact-url",
        ),
        (
            "--image i --filesystem-claim c --artifact-ingress-class nginx --artifact-url https://a/b",
            "--artifact-ingress-class needs --artifact-url",
        ),
        (
            "--image i --provider gcp --bucket b --no-secret",
            "no object store for provider `gcp`",
        ),
        (
            "--image i --provider aws --bucket a/b --no-secret",
            "must not have a slash inside",
        ),
        (
            "--image i --filesystem-claim c --bucket a/b",
            "must not have a slash inside",
        ),
        (
            "--image i --provider aws --bucket b --no-secret --backup-location-config prefix=p",
            "set `spec.objectStorage.prefix`",
        ),
        (
            "--image i --provider aws --bucket b --no-secret --backup-location-config regoin=x",
            "unknown key `regoin`",
        ),
        (
            "--image i --provider aws --bucket b --no-secret --backup-location-config region=x --backup-location-config region=y",
            "invalid argument for \"--backup-location-config\" flag: \"region\" is given twice",
        ),
    ];
    for (line, want) in cases {
        let error = checked(line).unwrap_err().to_string();
        assert!(error.contains(want), "{line}: {error}");
    }
}

#[test]
fn a_way_to_the_artifacts_is_what_the_flags_say() {
    let options = checked("--image i --filesystem-claim c").unwrap();
    assert_eq!(options.artifacts, ArtifactOptions::default());
    assert_eq!(options.artifact_url().as_str(), "https://velero.velero.svc:8443");
    assert!(options.location.unwrap().trusts_the_server());
    let options =
        checked("--image i --filesystem-claim c --artifact-url https://n:30443/ --artifact-node-port 30443").unwrap();
    assert_eq!(options.artifact_url().as_str(), "https://n:30443");
    assert_eq!(options.artifacts.node_port, Some(30443));
    let signing = checked("--image i --provider aws --bucket b --no-secret").unwrap();
    assert!(!signing.location.unwrap().trusts_the_server());
}

#[test]
fn a_quantity_of_zero_is_left_out() {
    let options = checked("--image i --filesystem-claim c --velero-pod-cpu-limit 0 --velero-pod-mem-limit 0").unwrap();
    assert_eq!(options.resources.cpu_limit, None);
    assert!(options.resources.cpu_request.is_some());
}

#[test]
fn plugins_are_named_in_a_warning() {
    let install = Line::try_parse_from(["install", "--plugins", "a,b"]).unwrap().install;
    assert!(install.warnings()[0].ends_with("a, b"));
}

#[test]
fn a_configmap_must_hold_json_objects() {
    let of = |pairs: &[(&str, &str)]| ConfigMap {
        data: Some(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()),
        ..ConfigMap::default()
    };
    assert!(holds_json(&of(&[("a", "{}")])).is_ok());
    assert!(holds_json(&of(&[])).is_err());
    assert!(holds_json(&of(&[("a", "[]")])).is_err());
    assert!(holds_json(&of(&[("a", "x")])).is_err());
}
