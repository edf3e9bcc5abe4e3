//! The cases of the truth tables: of types (spec backup 7.3), of namespaces (7.2), and of labels and Namespace objects (7.4).

/// One case: a spec, and exactly what a backup by it holds of the scene and beside it.
pub struct Case {
    pub about: &'static str,
    /// `spec` of the Backup, as YAML in one line.
    pub spec: &'static str,
    /// Names as the scene has them, separated by spaces.
    pub saves: &'static [&'static str],
    pub ends: &'static str,
    /// A further text in the log.
    pub logged: &'static str,
}

const fn case(about: &'static str, spec: &'static str, saves: &'static [&'static str]) -> Case {
    Case {
        about,
        spec,
        saves,
        ends: "Completed",
        logged: "",
    }
}

impl Case {
    const fn logging(mut self, logged: &'static str) -> Self {
        self.logged = logged;
        self
    }

    const fn ending(mut self, ends: &'static str) -> Self {
        self.ends = ends;
        self
    }
}

const SHOP: &str = "settings key robot web-0 data blue started";
/// What objects of the shop bring along from cluster scope.
const ALONG: &str = "volume urgent reader reading crd:widgets";
const ELSEWHERE: &str = "ledger red trial last";
/// Everything of cluster scope but Namespace objects.
const CLUSTER: &str =
    "volume spare urgent fast reader reading earth crd:widgets crd:planets crd:shots crd:contents ~cluster";
const NAMESPACES: &str = "ns:shop ns:bank ns:shop-test ~ns";
const EVERYTHING: &[&str] = &[SHOP, ELSEWHERE, CLUSTER, NAMESPACES, "~namespaced"];
const NOTHING: &[&str] = &[];

/// The old filters: includedResources, excludedResources, includeClusterResources.
pub const OLD_FILTERS: &[Case] = &[
    case("without any filter everything is saved", "{}", EVERYTHING),
    case(
        "lists that are there and empty are none",
        "{includedNamespaces: [], includedResources: [], excludedResources: []}",
        EVERYTHING,
    ),
    case(
        "cluster-scoped types of the whole cluster",
        "{includeClusterResources: true}",
        EVERYTHING,
    ),
    case(
        "no cluster-scoped types: Namespace objects stay (C2)",
        "{includeClusterResources: false}",
        &[SHOP, ELSEWHERE, NAMESPACES, "~namespaced"],
    ),
    case("all types by the star", "{includedResources: ['*']}", EVERYTHING),
    case(
        "a namespace and what belongs to it",
        "{includedNamespaces: [shop]}",
        &[SHOP, ALONG, "ns:shop"],
    ),
    case(
        "a namespace and all of cluster scope",
        "{includedNamespaces: [shop], includeClusterResources: true}",
        &[SHOP, CLUSTER, "ns:shop"],
    ),
    case(
        "a namespace and nothing of cluster scope",
        "{includedNamespaces: [shop], includeClusterResources: false}",
        &[SHOP, "ns:shop"],
    ),
    case(
        "the star and nothing of cluster scope",
        "{includedNamespaces: [shop], includedResources: ['*'], includeClusterResources: false}",
        &[SHOP, "ns:shop"],
    ),
    case(
        "one type of all namespaces",
        "{includedResources: [configmaps]}",
        &["settings ledger trial last ~namespaced"],
    ),
    case(
        "short and singular names",
        "{includedNamespaces: [shop], includedResources: [cm, secret, ns]}",
        &["settings key ns:shop"],
    ),
    case(
        "a custom resource brings its definition (C7)",
        "{includedNamespaces: [shop], includedResources: [widgets.example.com]}",
        &["blue crd:widgets"],
    ),
    case(
        "a custom resource without cluster scope",
        "{includedNamespaces: [shop], includedResources: [widgets.example.com], includeClusterResources: false}",
        &["blue"],
    ),
    case(
        "pods alone bring nothing that is not included",
        "{includedNamespaces: [shop], includedResources: [pods]}",
        &["web-0"],
    ),
    case(
        "pods with all of cluster scope bring their class",
        "{includedNamespaces: [shop], includedResources: [pods], includeClusterResources: true}",
        &["web-0 urgent"],
    ),
    case(
        "a volume comes with its claim",
        "{includedNamespaces: [shop], includedResources: [pods, pvc, pv]}",
        &["web-0 data volume"],
    ),
    case(
        "volumes of the whole cluster",
        "{includedNamespaces: [shop], includedResources: [pods, pvc, pv], includeClusterResources: true}",
        &["web-0 data volume spare urgent"],
    ),
    case(
        "bindings come with their account",
        "{includedNamespaces: [shop], includedResources: [sa, clusterroles, clusterrolebindings]}",
        &["robot reader reading"],
    ),
    case(
        "excludes only",
        "{includedNamespaces: [shop], excludedResources: [configmaps, secrets]}",
        &["robot web-0 data blue started ns:shop", ALONG],
    ),
    case(
        "an excluded type does not come along either",
        "{includedNamespaces: [shop], excludedResources: [pv, priorityclasses]}",
        &[SHOP, "reader reading crd:widgets ns:shop"],
    ),
    case(
        "excluded definitions",
        "{includedNamespaces: [shop], excludedResources: [crd]}",
        &[SHOP, "volume urgent reader reading ns:shop"],
    ),
    case(
        "excluded Namespace objects",
        "{includedNamespaces: [shop], excludedResources: [namespaces]}",
        &[SHOP, ALONG],
    ),
    case(
        "a type in both ways: excludes win",
        "{includedNamespaces: [shop], includedResources: [configmaps, secrets], excludedResources: ['config*']}",
        &["key"],
    ),
    case(
        "wildcards in includes",
        "{includedNamespaces: [shop], includedResources: ['config*', '*.example.com']}",
        &["settings blue crd:widgets"],
    ),
    case(
        "a wildcard across groups",
        "{includedResources: ['*.example.com']}",
        &["blue red earth crd:widgets crd:planets"],
    ),
    case(
        "excludes of wildcards only; events come from their twin",
        "{includedNamespaces: [shop], excludedResources: ['*s']}",
        &["blue started@events.k8s.io crd:widgets"],
    ),
    case(
        "a pattern that matches no type",
        "{includedResources: ['nothing*']}",
        NOTHING,
    ),
    case(
        "an excluded pattern that matches no type",
        "{includedNamespaces: [shop], excludedResources: ['nothing*']}",
        &[SHOP, ALONG, "ns:shop"],
    ),
    case("a type that is not served", "{includedResources: [unicorns]}", NOTHING),
    case(
        "only a type that is never collected (C7)",
        "{includedResources: [volumesnapshots.snapshot.storage.k8s.io]}",
        NOTHING,
    ),
    case(
        "only such types, by short names",
        "{includedResources: [volumesnapshot, volumesnapshotcontent], includeClusterResources: true}",
        NOTHING,
    ),
    case(
        "such a type beside another",
        "{includedNamespaces: [shop], includedResources: [volumesnapshots.snapshot.storage.k8s.io, secrets]}",
        &["key"],
    ),
];

/// The new filters: a pair of lists for each scope.
pub const NEW_FILTERS: &[Case] = &[
    case(
        "all namespaced types by the star",
        "{includedNamespaceScopedResources: ['*']}",
        EVERYTHING,
    ),
    case(
        "one type of all namespaces, and Namespace objects",
        "{includedNamespaceScopedResources: [configmaps]}",
        &["settings ledger trial last ~namespaced", NAMESPACES],
    ),
    case(
        "one type of a namespace",
        "{includedNamespaces: [shop], includedNamespaceScopedResources: [cm]}",
        &["settings ns:shop"],
    ),
    case(
        "what a pod needs of cluster scope comes along",
        "{includedNamespaces: [shop], includedNamespaceScopedResources: [pods, pvc]}",
        &["web-0 data volume urgent ns:shop"],
    ),
    case(
        "an excluded type",
        "{includedNamespaces: [shop], excludedNamespaceScopedResources: [cm]}",
        &["key robot web-0 data blue started ns:shop", ALONG],
    ),
    case(
        "an excluded type makes a part of the whole",
        "{excludedNamespaceScopedResources: [cm]}",
        &[
            "key robot web-0 data blue started red",
            ALONG,
            NAMESPACES,
            "~namespaced ~cluster",
        ],
    ),
    case(
        "no namespaced types",
        "{excludedNamespaceScopedResources: ['*']}",
        &[NAMESPACES],
    ),
    case(
        "all types of cluster scope",
        "{includedNamespaces: [shop], includedClusterScopedResources: ['*']}",
        &[SHOP, CLUSTER, "ns:shop"],
    ),
    case(
        "one type of cluster scope",
        "{includedNamespaces: [shop], includedClusterScopedResources: [sc]}",
        &[SHOP, ALONG, "fast ns:shop"],
    ),
    case(
        "one type of cluster scope of the whole cluster",
        "{includedClusterScopedResources: [storageclasses]}",
        &[SHOP, ELSEWHERE, ALONG, "fast", NAMESPACES, "~namespaced ~cluster"],
    ),
    case(
        "only types of cluster scope",
        "{includedClusterScopedResources: ['*'], excludedNamespaceScopedResources: ['*']}",
        &[CLUSTER, NAMESPACES],
    ),
    case(
        "an excluded type of cluster scope does not come along",
        "{includedNamespaces: [shop], excludedClusterScopedResources: [pv]}",
        &[SHOP, "urgent reader reading crd:widgets ns:shop"],
    ),
    case(
        "an excluded type of cluster scope makes a part of the whole",
        "{excludedClusterScopedResources: [pv]}",
        &[
            SHOP,
            ELSEWHERE,
            "urgent reader reading crd:widgets ~cluster ~namespaced",
            NAMESPACES,
        ],
    ),
    case(
        "nothing of cluster scope, Namespace objects included",
        "{includedNamespaces: [shop], excludedClusterScopedResources: ['*']}",
        &[SHOP],
    ),
    case(
        "excluded Namespace objects",
        "{includedNamespaces: [shop], excludedClusterScopedResources: [namespaces]}",
        &[SHOP, ALONG],
    ),
    case(
        "excluded definitions",
        "{includedNamespaces: [shop], excludedClusterScopedResources: [customresourcedefinitions]}",
        &[SHOP, "volume urgent reader reading ns:shop"],
    ),
    case(
        "wildcards in both scopes",
        "{includedNamespaces: [shop], includedNamespaceScopedResources: ['*.example.com'], includedClusterScopedResources: ['*.example.com']}",
        &["blue earth crd:widgets crd:planets ns:shop"],
    ),
    case(
        "patterns that match nothing",
        "{includedNamespaces: [shop], includedNamespaceScopedResources: ['nothing*'], excludedClusterScopedResources: ['none?']}",
        &["ns:shop"],
    ),
    case(
        "a namespaced type among those of cluster scope",
        "{includedNamespaces: [shop], includedClusterScopedResources: [configmaps]}",
        &[SHOP, ALONG, "ns:shop"],
    )
    .logging("configmaps has no effect"),
    case(
        "a type of cluster scope among the namespaced",
        "{includedNamespaces: [shop], includedNamespaceScopedResources: [persistentvolumes]}",
        &["ns:shop"],
    )
    .logging("persistentvolumes has no effect"),
    case(
        "an exclude of the wrong scope leaves the whole whole",
        "{excludedNamespaceScopedResources: [persistentvolumes]}",
        EVERYTHING,
    )
    .logging("persistentvolumes has no effect"),
    case(
        "only a namespaced type that is never collected (C7)",
        "{includedNamespaceScopedResources: [volumesnapshots.snapshot.storage.k8s.io]}",
        &[NAMESPACES],
    ),
    case(
        "only such a type of cluster scope",
        "{includedNamespaces: [shop], includedClusterScopedResources: [volumesnapshotcontents.snapshot.storage.k8s.io]}",
        &[SHOP, ALONG, "ns:shop"],
    ),
];

/// Lists of namespaces.
pub const IN_NAMESPACES: &[Case] = &[
    case(
        "a pattern",
        "{includedNamespaces: ['shop*']}",
        &[SHOP, "trial", ALONG, "ns:shop ns:shop-test"],
    ),
    case(
        "a pattern without another",
        "{includedNamespaces: ['shop*'], excludedNamespaces: ['*-test']}",
        &[SHOP, ALONG, "ns:shop"],
    ),
    case(
        "brackets and question marks",
        "{includedNamespaces: ['[a-c]an?', 'sho?']}",
        &[SHOP, ALONG, "ledger red ns:shop ns:bank"],
    ),
    case(
        "excludes only",
        "{excludedNamespaces: ['shop*', 'kube-*', default, 'velero*']}",
        &["ledger red last crd:widgets ns:bank"],
    ),
    case(
        "all but one is not everything",
        "{includedNamespaces: ['*'], excludedNamespaces: [shop]}",
        &[ELSEWHERE, "crd:widgets ns:bank ns:shop-test ~ns ~namespaced ~cluster"],
    ),
    case(
        "a pattern that matches no namespace",
        "{includedNamespaces: ['nothing-*']}",
        NOTHING,
    ),
    case(
        "an excluded pattern that matches no namespace",
        "{includedNamespaces: [shop], excludedNamespaces: ['nothing-*']}",
        &[SHOP, ALONG, "ns:shop"],
    ),
    case("no namespace by the empty name", "{includedNamespaces: ['']}", NOTHING),
    case(
        "no namespace, and all of cluster scope",
        "{includedNamespaces: [''], includeClusterResources: true}",
        &[CLUSTER],
    ),
    case(
        "only a namespace that is labelled out (C5)",
        "{includedNamespaces: [hidden]}",
        NOTHING,
    )
    .logging("its label velero.io/exclude-from-backup=true excludes it"),
    case(
        "one that is labelled out among others (C5)",
        "{includedNamespaces: [hidden, shop]}",
        &[SHOP, ALONG, "ns:shop"],
    )
    .logging("its label velero.io/exclude-from-backup=true excludes it"),
    case(
        "a pattern that matches one that is labelled out",
        "{includedNamespaces: ['h*']}",
        NOTHING,
    ),
    case(
        "a namespace that is not there (C4)",
        "{includedNamespaces: [shop, absent]}",
        &[SHOP, ALONG, "ns:shop"],
    )
    .ending("PartiallyFailed")
    .logging("name=absent"),
    case(
        "the same where no Namespace objects are saved (C4)",
        "{includedNamespaces: [absent], includedResources: [configmaps]}",
        NOTHING,
    )
    .ending("PartiallyFailed")
    .logging("name=absent"),
    case(
        "the Namespace object of one that ends is left out",
        "{includedNamespaces: [dying]}",
        &["last"],
    ),
];

/// Label selectors, and the Namespace objects that come along with them.
pub const BY_LABELS: &[Case] = &[
    case(
        "an empty selector selects everything (C10)",
        "{labelSelector: {}}",
        EVERYTHING,
    ),
    case(
        "a selector",
        "{labelSelector: {matchLabels: {app: web}}}",
        &["settings web-0 data volume urgent blue ledger earth crd:widgets crd:planets ns:shop ns:bank ns:shop-test"],
    ),
    case(
        "a selector in a namespace; Namespace objects count by their labels",
        "{includedNamespaces: [shop], labelSelector: {matchLabels: {app: web}}}",
        &["settings web-0 data volume urgent blue crd:widgets ns:shop ns:shop-test"],
    ),
    case(
        "a selector and a type",
        "{includedResources: [secrets, ns], labelSelector: {matchLabels: {app: db}}}",
        &["key ns:shop"],
    ),
    case(
        "a selector that matches nothing",
        "{labelSelector: {matchLabels: {app: none}}}",
        NOTHING,
    ),
    case(
        "the same in a namespace that was named",
        "{includedNamespaces: [bank], labelSelector: {matchLabels: {app: none}}}",
        &["ns:bank"],
    ),
    case(
        "the same without a namespace",
        "{excludedNamespaces: [bank], labelSelector: {matchLabels: {app: none}}}",
        &["ns:shop ns:shop-test ~ns"],
    ),
    case(
        "an expression, which a Namespace without the label fits too",
        "{includedNamespaces: [shop], labelSelector: {matchExpressions: [{key: app, operator: NotIn, values: [web]}]}}",
        &["key robot data started volume reader reading ns:shop ns:bank ~ns"],
    ),
    case(
        "or-selectors find what either finds",
        "{includedNamespaces: [shop, bank], orLabelSelectors: [{matchLabels: {app: db}}, {matchExpressions: [{key: app, operator: In, values: [web, x]}]}]}",
        &["settings key web-0 data volume urgent blue ledger red crd:widgets ns:shop ns:bank ns:shop-test"],
    ),
    case(
        "an empty one among them selects everything (C10)",
        "{orLabelSelectors: [{matchLabels: {app: web}}, {}]}",
        EVERYTHING,
    ),
    case(
        "a Namespace by its own label",
        "{includedResources: [ns], labelSelector: {matchLabels: {team: money}}}",
        &["ns:bank"],
    ),
];
