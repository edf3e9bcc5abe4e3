//! The spans of a restore, and its retries as events.

use tracing::Instrument;

use super::faults::creates;
use super::scene::{Scene, config, secret};
use crate::telemetry::run_spans::RunSpans;
use crate::telemetry::testing::Recorded;
use crate::testing::fake_api::Fault;

#[test]
fn a_wave_is_a_span_and_a_retry_is_an_event() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    let recorded = Recorded::of(|| {
        let run = tracing::info_span!("run");
        RunSpans::begin(&run, None);
        let scene = Scene::of(&[config("default", "a"), secret("default", "b")]);
        let refused = Fault::new(3, 503, "ServiceUnavailable", creates("secrets"));
        scene.api.fault(refused);
        let report = runtime.block_on(scene.run().instrument(run));
        assert_eq!((report.objects.created, report.messages.errors), (2, 0));
    });
    let run = recorded.span("run").span_context.span_id();
    let waves: Vec<_> = recorded.spans.iter().filter(|span| span.name == "wave").collect();
    assert_eq!(waves.len(), 2, "one a type");
    assert!(waves.iter().all(|wave| wave.parent_span_id == run), "{waves:?}");
    let waits = recorded.span("wait for items");
    assert_eq!(waits.parent_span_id, run);
    let retries = waits.events.iter().filter(|event| event.name == "retry").count();
    assert!(retries > 0, "{:?}", waits.events);
}
