//! The error of a request to the API server, with the server's own message.

use crate::telemetry::causes;

/// A request that failed.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The server answered with an error. The message is the server's, as kubectl prints it.
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
        "the server does not serve {0}: check that Velero is installed in this cluster (`velero install --crds-only` installs its CRDs)"
    )]
    Unserved(String),
    /// There was no valid answer.
    #[error(
        "cannot reach the Kubernetes API server: {0}; check that it is running and that the kubeconfig is for this cluster"
    )]
    Transport(String),
}

impl RequestError {
    /// The client's error for a request on `kind`.
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
            // kube's own text adds nothing to its cause.
            kube::Error::Service(cause) => Self::Transport(causes::in_line(&*cause)),
            other => Self::Transport(causes::in_line(&other)),
        }
    }

    /// The object does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { code: 404, .. })
    }

    /// The user lacks a permission.
    pub fn is_forbidden(&self) -> bool {
        matches!(self, Self::Refused { code: 403, .. })
    }

    /// An object of that name exists.
    pub fn is_already_exists(&self) -> bool {
        matches!(self, Self::Refused { reason, .. } if reason == "AlreadyExists")
    }

    /// The server does not know the kind.
    pub fn is_unserved(&self) -> bool {
        matches!(self, Self::Unserved(_))
    }
}
