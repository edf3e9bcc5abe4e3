//! On files in a directory of their own. What is expected is what kubectl does with the same files.

use std::fs;

use super::*;

/// A file with one cluster, one user and one context of this name, and this current context.
fn config(name: &str, current: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: \"{current}\"\n\
         clusters: [{{name: {name}, cluster: {{server: \"https://{name}.example.com\", certificate-authority: certs/{name}.crt}}}}]\n\
         users: [{{name: {name}, user: {{tokenFile: {name}.token}}}}]\n\
         contexts: [{{name: {name}, context: {{cluster: {name}, user: {name}}}}}]\n"
    )
}

/// A context with its cluster and its user in another file.
const LINK: &str = "contexts: [{name: link, context: {cluster: a, user: b}}]\ncurrent-context: link\n";

/// Names that file `a` has too, with other contents.
const RIVAL: &str = "clusters: [{name: a, cluster: {server: \"https://rival.example.com\"}}]\n\
                     users: [{name: a, user: {username: rival}}]\n\
                     contexts: [{name: a, context: {cluster: a, user: a, namespace: rival}}]\ncurrent-context: a\n";

struct Scene(tempfile::TempDir);

impl Scene {
    fn new() -> Self {
        let scene = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(scene.path("home/.kube")).unwrap();
        for (file, text) in [
            ("a", config("a", "a")),
            ("b", config("b", "b")),
            ("none", config("none", "")),
            ("gone", config("gone", "vanished")),
            ("link", LINK.to_owned()),
            ("rival", RIVAL.to_owned()),
            ("empty", String::new()),
            ("comment", "# nothing\n".to_owned()),
            (
                "null",
                "clusters: null\nusers: null\ncontexts: null\ncurrent-context: null\n".to_owned(),
            ),
            ("broken", "clusters: [\n".to_owned()),
            ("home/.kube/config", config("home", "home")),
        ] {
            fs::write(scene.path(file), text).unwrap();
        }
        scene
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    /// `a:b` as the list of these files; an entry that begins with `/` is no file of the scene.
    fn list(&self, files: &str) -> OsString {
        let paths = files.split(':').map(|file| match file {
            "" => PathBuf::new(),
            file => self.path(file),
        });
        env::join_paths(paths).unwrap()
    }

    fn found(&self, list: Option<&str>, context: Option<&str>) -> Result<Found, ConnectError> {
        let surroundings = Surroundings {
            list: list.map(|list| self.list(list)),
            home: Some(self.path("home")),
        };
        find(None, context, &surroundings)
    }
}

/// The chosen context, or the beginning of why there is none.
fn outcome(found: Result<Found, ConnectError>) -> String {
    match found {
        Ok(Found::Chosen(_, context)) => context,
        Ok(Found::Nothing(why)) => format!("nothing: {why}"),
        Err(error) => format!("error: {error}"),
    }
}

#[test]
fn lists_of_files_follow_the_rules_of_kubectl() {
    let scene = Scene::new();
    for (list, context, want) in [
        (Some("a"), None, "a"),
        (Some("a:b"), None, "a"),
        (Some("b:a"), None, "b"),
        (Some("missing:a"), None, "a"),
        (Some("a:missing"), None, "a"),
        (Some("missing/below:b"), None, "b"),
        (Some(":a"), None, "a"),
        (Some("a:"), None, "a"),
        (Some("::b::a:"), None, "b"),
        (Some("a:a"), None, "a"),
        (Some("none:b"), None, "b"),
        (Some("none:none:b:a"), None, "b"),
        (Some("empty:b"), None, "b"),
        (Some("comment:b"), None, "b"),
        (Some("null:b"), None, "b"),
        (Some("a:link:b"), None, "a"),
        (Some("link:a:b"), None, "link"),
        (Some("a:b"), Some("b"), "b"),
        (Some("none"), Some("none"), "none"),
        (None, None, "home"),
        (None, Some("home"), "home"),
        (Some(""), None, "home"),
        // An entry that is empty is no file, and not the user's own either.
        (Some(":"), None, "nothing: no current context is set in any kubeconfig"),
        (Some("missing:absent"), None, "nothing: no current context is set in "),
        (Some("none"), None, "nothing: no current context is set in "),
        (Some("empty"), None, "nothing: no current context is set in "),
        // A file that is named and missing is never replaced by another one.
        (Some("a:b"), Some("c"), "error: "),
        (Some("missing"), Some("a"), "error: "),
        (Some("gone:a"), None, "error: "),
        (Some("broken:a"), None, "error: "),
        (Some("a:broken"), None, "error: "),
        (Some("home:a"), None, "error: "),
    ] {
        let got = outcome(scene.found(list, context));
        let matches = if want.ends_with([' ', 'g']) && want.contains(": ") {
            got.starts_with(want)
        } else {
            got == want
        };
        assert!(
            matches,
            "KUBECONFIG={list:?} --kubecontext={context:?}: {got}, not {want}"
        );
    }
}

#[test]
fn the_first_entry_of_a_name_wins_with_paths_of_its_file() {
    let scene = Scene::new();
    let Ok(Found::Chosen(merged, context)) = scene.found(Some("missing:a:rival:b"), None) else {
        panic!("a configuration");
    };
    assert_eq!(context, "a");
    let names: Vec<&str> = merged.clusters.iter().map(|cluster| cluster.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    let cluster = merged.clusters[0].cluster.as_ref().unwrap();
    assert_eq!(cluster.server.as_deref(), Some("https://a.example.com"));
    let certificate = scene.path("certs/a.crt").display().to_string();
    assert_eq!(cluster.certificate_authority.as_deref(), Some(certificate.as_str()));
    let user = merged.auth_infos[0].auth_info.as_ref().unwrap();
    assert_eq!(user.username, None, "nothing of the second is mixed in");
    let token = scene.path("a.token").display().to_string();
    assert_eq!(user.token_file.as_deref(), Some(token.as_str()));
    assert_eq!(merged.contexts[0].context.as_ref().unwrap().namespace, None);
}

#[test]
fn a_file_that_is_named_alone_is_the_only_one_and_must_exist() {
    let scene = Scene::new();
    let surroundings = Surroundings {
        list: Some(scene.list("b")),
        home: Some(scene.path("home")),
    };
    for (file, context, want) in [
        ("a", None, "a"),
        (
            "a",
            Some("b"),
            "error: error finding Kubernetes API server config in --kubeconfig, $KUBECONFIG, or in-cluster configuration: context \"b\" does not exist in ",
        ),
        (
            "missing",
            None,
            "error: error finding Kubernetes API server config in --kubeconfig, $KUBECONFIG, or in-cluster configuration: read the kubeconfig ",
        ),
        (
            "none",
            None,
            "error: error finding Kubernetes API server config in --kubeconfig, $KUBECONFIG, or in-cluster configuration: no current context is set in ",
        ),
    ] {
        let got = outcome(find(Some(&scene.path(file)), context, &surroundings));
        assert!(got.starts_with(want), "{file}: {got}");
    }
}
