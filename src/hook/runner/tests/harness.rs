//! Pods with hooks, and runners of them.

use super::*;

pub(super) fn log() -> RunLog {
    let now = || "2026-11-24T01:02:03Z".parse().unwrap();
    RunLog::create(
        tempfile::tempfile().unwrap(),
        Format::Text,
        Level::Info,
        Vec::new(),
        Arc::new(now),
    )
}

pub(super) fn text(log: &RunLog) -> String {
    let mut text = String::new();
    MultiGzDecoder::new(log.snapshot().unwrap())
        .read_to_string(&mut text)
        .unwrap();
    text
}

pub(super) fn runner(pods: &FakePods, log: &RunLog) -> Runner {
    Runner::new(Arc::new(pods.clone()), pods.journal(), log.clone(), Vec::new())
}

/// A pod with these hooks, each `command` or `command!` for one that may fail.
pub(super) fn pod(name: &str, pre: &[&str], post: &[&str]) -> PodHooks {
    let of = |phase: Phase, hooks: &[&str]| {
        let hooks = hooks.iter().map(|text| Hook {
            source: Source::Spec,
            name: "h".to_owned(),
            phase,
            container: "db".to_owned(),
            command: text.trim_end_matches('!').split(' ').map(str::to_owned).collect(),
            on_error: if text.ends_with('!') {
                OnError::Continue
            } else {
                OnError::Fail
            },
            timeout: Duration::from_secs(30),
        });
        hooks.collect()
    };
    PodHooks {
        namespace: "shop".to_owned(),
        name: name.to_owned(),
        pre: of(Phase::Pre, pre),
        post: of(Phase::Post, post),
        containers: vec!["db".to_owned()],
        now: Standing::default(),
        warnings: Vec::new(),
    }
}

pub(super) fn freezing(name: &str) -> PodHooks {
    pod(name, &["freeze"], &["thaw"])
}

pub(super) fn left(name: &str) -> Freeze {
    Freeze {
        namespace: "shop".to_owned(),
        pod: name.to_owned(),
        thaw: freezing(name).post,
    }
}

pub(super) fn lost() -> Result<i32, ExecError> {
    Err(ExecError::Lost)
}

pub(super) fn timed_out() -> Result<i32, ExecError> {
    Err(ExecError::TimedOut(Duration::from_secs(30)))
}

pub(super) fn gone() -> Result<i32, ExecError> {
    Err(ExecError::Refused {
        code: 404,
        reason: "NotFound".to_owned(),
        message: "pods \"a\" not found".to_owned(),
    })
}

pub(super) async fn freeze_by_hand(pods: &FakePods, name: &str) {
    let freeze = &freezing(name).pre[0];
    pods.execute(&freeze.exec("shop", name)).await;
}

pub(super) async fn around(runner: &Runner, pods: Vec<PodHooks>) -> Vec<bool> {
    let frozen = runner.freeze(pods).await;
    let refused = frozen.iter().map(|frozen| frozen.refused).collect();
    runner.thaw(frozen).await;
    refused
}

/// The commands that began, without their pods.
pub(super) fn commands(pods: &FakePods) -> Vec<String> {
    let events = pods.events().into_iter();
    events
        .filter_map(|event| Some(event.split_once(" db: ")?.1.to_owned()))
        .collect()
}

pub(super) fn stopped_when_listed(name: &str, state: &str) -> PodHooks {
    PodHooks {
        now: Standing::default().with_stopped("db", state),
        ..freezing(name)
    }
}

pub(super) fn warnings(log: &RunLog) -> Vec<String> {
    log.warnings().by_scope.into_values().flatten().collect()
}
