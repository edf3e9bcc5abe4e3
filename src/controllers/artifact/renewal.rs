//! artifact-certificate: keeps the artifact endpoint's certificate good, and for the names under which it is reached.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, PostParams};

use super::certificate::{Certificates, Step, step};
use super::secret::{self, Held, NAME};
use crate::controllers::context::Context;
use crate::controllers::watches::Watches;
use crate::runtime::lease::NotLeading;
use crate::runtime::{Class, Classify, Controller, Manager, Next, Reconciler};

/// A pass failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// We are not the one to write.
    #[error(transparent)]
    NotLeading(#[from] NotLeading),
    /// Making certificates failed.
    #[error("making the artifact endpoint's certificate failed: {0}; check --artifact-url")]
    CertificateNotMade(#[from] rcgen::Error),
    /// The API server refused, or was not reached.
    #[error("writing secret `{NAME}` failed: {0}; check that the server may update secrets in its namespace")]
    SecretNotWritten(#[source] Box<kube::Error>),
}

impl Classify for Error {
    crate::runtime::reasons!(NotLeading, CertificateNotMade, SecretNotWritten);

    fn class(&self) -> Class {
        match self {
            Self::NotLeading(_) => Class::Lost,
            Self::CertificateNotMade(_) => Class::Invalid,
            Self::SecretNotWritten(_) => Class::Transient,
        }
    }
}

/// The reconciler.
pub struct Renewal {
    ctx: Arc<Context>,
    names: Vec<String>,
}

impl Renewal {
    /// A reconciler that keeps the certificate good for these names, which are sorted.
    pub fn new(ctx: Arc<Context>, names: Vec<String>) -> Self {
        Self { ctx, names }
    }

    /// Runs it in this manager.
    pub fn register(self, manager: &mut Manager, watches: &Watches) {
        manager.control(Controller::new(self, &watches.certificate).workers(1));
    }
}

impl Reconciler for Renewal {
    type Kind = Secret;
    type Error = Error;
    const NAME: &'static str = "artifact-certificate";
    const RESYNC: Duration = Duration::from_hours(1);

    async fn reconcile(&self, seen: Arc<Secret>) -> Result<Next, Error> {
        let now = self.ctx.clock.now();
        let made = match Held::read(&seen) {
            // Its maker renews it.
            Held::Given { .. } => return Ok(Next::Resync),
            Held::Ours(ours) => match step(&ours.facts, &self.names, now) {
                Step::KeepUntil(due) => return Ok(Next::At(due)),
                Step::Certificate => ours.renewed(&self.names, now)?,
                Step::Authority => Certificates::new(&self.names, now)?,
            },
            Held::Nothing => Certificates::new(&self.names, now)?,
        };
        let wanted = secret::of(&made, seen.metadata.clone());
        let api: Api<Secret> = Api::namespaced(self.ctx.cluster.client().clone(), &self.ctx.namespace);
        let params = PostParams::default();
        match self.ctx.gate.write(api.replace(NAME, &params, &wanted)).await? {
            Ok(_) => {
                tracing::info!(
                    secret = NAME,
                    names = self.names.join(","),
                    until = %made.facts.not_after,
                    "the certificate of the artifact endpoint was made anew"
                );
                if !is_authority_of(&seen, &made) {
                    tracing::warn!(
                        secret = NAME,
                        "the authority of the artifact endpoint was made anew; give it to storage locations that hold the old one with `velero backup-location set NAME --cacert FILE`"
                    );
                }
                Ok(Next::Resync)
            }
            // Deleted or changed meanwhile: the next pass sees which.
            Err(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found() => {
                Ok(Next::After(Duration::from_secs(1)))
            }
            Err(error) => Err(Error::SecretNotWritten(Box::new(error))),
        }
    }
}

fn is_authority_of(secret: &Secret, made: &Certificates) -> bool {
    let held = secret.data.as_ref().and_then(|data| data.get(secret::AUTHORITY));
    held.is_some_and(|held| held.0 == made.authority.as_bytes())
}
