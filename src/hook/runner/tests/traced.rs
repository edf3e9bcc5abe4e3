//! The spans of commands.

use super::*;
use crate::telemetry::run_spans::RunSpans;
use crate::telemetry::testing::Recorded;

#[test]
fn a_command_is_a_span_without_its_words_and_its_output() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let recorded = Recorded::of(|| {
        let run = tracing::info_span!("run");
        RunSpans::begin(&run, None);
        let hooks = async {
            let (pods, log) = (FakePods::new(), log());
            pods.script("fail secret-word", Ok(3));
            let hooked = vec![
                pod("a", &["sync secret-word"], &[]),
                pod("b", &["fail secret-word"], &[]),
            ];
            around(&runner(&pods, &log), hooked).await;
        };
        runtime.block_on(hooks.instrument(run));
    });
    let exec: Vec<_> = recorded.spans.iter().filter(|span| span.name == "exec").collect();
    assert_eq!(exec.len(), 2);
    let run = recorded.span("run").span_context.span_id();
    assert!(exec.iter().all(|span| span.parent_span_id == run), "{exec:?}");
    let attributes = format!("{:?}", exec.iter().map(|span| &span.attributes).collect::<Vec<_>>());
    for part in ["k8s.pod.name", "k8s.container.name", "shop", "exit_code", "pre"] {
        assert!(attributes.contains(part), "{part} in {attributes}");
    }
    assert!(
        !attributes.contains("secret-word") && !attributes.contains("done"),
        "{attributes}"
    );
}
