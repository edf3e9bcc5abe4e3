//! The API server without a kubectl process: a test that waits reads many times a second, and each kubectl costs a tenth of a
//! second of a processor.

use std::collections::BTreeSet;
use std::path::Path;

use futures::future::join_all;
use http::{Method, Request, StatusCode, header};
use kube::Client;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use parking_lot::Mutex;
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::text;

/// All kinds of the core group in one answer, and all others in one.
const DISCOVERY: [&str; 2] = ["/api", "/apis"];
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const METADATA: &str = "application/json;g=meta.k8s.io;v=v1;as=PartialObjectMetadataList";
const PLAIN: &str = "application/json";

/// Reads and creates as the administrator does, with kubectl's words for kinds.
pub struct Api {
    client: Client,
    runtime: tokio::runtime::Runtime,
    kinds: Mutex<Vec<Kind>>,
}

/// A kind as discovery describes it.
#[derive(Clone)]
struct Kind {
    group: String,
    /// Where it is served: `/api/v1` or `/apis/GROUP/VERSION`.
    version: String,
    name: String,
    plural: String,
    singular: String,
    short: Vec<Value>,
    is_namespaced: bool,
    is_listed: bool,
}

impl Kind {
    fn path(&self, namespace: &str) -> String {
        let Self { version, plural, .. } = self;
        if self.is_namespaced {
            let namespace = if namespace.is_empty() { "default" } else { namespace };
            format!("{version}/namespaces/{namespace}/{plural}")
        } else {
            format!("{version}/{plural}")
        }
    }

    /// Whether this is its name in the plural, in the singular or in short, perhaps with its group.
    fn is_called(&self, word: &str) -> bool {
        let (name, group) = word.split_once('.').unwrap_or((word, &self.group));
        group == self.group && (name == self.plural || name == self.singular || self.short.contains(&json!(name)))
    }
}

/// What the API server serves: its kinds, and every object by its kind, namespace and name.
#[derive(PartialEq)]
pub struct Served {
    discovery: [Value; 2],
    objects: BTreeSet<String>,
}

impl Api {
    pub fn new(kubeconfig: &Path) -> Self {
        // An error only says that another test was first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let client = runtime.block_on(async {
            let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("a kubeconfig");
            let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
            Client::try_from(config.expect("a usable kubeconfig")).expect("a client")
        });
        Self {
            client,
            runtime,
            kinds: Mutex::default(),
        }
    }

    /// One object as the API server has it, or nothing.
    #[track_caller]
    pub fn get(&self, namespace: &str, kind: &str, name: &str) -> Option<Value> {
        let path = format!("{}/{}", self.called(kind).path(namespace), encoded(name));
        self.found(&path, PLAIN)
    }

    /// The objects of these kinds, separated by commas, in a namespace and with a label; an empty selector takes all.
    #[track_caller]
    pub fn list(&self, namespace: &str, kinds: &str, selector: &str) -> Vec<Value> {
        let mut all = Vec::new();
        for kind in kinds.split(',') {
            let path = format!("{}?labelSelector={selector}", self.called(kind).path(namespace));
            let list = self.found(&path, PLAIN).unwrap_or_default();
            let (version, kind) = (text(&list, "/apiVersion"), text(&list, "/kind"));
            for mut item in array(&list, "items") {
                // A list names them once for all its items, kubectl with each.
                item["apiVersion"] = json!(version);
                item["kind"] = json!(kind.trim_end_matches("List"));
                if let Some(metadata) = item["metadata"].as_object_mut() {
                    metadata.remove("managedFields");
                }
                all.push(item);
            }
        }
        all
    }

    /// Creates the objects of these documents of YAML, one after another; one of JSON is sent to the letter.
    pub fn create(&self, documents: &str) -> Result<(), String> {
        if let Ok(object) = serde_json::from_str(documents) {
            return self.post(&object, documents);
        }
        for document in serde_yaml::Deserializer::from_str(documents) {
            let object = Value::deserialize(document).map_err(|error| format!("{error}\n{documents}"))?;
            if !object.is_null() {
                self.post(&object, &object.to_string())?;
            }
        }
        Ok(())
    }

    fn post(&self, object: &Value, written: &str) -> Result<(), String> {
        let (version, kind) = (text(object, "/apiVersion"), text(object, "/kind"));
        let is_it = |known: &Kind| known.name == kind && known.version.ends_with(&format!("/{version}"));
        let path = self.kind(&kind, is_it).path(&text(object, "/metadata/namespace"));
        let path = format!("{path}?fieldManager=kubectl-create&fieldValidation=Strict");
        let posted = self.ask(Method::POST, &path, PLAIN, written.to_owned().into_bytes());
        posted.map(drop).map_err(|error| format!("{error}\n{written}"))
    }

    /// All that is served, as fresh as the store.
    pub fn served(&self) -> Result<Served, String> {
        let discovery = self.discovery().map_err(|error| format!("discovery: {error}"))?;
        let lists = kinds(&discovery)
            .filter(|kind| kind.is_listed)
            .map(|kind| format!("{}/{}", kind.version, kind.plural))
            // Not objects: each list asks components that are not here.
            .filter(|path| path != "/api/v1/componentstatuses")
            .map(|path| async move { (self.request(Method::GET, &path, METADATA, Vec::new()).await, path) });
        let mut objects = BTreeSet::new();
        for (list, path) in self.runtime.block_on(join_all(lists)) {
            for item in array(&list.map_err(|error| format!("list {path}: {error}"))?, "items") {
                let (namespace, name) = (text(&item, "/metadata/namespace"), text(&item, "/metadata/name"));
                objects.insert(format!("{path} {namespace}/{name}"));
            }
        }
        Ok(Served { discovery, objects })
    }

    /// Asks for the kinds again when the next one is looked up.
    pub fn forget_kinds(&self) {
        self.kinds.lock().clear();
    }

    #[track_caller]
    fn called(&self, word: &str) -> Kind {
        self.kind(word, |known| known.is_called(word))
    }

    /// The first kind that is it, in the order in which the API server prefers them.
    #[track_caller]
    fn kind(&self, word: &str, is_it: impl Fn(&Kind) -> bool) -> Kind {
        let mut known = self.kinds.lock();
        if !known.iter().any(&is_it) {
            let discovery = self.discovery().unwrap_or_else(|error| panic!("discovery: {error}"));
            *known = kinds(&discovery).collect();
        }
        let found = known.iter().find(|kind| is_it(kind)).cloned();
        found.unwrap_or_else(|| panic!("the API server has no kind {word}"))
    }

    fn discovery(&self) -> Result<[Value; 2], kube::Error> {
        let [core, others] = DISCOVERY.map(|root| self.ask(Method::GET, root, AGGREGATED, Vec::new()));
        Ok([core?, others?])
    }

    /// An answer of the API server, or nothing if it has nothing there.
    #[track_caller]
    fn found(&self, path: &str, accept: &str) -> Option<Value> {
        match self.ask(Method::GET, path, accept, Vec::new()) {
            Ok(value) => Some(value),
            Err(kube::Error::Api(status)) if status.code == StatusCode::NOT_FOUND.as_u16() => None,
            Err(error) => panic!("get {path}: {error}"),
        }
    }

    fn ask(&self, method: Method, path: &str, accept: &str, body: Vec<u8>) -> Result<Value, kube::Error> {
        self.runtime.block_on(self.request(method, path, accept, body))
    }

    async fn request(&self, method: Method, path: &str, accept: &str, body: Vec<u8>) -> Result<Value, kube::Error> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::ACCEPT, accept)
            .header(header::CONTENT_TYPE, PLAIN)
            .body(body)
            .expect("a request");
        self.client.request(request).await
    }
}

/// The kinds of both answers of discovery, the preferred version of each group first.
fn kinds(discovery: &[Value; 2]) -> impl Iterator<Item = Kind> {
    let groups = DISCOVERY
        .iter()
        .zip(discovery)
        .flat_map(|(root, groups)| array(groups, "items").into_iter().map(move |group| (root, group)));
    let versions = groups.flat_map(|(root, described)| {
        let group = text(&described, "/metadata/name");
        array(&described, "versions").into_iter().map(move |version| {
            let path = format!("{root}/{group}/{}", text(&version, "/version")).replace("//", "/");
            (group.clone(), path, version)
        })
    });
    versions.flat_map(|(group, path, version)| {
        array(&version, "resources").into_iter().map(move |resource| Kind {
            group: group.clone(),
            version: path.clone(),
            name: text(&resource, "/responseKind/kind"),
            plural: text(&resource, "/resource"),
            singular: text(&resource, "/singularResource"),
            short: array(&resource, "shortNames"),
            is_namespaced: text(&resource, "/scope") == "Namespaced",
            is_listed: array(&resource, "verbs").contains(&json!("list")),
        })
    })
}

/// A name as a part of a path: those of some kinds may have any character.
fn encoded(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte);
    let bytes = name.bytes().map(|byte| {
        if plain(byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    });
    bytes.collect()
}

fn array(value: &Value, key: &str) -> Vec<Value> {
    value[key].as_array().cloned().unwrap_or_default()
}
