//! What an error of the API server means for the item it hit (decisions 19 and 41).

use std::time::Duration;

use crate::cluster::ApiError;
use crate::cluster::error::Class;

/// Why an item is put aside to be tried again.
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
    #[error("the API server ran out of time")]
    GatewayTimeout,
    /// 409, not: already exists.
    #[error("somebody else changed the object at the same time")]
    Conflict,
    /// 500 `failed calling webhook`: what serves it may not run yet.
    #[error("an admission webhook could not be called")]
    Webhook,
    /// 500 `conversion webhook for … failed`: what serves it may not run yet.
    #[error("the conversion webhook of its type could not be called")]
    Conversion,
    /// An admission policy whose parameters are not there yet.
    #[error("an admission policy is not ready")]
    Policy,
    /// What the API server itself depends on (etcd, encryption, authorization) did not answer.
    #[error("the API server does not reach what it depends on")]
    Backend,
    /// 404 of the whole type: what serves it may not run yet.
    #[error("the API server does not serve its type")]
    Unserved,
    /// 404 of the namespace, or it is being deleted.
    #[error("its namespace is being deleted")]
    NamespaceTerminating,
    /// 403 of a type whose definition is being deleted.
    #[error("its type is being deleted")]
    TypeTerminating,
    /// 403 `exceeded quota`.
    #[error("a quota is used up")]
    Quota,
    /// 403 `status unknown for quota`: the quota is new, and what it limits was not counted yet.
    #[error("the use of a quota has not been counted yet")]
    QuotaUnknown,
    /// An object that it names is not there, or the API server has not seen it yet.
    #[error("an object that it needs is not there yet")]
    Dependency,
    /// 400 `does not support dry run`: only a dry run is told that.
    #[error("an admission webhook has effects, so it is not asked in a dry run")]
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

    /// Whether admission or conversion says it: both come before the look whether the name is taken, so the object may be
    /// there all the same.
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

/// Errors that the API server tells by their text alone: the code (0: any), what the message contains, what it means.
/// Found by reading Kubernetes 1.35: the admission plugins, the quota evaluator, the service allocators, the handler of custom
/// resources and its webhook converter, and what the generic handlers make of an error that has no status (500, raw text).
const BY_TEXT: [(u16, &str, RetryReason); 30] = [
    (500, "failed calling webhook", RetryReason::Webhook),
    (0, "failed to configure policy: ", RetryReason::Policy),
    (0, "failed to configure binding: ", RetryReason::Policy),
    (403, "exceeded quota", RetryReason::Quota),
    // a quota that covers it may be new: admission reads quotas from a cache
    (0, "insufficient quota to ", RetryReason::Quota),
    (403, "status unknown for quota", RetryReason::QuotaUnknown),
    (500, "resource quota evaluation timed out", RetryReason::QuotaUnknown),
    (0, "not yet synced", RetryReason::Unavailable),
    (403, "not yet ready to handle request", RetryReason::Unavailable),
    (
        403,
        "at this time because there was an error enforcing limit ranges",
        RetryReason::Unavailable,
    ),
    (422, "allocator not ready", RetryReason::Unavailable),
    (0, "cannot allocate resources of type", RetryReason::Unavailable),
    (500, "error resolving resource", RetryReason::Unavailable),
    (
        403,
        "create not allowed while custom resource definition is terminating",
        RetryReason::TypeTerminating,
    ),
    (403, "no PriorityClass with name", RetryReason::Dependency),
    (403, "pod rejected: RuntimeClass", RetryReason::Dependency),
    (403, "error looking up service account", RetryReason::Dependency),
    (500, "etcdserver: request timed out", RetryReason::Backend),
    (500, "etcdserver: leader changed", RetryReason::Backend),
    (500, "etcdserver: no leader", RetryReason::Backend),
    (500, "etcdserver: not leader", RetryReason::Backend),
    (500, "etcdserver: server stopped", RetryReason::Backend),
    (500, "etcdserver: too many requests", RetryReason::Backend),
    (500, "rpc error: code = Unavailable", RetryReason::Backend),
    (500, "rpc error: code = DeadlineExceeded", RetryReason::Backend),
    (500, "context deadline exceeded", RetryReason::Backend),
    (500, "connection refused", RetryReason::Backend),
    (500, "connection reset by peer", RetryReason::Backend),
    (500, "i/o timeout", RetryReason::Backend),
    (500, "TLS handshake timeout", RetryReason::Backend),
];

/// What an answer means by its text. What a webhook says when it refuses is its own affair and means nothing here.
fn by_text(error: &ApiError) -> Option<RetryReason> {
    if error.is_refused_by_webhook() {
        return None;
    }
    if error.code == 500 && error.message.contains("conversion webhook for ") {
        return is_uncalled(&error.message).then_some(RetryReason::Conversion);
    }
    BY_TEXT
        .iter()
        .find(|(code, text, _)| (*code == 0 || *code == error.code) && error.message.contains(text))
        .map(|(.., passing)| *passing)
}

/// Whether a conversion failed because its webhook could not be called. What follows `failed: ` is either the error of the
/// call (a URL, or what an HTTP error of its server becomes), or what the webhook itself says against the object.
fn is_uncalled(message: &str) -> bool {
    let Some((_, why)) = message.split_once(" failed: ") else {
        return false;
    };
    [
        "Post \"",
        "the server ",
        "an error on the server",
        "service \"",
        "no endpoints",
    ]
    .iter()
    .any(|call| why.starts_with(call))
}

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It can pass: the item is parked and tried again.
    Park(RetryReason),
    /// It is reported once.
    Final,
}

/// The table of decisions 19 and 41: what can pass parks the item, all else is final.
pub fn verdict(error: &ApiError) -> Verdict {
    use RetryReason::{
        Conflict, DryRun, GatewayTimeout, NamespaceTerminating, TooManyRequests, Transport, Unavailable, Unserved,
    };
    let passing = match error.class() {
        Class::Transport | Class::Timeout | Class::Unreadable => Transport,
        Class::Unsent => return Verdict::Final,
        Class::Answered if error.is_already_exists() => return Verdict::Final,
        Class::Answered if error.is_namespace_terminating() => NamespaceTerminating,
        Class::Answered => match (by_text(error), error.code) {
            (Some(passing), _) => passing,
            (None, 429) => TooManyRequests,
            (None, 502 | 503) => Unavailable,
            (None, 504) => GatewayTimeout,
            // the storage ran out of time: not the code but the reason says that it can be tried again
            (None, 500) if error.reason == "ServerTimeout" => GatewayTimeout,
            (None, 409) => Conflict,
            (None, 400) if error.is_dry_run_unsupported() => DryRun,
            (None, 404) if error.is_refused_by_webhook() => return Verdict::Final,
            (None, 404) if error.is_unserved() => Unserved,
            (None, 404) if names_a_namespace(error) => NamespaceTerminating,
            _ => return Verdict::Final,
        },
    };
    Verdict::Park(passing)
}

/// Whether what was not found is the namespace: it was there a moment ago, so somebody is deleting it.
fn names_a_namespace(error: &ApiError) -> bool {
    error
        .subject
        .as_ref()
        .is_some_and(|subject| subject.group.is_empty() && subject.kind == "namespaces")
}

/// The pause before the next try of a parked item that has been tried so often: from one second, doubling, to half a minute.
pub fn pause(tries: u32) -> Duration {
    const LONGEST: Duration = Duration::from_secs(30);
    Duration::from_secs(1)
        .saturating_mul(1_u32.checked_shl(tries.saturating_sub(1)).unwrap_or(u32::MAX))
        .min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::error::{Cause, Subject};

    fn answered(code: u16, reason: &str, message: &str) -> ApiError {
        ApiError {
            attempt: "create things".to_owned(),
            class: Class::Answered,
            code,
            reason: reason.to_owned(),
            message: message.to_owned(),
            causes: Vec::new(),
            subject: Some(Subject {
                group: String::new(),
                kind: "things".to_owned(),
                name: "a".to_owned(),
            }),
            retry_after: None,
            continue_token: None,
        }
    }

    fn of_class(class: Class) -> ApiError {
        ApiError {
            class,
            ..answered(0, "", "x")
        }
    }

    #[track_caller]
    fn parks(error: &ApiError, why: RetryReason) {
        assert_eq!(verdict(error), Verdict::Park(why));
    }

    #[track_caller]
    fn is_final(error: &ApiError) {
        assert_eq!(verdict(error), Verdict::Final);
    }

    #[test]
    fn a_lost_connection_parks() {
        parks(&of_class(Class::Transport), RetryReason::Transport);
    }

    #[test]
    fn no_answer_in_time_parks() {
        parks(&of_class(Class::Timeout), RetryReason::Transport);
    }

    #[test]
    fn an_unreadable_success_parks() {
        parks(&of_class(Class::Unreadable), RetryReason::Transport);
    }

    #[test]
    fn a_webhook_that_a_dry_run_must_not_call_parks() {
        let text = "admission webhook \"w.example.com\" does not support dry run";
        parks(&answered(400, "BadRequest", text), RetryReason::DryRun);
        is_final(&answered(400, "BadRequest", "x"));
    }

    #[test]
    fn a_request_that_could_not_be_built_is_final() {
        is_final(&of_class(Class::Unsent));
    }

    #[test]
    fn a_429_parks() {
        parks(
            &answered(429, "TooManyRequests", "slow down"),
            RetryReason::TooManyRequests,
        );
    }

    #[test]
    fn a_503_parks() {
        parks(
            &answered(503, "ServiceUnavailable", "apiserver is shutting down"),
            RetryReason::Unavailable,
        );
    }

    #[test]
    fn a_504_parks() {
        parks(
            &answered(504, "Timeout", "request did not complete"),
            RetryReason::GatewayTimeout,
        );
    }

    #[test]
    fn a_conflict_parks() {
        parks(
            &answered(409, "Conflict", "the object has been modified"),
            RetryReason::Conflict,
        );
    }

    #[test]
    fn already_exists_is_final_though_it_is_a_409_too() {
        is_final(&answered(409, "AlreadyExists", "things \"a\" already exists"));
    }

    #[test]
    fn a_webhook_that_cannot_be_called_parks() {
        let message = "Internal error occurred: failed calling webhook \"w.example.com\": connection refused";
        parks(&answered(500, "InternalError", message), RetryReason::Webhook);
    }

    /// One line an error of the API server as it was seen, or as its source writes it.
    #[test]
    fn what_the_api_server_tells_by_text_parks() {
        use RetryReason::{
            Backend, Conversion, Dependency, Policy, Quota, QuotaUnknown, TypeTerminating, Unavailable, Webhook,
        };
        let table: [(u16, &str, RetryReason); 37] = [
            (
                500,
                "Internal error occurred: failed calling webhook \"w.example.com\": failed to call webhook: Post \"https://w.shop.svc:443/?timeout=10s\": no endpoints available for service \"w\"",
                Webhook,
            ),
            (
                500,
                "conversion webhook for h07.example.com/v2, Kind=Conv failed: Post \"https://127.0.0.1:19443/convert?timeout=30s\": dial tcp 127.0.0.1:19443: connect: connection refused",
                Conversion,
            ),
            (
                500,
                "conversion webhook for example.com/v2, Kind=W failed: Post \"https://w.shop.svc:443/convert?timeout=30s\": service \"w\" not found",
                Conversion,
            ),
            (
                500,
                "conversion webhook for example.com/v2, Kind=W failed: Post \"https://w.shop.svc:443/convert?timeout=30s\": tls: failed to verify certificate: x509: certificate signed by unknown authority",
                Conversion,
            ),
            (
                500,
                "conversion webhook for example.com/v2, Kind=W failed: the server is currently unable to handle the request",
                Conversion,
            ),
            (
                500,
                "conversion webhook for example.com/v2, Kind=W failed: an error on the server (\"starting\") has prevented the request from succeeding",
                Conversion,
            ),
            (
                422,
                "configmaps \"a\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: failed to configure binding: paramKind kind `example.com/v1, Kind=P` not yet synced to use for admission",
                Policy,
            ),
            (
                422,
                "configmaps \"a\" is forbidden: ValidatingAdmissionPolicy 'p' denied request: failed to configure policy: failed to find resource referenced by paramKind: 'example.com/v1, Kind=P'",
                Policy,
            ),
            (
                403,
                "pods \"a\" is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2",
                Quota,
            ),
            (
                403,
                "pods \"a\" is forbidden: insufficient quota to consume: count/pods",
                Quota,
            ),
            (
                500,
                "insufficient quota to match these scopes: [{PriorityClass In [high]}]",
                Quota,
            ),
            (
                403,
                "pods \"a\" is forbidden: status unknown for quota: q, resources: pods",
                QuotaUnknown,
            ),
            (
                500,
                "Internal error occurred: resource quota evaluation timed out",
                QuotaUnknown,
            ),
            (500, "pods not yet synced", Unavailable),
            (
                403,
                "pods \"a\" is forbidden: not yet ready to handle request",
                Unavailable,
            ),
            (
                403,
                "pods \"a\" is forbidden: unable to CREATE pods at this time because there was an error enforcing limit ranges",
                Unavailable,
            ),
            (
                422,
                "Service \"a\" is invalid: spec.clusterIPs: Invalid value: []: failed to allocate IP: allocator not ready",
                Unavailable,
            ),
            (
                500,
                "Internal error occurred: failed to allocate a nodePort: cannot allocate resources of type servicenodeportallocations at this time",
                Unavailable,
            ),
            (500, "Internal error occurred: error resolving resource", Unavailable),
            (
                403,
                "widgets.example.com \"a\" is forbidden: create not allowed while custom resource definition is terminating",
                TypeTerminating,
            ),
            (
                403,
                "pods \"a\" is forbidden: no PriorityClass with name high was found",
                Dependency,
            ),
            (
                403,
                "pods \"a\" is forbidden: pod rejected: RuntimeClass \"kata\" not found",
                Dependency,
            ),
            (
                403,
                "pods \"a\" is forbidden: error looking up service account shop/web: serviceaccount \"web\" not found",
                Dependency,
            ),
            (
                500,
                "etcdserver: request timed out, possibly due to previous leader failure",
                Backend,
            ),
            (500, "etcdserver: leader changed", Backend),
            (500, "etcdserver: no leader", Backend),
            (500, "etcdserver: not leader", Backend),
            (500, "etcdserver: server stopped", Backend),
            (500, "etcdserver: too many requests", Backend),
            (
                500,
                "rpc error: code = Unavailable desc = error reading from server: EOF",
                Backend,
            ),
            (500, "rpc error: code = DeadlineExceeded desc = kms", Backend),
            (500, "context deadline exceeded", Backend),
            (
                500,
                "Internal error occurred: Post \"https://authorizer/\": dial tcp 10.0.0.1:443: connect: connection refused",
                Backend,
            ),
            (
                500,
                "read tcp 10.0.0.1:1->10.0.0.2:2379: read: connection reset by peer",
                Backend,
            ),
            (
                500,
                "Internal error occurred: dial tcp 10.0.0.1:443: i/o timeout",
                Backend,
            ),
            (500, "Internal error occurred: net/http: TLS handshake timeout", Backend),
            (
                500,
                "Internal error occurred: failed calling webhook \"w\": failed to call webhook: Post \"https://w/\": context deadline exceeded",
                Webhook,
            ),
        ];
        for (code, message, why) in table {
            assert_eq!(verdict(&answered(code, "", message)), Verdict::Park(why), "{message}");
        }
        for (code, text, _) in BY_TEXT {
            let has_row = table
                .iter()
                .any(|(of, message, _)| (code == 0 || code == *of) && message.contains(text));
            assert!(has_row, "no row for {text:?}");
        }
    }

    #[test]
    fn the_same_words_in_another_mouth_are_final() {
        let table = [
            (
                500,
                "conversion webhook for example.com/v2, Kind=W failed: size must be positive",
            ),
            (
                500,
                "conversion webhook for example.com/v2, Kind=W returned 2 objects, expected 1",
            ),
            (
                403,
                "admission webhook \"w\" denied the request: exceeded quota of the team",
            ),
            (404, "admission webhook \"w\" denied the request: no such team"),
            (
                422,
                "ConfigMap \"a\" is invalid: data: Invalid value: \"etcdserver: no leader\"",
            ),
            (403, "pods \"a\" is forbidden: failed quota: q: must specify cpu for: c"),
            (500, "etcdserver: mvcc: database space exceeded"),
            (500, "etcdserver: request is too large"),
        ];
        for (code, message) in table {
            let error = ApiError {
                subject: None,
                ..answered(code, "", message)
            };
            assert_eq!(verdict(&error), Verdict::Final, "{message}");
        }
    }

    #[test]
    fn a_storage_that_ran_out_of_time_parks_by_its_reason() {
        let message = "The POST operation against Pod could not be completed at this time, please try again.";
        parks(&answered(500, "ServerTimeout", message), RetryReason::GatewayTimeout);
    }

    #[test]
    fn a_bad_gateway_parks() {
        parks(&answered(502, "", "bad gateway"), RetryReason::Unavailable);
    }

    #[test]
    fn any_other_500_is_final() {
        is_final(&answered(500, "InternalError", "etcd says no"));
    }

    #[test]
    fn a_404_of_an_unserved_type_parks() {
        let error = ApiError {
            subject: None,
            ..answered(404, "NotFound", "the server could not find the requested resource")
        };
        parks(&error, RetryReason::Unserved);
    }

    #[test]
    fn a_404_of_the_namespace_parks() {
        let subject = Subject {
            group: String::new(),
            kind: "namespaces".to_owned(),
            name: "shop".to_owned(),
        };
        let error = ApiError {
            subject: Some(subject),
            ..answered(404, "NotFound", "namespaces \"shop\" not found")
        };
        parks(&error, RetryReason::NamespaceTerminating);
    }

    #[test]
    fn a_404_of_something_else_is_final() {
        is_final(&answered(404, "NotFound", "things \"a\" not found"));
    }

    #[test]
    fn a_terminating_namespace_parks() {
        let cause = Cause {
            reason: "NamespaceTerminating".to_owned(),
            ..Cause::default()
        };
        let error = ApiError {
            causes: vec![cause],
            ..answered(403, "Forbidden", "being terminated")
        };
        parks(&error, RetryReason::NamespaceTerminating);
    }

    #[test]
    fn an_exceeded_quota_parks() {
        parks(
            &answered(
                403,
                "Forbidden",
                "things \"a\" is forbidden: exceeded quota: q, requested: pods=1",
            ),
            RetryReason::Quota,
        );
    }

    #[test]
    fn any_other_403_is_final() {
        is_final(&answered(
            403,
            "Forbidden",
            "things is forbidden: User \"velero\" cannot create",
        ));
    }

    #[test]
    fn an_invalid_object_is_final() {
        is_final(&answered(422, "Invalid", "spec.replicas: Required value"));
    }

    #[test]
    fn what_a_webhook_refuses_is_final() {
        is_final(&answered(
            400,
            "BadRequest",
            "admission webhook \"w.example.com\" denied the request",
        ));
    }

    #[test]
    fn a_body_that_is_too_large_is_final() {
        is_final(&answered(413, "RequestEntityTooLarge", "limit is 3145728"));
    }

    #[test]
    fn pauses_double_up_to_half_a_minute() {
        let pauses: Vec<u64> = (0..8).map(|tries| pause(tries).as_secs()).collect();
        assert_eq!(pauses, [1, 1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(pause(u32::MAX).as_secs(), 30);
    }
}
