//! What an API server keeps in etcd, read and put back key by key. To the API server it is as if another one had done so, which it
//! has to follow at any time.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::text;

/// Everything an API server keeps is below it.
const ROOT: (&str, &str) = ("/registry/", "/registry0");

/// Where the API server writes down every ten seconds that it lives.
const HEARTBEATS: &str = "/registry/leases/kube-system/apiserver-";

/// etcd takes 128 changes at once, and the largest may have 1.5 MiB.
const CHANGES: usize = 100;

/// The values by their keys, as etcd's gateway writes bytes.
pub type Contents = BTreeMap<String, String>;

/// The etcd of a control plane.
pub struct Store {
    endpoint: String,
    client: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

impl Store {
    pub fn new(endpoint: String) -> Self {
        Self {
            endpoint,
            client: reqwest::Client::new(),
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime"),
        }
    }

    pub fn contents(&self) -> Result<Contents, String> {
        let range = json!({"key": BASE64.encode(ROOT.0), "range_end": BASE64.encode(ROOT.1)});
        let answer = self.ask("range", &range)?;
        let pairs = answer["kvs"].as_array().cloned().unwrap_or_default();
        let pairs = pairs.iter().map(|pair| (text(pair, "/key"), text(pair, "/value")));
        Ok(pairs.filter(|(key, _)| !is_heartbeat(key)).collect())
    }

    /// Makes the store what it was before; whether there was anything to do.
    pub fn put_back(&self, before: &Contents) -> Result<bool, String> {
        let changes = changes(before, &self.contents()?);
        for some in changes.chunks(CHANGES) {
            self.ask("txn", &json!({"success": some}))?;
        }
        Ok(!changes.is_empty())
    }

    fn ask(&self, what: &str, body: &Value) -> Result<Value, String> {
        let request = self.client.post(format!("{}/v3/kv/{what}", self.endpoint)).json(body);
        let answer = self
            .runtime
            .block_on(async { request.send().await?.error_for_status()?.json().await });
        answer.map_err(|error| format!("{what} of etcd: {error}"))
    }
}

fn is_heartbeat(key: &str) -> bool {
    BASE64
        .decode(key)
        .is_ok_and(|key| key.starts_with(HEARTBEATS.as_bytes()))
}

/// What makes the contents of a store those before: operations of a transaction of etcd.
fn changes(before: &Contents, now: &Contents) -> Vec<Value> {
    let new = now.keys().filter(|key| !before.contains_key(*key));
    let new = new.map(|key| json!({"requestDeleteRange": {"key": key}}));
    let changed = before.iter().filter(|(key, value)| now.get(*key) != Some(value));
    let changed = changed.map(|(key, value)| json!({"requestPut": {"key": key, "value": value}}));
    new.chain(changed).collect()
}

#[test]
fn a_store_is_put_back_by_deleting_what_is_new_and_writing_what_changed_or_went() {
    let contents = |pairs: &[(&str, &str)]| -> Contents {
        let pairs = pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        pairs.collect()
    };
    let before = contents(&[("changed", "1"), ("gone", "2"), ("same", "3")]);
    let now = contents(&[("changed", "4"), ("new", "5"), ("same", "3")]);
    assert_eq!(
        changes(&before, &now),
        [
            json!({"requestDeleteRange": {"key": "new"}}),
            json!({"requestPut": {"key": "changed", "value": "1"}}),
            json!({"requestPut": {"key": "gone", "value": "2"}}),
        ]
    );
    assert_eq!(changes(&before, &before), [Value::Null; 0]);
}
