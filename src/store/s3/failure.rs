//! From object_store's errors to classes and causes.
//!
//! Its errors keep the status and body of an answer in a type that is not public, and some calls (listing) ignore the status. So both are parsed from
//! the error's text. Of a body only code and message are shown: the rest repeats the request.

use std::error::Error as StdError;

use object_store::Error;
use object_store::client::{HttpError, HttpErrorKind};

use crate::store::error::{Class, Failure};
use crate::telemetry::causes;

/// Address at which the instances of a cloud get the credentials of their role.
const METADATA_SERVICE: &str = "169.254.169.254";

/// Class and cause of an error.
pub(super) fn failure(error: &Error) -> Failure {
    let mut failure = classed(error);
    // A bucket is never at this address: the user configured no credentials, and did not configure this address either.
    if causes::in_line(error).contains(METADATA_SERVICE) {
        failure.detail = format!(
            "no credentials are configured, and the cloud's metadata service ({METADATA_SERVICE}) has none for the node's role: {}; check `spec.credential`, the secret `cloud-credentials`, or the role",
            failure.detail
        );
    }
    failure
}

/// The same for a listing, which names nothing but the bucket. Stores answer "not found" for an unknown access key, too.
pub(super) fn of_listing(error: &Error) -> Failure {
    match Cause::of(error) {
        Cause::Answer(answer) if answer.class() == Class::NotFound => match answer.code.as_deref() {
            None | Some("NoSuchKey" | "NotFound") => no_such_bucket(),
            Some(_) => Failure::new(Class::Invalid, answer.detail()),
        },
        Cause::Unknown if matches!(error, Error::NotFound { .. }) => no_such_bucket(),
        _ => failure(error),
    }
}

fn no_such_bucket() -> Failure {
    Failure::new(Class::Invalid, "there is no such bucket; check `objectStorage.bucket`")
}

fn classed(error: &Error) -> Failure {
    let cause = Cause::of(error);
    match (&cause, error) {
        (Cause::Answer(answer), _) => answer.failure(),
        (Cause::Transport(failure), _) => failure.clone(),
        (Cause::Unknown, Error::NotFound { .. }) => Failure::not_found(),
        (Cause::Unknown, Error::PermissionDenied { .. } | Error::Unauthenticated { .. }) => {
            Failure::new(Class::Permission, "access was denied")
        }
        (Cause::Unknown, _) => Failure::new(Class::Other, without_queries(&causes::in_line(error))),
    }
}

/// Status of the answer behind an error, if there was an answer.
pub(super) fn status(error: &Error) -> Option<u16> {
    match Cause::of(error) {
        Cause::Answer(answer) => Some(answer.status),
        Cause::Transport(_) | Cause::Unknown => None,
    }
}

enum Cause {
    Answer(Answer),
    Transport(Failure),
    Unknown,
}

impl Cause {
    fn of(error: &(dyn StdError + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(http) = error.downcast_ref::<HttpError>() {
                return Self::Transport(transport(http));
            }
            if let Some(answer) = Answer::parse(&error.to_string()) {
                return Self::Answer(answer);
            }
            next = error.source();
        }
        Self::Unknown
    }
}

fn transport(error: &HttpError) -> Failure {
    let cause = root(error);
    // A retry does not help: the certificate stays as it is.
    if cause.contains("certificate") {
        let detail =
            format!("the connection was not trusted: {cause}; check `objectStorage.caCert`, or what stands between");
        return Failure::new(Class::Invalid, detail);
    }
    let what = match error.kind() {
        HttpErrorKind::Connect => "there is no connection",
        HttpErrorKind::Timeout => "there was no answer in time",
        _ => "the connection broke",
    };
    Failure::new(Class::Unavailable, format!("{what}: {}", without_queries(&cause)))
}

/// The innermost cause.
fn root(error: &(dyn StdError + 'static)) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

/// An answer with a status other than success, or with an error in its body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    status: u16,
    code: Option<String>,
    message: Option<String>,
}

impl Answer {
    /// Finds status and body in object_store's text.
    fn parse(text: &str) -> Option<Self> {
        const STATUS: &str = "Server returned non-2xx status code: ";
        const BODY: &str = "Server returned error response: ";
        const REDIRECT: &str = "Received redirect without LOCATION";
        if let Some(at) = text.find(STATUS) {
            let rest = &text[at + STATUS.len()..];
            return Some(Self::new(rest.get(..3)?.parse().ok()?, rest));
        }
        if let Some(at) = text.find(BODY) {
            return Some(Self::new(500, &text[at + BODY.len()..]));
        }
        text.contains(REDIRECT).then(|| Self::new(301, ""))
    }

    pub(super) fn new(status: u16, body: &str) -> Self {
        Self {
            status,
            code: element(body, "Code"),
            message: element(body, "Message"),
        }
    }

    pub(super) fn failure(&self) -> Failure {
        let class = self.class();
        if class == Class::NotFound {
            return Failure::not_found();
        }
        Failure::new(class, self.detail())
    }

    /// The store's message, and what to check.
    fn detail(&self) -> String {
        let message = match (&self.code, &self.message) {
            (Some(code), Some(message)) => format!("{code}: {message}"),
            (Some(text), None) | (None, Some(text)) => text.clone(),
            (None, None) => format!("status {}", self.status),
        };
        let advice = match self.code.as_deref() {
            Some("NoSuchBucket") => "; check `objectStorage.bucket`",
            Some("AuthorizationHeaderMalformed" | "PermanentRedirect" | "IllegalLocationConstraintException") => {
                "; check `config.region`"
            }
            Some("RequestTimeTooSkewed") => "; check the clocks",
            Some("XAdminUserNotFound" | "InvalidAccessKeyId") => "; check the access key in the location's credentials",
            _ if matches!(self.status, 300..400) => "; check `config.region` and `config.s3Url`",
            _ => "",
        };
        format!("the store answered {message}{advice}")
    }

    fn class(&self) -> Class {
        match (self.code.as_deref(), self.status) {
            (Some("NoSuchBucket"), _) => Class::Invalid,
            (Some("ExpiredToken" | "InvalidToken" | "TokenRefreshRequired"), _) => Class::Permission,
            (
                Some("QuotaExceeded" | "XMinioStorageFull" | "XMinioAdminBucketQuotaExceeded" | "InsufficientCapacity"),
                _,
            ) => Class::Full,
            (Some("EntityTooLarge"), _) | (_, 413) => Class::TooLarge,
            (Some("SlowDown" | "InternalError" | "ServiceUnavailable" | "RequestTimeout" | "OperationAborted"), _) => {
                Class::Unavailable
            }
            (_, 404) => Class::NotFound,
            (_, 401 | 403) => Class::Permission,
            (_, 408 | 409 | 429 | 500 | 502..=504) => Class::Unavailable,
            (_, 507) => Class::Full,
            (_, 300..=499) => Class::Invalid,
            _ => Class::Other,
        }
    }
}

/// Text of an XML element, shortened, on one line.
fn element(body: &str, name: &str) -> Option<String> {
    const LONGEST: usize = 300;
    let start = body.find(&format!("<{name}>"))? + name.len() + 2;
    let end = start + body[start..].find(&format!("</{name}>"))?;
    let text: String = unescaped(&body[start..end])
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(LONGEST)
        .collect();
    let text = text.trim().trim_end_matches('.');
    (!text.is_empty()).then(|| text.to_owned())
}

/// Decodes the five named entities of XML and characters by number. Other text is unchanged.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, from)) = rest.split_once('&') {
        out.push_str(before);
        let known = from
            .split_once(';')
            .and_then(|(name, after)| entity(name).map(|c| (c, after)));
        let (c, after) = known.unwrap_or(('&', from));
        out.push(c);
        rest = after;
    }
    out + rest
}

fn entity(name: &str) -> Option<char> {
    let number = |digits: &str, radix| u32::from_str_radix(digits, radix).ok().and_then(char::from_u32);
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => match name.strip_prefix('#')?.strip_prefix(['x', 'X']) {
            Some(digits) => number(digits, 16),
            None => number(&name[1..], 10),
        },
    }
}

/// Cuts off the queries of URLs: the query of a signed URL grants access.
pub(super) fn without_queries(text: &str) -> String {
    let cut = |word: &str| match word.split_once('?') {
        Some((url, _)) if url.contains("://") => format!("{url}?…"),
        _ => word.to_owned(),
    };
    text.split(' ').map(cut).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, code: &str, message: &str) -> Failure {
        let body = format!(
            "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{message}</Message><StringToSign>hunter2</StringToSign></Error>"
        );
        Answer::parse(&format!(
            "Error performing GET http://s3/b in 1ms - Server returned non-2xx status code: {status} Whatever: {body}"
        ))
        .unwrap()
        .failure()
    }

    #[test]
    fn answers_are_classed_by_code_and_else_by_status() {
        for (status, code, class) in [
            (404, "NoSuchKey", Class::NotFound),
            (404, "NoSuchUpload", Class::NotFound),
            (404, "NoSuchBucket", Class::Invalid),
            (403, "AccessDenied", Class::Permission),
            (403, "SignatureDoesNotMatch", Class::Permission),
            (400, "ExpiredToken", Class::Permission),
            (400, "AuthorizationHeaderMalformed", Class::Invalid),
            (301, "PermanentRedirect", Class::Invalid),
            (503, "SlowDown", Class::Unavailable),
            (500, "InternalError", Class::Unavailable),
            (429, "TooManyRequests", Class::Unavailable),
            (409, "ConditionalRequestConflict", Class::Unavailable),
            (507, "XMinioStorageFull", Class::Full),
            (413, "EntityTooLarge", Class::TooLarge),
            (416, "InvalidRange", Class::Invalid),
            (501, "NotImplemented", Class::Other),
        ] {
            assert_eq!(answer(status, code, "m").class, class, "{code}");
        }
    }

    #[test]
    fn a_listing_that_is_not_found_means_a_missing_bucket() {
        let listing = |code: &str, message: &str| {
            let text = format!(
                "Server returned non-2xx status code: 404 Not Found: <Error><Code>{code}</Code><Message>{message}</Message></Error>"
            );
            of_listing(&Error::Generic {
                store: "S3",
                source: Box::new(std::io::Error::other(text)),
            })
            .detail
        };
        assert_eq!(listing("", ""), "there is no such bucket; check `objectStorage.bucket`");
        assert_eq!(
            listing("NoSuchBucket", "no"),
            "the store answered NoSuchBucket: no; check `objectStorage.bucket`"
        );
        assert_eq!(
            listing("XAdminUserNotFound", "No user exists with the provided access key ID"),
            "the store answered XAdminUserNotFound: No user exists with the provided access key ID; check the access key in the location's credentials"
        );
    }

    #[test]
    fn missing_credentials_are_reported_as_such() {
        let detail = |url: &str| {
            let text = format!("error sending request for url (http://{url}/latest/api/token)");
            let http = HttpError::new(HttpErrorKind::Connect, std::io::Error::other(text.clone()));
            let source = Box::new(std::io::Error::other(text + ": " + &http.to_string()));
            failure(&Error::Generic { store: "S3", source }).detail
        };
        let missing = detail("169.254.169.254");
        assert!(missing.starts_with("no credentials are configured, and"), "{missing}");
        assert!(missing.ends_with("check `spec.credential`, the secret `cloud-credentials`, or the role"));
        assert!(!detail("127.0.0.1:9000").contains("credentials"));
    }

    #[test]
    fn only_code_and_message_of_a_body_are_shown() {
        let failure = answer(403, "SignatureDoesNotMatch", "Check your key &amp; signing\nmethod.");
        assert_eq!(
            failure.detail,
            "the store answered SignatureDoesNotMatch: Check your key & signing method"
        );
        assert_eq!(answer(403, "", "").detail, "the store answered status 403");
    }

    #[test]
    fn xml_entities_are_decoded() {
        for (escaped, want) in [
            ("&quot;a&quot; &amp; &apos;b&apos; &lt;c&gt;", "\"a\" & 'b' <c>"),
            ("&#34;a&#34; &#39;b&#39; &#x22;c&#X27; d&#xA;e", "\"a\" 'b' \"c' d e"),
            ("&amp;quot; &amp;amp; &amp;#34;", "&quot; &amp; &#34;"),
            (
                "R&D, a & b; &nbsp; &#xFFFFFFFF; &#; &",
                "R&D, a & b; &nbsp; &#xFFFFFFFF; &#; &",
            ),
            ("gr&#xFC;n", "gr\u{fc}n"),
        ] {
            assert_eq!(
                answer(400, "InvalidArgument", escaped).detail,
                format!("the store answered InvalidArgument: {want}")
            );
        }
    }

    #[test]
    fn a_signed_url_in_an_error_loses_its_signature() {
        assert_eq!(
            without_queries("GET https://s3/b?X-Amz-Signature=hunter2 failed? yes"),
            "GET https://s3/b?… failed? yes"
        );
    }
}
