//! What an error of the API server means for the item it hit (decision 19).

use std::time::Duration;

use crate::cluster::ApiError;
use crate::cluster::error::Class;

/// Why an item is put aside to be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, thiserror::Error)]
pub enum Passing {
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
    /// 404 of the whole type: what serves it may not run yet.
    #[error("the API server does not serve its type")]
    Unserved,
    /// 404 of the namespace, or it is being deleted.
    #[error("its namespace is being deleted")]
    NamespaceTerminating,
    /// 403 `exceeded quota`.
    #[error("a quota is used up")]
    Quota,
    /// 400 `does not support dry run`: only a dry run is told that.
    #[error("an admission webhook has effects, so it is not asked in a dry run")]
    DryRun,
}

impl Passing {
    /// As one word for programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Transport => "ApiServerUnreachable",
            Self::TooManyRequests => "TooManyRequests",
            Self::Unavailable => "ApiServerUnavailable",
            Self::GatewayTimeout => "ApiServerTimeout",
            Self::Conflict => "Conflict",
            Self::Webhook => "WebhookUnavailable",
            Self::Unserved => "TypeNotServed",
            Self::NamespaceTerminating => "NamespaceTerminating",
            Self::Quota => "QuotaExceeded",
            Self::DryRun => "DryRunUnsupported",
        }
    }
}

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It can pass: the item is parked and tried again.
    Park(Passing),
    /// It is reported once.
    Final,
}

/// The table of decision 19: what can pass parks the item, all else is final.
pub fn verdict(error: &ApiError) -> Verdict {
    use Passing::{
        Conflict, DryRun, GatewayTimeout, NamespaceTerminating, Quota, TooManyRequests, Transport, Unavailable,
        Unserved, Webhook,
    };
    let passing = match error.class() {
        Class::Transport | Class::Timeout | Class::Unreadable => Transport,
        Class::Unsent => return Verdict::Final,
        Class::Answered if error.is_already_exists() => return Verdict::Final,
        Class::Answered if error.is_namespace_terminating() => NamespaceTerminating,
        Class::Answered => match error.code {
            429 => TooManyRequests,
            503 => Unavailable,
            504 => GatewayTimeout,
            409 => Conflict,
            500 if error.is_webhook_unreachable() => Webhook,
            403 if error.is_quota_exceeded() => Quota,
            400 if error.is_dry_run_unsupported() => DryRun,
            404 if error.is_unserved() => Unserved,
            404 if names_a_namespace(error) => NamespaceTerminating,
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
    fn parks(error: &ApiError, why: Passing) {
        assert_eq!(verdict(error), Verdict::Park(why));
    }

    #[track_caller]
    fn is_final(error: &ApiError) {
        assert_eq!(verdict(error), Verdict::Final);
    }

    #[test]
    fn a_lost_connection_parks() {
        parks(&of_class(Class::Transport), Passing::Transport);
    }

    #[test]
    fn no_answer_in_time_parks() {
        parks(&of_class(Class::Timeout), Passing::Transport);
    }

    #[test]
    fn an_unreadable_success_parks() {
        parks(&of_class(Class::Unreadable), Passing::Transport);
    }

    #[test]
    fn a_webhook_that_a_dry_run_must_not_call_parks() {
        let text = "admission webhook \"w.example.com\" does not support dry run";
        parks(&answered(400, "BadRequest", text), Passing::DryRun);
        is_final(&answered(400, "BadRequest", "x"));
    }

    #[test]
    fn a_request_that_could_not_be_built_is_final() {
        is_final(&of_class(Class::Unsent));
    }

    #[test]
    fn a_429_parks() {
        parks(&answered(429, "TooManyRequests", "slow down"), Passing::TooManyRequests);
    }

    #[test]
    fn a_503_parks() {
        parks(
            &answered(503, "ServiceUnavailable", "apiserver is shutting down"),
            Passing::Unavailable,
        );
    }

    #[test]
    fn a_504_parks() {
        parks(
            &answered(504, "Timeout", "request did not complete"),
            Passing::GatewayTimeout,
        );
    }

    #[test]
    fn a_conflict_parks() {
        parks(
            &answered(409, "Conflict", "the object has been modified"),
            Passing::Conflict,
        );
    }

    #[test]
    fn already_exists_is_final_though_it_is_a_409_too() {
        is_final(&answered(409, "AlreadyExists", "things \"a\" already exists"));
    }

    #[test]
    fn a_webhook_that_cannot_be_called_parks() {
        let message = "Internal error occurred: failed calling webhook \"w.example.com\": connection refused";
        parks(&answered(500, "InternalError", message), Passing::Webhook);
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
        parks(&error, Passing::Unserved);
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
        parks(&error, Passing::NamespaceTerminating);
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
        parks(&error, Passing::NamespaceTerminating);
    }

    #[test]
    fn an_exceeded_quota_parks() {
        parks(
            &answered(
                403,
                "Forbidden",
                "things \"a\" is forbidden: exceeded quota: q, requested: pods=1",
            ),
            Passing::Quota,
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
