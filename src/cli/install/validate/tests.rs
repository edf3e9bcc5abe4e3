//! Combinations of flags of `velero install`, valid and invalid.

use clap::Parser;

use super::*;
use crate::cli::install::options::{LocationOptions, Volume};

#[test]
fn values_out_of_bounds_are_refused_before_objects_are_created() {
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
        ("--pod-labels a=-b", "--pod-labels: a=-b is not a valid label"),
    ] {
        let refused = validated(&format!("--image i --filesystem-claim c {flags}"))
            .unwrap_err()
            .to_string();
        assert!(refused.starts_with(text), "{refused}");
    }
    let refused = validated("--image i --filesystem-host-path d --node n")
        .unwrap_err()
        .to_string();
    assert_eq!(refused, "--filesystem-host-path: \"d\" is not an absolute path");
    assert!(
        validated("--image i --filesystem-claim c --artifact-url https://n:30443 --artifact-node-port 30443").is_ok()
    );
}

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    install: Install,
}

fn validated(line: &str) -> Result<InstallOptions, InstallError> {
    let words = ["install"].into_iter().chain(line.split_whitespace());
    Line::try_parse_from(words)
        .unwrap()
        .install
        .validated("velero", &BTreeSet::new())
}

#[test]
fn without_a_provider_backups_are_stored_on_a_volume() {
    let options = validated("--image i --filesystem-claim c").unwrap();
    assert_eq!(options.location, Some(LocationOptions::filesystem()));
    assert_eq!(options.volume, Some(Volume::Claim("c".into())));
    assert_eq!(options.snapshot_location, None);
    assert_eq!(options.resources, Resources::server_defaults());
    let demo = validated("--image i --filesystem-host-path /d --node n --backup-location-config fspath=/x").unwrap();
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
fn another_provider_needs_a_bucket_and_a_secret_flag() {
    let options = validated("--image i --provider aws --bucket b --no-secret").unwrap();
    assert_eq!(options.location.unwrap().bucket, "b");
    assert_eq!(options.snapshot_location.unwrap().provider, "aws");
    assert_eq!(options.volume, None);
}

#[test]
fn contradicting_flags_are_refused() {
    let cases = [
        ("", "stores backups on a volume"),
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
        (
            "--filesystem-claim c --filesystem-host-path /d",
            "are mutually exclusive",
        ),
        ("--filesystem-host-path /d", "must be set together"),
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
        let error = validated(line).unwrap_err().to_string();
        assert!(error.contains(want), "{line}: {error}");
    }
}

#[test]
fn the_artifact_options_are_those_of_the_flags() {
    let options = validated("--image i --filesystem-claim c").unwrap();
    assert_eq!(options.artifacts, ArtifactOptions::default());
    assert_eq!(options.artifact_url().as_str(), "https://velero.velero.svc:8443");
    assert!(options.location.unwrap().trusts_the_server());
    let options =
        validated("--image i --filesystem-claim c --artifact-url https://n:30443/ --artifact-node-port 30443").unwrap();
    assert_eq!(options.artifact_url().as_str(), "https://n:30443");
    assert_eq!(options.artifacts.node_port, Some(30443));
    let signing = validated("--image i --provider aws --bucket b --no-secret").unwrap();
    assert!(!signing.location.unwrap().trusts_the_server());
}

#[test]
fn a_quantity_of_zero_is_omitted() {
    let options =
        validated("--image i --filesystem-claim c --velero-pod-cpu-limit 0 --velero-pod-mem-limit 0").unwrap();
    assert_eq!(options.resources.cpu_limit, None);
    assert!(options.resources.cpu_request.is_some());
}

#[test]
fn a_warning_names_the_ignored_plugins() {
    let install = Line::try_parse_from(["install", "--plugins", "a,b"]).unwrap().install;
    assert!(install.warnings()[0].ends_with("a, b"));
}
