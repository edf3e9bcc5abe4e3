//! A supervised long operation with progress: each `Countdown` counts down beside the passes, which only show its progress. A countdown is cancelled when its
//! object is deleted. If the process dies, the next one resumes it from the status.
//!
//! ```text
//! cargo run -p kube-manager --example operation -- --crd | kubectl apply -f -
//! cargo run -p kube-manager --example operation &
//! kubectl create -f - <<< '{"apiVersion": "example.com/v1", "kind": "Countdown", "metadata": {"name": "a"}, "spec": {"from": 60}}'
//! kubectl get countdown a -w -o jsonpath='{.status}{"\n"}'
//! ```

use std::sync::Arc;
use std::time::Duration;

use kube::api::{Patch, PatchParams};
use kube::{Api, Client, CustomResource, CustomResourceExt, ResourceExt};
use kube_manager::metrics::Registry;
use kube_manager::operation::{Handle, Outcome, Seen};
use kube_manager::{
    Class, Classify, Controller, Manager, Next, ObjectRef, Operations, Reconciler, Watch, reasons, uid_of,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The desired state of a countdown.
#[derive(CustomResource, Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[kube(
    group = "example.com",
    version = "v1",
    kind = "Countdown",
    namespaced,
    status = "CountdownStatus"
)]
struct CountdownSpec {
    /// Where it begins.
    from: u32,
}

/// The progress of a countdown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct CountdownStatus {
    /// The number it is at.
    left: u32,
    /// Whether it is over, and how.
    result: Option<String>,
}

/// The progress and the result of an operation: whether it reached its end, and the current number.
type Countdowns = Operations<Countdown, bool, u32>;

/// Counts down every countdown, three at once.
struct Counter {
    client: Client,
    countdowns: Countdowns,
}

/// Why a pass failed.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("write the status: {0}")]
    StatusNotWritten(#[from] kube::Error),
}

impl Classify for Error {
    reasons!(StatusNotWritten);

    fn class(&self) -> Class {
        match self {
            Self::StatusNotWritten(error) => Class::of(error),
        }
    }
}

/// The work itself. It may take what the grace period leaves when it is cancelled.
async fn count_down(from: u32, handle: Handle<u32>) -> bool {
    for left in (0..from).rev() {
        tokio::select! {
            () = handle.cancelled().cancelled() => return false,
            () = tokio::time::sleep(Duration::from_secs(1)) => handle.progress(left),
        }
    }
    true
}

impl Reconciler for Counter {
    type Kind = Countdown;
    type Error = Error;
    const NAME: &'static str = "countdowns";
    const RESYNC: Duration = Duration::from_mins(10);

    async fn reconcile(&self, object: Arc<Countdown>) -> Result<Next, Error> {
        let before = object.status.clone();
        if before.as_ref().is_some_and(|status| status.result.is_some()) {
            return Ok(Next::Resync);
        }
        let (uid, left) = (
            uid_of(&*object),
            before.as_ref().map_or(object.spec.from, |status| status.left),
        );
        let (left, result) = match self.countdowns.get(&uid) {
            // Not begun, or begun by a process that is gone: the status has the number to resume from. If there is no room, a pass
            // comes when there is.
            None => {
                let key = ObjectRef::from_obj(&*object);
                self.countdowns
                    .start_if_absent(&uid, &key, "countdown", move |handle| count_down(left, handle));
                (left, None)
            }
            Some(Seen::Running { progress, .. }) => (progress.unwrap_or(left), None),
            Some(Seen::Ended(outcome)) => match &*outcome {
                Outcome::Returned(true) => (0, Some("Completed".to_owned())),
                Outcome::Returned(false) => (left, Some("Cancelled".to_owned())),
                Outcome::Panicked(message) => (left, Some(format!("Failed: {message}"))),
            },
        };
        let status = CountdownStatus { left, result };
        if before.as_ref() != Some(&status) {
            let api: Api<Countdown> = Api::namespaced(self.client.clone(), &object.namespace().unwrap_or_default());
            let patch = Patch::Merge(json!({"status": status}));
            api.patch_status(&object.name_any(), &PatchParams::default(), &patch)
                .await?;
        }
        if status.result.is_some() {
            // The result is recorded, so the operation may be forgotten.
            self.countdowns.acknowledge(&uid);
        }
        Ok(Next::Resync)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    if std::env::args().any(|argument| argument == "--crd") {
        serde_json::to_writer_pretty(std::io::stdout(), &Countdown::crd())?;
        return Ok(());
    }
    tracing_subscriber::fmt().init();
    let client = Client::try_default().await?;
    let mut manager = Manager::new("countdowns", &Registry::new())?.events(client.clone());
    let watch = manager.watch(Watch::of(Api::<Countdown>::default_namespaced(client.clone())));
    let countdowns = Countdowns::at_most(3);
    let counter = Counter {
        client: manager.client(&client),
        countdowns: countdowns.clone(),
    };
    manager.control(Controller::new(counter, &watch).operations(&countdowns));
    manager.run().await?;
    Ok(())
}
