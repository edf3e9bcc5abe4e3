//! Failed requests to the API server, with every fact that a retry decision needs; and failed connections.

use std::time::Duration;

/// A failed request. The caller decides whether to retry (decision 19 for restores).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{attempt}: {message}")]
pub struct ApiError {
    /// What was attempted: `create configmaps "a" in namespace "b"`.
    pub attempt: String,
    /// Whether the server answered at all.
    pub class: Class,
    /// The HTTP status code; 0 without an answer.
    pub code: u16,
    /// The machine-readable reason of the answer (`AlreadyExists`, `Forbidden`, …); empty when it gave none.
    pub reason: String,
    /// The answer's message, or the text of the transport error.
    pub message: String,
    /// The causes the answer lists.
    pub causes: Vec<Cause>,
    /// The object that the answer is about; absent when a path is not served.
    pub object: Option<ErrorObject>,
    /// The wait that the server asks for (header `Retry-After`, else `details.retryAfterSeconds`).
    pub retry_after: Option<Duration>,
    /// The token in the metadata of a 410 answer with which a list may continue in a newer, inconsistent view.
    pub continue_token: Option<String>,
}

/// Where a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// The request could not be built; nothing was sent. Final.
    Unsent,
    /// The server answered with an error.
    Answered,
    /// The connection failed; the request may or may not have been carried out.
    Transport,
    /// No answer came before the deadline; the request may or may not have been carried out.
    Timeout,
    /// The answer was a success but could not be read; the request was carried out.
    Unreadable,
}

/// One of the causes of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cause {
    /// Machine-readable: `FieldValueInvalid`, `NamespaceTerminating`, …
    pub reason: String,
    /// The text for users.
    pub message: String,
    /// The field at fault: `spec.clusterIPs[0]`.
    pub field: String,
}

/// The object that an answer is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorObject {
    /// The API group; empty for core.
    pub group: String,
    /// The kind, or the plural where the server writes that (it does for most errors).
    pub kind: String,
    /// The object's name; empty for errors about a whole path.
    pub name: String,
}

impl ApiError {
    /// Where the request failed.
    pub fn class(&self) -> Class {
        self.class
    }

    /// An object of that name exists.
    pub fn is_already_exists(&self) -> bool {
        self.reason == "AlreadyExists"
    }

    /// The resource version was stale, or another writer came first. Not: already exists.
    pub fn is_conflict(&self) -> bool {
        self.reason_or_code("Conflict", 409)
    }

    /// Not found: the object, its namespace, or the whole kind. See [`ApiError::is_unserved`].
    pub fn is_not_found(&self) -> bool {
        self.reason_or_code("NotFound", 404)
    }

    /// The path itself is not served: the server does not know the group, version or resource (now).
    pub fn is_unserved(&self) -> bool {
        self.code == 404 && self.object.as_ref().is_none_or(|object| object.name.is_empty())
    }

    /// Not allowed: permissions, quota, or an admission plugin.
    pub fn is_forbidden(&self) -> bool {
        self.reason_or_code("Forbidden", 403)
    }

    /// The object breaks a validation rule.
    pub fn is_invalid(&self) -> bool {
        self.reason_or_code("Invalid", 422)
    }

    /// A watch or continue token is too old.
    pub fn is_expired(&self) -> bool {
        self.code == 410
    }

    /// The server asks for fewer requests.
    pub fn is_too_many_requests(&self) -> bool {
        self.code == 429
    }

    /// The namespace is being deleted, so nothing can be created in it.
    pub fn is_namespace_terminating(&self) -> bool {
        self.causes.iter().any(|cause| cause.reason == "NamespaceTerminating")
    }

    /// A webhook was asked and refused; the answer's code is the webhook's own.
    pub fn is_refused_by_webhook(&self) -> bool {
        self.message.starts_with("admission webhook ") && self.message.contains("denied the request")
    }

    /// An admission webhook was not called, because it has effects and this was a dry run.
    pub fn is_dry_run_unsupported(&self) -> bool {
        self.code == 400 && self.message.contains("does not support dry run")
    }

    /// As client-go: the reason decides, the code only where the reason is none the API knows.
    fn reason_or_code(&self, reason: &str, code: u16) -> bool {
        self.reason == reason || (self.code == code && !KNOWN_REASONS.contains(&self.reason.as_str()))
    }
}

const KNOWN_REASONS: [&str; 19] = [
    "AlreadyExists",
    "BadRequest",
    "Conflict",
    "Expired",
    "Forbidden",
    "Gone",
    "InternalError",
    "Invalid",
    "MethodNotAllowed",
    "NotAcceptable",
    "NotFound",
    "RequestEntityTooLarge",
    "ServerTimeout",
    "ServiceUnavailable",
    "StoreReadError",
    "Timeout",
    "TooManyRequests",
    "Unauthorized",
    "UnsupportedMediaType",
];

/// The API server cannot be found, or the connection cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No usable configuration.
    #[error(
        "error finding Kubernetes API server config in --kubeconfig, $KUBECONFIG, or in-cluster configuration: {0}; check that the file exists and names a reachable cluster"
    )]
    Config(String),
    /// The client cannot be built from it.
    #[error(
        "setting up the connection to the API server failed: {0}; check the certificates and the proxy in the kubeconfig"
    )]
    Client(#[source] kube::Error),
    /// The credential plugin of the kubeconfig ended with an error.
    #[error("running the credential plugin `{command}` of the kubeconfig failed: {why}; check that it is logged in")]
    PluginFailed {
        /// Its program.
        command: String,
        /// Its exit status and what it wrote to its standard error.
        why: String,
    },
    /// The credential plugin of the kubeconfig cannot be started.
    #[error("starting the credential plugin `{command}` of the kubeconfig failed: {why}; {hint}")]
    PluginNotStarted {
        /// Its program.
        command: String,
        /// Why.
        why: String,
        /// The install hint of the kubeconfig.
        hint: String,
    },
    /// The retry policy is invalid.
    #[error("setting up retries failed: {0}")]
    Retry(#[from] kube::client::retry::InvalidBackoff),
}
