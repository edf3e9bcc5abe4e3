//! Kill points: a test lets a process die at any of its writes.
//!
//! A [`Death`] counts the writes that it wraps: as a [`WriteLayer`] of the gate that everything goes through, or as a [tower
//! layer](KillPoints) of a client. Other writes are wrapped with [`Death::write`].
//!
//! ```
//! use kube_manager::lease::WriteGate;
//! use kube_manager::testing::death::{Death, Dies};
//!
//! # async fn process(_: WriteGate) {}
//! # async fn test() {
//! // How many writes does it make? Then it dies at each of them, and the next process must reach the same end.
//! let undisturbed = Death::new(Dies::Never);
//! process(WriteGate::open().layered(undisturbed.clone())).await;
//! for nth in 1..=undisturbed.writes() {
//!     let death = Death::new(Dies::After(nth));
//!     tokio::select! {
//!         () = process(WriteGate::open().layered(death.clone())) => {}
//!         () = death.come() => {}
//!     }
//!     process(WriteGate::open()).await;
//!     // ... and here the test compares.
//! }
//! # }
//! ```

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::BoxFuture;
use http::Request;
use kube::Client;
use kube::client::Body;
use tokio_util::sync::CancellationToken;
use tower::{BoxError, Layer, Service, ServiceExt};

use crate::lease::WriteLayer;
use crate::lease::client::changes;

/// When a process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dies {
    /// It does not.
    Never,
    /// Before its nth write.
    Before(usize),
    /// When its nth write was begun: the write takes effect or not, without the process.
    Within(usize),
    /// After its nth write, before the answer arrives.
    After(usize),
}

/// The end of one process. Nothing is written afterwards; the test drops the process's futures.
#[derive(Debug)]
pub struct Death {
    at: Dies,
    writes: AtomicUsize,
    dead: CancellationToken,
    thawed: CancellationToken,
}

impl Death {
    /// The death of a process that is about to begin.
    pub fn new(at: Dies) -> Arc<Self> {
        Arc::new(Self {
            at,
            writes: AtomicUsize::new(0),
            dead: CancellationToken::new(),
            thawed: CancellationToken::new(),
        })
    }

    /// How many writes were begun.
    pub fn writes(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }

    /// Returns when the process has died.
    pub async fn come(&self) {
        self.dead.cancelled().await;
    }

    /// Revokes it: the process was only paused, and continues.
    pub fn thaw(&self) {
        self.thawed.cancel();
    }

    /// A write of the process. Does not return if the process dies at it.
    pub async fn write<F: Future>(&self, write: F) -> F::Output {
        let nth = self.writes.fetch_add(1, Ordering::SeqCst) + 1;
        if self.at == Dies::Before(nth) {
            self.dead.cancel();
        }
        self.rest().await;
        let mut write = std::pin::pin!(write);
        let early = if self.at == Dies::Within(nth) {
            let begun = futures::poll!(write.as_mut());
            self.dead.cancel();
            self.rest().await;
            begun
        } else {
            Poll::Pending
        };
        let done = match early {
            Poll::Ready(done) => done,
            Poll::Pending => write.await,
        };
        if self.at == Dies::After(nth) {
            self.dead.cancel();
        }
        self.rest().await;
        done
    }

    /// The kill points as a layer of a client's services.
    pub fn layer(self: &Arc<Self>) -> KillPoints {
        KillPoints(self.clone())
    }

    /// The same connection with a kill point at each request that changes something.
    pub fn client(self: &Arc<Self>, client: &Client) -> Client {
        let namespace = client.default_namespace().to_owned();
        let client = client.clone();
        let send = tower::service_fn(move |request: Request<Body>| {
            let client = client.clone();
            async move { client.send(request).await.map_err(BoxError::from) }
        });
        Client::new(self.layer().layer(send), namespace)
    }

    async fn rest(&self) {
        if self.dead.is_cancelled() {
            self.thawed.cancelled().await;
        }
    }
}

impl WriteLayer for Death {
    fn around<'a>(&'a self, write: BoxFuture<'a, ()>) -> BoxFuture<'a, ()> {
        self.write(write).boxed()
    }
}

/// A layer with a kill point at each request that changes something, see [`Death::layer`]. Nothing is sent or answered any more
/// when the process is dead.
#[derive(Clone, Debug)]
pub struct KillPoints(Arc<Death>);

impl<S> Layer<S> for KillPoints {
    type Service = Killed<S>;

    fn layer(&self, inner: S) -> Killed<S> {
        Killed {
            death: self.0.clone(),
            inner,
        }
    }
}

/// The service of a [`KillPoints`] layer.
#[derive(Clone, Debug)]
pub struct Killed<S> {
    death: Arc<Death>,
    inner: S,
}

impl<S, B> Service<Request<B>> for Killed<S>
where
    S: Service<Request<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Response: Send,
    S::Error: Send,
    B: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        // Only the clone behind the kill point must be ready: it takes the request.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (death, inner) = (self.death.clone(), self.inner.clone());
        async move {
            let changes = changes(request.method(), request.uri().path());
            let sent = inner.oneshot(request);
            if changes {
                return death.write(sent).await;
            }
            death.rest().await;
            sent.await
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::Api;
    use kube::api::DeleteParams;

    use super::*;
    use crate::fixture::object;
    use crate::lease::WriteGate;

    #[test]
    fn a_process_dies_around_a_write_and_writes_nothing_more() {
        for (at, done) in [
            (Dies::Before(2), 1),
            (Dies::Within(2), 2),
            (Dies::After(2), 2),
            (Dies::Never, 4),
        ] {
            let death = Death::new(at);
            let gate = WriteGate::open().layered(death.clone());
            let written = AtomicUsize::new(0);
            for _ in 0..4 {
                let write = async { written.fetch_add(1, Ordering::SeqCst) };
                let _ = gate.write(write).now_or_never();
            }
            assert_eq!(written.load(Ordering::SeqCst), done, "{at:?}");
            assert_eq!(death.come().now_or_never().is_some(), at != Dies::Never);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_dies_at_its_nth_write_and_reads_do_not_count() {
        for (at, sent, answered) in [
            (Dies::Before(2), 1, 1),
            (Dies::Within(2), 2, 1),
            (Dies::After(2), 2, 1),
            (Dies::Never, 3, 3),
        ] {
            let death = Death::new(at);
            let (writes, arrived) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let counter = arrived.clone();
            let server = tower::service_fn(move |request: Request<Body>| {
                if request.method() != http::Method::GET {
                    counter.fetch_add(1, Ordering::SeqCst);
                }
                let text = serde_json::to_vec(&object("a", "1", 1)).unwrap();
                async move { Ok::<_, std::convert::Infallible>(http::Response::new(Body::from(text))) }
            });
            let api: Api<ConfigMap> = Api::default_namespaced(death.client(&Client::new(server, "ns")));
            let process = async {
                for _ in 0..3 {
                    api.get("a").await.unwrap();
                    api.delete("a", &DeleteParams::default()).await.unwrap();
                    writes.fetch_add(1, Ordering::SeqCst);
                }
            };
            let ended = tokio::time::timeout(Duration::from_secs(1), process).await;
            assert_eq!(ended.is_ok(), at == Dies::Never, "{at:?}");
            assert_eq!(arrived.load(Ordering::SeqCst), sent, "{at:?}");
            assert_eq!(writes.load(Ordering::SeqCst), answered, "{at:?}");
        }
    }
}
