//! The order of hooks, and what is logged of them.

use super::*;

#[tokio::test]
async fn pods_are_recorded_frozen_thawed_and_removed_in_order() {
    let (pods, log) = (FakePods::new(), log());
    let runner = runner(&pods, &log);
    let frozen = runner.freeze(vec![freezing("a"), freezing("b")]).await;
    pods.note("saved");
    assert_eq!(pods.frozen(), ["shop/a", "shop/b"]);
    runner.thaw(frozen).await;
    assert_eq!(
        pods.events(),
        [
            "written: shop/a, shop/b",
            "shop/a db: freeze",
            "shop/b db: freeze",
            "saved",
            "shop/a db: thaw",
            "written: shop/b",
            "shop/b db: thaw",
            "written: ",
        ]
    );
    assert_eq!(
        runner.tally(),
        Tally {
            attempted: 4,
            failed: 0
        }
    );
    assert_eq!(log.counts(), (0, 0));
}

#[tokio::test]
async fn a_pod_without_both_pre_and_post_hooks_is_not_a_freeze() {
    let (pods, log) = (FakePods::new(), log());
    around(
        &runner(&pods, &log),
        vec![pod("a", &["sync"], &[]), pod("b", &[], &["sync"])],
    )
    .await;
    assert_eq!(pods.events(), ["shop/a db: sync", "shop/b db: sync"]);
}

#[tokio::test]
async fn the_log_has_all_fields_of_a_hook_and_its_output() {
    let (pods, log) = (FakePods::new(), log());
    around(&runner(&pods, &log), vec![pod("a", &["sync -f /data"], &[])]).await;
    let text = text(&log);
    let fields = "hookCommand=\"[sync -f /data]\" hookContainer=db hookName=h hookOnError=Fail hookPhase=pre hookSource=spec hookTimeout=\"{30s}\" hookType=exec";
    for message in [
        "msg=\"running exec hook\"",
        "msg=\"stdout: done\\n\"",
        "msg=\"stderr: \"",
    ] {
        let line = text
            .lines()
            .find(|line| line.contains(message))
            .unwrap_or_else(|| panic!("{message} in {text}"));
        assert!(line.contains(fields), "{line}");
        assert!(line.contains("name=a namespace=shop resource=pods"), "{line}");
    }
}

#[tokio::test]
async fn a_pods_hooks_are_read_and_invalid_values_are_warnings() {
    let (pods, log) = (FakePods::new(), log());
    let object = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"namespace": "shop", "name": "a", "annotations": {
            "pre.hook.backup.velero.io/command": "[\"freeze\", \"/data\"]",
            "pre.hook.backup.velero.io/timeout": "soon",
            "post.hook.backup.velero.io/command": "thaw"}},
        "spec": {"containers": [{"name": "db"}]}, "status": {"phase": "Running"}});
    let object = RawObject::parse(Bytes::from(object.to_string())).unwrap();
    let hooks = PodHooks::of(&SpecHooks::default(), &object).unwrap().unwrap();
    around(&runner(&pods, &log), vec![hooks]).await;
    assert_eq!(pods.events()[1..3], ["shop/a db: freeze /data", "shop/a db: thaw"]);
    assert_eq!(log.counts(), (1, 0));
}

#[test]
fn waiting_for_hooks_can_move_between_threads() {
    fn is_send(_: &impl Send) {}
    let (pods, log) = (FakePods::new(), log());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let _inside = runtime.enter();
    let runner = runner(&pods, &log);
    is_send(&runner.freeze(Vec::new()));
    is_send(&runner.settle());
}
