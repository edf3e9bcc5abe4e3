//! A real S3 server on this machine.

use std::path::PathBuf;

use velero::store::{self, Secret, StoreConfig};

use super::files;
use super::launched::Launched;

/// A running S3 server; ends when it is dropped.
pub struct S3 {
    /// Where it is reached.
    pub endpoint: String,
    /// The user with all rights.
    pub access_key: String,
    /// Must be in no log, event or status.
    pub secret_key: String,
    /// The authority of an `https` endpoint.
    pub ca: Option<String>,
    data: PathBuf,
    _launched: Launched,
}

impl S3 {
    /// Starts one with the bucket `velero`; the arguments are the launcher's.
    pub fn start(arguments: &[&str]) -> Self {
        let launched = Launched::start("s3", arguments);
        let value = |key: &str| launched.reported(key).expect("the S3 server reports its address");
        Self {
            endpoint: value("endpoint"),
            access_key: value("access_key"),
            secret_key: value("secret_key"),
            ca: launched
                .reported("ca_file")
                .map(|file| std::fs::read_to_string(file).expect("its authority")),
            data: value("data").into(),
            _launched: launched,
        }
    }

    /// A credentials file with this profile.
    pub fn credentials(&self, profile: &str) -> String {
        format!(
            "[{profile}]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
            self.access_key, self.secret_key
        )
    }

    /// Where the keys of a bucket are plain files.
    pub fn bucket(&self, name: &str) -> PathBuf {
        self.data.join(name)
    }

    /// The location `default` below a prefix of a bucket, and the secret it needs, as YAML.
    pub fn location(&self, namespace: &str, bucket: &str, prefix: &str) -> String {
        let credentials = self.credentials("default").replace('\n', "\n    ");
        let endpoint = &self.endpoint;
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: s3, namespace: {namespace}}}\nstringData:\n  \
             cloud: |\n    {credentials}\n---\n\
             apiVersion: velero.io/v1\nkind: BackupStorageLocation\nmetadata: {{name: default, namespace: {namespace}}}\n\
             spec:\n  provider: aws\n  default: true\n  credential: {{name: s3, key: cloud}}\n  \
             objectStorage: {{bucket: {bucket}, prefix: {prefix}}}\n  \
             config: {{region: us-east-1, s3ForcePathStyle: \"true\", s3Url: \"{endpoint}\"}}\n",
        )
    }

    /// The objects below a prefix of the bucket `velero`, by their keys after it.
    pub fn objects(&self, prefix: &str) -> Vec<String> {
        let directory = self.data.join("velero").join(prefix);
        let found = if directory.exists() {
            files(&directory)
        } else {
            Vec::new()
        };
        // The server's own directory for unfinished uploads.
        found.into_iter().filter(|file| !file.starts_with(".sgwtmp")).collect()
    }

    /// The file of an object in the bucket `velero`.
    pub fn file(&self, key: &str) -> PathBuf {
        self.data.join("velero").join(key)
    }

    /// Whether there are parts of uploads that are neither finished nor aborted.
    pub fn has_parts(&self) -> bool {
        let directory = self.data.join("velero/.sgwtmp/multipart");
        directory.exists() && !files(&directory).is_empty()
    }

    /// How many uploads of keys below this prefix are neither finished nor aborted; those there are, are aborted.
    pub fn unfinished(&self, prefix: &str) -> u64 {
        let config = StoreConfig {
            provider: "velero.io/aws".to_owned(),
            bucket: "velero".to_owned(),
            prefix: prefix.to_owned(),
            config: [
                ("s3Url".to_owned(), self.endpoint.clone()),
                ("s3ForcePathStyle".to_owned(), "true".to_owned()),
            ]
            .into(),
            ca_cert: self.ca.clone().map(String::into_bytes),
            credentials: Some(Secret::new(self.credentials("default"))),
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let store = store::open(&config).await.expect("a store");
            store.sweep("", jiff::Timestamp::MAX).await.expect("a list of uploads")
        })
    }
}
