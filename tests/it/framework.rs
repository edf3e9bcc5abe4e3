//! The framework's example of owned objects, as it is in crates/runtime/examples, on a real API server.

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config, CustomResourceExt};
use tokio_util::sync::CancellationToken;

use crate::harness::{Plane, eventually, text};

#[allow(dead_code, reason = "its `main` is for people")]
#[path = "../../crates/runtime/examples/owned.rs"]
mod owned;

fn site(name: &str, title: &str) -> String {
    serde_json::json!({
        "apiVersion": "example.com/v1", "kind": "Site", "metadata": {"name": name, "namespace": "default"},
        "spec": {"title": title},
    })
    .to_string()
}

fn shows(plane: &Plane, what: &str, title: &str) {
    eventually(what, || {
        let page = plane.get("default", "configmap", "a-page")?;
        (text(&page, "/data/index.html") == format!("<h1>{title}</h1>")).then_some(())
    });
}

#[test]
fn the_example_keeps_the_pages_of_its_sites() {
    let plane = Plane::start();
    let definition = serde_json::to_string(&owned::Site::crd()).expect("a definition");
    plane.apply(&definition);
    eventually("the kind to be served", || {
        plane.kubectl_with(&["get", "sites"], "").ok().map(drop)
    });

    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let stop = CancellationToken::new();
    let kubeconfig = Kubeconfig::read_from(plane.kubeconfig()).expect("a kubeconfig");
    let running = runtime.spawn({
        let stop = stop.clone();
        async move {
            let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
            owned::run(Client::try_from(config)?, "default", stop).await
        }
    });

    plane.apply(&site("a", "Hello"));
    shows(&plane, "the page", "Hello");
    eventually("the status", || {
        let site = plane.get("default", "site", "a")?;
        (text(&site, "/status/page") == "a-page").then_some(())
    });
    let (site_a, page) = (
        plane.get("default", "site", "a").expect("the site"),
        plane.get("default", "configmap", "a-page").expect("the page"),
    );
    assert_eq!(
        text(&page, "/metadata/ownerReferences/0/uid"),
        text(&site_a, "/metadata/uid")
    );

    plane.apply(&site("a", "Goodbye"));
    shows(&plane, "the page to follow its site", "Goodbye");
    // A change of the page leads to a pass for its site.
    let patch = r#"{"data": {"index.html": "defaced"}}"#;
    plane.kubectl(&[
        "patch",
        "configmap",
        "a-page",
        "-n",
        "default",
        "--type=merge",
        "-p",
        patch,
    ]);
    shows(&plane, "the page to be put back", "Goodbye");
    plane.kubectl(&["delete", "configmap", "a-page", "-n", "default"]);
    shows(&plane, "the page to be made again", "Goodbye");

    // What only the user can correct is an event with its reason, and no page.
    plane.apply(&site("untitled", ""));
    eventually("the event", || {
        let events = plane.list("default", "events");
        let failed = events.iter().find(|event| text(event, "/reason") == "NoTitle")?;
        assert_eq!(text(failed, "/message"), "spec.title is empty; set one");
        Some(())
    });
    assert!(plane.get("default", "configmap", "untitled-page").is_none());

    stop.cancel();
    let ended = runtime.block_on(running).expect("it does not panic");
    assert!(ended.is_ok(), "{ended:?}");
}
