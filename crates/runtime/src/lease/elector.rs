//! Acquires, renews and releases the lease.

use std::future::Future;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::PostParams;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::election::{Decision, Observed, Record, decide, observe};
use super::{LeaseConfig, WriteGate};
use crate::clock::{Clock, System};
use crate::health::Component;
use crate::metrics::registry::Gauge;

/// This process's part in one election.
pub(crate) struct Elector {
    config: LeaseConfig,
    api: Api<Lease>,
    gate: WriteGate,
    health: Component,
    leading: Gauge,
    /// The lease as last seen, with its resource version.
    seen: Option<(Observed, Lease)>,
    /// When the last renewal that succeeded was sent.
    renewed: Option<Instant>,
}

/// The result of one try.
#[derive(Debug)]
enum Try {
    Held,
    /// Another process has it; the next try may follow after this long.
    Taken(Duration),
}

/// Why a try failed.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{0}")]
    Api(#[from] kube::Error),
    #[error("the API server did not answer in time")]
    Timeout,
}

impl Elector {
    pub(crate) fn new(config: LeaseConfig, gate: WriteGate, health: Component, leading: Gauge) -> Self {
        gate.close();
        leading.set(0.0);
        Self {
            api: Api::namespaced(config.client.clone(), &config.namespace),
            config,
            gate,
            health,
            leading,
            seen: None,
            renewed: None,
        }
    }

    pub(crate) fn config(&self) -> &LeaseConfig {
        &self.config
    }

    /// Returns when this process leads. May be cancelled.
    pub(crate) async fn campaign(&mut self) {
        let LeaseConfig {
            name, duration, retry, ..
        } = self.config.clone();
        loop {
            match self.attempt(duration).await {
                Ok(Try::Held) => {
                    tracing::info!(lease = name, "leading");
                    self.health.ready_with("leading");
                    self.leading.set(1.0);
                    return;
                }
                Ok(Try::Taken(free_in)) => {
                    let holder = self.holder();
                    tracing::debug!(lease = name, holder, "standing by");
                    self.health.ready_with(format!("standing by; `{holder}` leads"));
                    sleep(free_in.min(retry)).await;
                }
                Err(error) => {
                    tracing::warn!(lease = name, %error, "the lease could not be taken; check that we may get, create and update it");
                    if self.seen.is_none() {
                        self.health
                            .not_ready(format!("the lease `{name}` could not be read or taken: {error}"));
                    }
                    sleep(retry).await;
                }
            }
        }
    }

    /// Renews the lease until it is lost, and returns the reason: another process has it, or the margin has begun. May be cancelled and called again.
    pub(crate) async fn hold(&mut self) -> String {
        let LeaseConfig {
            duration,
            retry,
            margin,
            ..
        } = self.config;
        let mut next = retry;
        loop {
            let Some(renewed) = self.renewed else {
                return "it was never held".into();
            };
            let end = renewed + duration.saturating_sub(margin);
            let renewal = async {
                sleep_until(renewed + next).await;
                // A hanging request leaves half of the time to the next ones.
                self.attempt(end.saturating_duration_since(Instant::now()) / 2).await
            };
            let tried = tokio::select! {
                biased;
                () = sleep_until(end) => return format!("it was not renewed for {:?}", renewed.elapsed()),
                tried = renewal => tried,
            };
            match tried {
                Ok(Try::Held) => next = retry,
                Ok(Try::Taken(_)) => {
                    self.gate.close();
                    return format!("`{}` has it", self.holder());
                }
                Err(error) => {
                    tracing::warn!(lease = self.config.name, %error, "the lease could not be renewed; trying again");
                    next = renewed.elapsed() + retry / 8;
                }
            }
        }
    }

    /// Whether this process leads, or has to behave as if it did.
    pub(crate) fn leads(&self) -> bool {
        self.renewed.is_some()
    }

    /// When other processes may take the lease, without a further renewal.
    pub(crate) fn end(&self) -> Instant {
        self.renewed
            .map_or_else(Instant::now, |renewed| renewed + self.config.duration)
    }

    /// The leader's tasks have stopped: from here on another process may lead.
    pub(crate) fn stand_down(&mut self) {
        self.gate.close();
        self.renewed = None;
        self.leading.set(0.0);
    }

    /// Releases the lease, so that a standby need not wait for its end. Only when no task of this process writes any more.
    pub(crate) async fn release(&mut self) {
        self.stand_down();
        let Some((observed, mut lease)) = self.seen.take() else {
            return;
        };
        if observed.record.holder != self.config.identity {
            return;
        }
        observed.record.released(System.now()).write_to(&mut lease);
        let post = PostParams::default();
        let write = self.api.replace(&self.config.name, &post, &lease);
        match in_time(self.config.margin, write).await {
            Ok(_) => tracing::info!(lease = self.config.name, "lease given back"),
            Err(error) => tracing::warn!(lease = self.config.name, %error, "the lease could not be given back"),
        }
    }

    /// One try to get or keep the lease; each of its requests may take that long.
    async fn attempt(&mut self, patience: Duration) -> Result<Try, Error> {
        // Renewing starts from what was seen last; only when that is outdated the lease is read.
        let ours = self
            .seen
            .as_ref()
            .is_some_and(|(seen, _)| seen.record.holder == self.config.identity);
        if !ours {
            self.look(patience).await?;
        }
        match self.write(patience).await {
            Err(Error::Api(kube::Error::Api(status))) if matches!(status.code, 404 | 409) => {
                self.look(patience).await?;
                self.write(patience).await
            }
            tried => tried,
        }
    }

    /// Reads the lease.
    async fn look(&mut self, patience: Duration) -> Result<(), Error> {
        let lease = in_time(patience, self.api.get_opt(&self.config.name)).await?;
        let now = Instant::now();
        let before = self.seen.take().map(|(observed, _)| observed);
        self.seen = lease.map(|lease| (observe(before, Record::of(&lease, self.config.duration), now), lease));
        Ok(())
    }

    /// Writes the lease if this process may take it.
    async fn write(&mut self, patience: Duration) -> Result<Try, Error> {
        let LeaseConfig {
            name,
            identity,
            duration,
            margin,
            ..
        } = &self.config;
        let sent = Instant::now();
        let decision = decide(self.seen.as_ref().map(|(observed, _)| observed), identity, sent);
        if let Decision::Wait(free_in) = decision {
            return Ok(Try::Taken(free_in));
        }
        let before = self.seen.as_ref().map(|(observed, _)| &observed.record);
        let record = Record::held(before, identity, *duration, System.now());
        let mut lease = self.seen.as_ref().map(|(_, lease)| lease.clone()).unwrap_or_default();
        record.write_to(&mut lease);
        let post = PostParams::default();
        let lease = if decision == Decision::Create {
            lease.metadata.name = Some(name.clone());
            in_time(patience, self.api.create(&post, &lease)).await?
        } else {
            in_time(patience, self.api.replace(name, &post, &lease)).await?
        };
        self.gate
            .lead(sent + duration.saturating_sub(*margin), sent + *duration);
        self.renewed = Some(sent);
        self.seen = Some((Observed { record, since: sent }, lease));
        Ok(Try::Held)
    }

    fn holder(&self) -> String {
        self.seen
            .as_ref()
            .map_or_else(String::new, |(observed, _)| observed.record.holder.clone())
    }
}

async fn in_time<T>(patience: Duration, call: impl Future<Output = kube::Result<T>>) -> Result<T, Error> {
    Ok(timeout(patience, call).await.map_err(|_| Error::Timeout)??)
}
