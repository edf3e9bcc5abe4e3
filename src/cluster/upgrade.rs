//! Refusals of a WebSocket to a pod (`exec`, `portforward`).
//!
//! A WebSocket is a GET request, so the API server asks its authorizer for `get`; since Kubernetes 1.35 it asks for `create` on
//! the same subresource as well, and its refusal does not name that verb.

/// The verb that the user lacks, by the API server's message; nothing if the refusal has another reason.
pub fn missing_verb(message: &str) -> Option<&str> {
    if let Some((_, rest)) = message.split_once("\" cannot ") {
        return rest.split_whitespace().next();
    }
    message.trim_end().ends_with(" is forbidden:").then_some("create")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_missing_verb_is_derived_from_the_message() {
        for (message, want) in [
            // As Kubernetes 1.35 answers.
            (
                "pods \"p\" is forbidden: User \"u\" cannot get resource \"pods/exec\" in API group \"\" in the namespace \"shop\"",
                Some("get"),
            ),
            (
                "pods \"p\" is forbidden: User \"u\" cannot create resource \"pods/exec\" in API group \"\" in the namespace \"shop\"",
                Some("create"),
            ),
            ("pods \"p\" is forbidden: ", Some("create")),
            ("pods \"p\" is forbidden: denied by the house rules", None),
            ("cannot exec into a container in a completed pod", None),
        ] {
            assert_eq!(missing_verb(message), want, "{message}");
        }
    }
}
