//! Tokens of service accounts.

use serde_json::{Value, json};

use super::dry_run::held;
use super::scene::{Scene, object, texts};

fn token(name: &str) -> (&'static str, Value) {
    let mut secret = object("v1", "Secret", "shop", name);
    secret["type"] = json!("kubernetes.io/service-account-token");
    secret["metadata"]["annotations"] =
        json!({"kubernetes.io/service-account.name": "robot", "kubernetes.io/service-account.uid": "1"});
    secret["data"] = json!({"token": "dA==", "ca.crt": "Yw==", "namespace": "c2hvcA=="});
    ("secrets", secret)
}

fn account(secrets: &[&str]) -> (&'static str, Value) {
    let mut account = object("v1", "ServiceAccount", "shop", "robot");
    account["secrets"] = secrets.iter().map(|name| json!({"name": name})).collect();
    ("serviceaccounts", account)
}

fn pod(secret: &str) -> (&'static str, Value) {
    let mut pod = object("v1", "Pod", "shop", "user");
    pod["spec"] = json!({
        "serviceAccountName": "robot", "automountServiceAccountToken": false,
        "volumes": [{"name": secret, "secret": {"secretName": secret}}],
        "containers": [{"name": "c", "volumeMounts": [{"name": secret, "mountPath": "/t"}]}],
    });
    ("pods", pod)
}

#[tokio::test(start_paused = true)]
async fn a_token_of_a_user_is_restored_with_all_references() {
    for mapping in [json!({}), json!({"shop": "copy"})] {
        let names = ["robot-token-ci", "app-user-token", "robot-token-deploy"];
        let mut objects: Vec<_> = names.map(token).to_vec();
        objects.extend([account(&["robot-token-ci"]), pod("robot-token-ci")]);
        let scene = Scene::of(&objects).with_spec(json!({"namespaceMapping": mapping}));
        let (_, report) = held(&scene).await;
        assert_eq!(texts(&report.results.warnings), "{}");
        let target = mapping["shop"].as_str().unwrap_or("shop");
        for name in names {
            let live = scene.api.get("v1", "Secret", Some(target), name).unwrap();
            assert_eq!(live["data"], json!({}), "{name}");
            assert_eq!(
                live["metadata"]["annotations"],
                json!({"kubernetes.io/service-account.name": "robot"})
            );
        }
        let live = scene.api.get("v1", "ServiceAccount", Some(target), "robot").unwrap();
        assert_eq!(live["secrets"], json!([{"name": "robot-token-ci"}]));
        let live = scene.api.get("v1", "Pod", Some(target), "user").unwrap();
        assert_eq!(
            live["spec"]["containers"][0]["volumeMounts"],
            pod("robot-token-ci").1["spec"]["containers"][0]["volumeMounts"]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_generated_token_is_left_out_with_warnings_of_its_users() {
    for mapping in [json!({}), json!({"shop": "copy"})] {
        let name = "robot-token-x7k2p";
        let scene =
            Scene::of(&[token(name), account(&[name]), pod(name)]).with_spec(json!({"namespaceMapping": mapping}));
        let (_, report) = held(&scene).await;
        let target = mapping["shop"].as_str().unwrap_or("shop");
        assert!(scene.api.get("v1", "Secret", Some(target), name).is_none());
        let warnings = report.results.warnings.namespaces[target].join("\n");
        for what in ["service account robot", "pod user"] {
            assert!(
                warnings.contains(&format!("{what} refers to secret {name}")),
                "{warnings}"
            );
        }
        assert_eq!(report.messages.warnings, 2, "{warnings}");
        let live = scene.api.get("v1", "ServiceAccount", Some(target), "robot").unwrap();
        assert_eq!(live["secrets"], json!([]));
    }
}

#[tokio::test(start_paused = true)]
async fn an_account_keeps_its_values_with_a_warning_or_is_updated() {
    let with = |role: &str, automount: bool| {
        let (resource, mut account) = account(&["mine"]);
        account["metadata"]["annotations"] = json!({"role": role});
        account["automountServiceAccountToken"] = json!(automount);
        (resource, account)
    };
    for (policy, role, automount, warnings) in [("", "two", true, 1), ("update", "one", false, 0)] {
        let scene = Scene::of(&[with("one", false)]).with_spec(json!({"existingResourcePolicy": policy}));
        scene.api.insert(object("v1", "Namespace", "", "shop"));
        scene.api.insert(with("two", true).1);
        let (_, report) = held(&scene).await;
        let live = scene.api.get("v1", "ServiceAccount", Some("shop"), "robot").unwrap();
        assert_eq!(live["metadata"]["annotations"]["role"], role, "{policy}");
        assert_eq!(live["automountServiceAccountToken"], automount, "{policy}");
        assert_eq!(
            report.messages.warnings,
            warnings,
            "{}",
            texts(&report.results.warnings)
        );
    }
}
