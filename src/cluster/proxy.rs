//! The proxy of the API server, by Go's rules: that of the kubeconfig, else the environment's unless `NO_PROXY`
//! names the server. kube 5.0.0 compares `NO_PROXY` with the proxy itself.

use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;

/// The proxy of the environment for this server; `variable` reads an environment variable.
///
/// # Errors
/// The variable is not the address of a proxy.
pub(super) fn of_environment(
    server: &Uri,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<Uri>, &'static str> {
    let first = |names: [&'static str; 2]| {
        let read = |name| Some((name, variable(name).filter(|value| !value.trim().is_empty())?));
        names.into_iter().find_map(read)
    };
    let names = match server.scheme_str() {
        Some("https") => ["HTTPS_PROXY", "https_proxy"],
        _ => ["HTTP_PROXY", "http_proxy"],
    };
    let Some((name, proxy)) = first(names) else {
        return Ok(None);
    };
    let host = server.host().unwrap_or_default().trim_matches(['[', ']']);
    let is_loopback = host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    let exempt = first(["NO_PROXY", "no_proxy"])
        .map(|(_, list)| list)
        .unwrap_or_default();
    if is_loopback || is_exempt(server, &exempt) {
        return Ok(None);
    }
    let proxy = proxy.trim();
    let proxy = if proxy.contains("://") {
        proxy.to_owned()
    } else {
        format!("http://{proxy}")
    };
    // The address may hold a password, so it is not shown.
    proxy.parse().map(Some).map_err(|_| name)
}

/// Whether a list as in `NO_PROXY` names this server.
fn is_exempt(server: &Uri, list: &str) -> bool {
    let all = Matcher::builder().all("http://proxy.invalid").no(list).build();
    all.intercept(server).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_chosen_by_gos_rules() {
        const PROXY: &str = "http://proxy.example.com:3128/";
        for (server, environment, expected) in [
            ("https://api.example.com:6443", &[][..], None),
            (
                "https://api.example.com:6443",
                &[("HTTPS_PROXY", "http://proxy.example.com:3128")],
                Some(PROXY),
            ),
            (
                "https://api.example.com",
                &[("https_proxy", "proxy.example.com:3128")],
                Some(PROXY),
            ),
            (
                "https://api.example.com",
                &[("HTTP_PROXY", "proxy.example.com:3128")],
                None,
            ),
            (
                "http://api.example.com",
                &[("HTTP_PROXY", "proxy.example.com:3128")],
                Some(PROXY),
            ),
            ("https://api.example.com", &[("HTTPS_PROXY", " ")], None),
            (
                "https://127.0.0.1:6443",
                &[("HTTPS_PROXY", "proxy.example.com:3128")],
                None,
            ),
            ("https://[::1]:6443", &[("HTTPS_PROXY", "proxy.example.com:3128")], None),
            (
                "https://localhost:6443",
                &[("HTTPS_PROXY", "proxy.example.com:3128")],
                None,
            ),
            (
                "https://api.example.com",
                &[("HTTPS_PROXY", "proxy.example.com:3128"), ("NO_PROXY", "*")],
                None,
            ),
            (
                "https://api.example.com",
                &[
                    ("HTTPS_PROXY", "proxy.example.com:3128"),
                    ("NO_PROXY", "other, .example.com"),
                ],
                None,
            ),
            (
                "https://10.0.0.1:443",
                &[("HTTPS_PROXY", "proxy.example.com:3128"), ("no_proxy", "10.0.0.0/8")],
                None,
            ),
            (
                "https://api.example.com",
                &[
                    ("HTTPS_PROXY", "proxy.example.com:3128"),
                    ("NO_PROXY", "proxy.example.com,10.0.0.0/8"),
                ],
                Some(PROXY),
            ),
        ] {
            let variable = |name: &str| {
                let found = environment.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            };
            let chosen = of_environment(&server.parse().unwrap(), variable).unwrap();
            assert_eq!(
                chosen.map(|uri| uri.to_string()).as_deref(),
                expected,
                "{server} {environment:?}"
            );
        }
    }

    #[test]
    fn an_invalid_proxy_address_is_named_by_its_variable() {
        let variable = |name: &str| (name == "HTTPS_PROXY").then(|| "http://user:secret@ no".to_owned());
        let refused = of_environment(&"https://api.example.com".parse().unwrap(), variable);
        assert_eq!(refused, Err("HTTPS_PROXY"));
    }
}
