//! The same suite for every object store, and tests of single ones.
//!
//! The S3 server is a real one, started for each test by the test cluster's launcher.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "these are tests")]

mod filesystem {
    use tempfile::TempDir;
    use velero::store::{self, StoreConfig};
    use velero::testing::store_suite::Bench;

    async fn bench() -> Bench {
        let dir = TempDir::new().unwrap();
        let open = |prefix: &str| StoreConfig {
            provider: "velero.io/fs".to_owned(),
            bucket: "velero".to_owned(),
            prefix: prefix.to_owned(),
            config: [("fspath".to_owned(), dir.path().to_str().unwrap().to_owned())].into(),
            ..StoreConfig::default()
        };
        std::fs::create_dir(dir.path().join("velero")).unwrap();
        let (store, neighbour) = (
            store::open(&open("one")).await.unwrap(),
            store::open(&open("two/deep")).await.unwrap(),
        );
        Bench {
            store,
            neighbour,
            signs: false,
            keep: Box::new(dir),
        }
    }

    velero::store_suite!(bench);
    velero::store_suite!(bench => of_many_concurrent_changes_of_an_object_none_is_lost);
}

mod s3 {
    use std::collections::BTreeMap;
    use std::io::{BufRead, BufReader};
    use std::path::Path;
    use std::process::{Child, Command, Stdio};
    use std::time::Duration;

    use bytes::Bytes;
    use futures::TryStreamExt;
    use tempfile::TempDir;
    use velero::store::{self, Class, Secret, Store, StoreConfig};
    use velero::testing::store_suite::Bench;

    /// A running S3 server; ends when it is dropped, and with the test process however that ends.
    struct Server {
        child: Child,
        endpoint: String,
        access_key: String,
        secret_key: String,
        ca_file: Option<String>,
        _directory: TempDir,
    }

    impl Server {
        fn start(arguments: &[&str]) -> Self {
            let programs = std::env::var("VELERO_TEST_BIN")
                .expect("VELERO_TEST_BIN is not set: tests that need a server are started by `make test`");
            let directory = tempfile::Builder::new().prefix("s3-").tempdir().unwrap();
            let mut child = Command::new(Path::new(&programs).join("launcher"))
                .args(["s3", "run", "--dir"])
                .arg(directory.path())
                .args(arguments)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut line = String::new();
            BufReader::new(child.stdout.take().unwrap())
                .read_line(&mut line)
                .unwrap();
            let ready: serde_json::Value = serde_json::from_str(&line).expect("the S3 server did not start");
            let text = |key: &str| ready[key].as_str().map(str::to_owned);
            Self {
                child,
                endpoint: text("endpoint").unwrap(),
                access_key: text("access_key").unwrap(),
                secret_key: text("secret_key").unwrap(),
                ca_file: text("ca_file"),
                _directory: directory,
            }
        }

        fn config(&self, prefix: &str) -> StoreConfig {
            let Self {
                endpoint,
                access_key,
                secret_key,
                ..
            } = self;
            let credentials =
                format!("[default]\naws_access_key_id = {access_key}\naws_secret_access_key = {secret_key}\n");
            StoreConfig {
                provider: "velero.io/aws".to_owned(),
                bucket: "velero".to_owned(),
                prefix: prefix.to_owned(),
                config: config(&[("s3Url", endpoint), ("s3ForcePathStyle", "true")]),
                ca_cert: None,
                credentials: Some(Secret::new(credentials)),
            }
        }

        async fn open(&self, edit: impl FnOnce(&mut StoreConfig)) -> Store {
            let mut config = self.config("one");
            edit(&mut config);
            store::open(&config).await.unwrap()
        }
    }

    impl Drop for Server {
        fn drop(&mut self) {
            // At the end of its input the launcher stops what it started.
            drop(self.child.stdin.take());
            let _ = self.child.wait();
        }
    }

    fn config(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
        entries
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    async fn bench() -> Bench {
        let server = Server::start(&[]);
        let store = store::open(&server.config("one")).await.unwrap();
        let neighbour = store::open(&server.config("two/deep")).await.unwrap();
        Bench {
            store,
            neighbour,
            signs: true,
            keep: Box::new(server),
        }
    }

    velero::store_suite!(bench);

    #[tokio::test]
    async fn refused_credentials_are_an_error_of_permission_everywhere() {
        let server = Server::start(&[]);
        let good = server.open(|_| ()).await;
        good.put("backups/a", Bytes::from_static(b"a")).await.unwrap();
        let store = server
            .open(|config| {
                let wrong = "[default]\naws_access_key_id = test\naws_secret_access_key = hunter2\n";
                config.credentials = Some(Secret::new(wrong));
            })
            .await;
        let errors = [
            store.head("backups/a").await.unwrap_err(),
            store.head("backups/nothing").await.unwrap_err(),
            store.get("backups/a", 10).await.unwrap_err(),
            store.put("backups/b", Bytes::new()).await.unwrap_err(),
            store.put_if_absent("backups/b", Bytes::new()).await.unwrap_err(),
            store.upload("backups/b").await.unwrap_err(),
            store.delete("backups/a").await.unwrap_err(),
            store.list("").try_collect::<Vec<_>>().await.unwrap_err(),
            store.list_prefixes("").await.unwrap_err(),
            store.sweep("", jiff::Timestamp::MAX).await.unwrap_err(),
            store.validate(None, true).await.unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.class(), Class::Permission, "{error}");
            let text = error.to_string();
            assert!(text.contains("credentials"), "{text}");
            assert!(
                !text.contains("hunter2") && !text.contains("X-Amz-Signature="),
                "{text}"
            );
        }
        assert!(good.head("backups/a").await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_missing_bucket_is_an_error_and_never_an_empty_store() {
        let server = Server::start(&[]);
        let store = server.open(|config| config.bucket = "another".to_owned()).await;
        let errors = [
            store.head("backups/a").await.unwrap_err(),
            store.get("backups/a", 10).await.unwrap_err(),
            store.delete("backups/a").await.unwrap_err(),
            store.put("backups/b", Bytes::new()).await.unwrap_err(),
            store.list("backups/").try_collect::<Vec<_>>().await.unwrap_err(),
            store.list_prefixes("").await.unwrap_err(),
            store.validate(None, true).await.unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.class(), Class::Invalid, "{error}");
            assert!(error.to_string().contains("bucket `another`"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_unavailable() {
        let server = Server::start(&[]);
        let store = server.open(|_| ()).await;
        drop(server);
        let error = store.head("backups/a").await.unwrap_err();
        assert!(error.is_transient(), "{error}");
        assert!(error.to_string().contains("no connection"), "{error}");
    }

    #[tokio::test]
    async fn a_server_with_its_own_authority_is_trusted_only_if_configured() {
        let server = Server::start(&["--tls"]);
        let unknown = server.open(|_| ()).await;
        let error = unknown.head("backups/a").await.unwrap_err();
        assert_eq!(error.class(), Class::Invalid, "{error}");
        assert!(error.to_string().contains("caCert"), "{error}");

        let ca_cert = std::fs::read(server.ca_file.as_ref().unwrap()).unwrap();
        let trusting = server.open(|config| config.ca_cert = Some(ca_cert)).await;
        let blind = server
            .open(|config| {
                config
                    .config
                    .insert("insecureSkipTLSVerify".to_owned(), "true".to_owned());
            })
            .await;
        for store in [trusting, blind] {
            store.put("backups/a", Bytes::from_static(b"a")).await.unwrap();
            assert_eq!(store.get("backups/a", 1).await.unwrap(), "a");
            assert_eq!(store.sweep("", jiff::Timestamp::MAX).await.unwrap(), 0);
        }
    }

    #[tokio::test]
    async fn urls_are_signed_for_the_public_address() {
        let server = Server::start(&[]);
        // The same server by another name, as a cluster and the world see it.
        let public = server.endpoint.replace("127.0.0.1", "localhost");
        let store = server
            .open(|config| {
                config.config.insert("publicUrl".to_owned(), public.clone());
            })
            .await;
        store.put("backups/a", Bytes::from_static(b"a")).await.unwrap();
        let url = store
            .signed_url("backups/a", Duration::from_mins(10))
            .await
            .unwrap()
            .unwrap();
        assert!(url.starts_with(&public), "{url}");
        assert_eq!(reqwest::get(url).await.unwrap().bytes().await.unwrap(), "a");
    }

    #[tokio::test]
    async fn every_checksum_algorithm_that_is_accepted_works() {
        let server = Server::start(&[]);
        for algorithm in ["SHA256", "CRC64NVME", ""] {
            let store = server
                .open(|config| {
                    config
                        .config
                        .insert("checksumAlgorithm".to_owned(), algorithm.to_owned());
                })
                .await;
            let key = format!("backups/{algorithm}-");
            store.put(&key, Bytes::from_static(b"a")).await.unwrap();
            let mut upload = store.upload(&key).await.unwrap();
            upload.write(Bytes::from(vec![7; 11 << 20])).await.unwrap();
            upload.finish().await.unwrap();
            assert!(store.get(&key, 11 << 20).await.unwrap().iter().all(|byte| *byte == 7));
        }
    }
}
