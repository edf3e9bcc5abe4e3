//! The base of the URLs with which DownloadRequests are answered where the store cannot sign: how clients reach the
//! artifact endpoint without the API server (decision 44).

use std::fmt::Write as _;
use std::net::IpAddr;
use std::str::FromStr;

use http::Uri;

/// Where the endpoint listens; the Service of the same port leads there.
pub const PORT: u16 = 8443;

/// The Service's name.
pub const SERVICE: &str = "velero";

/// The value of `--artifact-url`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    /// Without a slash at its end.
    text: String,
    /// Without the brackets of an IPv6 address.
    host: String,
}

/// A text is no base URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no base for URLs of artifacts: use https://HOST[:PORT][/PATH], without user, query or fragment")]
pub struct BadBaseUrl(String);

impl BaseUrl {
    /// The Service of an installation in this namespace.
    pub fn of_service(namespace: &str) -> Self {
        let host = format!("{SERVICE}.{namespace}.svc");
        Self {
            text: format!("https://{host}:{PORT}"),
            host,
        }
    }

    /// The URL of one artifact.
    pub fn url(&self, kind: &str, name: &str, token: &str) -> String {
        format!(
            "{}/artifacts/{}/{}?token={token}",
            self.text,
            segment(kind),
            segment(name)
        )
    }

    /// The name or address that a client expects in the certificate there.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether something stands between host and artifacts that a proxy in front has to take away.
    pub fn has_path(&self) -> bool {
        self.text.trim_start_matches("https://").contains('/')
    }

    /// The text, as a flag has it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The names that the endpoint's certificate is for: those of the Service, and the base's host. Sorted.
    pub fn names(&self, namespace: &str) -> Vec<String> {
        let mut names = vec![
            SERVICE.to_owned(),
            format!("{SERVICE}.{namespace}"),
            format!("{SERVICE}.{namespace}.svc"),
            format!("{SERVICE}.{namespace}.svc.cluster.local"),
            self.host.to_ascii_lowercase(),
        ];
        names.sort();
        names.dedup();
        names
    }
}

impl FromStr for BaseUrl {
    type Err = BadBaseUrl;

    fn from_str(text: &str) -> Result<Self, BadBaseUrl> {
        let bad = || BadBaseUrl(text.to_owned());
        let uri: Uri = text.parse().map_err(|_| bad())?;
        let authority = uri.authority().ok_or_else(bad)?.as_str();
        let host = uri.host().ok_or_else(bad)?;
        let has_bad_port = authority != host && uri.port_u16().is_none_or(|port| port == 0);
        if uri.scheme_str() != Some("https") || uri.query().is_some() || text.contains(['#', '@']) || has_bad_port {
            return Err(bad());
        }
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.parse::<IpAddr>().is_err() && !is_name(host) {
            return Err(bad());
        }
        Ok(Self {
            text: format!("https://{authority}{}", uri.path().trim_end_matches('/')),
            host: host.to_owned(),
        })
    }
}

fn is_name(host: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    host.len() <= 253 && host.split('.').all(is_label)
}

/// A text as one segment of a path: the names in a DownloadRequest are any text.
fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_https_with_a_host_and_nothing_that_a_url_could_not_be_added_to() {
        for (text, host, url) in [
            (
                "https://backup.example.com",
                "backup.example.com",
                "https://backup.example.com",
            ),
            ("https://10.0.0.7:30443/", "10.0.0.7", "https://10.0.0.7:30443"),
            ("https://[::1]:8443", "::1", "https://[::1]:8443"),
            ("https://proxy/velero//", "proxy", "https://proxy/velero"),
        ] {
            let base: BaseUrl = text.parse().unwrap();
            assert_eq!(base.host(), host, "{text}");
            assert_eq!(
                base.url("BackupLog", "b", "1.x"),
                format!("{url}/artifacts/BackupLog/b?token=1.x")
            );
        }
        for text in [
            "",
            "host",
            "host:8443",
            "http://host",
            "https://",
            "https:///path",
            "https://user@host",
            "https://host?a=b",
            "https://host#a",
            "https://host:",
            "https://host:0",
            "https://host:99999",
            "https://*.example.com",
            "https://a..b",
            "https://-a",
            "ftp://host",
        ] {
            let error = text.parse::<BaseUrl>().unwrap_err().to_string();
            assert!(error.contains("use https://HOST"), "{text}: {error}");
        }
    }

    #[test]
    fn the_certificate_is_for_the_service_and_the_host_of_the_base() {
        assert_eq!(
            BaseUrl::of_service("v").names("v"),
            ["velero", "velero.v", "velero.v.svc", "velero.v.svc.cluster.local"]
        );
        let base: BaseUrl = "https://Backup.example.com".parse().unwrap();
        assert_eq!(base.names("v").first().unwrap(), "backup.example.com");
    }

    #[test]
    fn a_name_that_is_none_stays_one_segment() {
        let base = BaseUrl::of_service("v");
        assert_eq!(
            base.url("BackupLog", "../a?b#c", "t"),
            "https://velero.v.svc:8443/artifacts/BackupLog/..%2Fa%3Fb%23c?token=t"
        );
    }
}
