//! Transient errors of the API server, by what they mean (decisions 19 and 41).

/// Why an item is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum RetryReason {
    /// No answer, or none in time.
    #[error("the API server could not be reached")]
    Transport,
    /// 429: too many requests.
    #[error("the API server asks for fewer requests")]
    TooManyRequests,
    /// 503.
    #[error("the API server is not available")]
    Unavailable,
    /// 504: the request may have been carried out.
    #[error("the API server timed out")]
    GatewayTimeout,
    /// 409, not: already exists.
    #[error("another client changed the object at the same time")]
    Conflict,
    /// 500 `failed calling webhook`: its server may not run yet.
    #[error("an admission webhook could not be called")]
    Webhook,
    /// 500 `conversion webhook for … failed`: its server may not run yet.
    #[error("the conversion webhook of its type could not be called")]
    Conversion,
    /// The parameters of an admission policy do not exist yet.
    #[error("an admission policy is not ready")]
    Policy,
    /// A dependency of the API server (etcd, encryption, authorization) did not answer.
    #[error("a dependency of the API server did not answer")]
    Backend,
    /// 404 of the whole type: its server may not run yet.
    #[error("the API server does not serve its type")]
    Unserved,
    /// 404 of the namespace, or it is being deleted.
    #[error("its namespace is being deleted")]
    NamespaceTerminating,
    /// 403 of a type with a CRD that is being deleted.
    #[error("its type is being deleted")]
    TypeTerminating,
    /// 403 `exceeded quota`.
    #[error("a quota is used up")]
    Quota,
    /// 403 `status unknown for quota`: the quota is new, and its use was not counted yet.
    #[error("the use of a quota has not been counted yet")]
    QuotaUnknown,
    /// An object that it names does not exist, or the API server has not seen it yet.
    #[error("an object that it needs is not there yet")]
    Dependency,
    /// 400 `does not support dry run`: only a dry run gets that answer.
    #[error("an admission webhook has side effects and does not support dry run")]
    DryRun,
}

impl RetryReason {
    /// As one word for programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Transport => "ApiServerUnreachable",
            Self::TooManyRequests => "TooManyRequests",
            Self::Unavailable => "ApiServerUnavailable",
            Self::GatewayTimeout => "ApiServerTimeout",
            Self::Conflict => "Conflict",
            Self::Webhook => "WebhookUnavailable",
            Self::Conversion => "ConversionWebhookUnavailable",
            Self::Policy => "AdmissionPolicyNotReady",
            Self::Backend => "ApiServerBackendUnavailable",
            Self::Unserved => "TypeNotServed",
            Self::NamespaceTerminating => "NamespaceTerminating",
            Self::TypeTerminating => "TypeTerminating",
            Self::Quota => "QuotaExceeded",
            Self::QuotaUnknown => "QuotaNotCounted",
            Self::Dependency => "DependencyMissing",
            Self::DryRun => "DryRunUnsupported",
        }
    }

    /// Whether the error comes from admission or conversion. Both run before the check of the name, so the object may exist.
    pub fn hides_what_exists(self) -> bool {
        matches!(
            self,
            Self::Webhook
                | Self::Conversion
                | Self::Policy
                | Self::Quota
                | Self::QuotaUnknown
                | Self::Dependency
                | Self::DryRun
        )
    }
}
