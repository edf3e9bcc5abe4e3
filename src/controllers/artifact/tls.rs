//! TLS of the artifact endpoint, with the certificate of the Secret that the replicas share. Every replica follows the
//! Secret, so that a new certificate is served without a restart.

use std::sync::Arc;
use std::time::Duration;

use axum_server::tls_rustls::RustlsConfig;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::MissedTickBehavior;

use super::secret::{self, Held, NAME, SecretError};
use crate::controllers::context::Context;
use crate::runtime::{ObjectRef, SharedWatch};

/// How often the Secret is looked at without a change: it may be gone, and making it again may have failed.
const RESYNC: Duration = Duration::from_mins(1);

/// The certificate could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Making one for this process alone failed.
    #[error("making the artifact endpoint's certificate failed: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The TLS library refused it.
    #[error("setting up TLS for the artifact endpoint failed: {0}")]
    Config(#[from] std::io::Error),
}

/// Why the Secret's certificate is not served.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error("secret `{NAME}` holds no certificate; delete it, a new one is made")]
    Nothing,
    #[error("the certificate of secret `{NAME}` cannot be used: {0}; delete the secret, a new one is made")]
    Refused(#[from] std::io::Error),
}

/// Where the endpoint's certificate comes from.
pub struct Identity {
    ctx: Arc<Context>,
    names: Vec<String>,
    secrets: SharedWatch<Secret>,
}

impl Identity {
    /// The certificate of the Secret that this watch follows; if there is none, one for these names is made.
    pub fn new(ctx: Arc<Context>, names: Vec<String>, secrets: SharedWatch<Secret>) -> Self {
        Self { ctx, names, secrets }
    }

    /// TLS with the Secret's certificate. Where that cannot be used, with one of this process alone, which the API
    /// server's proxy accepts and no other client does.
    pub(in crate::controllers) async fn load(&self) -> Result<RustlsConfig, TlsError> {
        match self.pem().await {
            Ok((certificate, key)) => match RustlsConfig::from_pem(certificate, key).await {
                Ok(config) => return Ok(config),
                Err(error) => warn(&error.into()),
            },
            Err(error) => warn(&error),
        }
        let made = rcgen::generate_simple_self_signed(self.names.clone())?;
        Ok(RustlsConfig::from_der(vec![made.cert.der().to_vec()], made.signing_key.serialize_der()).await?)
    }

    /// Brings a changed certificate to the connections that come after. Never ends.
    pub(in crate::controllers) async fn follow(&self, config: &RustlsConfig) {
        let mut changes = self.secrets.changes();
        let mut tick = tokio::time::interval(RESYNC);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut loaded: Option<Vec<u8>> = None;
        loop {
            tokio::select! {
                changed = changes.recv() => match changed {
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    // Cannot be: the sender lives as long as the watch.
                    Err(RecvError::Closed) => return std::future::pending().await,
                },
                // The first tick comes at once: the Secret may have changed since it was loaded.
                _ = tick.tick() => {}
            }
            match self.pem().await {
                Ok((certificate, _)) if loaded.as_ref() == Some(&certificate) => {}
                Ok((certificate, key)) => {
                    if let Err(error) = config.reload_from_pem(certificate.clone(), key).await {
                        warn(&error.into());
                    }
                    // One that is refused is logged once.
                    loaded = Some(certificate);
                }
                Err(error) => warn(&error),
            }
        }
    }

    async fn pem(&self) -> Result<(Vec<u8>, Vec<u8>), Unusable> {
        let namespace = &self.ctx.namespace;
        let held = if let Some(secret) = self.secrets.get(&ObjectRef::new(NAME).within(namespace)) {
            Held::read(&secret)
        } else {
            let api: Api<Secret> = Api::namespaced(self.ctx.cluster.client().clone(), namespace);
            Held::read(&secret::ensure(&api, namespace, &self.names, self.ctx.clock.now()).await?)
        };
        held.served().ok_or(Unusable::Nothing)
    }
}

fn warn(error: &Unusable) {
    tracing::warn!(
        error = error.to_string(),
        "the artifact endpoint goes on with the certificate that it has"
    );
}
