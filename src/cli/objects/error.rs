//! Why a request for an object failed, in the server's own words.

use crate::telemetry::causes;

/// A request that failed.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The server answered with an error; its own words, as kubectl shows them.
    #[error("{message}")]
    Refused {
        /// The HTTP status code.
        code: u16,
        /// `NotFound`, `AlreadyExists`, …
        reason: String,
        /// The server's message.
        message: String,
    },
    /// The server does not know the kind.
    #[error(
        "the server does not serve {0}: check that Velero is installed here (`velero install --crds-only` makes its kinds known)"
    )]
    Unserved(String),
    /// There was no answer that could be understood.
    #[error(
        "talk to the Kubernetes API server: {0}; check that it can be reached and that the kubeconfig is meant for it"
    )]
    Transport(String),
}

impl RequestError {
    /// Judges the client's error. `kind` is what was asked for.
    pub fn of(error: kube::Error, kind: &str) -> Self {
        match error {
            kube::Error::Api(status) => {
                let named = status.details.as_ref().is_some_and(|details| !details.name.is_empty());
                if status.code == 404 && !named {
                    return Self::Unserved(kind.to_owned());
                }
                Self::Refused {
                    code: status.code,
                    reason: status.reason.clone(),
                    message: status.message.clone(),
                }
            }
            // The crate's own word for it says nothing that its cause does not.
            kube::Error::Service(cause) => Self::Transport(causes::in_line(&*cause)),
            other => Self::Transport(causes::in_line(&other)),
        }
    }

    /// The object is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { code: 404, .. })
    }

    /// The user lacks a right.
    pub fn is_forbidden(&self) -> bool {
        matches!(self, Self::Refused { code: 403, .. })
    }

    /// An object of that name is there already.
    pub fn is_already_exists(&self) -> bool {
        matches!(self, Self::Refused { reason, .. } if reason == "AlreadyExists")
    }

    /// The server does not know the kind.
    pub fn is_unserved(&self) -> bool {
        matches!(self, Self::Unserved(_))
    }
}
