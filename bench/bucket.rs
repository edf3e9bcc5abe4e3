//! A bucket with the backups of another cluster, on an S3 server of this machine.

use std::fs;
use std::path::PathBuf;

use object_store::ObjectStoreExt as _;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::{ClientOptions, ObjectStore as _};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use velero::store::layout::{BACKUPS, BackupFile};

use super::counter::Counter;
use super::launched::Launched;

/// What Velero leaves of a backup without volumes, beside its metadata.
const FILES: [BackupFile; 8] = [
    BackupFile::Contents,
    BackupFile::Log,
    BackupFile::PodVolumeBackups,
    BackupFile::VolumeSnapshots,
    BackupFile::ResourceList,
    BackupFile::Results,
    BackupFile::ItemOperations,
    BackupFile::VolumeInfo,
];

/// How many schedules of the other cluster made them.
pub const SCHEDULES: usize = 20;

const BUCKET: &str = "velero";
const REGION: &str = "us-east-1";

/// The bucket; its server ends when it is dropped.
pub struct Bucket {
    server: Launched,
    counter: Counter,
}

impl Bucket {
    /// One with so many backups.
    pub fn with(runtime: &Runtime, count: usize) -> Self {
        let server = Launched::start("s3", &[]);
        let bucket = Self {
            counter: Counter::before(runtime, &value(&server, "endpoint")),
            server,
        };
        // A key is a file of the server.
        let directory = PathBuf::from(value(&bucket.server, "data")).join(BUCKET);
        let nothing = gzip(b"null");
        for number in 0..count {
            let name = name(number);
            let write = |file: BackupFile, content: &[u8]| {
                let path = directory.join(file.key(&name));
                fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
                fs::write(path, content).expect("a file");
            };
            for file in FILES {
                write(file, &nothing);
            }
            let metadata = metadata(number, &name).to_string();
            write(BackupFile::Metadata, metadata.as_bytes());
        }
        bucket
    }

    /// How many requests have reached it.
    pub fn requests(&self) -> u64 {
        self.counter.requests()
    }

    /// The location `default` with this bucket, and the secret that it needs, as YAML.
    pub fn location(&self, namespace: &str) -> String {
        let (user, password) = (value(&self.server, "access_key"), value(&self.server, "secret_key"));
        let endpoint = &self.counter.endpoint;
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: s3, namespace: {namespace}}}\nstringData:\n  cloud: |\n    \
             [default]\n    aws_access_key_id = {user}\n    aws_secret_access_key = {password}\n---\n\
             apiVersion: velero.io/v1\nkind: BackupStorageLocation\nmetadata: {{name: default, namespace: {namespace}}}\n\
             spec:\n  provider: aws\n  default: true\n  credential: {{name: s3, key: cloud}}\n  \
             objectStorage: {{bucket: {BUCKET}}}\n  \
             config: {{region: {REGION}, s3ForcePathStyle: \"true\", s3Url: \"{endpoint}\"}}\n",
        )
    }

    /// A client of it.
    pub fn client(&self) -> Client {
        let store = AmazonS3Builder::new()
            .with_bucket_name(BUCKET)
            .with_region(REGION)
            .with_endpoint(&self.counter.endpoint)
            .with_virtual_hosted_style_request(false)
            .with_allow_http(true)
            .with_client_options(ClientOptions::new().with_allow_http(true))
            .with_access_key_id(value(&self.server, "access_key"))
            .with_secret_access_key(value(&self.server, "secret_key"))
            .build();
        Client(store.expect("a client"))
    }
}

/// Reads it in the plainest way.
pub struct Client(AmazonS3);

impl Client {
    /// The names of all backups.
    pub async fn names(&self) -> Vec<String> {
        let listed = self.0.list_with_delimiter(Some(&BACKUPS.into())).await.expect("a list");
        let names = listed.common_prefixes.iter().filter_map(|prefix| prefix.filename());
        names.map(str::to_owned).collect()
    }

    /// The metadata of a backup.
    pub async fn metadata(&self, name: &str) -> Value {
        let key = BackupFile::Metadata.key(name).into();
        let found = self.0.get(&key).await.expect("the metadata");
        let bytes = found.bytes().await.expect("the whole metadata");
        serde_json::from_slice(&bytes).expect("a Backup")
    }
}

fn value(server: &Launched, key: &str) -> String {
    server.reported(key).expect("the S3 server reports it")
}

/// The name of a schedule of the other cluster.
pub fn schedule(number: usize) -> String {
    format!("nightly-{:02}", number % SCHEDULES)
}

fn name(number: usize) -> String {
    format!("{}-2026{number:010}", schedule(number))
}

fn gzip(content: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(content).expect("memory");
    packed.finish().expect("memory")
}

/// What Velero writes of a scheduled backup.
fn metadata(number: usize, name: &str) -> Value {
    let schedule = schedule(number);
    json!({
        "apiVersion": "velero.io/v1",
        "kind": "Backup",
        "metadata": {
            "name": name,
            "namespace": "velero",
            "uid": format!("5cd1e9f1-0000-4000-8000-{number:012}"),
            "resourceVersion": number.to_string(),
            "generation": 6,
            "creationTimestamp": "2026-11-01T01:00:00Z",
            "labels": {
                "velero.io/schedule-name": schedule,
                "velero.io/storage-location": "default",
            },
            "annotations": {
                "velero.io/resource-timeout": "10m0s",
                "velero.io/source-cluster-k8s-gitversion": "v1.35.0",
                "velero.io/source-cluster-k8s-major-version": "1",
                "velero.io/source-cluster-k8s-minor-version": "35",
            },
        },
        "spec": {
            "csiSnapshotTimeout": "10m0s",
            "defaultVolumesToFsBackup": false,
            "excludedResources": ["events", "events.events.k8s.io"],
            "hooks": {},
            "includedNamespaces": [format!("shop-{}", number % 50), format!("billing-{}", number % 50)],
            "itemOperationTimeout": "4h0m0s",
            "metadata": {},
            "snapshotMoveData": false,
            "storageLocation": "default",
            "ttl": "720h0m0s",
            "volumeSnapshotLocations": ["default"],
        },
        "status": {
            "completionTimestamp": "2026-11-01T01:02:11Z",
            // None of them ends while it is measured.
            "expiration": "2099-12-01T01:00:00Z",
            "formatVersion": "1.1.0",
            "hookStatus": {},
            "phase": "Completed",
            "progress": {"itemsBackedUp": 812, "totalItems": 812},
            "startTimestamp": "2026-11-01T01:00:03Z",
            "version": 1,
            "warnings": 1,
        },
    })
}
