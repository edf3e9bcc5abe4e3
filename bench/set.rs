//! The objects of a benchmark: mixed as in a cluster that applications live in, and the same in every run.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

/// Namespaces that the objects are in.
const NAMESPACES: usize = 30;

/// The smallest and the largest payload of an object that holds one; most are nearer to the smallest.
const SMALLEST: f64 = 500.0;
const LARGEST: f64 = 20_000.0;

/// A type of the set.
#[derive(Debug, PartialEq, Eq)]
pub struct Type {
    /// Where it is served: `/apis/apps/v1`.
    base: &'static str,
    /// `apps/v1`
    pub api_version: &'static str,
    /// `Deployment`
    pub kind: &'static str,
    /// `deployments`
    plural: &'static str,
    /// The directory of its objects in an archive: `deployments.apps`.
    pub group_resource: &'static str,
}

const fn core(kind: &'static str, plural: &'static str) -> Type {
    Type {
        base: "/api/v1",
        api_version: "v1",
        kind,
        plural,
        group_resource: plural,
    }
}

const fn rbac(kind: &'static str, plural: &'static str, group_resource: &'static str) -> Type {
    Type {
        base: "/apis/rbac.authorization.k8s.io/v1",
        api_version: "rbac.authorization.k8s.io/v1",
        kind,
        plural,
        group_resource,
    }
}

static CONFIG_MAP: Type = core("ConfigMap", "configmaps");
static SECRET: Type = core("Secret", "secrets");
static POD: Type = core("Pod", "pods");
static SERVICE: Type = core("Service", "services");
static SERVICE_ACCOUNT: Type = core("ServiceAccount", "serviceaccounts");
static ROLE: Type = rbac("Role", "roles", "roles.rbac.authorization.k8s.io");
static ROLE_BINDING: Type = rbac("RoleBinding", "rolebindings", "rolebindings.rbac.authorization.k8s.io");
static DEPLOYMENT: Type = Type {
    base: "/apis/apps/v1",
    api_version: "apps/v1",
    kind: "Deployment",
    plural: "deployments",
    group_resource: "deployments.apps",
};
static WIDGET: Type = Type {
    base: "/apis/bench.example.com/v1",
    api_version: "bench.example.com/v1",
    kind: "Widget",
    plural: "widgets",
    group_resource: "widgets.bench.example.com",
};

/// What is in the set, each type once.
pub static TYPES: [&Type; 9] = [
    &CONFIG_MAP,
    &SECRET,
    &POD,
    &SERVICE,
    &SERVICE_ACCOUNT,
    &ROLE,
    &ROLE_BINDING,
    &DEPLOYMENT,
    &WIDGET,
];

/// Of each twenty objects so many are of each type.
static MIX: [&Type; 20] = [
    &CONFIG_MAP,
    &CONFIG_MAP,
    &CONFIG_MAP,
    &CONFIG_MAP,
    &CONFIG_MAP,
    &CONFIG_MAP,
    &SECRET,
    &SECRET,
    &SECRET,
    &SECRET,
    &DEPLOYMENT,
    &DEPLOYMENT,
    &DEPLOYMENT,
    &WIDGET,
    &WIDGET,
    &SERVICE,
    &SERVICE_ACCOUNT,
    &ROLE,
    &ROLE_BINDING,
    &POD,
];

/// The definition of the custom resource.
pub const DEFINITION: &str = r"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.bench.example.com}
spec:
  group: bench.example.com
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, listKind: WidgetList}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";

impl Type {
    /// The path of its objects everywhere.
    pub fn everywhere(&self) -> String {
        format!("{}/{}", self.base, self.plural)
    }

    fn within(&self, namespace: &str) -> String {
        format!("{}/namespaces/{namespace}/{}", self.base, self.plural)
    }
}

/// An object to be created.
#[derive(Clone)]
pub struct Body {
    /// Where it is posted to.
    pub path: String,
    /// Its JSON.
    pub json: Bytes,
}

/// The namespaces of the set.
pub fn namespaces() -> Vec<Body> {
    (0..NAMESPACES)
        .map(|at| Body {
            path: "/api/v1/namespaces".to_owned(),
            json: json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace(at)}})
                .to_string()
                .into(),
        })
        .collect()
}

/// So many objects, spread over types and namespaces.
pub fn objects(count: usize) -> Vec<Body> {
    let words = Words::new();
    (0..count)
        .map(|at| {
            let (kind, namespace) = (MIX[at % MIX.len()], namespace(at / MIX.len()));
            let mut random = Random::new(at as u64);
            let mut object = content(kind, &mut random, &words);
            object["apiVersion"] = kind.api_version.into();
            object["kind"] = kind.kind.into();
            object["metadata"] = json!({
                "name": format!("{}-{at:06}", kind.kind.to_lowercase()),
                "namespace": namespace,
                "labels": labels(&mut random),
                "annotations": {"example.com/description": words.text(&mut random, 60)},
            });
            Body {
                path: kind.within(&namespace),
                json: object.to_string().into(),
            }
        })
        .collect()
}

fn namespace(at: usize) -> String {
    format!("bench-{:02}", at % NAMESPACES)
}

fn labels(random: &mut Random) -> Value {
    let tiers = ["front", "middle", "back"];
    json!({
        "app.kubernetes.io/name": format!("app-{}", random.below(40)),
        "app.kubernetes.io/part-of": "bench",
        "tier": tiers[random.below(tiers.len())],
    })
}

fn content(kind: &Type, random: &mut Random, words: &Words) -> Value {
    match kind.kind {
        "ConfigMap" => {
            let size = random.size();
            json!({"data": {"application.yaml": words.text(random, size)}})
        }
        "Secret" => {
            // base64 makes four bytes of three
            let size = random.size() * 3 / 4;
            json!({"type": "Opaque", "data": {"content": STANDARD.encode(words.text(random, size))}})
        }
        "Widget" => {
            let size = random.size();
            json!({"spec": {"replicas": random.below(9), "text": words.text(random, size)}})
        }
        "Deployment" => {
            let selector = json!({"app": format!("app-{}", random.below(40))});
            json!({"spec": {
                "replicas": random.below(4),
                "selector": {"matchLabels": selector},
                "template": {"metadata": {"labels": selector}, "spec": pod(random, words)},
            }})
        }
        "Pod" => json!({"spec": pod(random, words)}),
        // without an address of its own: those that get one get another in every cluster
        "Service" => json!({"spec": {
            "clusterIP": "None",
            "selector": {"app": format!("app-{}", random.below(40))},
            "ports": [{"name": "http", "port": 80, "targetPort": 8080}, {"name": "metrics", "port": 9090}],
        }}),
        "Role" => json!({"rules": (0..=random.below(6)).map(|_| json!({
            "apiGroups": ["", "apps"],
            "resources": ["configmaps", "deployments", "services"],
            "verbs": ["get", "list", "watch", "create", "update"],
        })).collect::<Vec<_>>()}),
        "RoleBinding" => json!({
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
            "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": "default"}],
        }),
        _ => json!({}),
    }
}

fn pod(random: &mut Random, words: &Words) -> Value {
    let variables: Vec<Value> = (0..5 + random.below(30))
        .map(|at| json!({"name": format!("SETTING_{at}"), "value": words.text(random, 30)}))
        .collect();
    json!({
        "automountServiceAccountToken": false,
        "containers": [{
            "name": "main",
            "image": format!("registry.example.com/app:1.{}", random.below(90)),
            "env": variables,
            "ports": [{"containerPort": 8080}],
            "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}},
            "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
        }],
    })
}

/// Numbers that look like chance and are the same in every run (splitmix64).
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x5851_f42d_4c95_7f2d))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap_or_default()
    }

    /// Bytes of a payload: half of them are below 1,300, one in ten above 10,000.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a size between two bounds"
    )]
    fn size(&mut self) -> usize {
        let share = (self.next() % 10_000) as f64 / 10_000.0;
        (SMALLEST * (LARGEST / SMALLEST).powf(share * share)) as usize
    }
}

/// Words to make text from that compresses as configuration does.
struct Words(Vec<String>);

impl Words {
    fn new() -> Self {
        let mut random = Random::new(u64::MAX);
        let syllables = [
            "ba", "con", "de", "fer", "gi", "lo", "mar", "net", "or", "pi", "qua", "re", "set", "ti", "ver", "xy",
        ];
        let word = |random: &mut Random| (0..2 + random.below(3)).map(|_| syllables[random.below(16)]).collect();
        Self((0..1_000).map(|_| word(&mut random)).collect())
    }

    /// At least so many bytes of text, in lines.
    fn text(&self, random: &mut Random, bytes: usize) -> String {
        let mut text = String::with_capacity(bytes + 32);
        while text.len() < bytes {
            let mut word = || self.0[random.below(self.0.len())].as_str();
            let _ = writeln!(text, "{}.{}: {} {}", word(), word(), word(), word());
        }
        text
    }
}
