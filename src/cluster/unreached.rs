//! The error of a request that reached no server. It names the server and the cause; hyper's own text is `client error (Connect)`.

use http::Uri;
use tower::BoxError;

use crate::telemetry::causes;

/// There was no connection.
#[derive(Debug, thiserror::Error)]
#[error("no connection to {server}: {cause}")]
struct Unreached {
    server: Uri,
    cause: String,
}

/// The error of the connection pool, with the server's address where there was no connection. Others stay as they are.
pub(super) fn named(server: &Uri, error: BoxError) -> BoxError {
    const NO_CONNECTION: &str = "client error (Connect)";
    let text = causes::in_line(&*error);
    match text.strip_prefix(NO_CONNECTION) {
        Some(cause) => Box::new(Unreached {
            server: server.clone(),
            cause: cause.trim_start_matches(": ").to_owned(),
        }),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Outer(&'static str, #[source] std::io::Error);

    #[test]
    fn a_server_that_is_not_reached_is_named_with_the_cause() {
        let server = Uri::from_static("https://api.example.com:6443");
        for (text, phrase) in [
            (
                "client error (Connect)",
                "no connection to https://api.example.com:6443/: connection refused",
            ),
            ("client error (SendRequest)", "client error (SendRequest)"),
        ] {
            let error = Outer(text, std::io::Error::other("connection refused"));
            assert_eq!(named(&server, Box::new(error)).to_string(), phrase);
        }
    }
}
