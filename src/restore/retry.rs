//! Whether an error of the API server is transient for an item (decisions 19 and 41).

use crate::cluster::ApiError;
use crate::cluster::error::Class;
use crate::restore::error_text;
use crate::restore::retry_reason::RetryReason;

/// The table of decisions 19 and 41: why an error is transient; nothing if it is final.
pub fn retry_reason(error: &ApiError) -> Option<RetryReason> {
    use RetryReason::{
        Conflict, DryRun, GatewayTimeout, NamespaceTerminating, TooManyRequests, Transport, Unavailable, Unserved,
    };
    Some(match error.class() {
        Class::Transport | Class::Timeout | Class::Unreadable => Transport,
        Class::Unsent => return None,
        Class::Answered if error.is_already_exists() => return None,
        Class::Answered if error.is_namespace_terminating() => NamespaceTerminating,
        Class::Answered => match (error_text::reason(error), error.code) {
            (Some(reason), _) => reason,
            (None, 429) => TooManyRequests,
            (None, 502 | 503) => Unavailable,
            (None, 504) => GatewayTimeout,
            // a timeout of the storage: the reason, not the code, says that it can be retried
            (None, 500) if error.reason == "ServerTimeout" => GatewayTimeout,
            (None, 409) => Conflict,
            (None, 400) if error.is_dry_run_unsupported() => DryRun,
            (None, 404) if error.is_refused_by_webhook() => return None,
            (None, 404) if error.is_unserved() => Unserved,
            (None, 404) if names_a_namespace(error) => NamespaceTerminating,
            _ => return None,
        },
    })
}

/// Whether the namespace was not found: it existed a moment ago, so it was deleted.
fn names_a_namespace(error: &ApiError) -> bool {
    error
        .object
        .as_ref()
        .is_some_and(|object| object.group.is_empty() && object.kind == "namespaces")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::error::{Cause, ErrorObject};

    fn answered(code: u16, reason: &str, message: &str) -> ApiError {
        ApiError {
            attempt: "create things".to_owned(),
            class: Class::Answered,
            code,
            reason: reason.to_owned(),
            message: message.to_owned(),
            causes: Vec::new(),
            object: Some(ErrorObject {
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
    fn is_transient(error: &ApiError, reason: RetryReason) {
        assert_eq!(retry_reason(error), Some(reason));
    }

    #[track_caller]
    fn is_final(error: &ApiError) {
        assert_eq!(retry_reason(error), None);
    }

    #[test]
    fn a_lost_connection_is_transient() {
        is_transient(&of_class(Class::Transport), RetryReason::Transport);
    }

    #[test]
    fn a_timeout_without_an_answer_is_transient() {
        is_transient(&of_class(Class::Timeout), RetryReason::Transport);
    }

    #[test]
    fn an_unreadable_success_is_transient() {
        is_transient(&of_class(Class::Unreadable), RetryReason::Transport);
    }

    #[test]
    fn a_webhook_without_dry_run_support_is_transient() {
        let text = "admission webhook \"w.example.com\" does not support dry run";
        is_transient(&answered(400, "BadRequest", text), RetryReason::DryRun);
        is_final(&answered(400, "BadRequest", "x"));
    }

    #[test]
    fn a_request_that_could_not_be_built_is_final() {
        is_final(&of_class(Class::Unsent));
    }

    #[test]
    fn a_429_is_transient() {
        is_transient(
            &answered(429, "TooManyRequests", "slow down"),
            RetryReason::TooManyRequests,
        );
    }

    #[test]
    fn a_503_is_transient() {
        is_transient(
            &answered(503, "ServiceUnavailable", "apiserver is shutting down"),
            RetryReason::Unavailable,
        );
    }

    #[test]
    fn a_504_is_transient() {
        is_transient(
            &answered(504, "Timeout", "request did not complete"),
            RetryReason::GatewayTimeout,
        );
    }

    #[test]
    fn a_conflict_is_transient() {
        is_transient(
            &answered(409, "Conflict", "the object has been modified"),
            RetryReason::Conflict,
        );
    }

    #[test]
    fn already_exists_is_final_though_it_is_a_409_too() {
        is_final(&answered(409, "AlreadyExists", "things \"a\" already exists"));
    }

    #[test]
    fn a_webhook_that_cannot_be_called_is_transient() {
        let message = "Internal error occurred: failed calling webhook \"w.example.com\": connection refused";
        is_transient(&answered(500, "InternalError", message), RetryReason::Webhook);
    }

    #[test]
    fn the_same_text_from_another_source_is_final() {
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
                object: None,
                ..answered(code, "", message)
            };
            assert_eq!(retry_reason(&error), None, "{message}");
        }
    }

    #[test]
    fn a_timeout_of_the_storage_is_transient_by_its_reason() {
        let message = "The POST operation against Pod could not be completed at this time, please try again.";
        is_transient(&answered(500, "ServerTimeout", message), RetryReason::GatewayTimeout);
    }

    #[test]
    fn a_bad_gateway_is_transient() {
        is_transient(&answered(502, "", "bad gateway"), RetryReason::Unavailable);
    }

    #[test]
    fn any_other_500_is_final() {
        is_final(&answered(500, "InternalError", "etcd says no"));
    }

    #[test]
    fn a_404_of_an_unserved_type_is_transient() {
        let error = ApiError {
            object: None,
            ..answered(404, "NotFound", "the server could not find the requested resource")
        };
        is_transient(&error, RetryReason::Unserved);
    }

    #[test]
    fn a_404_of_the_namespace_is_transient() {
        let object = ErrorObject {
            group: String::new(),
            kind: "namespaces".to_owned(),
            name: "shop".to_owned(),
        };
        let error = ApiError {
            object: Some(object),
            ..answered(404, "NotFound", "namespaces \"shop\" not found")
        };
        is_transient(&error, RetryReason::NamespaceTerminating);
    }

    #[test]
    fn a_404_of_something_else_is_final() {
        is_final(&answered(404, "NotFound", "things \"a\" not found"));
    }

    #[test]
    fn a_terminating_namespace_is_transient() {
        let cause = Cause {
            reason: "NamespaceTerminating".to_owned(),
            ..Cause::default()
        };
        let error = ApiError {
            causes: vec![cause],
            ..answered(403, "Forbidden", "being terminated")
        };
        is_transient(&error, RetryReason::NamespaceTerminating);
    }

    #[test]
    fn an_exceeded_quota_is_transient() {
        is_transient(
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
    fn a_refusal_by_a_webhook_is_final() {
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
}
