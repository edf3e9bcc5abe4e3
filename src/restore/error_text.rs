//! Transient errors of the API server that only their text distinguishes.

use crate::cluster::ApiError;
use crate::restore::retry_reason::RetryReason;

/// Errors that only their text distinguishes: the code (0: any), a part of the message, its meaning.
/// Found by reading Kubernetes 1.35: the admission plugins, the quota evaluator, the service allocators, the handler of custom
/// resources and its webhook converter, and the generic handlers, which turn an error without a status into a 500 with its text.
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

/// The meaning of an answer by its text. The text of a webhook that refuses is ignored.
pub(super) fn reason(error: &ApiError) -> Option<RetryReason> {
    if error.is_refused_by_webhook() {
        return None;
    }
    if error.code == 500 && error.message.contains("conversion webhook for ") {
        return is_uncalled(&error.message).then_some(RetryReason::Conversion);
    }
    BY_TEXT
        .iter()
        .find(|(code, text, _)| (*code == 0 || *code == error.code) && error.message.contains(text))
        .map(|(.., reason)| *reason)
}

/// Whether a conversion failed because its webhook could not be called. The text after `failed: ` is either the error of
/// the call (a URL, or the HTTP error of its server), or the webhook's own refusal of the object.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::error::Class;

    /// One line an error of the API server as it was seen, or as its source writes it.
    #[test]
    fn errors_known_by_text_are_transient() {
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
            let error = ApiError {
                attempt: "create things".to_owned(),
                class: Class::Answered,
                code,
                reason: String::new(),
                message: message.to_owned(),
                causes: Vec::new(),
                object: None,
                retry_after: None,
                continue_token: None,
            };
            assert_eq!(reason(&error), Some(why), "{message}");
        }
        for (code, text, _) in BY_TEXT {
            let has_row = table
                .iter()
                .any(|(of, message, _)| (code == 0 || code == *of) && message.contains(text));
            assert!(has_row, "no row for {text:?}");
        }
    }
}
