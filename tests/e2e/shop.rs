//! The demo's shop, with pods that run.

use std::path::Path;

use serde_json::Value;

use crate::node::Node;

const DEFINITION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/demo/definition.yaml");
const OBJECTS: &str = include_str!("../../demo/shop.yaml");

/// What of it lies outside of its namespace.
const CLUSTER_WIDE: [&str; 4] = [
    "persistentvolume/shop-data",
    "customresourcedefinition/widgets.example.com",
    "clusterrolebinding/shop-reader",
    "clusterrole/shop-reader",
];

/// The shop on a node. It is closed when this is dropped, so that the next test can open it.
pub struct Shop<'a> {
    node: &'a Node,
    file: String,
}

impl<'a> Shop<'a> {
    /// Starts it, and waits until all its pods are ready.
    pub fn open(node: &'a Node) -> Self {
        let volume = node.volume("shop-data");
        let file = node.volume("shop.yaml");
        let objects = OBJECTS.replace("/var/tmp/shop", &volume.display().to_string());
        assert_ne!(objects, OBJECTS, "its volume is a directory that goes with the node");
        std::fs::write(&file, objects).expect("a file");
        let shop = Self {
            node,
            file: display(&file),
        };
        node.kubectl(&["apply", "-f", DEFINITION]);
        node.kubectl(&[
            "wait",
            "--for=condition=Established",
            "crd/widgets.example.com",
            "--timeout=60s",
        ]);
        node.kubectl(&["apply", "-f", &shop.file]);
        shop.until_ready("shop");
        shop
    }

    /// Waits until every pod of the shop in this namespace is ready, and its controllers report that.
    #[track_caller]
    pub fn until_ready(&self, namespace: &str) {
        for what in ["deployment/web", "statefulset/db"] {
            self.node
                .kubectl(&["rollout", "status", "-n", namespace, what, "--timeout=60s"]);
        }
        let all = [
            "wait",
            "-n",
            namespace,
            "--for=condition=Ready",
            "pod",
            "--all",
            "--timeout=60s",
        ];
        self.node.kubectl(&all);
    }

    /// Every object that was made for it, as it is in the cluster.
    pub fn objects(&self) -> Vec<Value> {
        self.node.objects(&["-f", DEFINITION, "-f", &self.file])
    }

    /// The text of its page.
    pub fn page(&self, namespace: &str) -> String {
        let path = format!("/api/v1/namespaces/{namespace}/services/web:http/proxy/");
        self.node.kubectl(&["get", "--raw", &path])
    }

    /// Deletes all of it, and waits until it is gone.
    pub fn delete(&self) {
        self.node.kubectl(&DELETE_NAMESPACE);
        self.node
            .kubectl(&[&["delete", "--ignore-not-found", "--timeout=60s"], &CLUSTER_WIDE[..]].concat());
    }
}

const DELETE_NAMESPACE: [&str; 5] = ["delete", "namespace", "shop", "--ignore-not-found", "--timeout=60s"];

impl Drop for Shop<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return self.delete();
        }
        let pods = ["get", "pods,events", "-A"];
        eprintln!("{}", self.node.try_kubectl(&pods, "").unwrap_or_else(|e| e));
        let _ = self.node.try_kubectl(&DELETE_NAMESPACE, "");
        for object in CLUSTER_WIDE {
            let _ = self.node.try_kubectl(&["delete", object, "--ignore-not-found"], "");
        }
    }
}

fn display(path: &Path) -> String {
    path.display().to_string()
}
