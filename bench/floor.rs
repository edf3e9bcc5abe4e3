//! What a backup and a restore cannot do without, done in the plainest way.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::stream::{self, StreamExt};
use http::{Method, Request, header};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body as HttpBody;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::set::{Body, TYPES, Type};

/// Creations under way at once.
const WORKERS: usize = 32;

/// Objects of a page.
const PAGE: usize = 500;

/// Creates everything; how long that took.
pub async fn create(client: &Client, bodies: &[Body]) -> Duration {
    let start = Instant::now();
    stream::iter(bodies)
        .for_each_concurrent(WORKERS, |body| async move {
            send(client, Method::POST, &body.path, body.json.clone()).await;
        })
        .await;
    start.elapsed()
}

/// What [`back_up`] has made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Archived {
    /// How many objects.
    pub objects: u64,
    /// Bytes of their JSON.
    pub bytes: u64,
    /// How long it took.
    pub took: Duration,
}

/// Lists every object of the set, page after page, and writes both copies of each into a compressed archive.
pub async fn back_up(client: &Client, path: &Path) -> Archived {
    let start = Instant::now();
    let mut archived = Archived::default();
    let file = BufWriter::new(File::create(path).expect("a file for the archive"));
    let mut archive = tar::Builder::new(GzEncoder::new(file, Compression::new(6)));
    for kind in TYPES {
        let mut list = List::of(client, kind);
        while let Some(page) = list.next().await {
            for item in page.items() {
                let json = item.saved_as(kind);
                archived.objects += 1;
                archived.bytes += json.len() as u64;
                for path in item.paths(kind) {
                    append(&mut archive, &path, json.as_bytes()).expect("a member");
                }
            }
        }
    }
    let file = archive.into_inner().and_then(GzEncoder::finish);
    file.and_then(|mut file| file.flush()).expect("a whole archive");
    archived.took = start.elapsed();
    archived
}

/// The newest version of any object of the set: a later one means that something was written.
pub async fn newest_version(client: &Client) -> u64 {
    let mut newest = 0;
    for kind in TYPES {
        let mut list = List::of(client, kind);
        while let Some(page) = list.next().await {
            newest = page.items().map(|item| item.version()).max().unwrap_or(0).max(newest);
        }
    }
    newest
}

fn append(archive: &mut tar::Builder<impl io::Write>, path: &str, content: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    header.set_mode(0o755);
    archive.append_data(&mut header, path, content)
}

/// A list being read.
struct List<'a> {
    client: &'a Client,
    path: String,
    token: Option<String>,
}

/// A page as it came.
struct Page(Bytes);

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    items: Vec<&'a RawValue>,
    metadata: ListMeta,
}

#[derive(Deserialize)]
struct ListMeta {
    #[serde(default, rename = "continue")]
    token: String,
}

/// An item of a list, which lacks its type.
struct Item<'a> {
    json: &'a str,
    metadata: Metadata<'a>,
}

#[derive(Deserialize)]
struct Outline<'a> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    namespace: &'a str,
    name: &'a str,
    resource_version: &'a str,
}

impl<'a> List<'a> {
    fn of(client: &'a Client, kind: &Type) -> Self {
        Self {
            client,
            path: kind.everywhere(),
            token: Some(String::new()),
        }
    }

    async fn next(&mut self) -> Option<Page> {
        let token = self.token.take()?;
        let path = format!("{}?limit={PAGE}&continue={token}", self.path);
        let page = Page(send(self.client, Method::GET, &path, Bytes::new()).await);
        self.token = Some(page.envelope().metadata.token).filter(|token| !token.is_empty());
        Some(page)
    }
}

impl Page {
    fn envelope(&self) -> Envelope<'_> {
        serde_json::from_slice(&self.0).expect("a list")
    }

    fn items(&self) -> impl Iterator<Item = Item<'_>> {
        self.envelope().items.into_iter().map(|item| {
            let outline: Outline<'_> = serde_json::from_str(item.get()).expect("an object");
            Item {
                json: item.get(),
                metadata: outline.metadata,
            }
        })
    }
}

impl Item<'_> {
    fn saved_as(&self, kind: &Type) -> String {
        // The items of custom resources bring their type.
        if self.json.starts_with("{\"apiVersion\"") {
            return self.json.to_owned();
        }
        format!(
            "{{\"apiVersion\":\"{}\",\"kind\":\"{}\",{}",
            kind.api_version,
            kind.kind,
            &self.json[1..]
        )
    }

    fn paths(&self, kind: &Type) -> [String; 2] {
        let Metadata { namespace, name, .. } = self.metadata;
        let version = kind.api_version.rsplit('/').next().unwrap_or_default();
        ["", &format!("/{version}-preferredversion")].map(|directory| {
            format!(
                "resources/{}{directory}/namespaces/{namespace}/{name}.json",
                kind.group_resource
            )
        })
    }

    fn version(&self) -> u64 {
        self.metadata.resource_version.parse().expect("a version")
    }
}

/// Sends a request and reads the answer, which must be a success.
pub async fn send(client: &Client, method: Method, path: &str, body: Bytes) -> Bytes {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json")
        .body(HttpBody::from(body))
        .expect("a request");
    let answer = client.send(request).await.expect("an answer");
    let status = answer.status();
    let body = answer.into_body().collect().await.expect("the whole answer").to_bytes();
    assert!(
        status.is_success(),
        "{path}: {status} {}",
        String::from_utf8_lossy(&body)
    );
    body
}
