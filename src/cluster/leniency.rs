//! What client-go accepts in a kubeconfig and kube does not: a server without a scheme, and white space around a token.

use std::fs;

use kube::config::{AuthInfo, Cluster, Kubeconfig};

use super::error::ConnectError;

/// Writes the cluster and the user of this context as kube accepts them. Returns whether the kubeconfig names a proxy itself.
///
/// # Errors
/// A token that no header can hold, or a token file that cannot be read.
pub(super) fn apply(config: &mut Kubeconfig, context: &str) -> Result<bool, ConnectError> {
    let named = config.contexts.iter().find(|known| known.name == context);
    let Some(context) = named.and_then(|known| known.context.clone()) else {
        return Ok(false);
    };
    let user = config
        .auth_infos
        .iter_mut()
        .find(|known| Some(&known.name) == context.user.as_ref());
    let mut has_certificate = false;
    if let Some(known) = user
        && let Some(info) = known.auth_info.as_mut()
    {
        token(&known.name, info)?;
        has_certificate = info.client_certificate.is_some() || info.client_certificate_data.is_some();
    }
    let clusters = config.clusters.iter_mut();
    let cluster = clusters
        .filter(|known| known.name == context.cluster)
        .find_map(|known| known.cluster.as_mut());
    let Some(cluster) = cluster else {
        return Ok(false);
    };
    scheme(cluster, has_certificate);
    Ok(cluster.proxy_url.as_ref().is_some_and(|url| !url.is_empty()))
}

/// As client-go: the scheme is https if the kubeconfig has any setting of TLS.
fn scheme(cluster: &mut Cluster, has_certificate: bool) {
    let Some(server) = cluster
        .server
        .as_mut()
        .filter(|server| !server.is_empty() && !server.contains("://"))
    else {
        return;
    };
    let speaks_tls = has_certificate
        || cluster.certificate_authority.is_some()
        || cluster.certificate_authority_data.is_some()
        || cluster.insecure_skip_tls_verify == Some(true);
    *server = format!("{}://{server}", if speaks_tls { "https" } else { "http" });
}

/// A token inline must fit into a header as it is. One in a file is trimmed; it is then read once instead of every minute,
/// because kube sends what it reads.
fn token(user: &str, info: &mut AuthInfo) -> Result<(), ConnectError> {
    use secrecy::ExposeSecret;
    if let Some(token) = &info.token {
        return sendable(token.expose_secret(), &format!("the token of the user {user:?}"));
    }
    let Some(file) = &info.token_file else { return Ok(()) };
    let text = fs::read_to_string(file)
        .map_err(|error| ConnectError::Config(format!("read the token file {file:?} of the user {user:?}: {error}")))?;
    let trimmed = text.trim();
    sendable(trimmed, &format!("the token in {file:?}"))?;
    if trimmed.len() < text.len() {
        info.token = Some(trimmed.to_owned().into());
    }
    Ok(())
}

fn sendable(token: &str, name: &str) -> Result<(), ConnectError> {
    if token.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Ok(());
    }
    Err(ConnectError::Config(format!(
        "{name} has a line break or another character that no header can hold"
    )))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn config(cluster: &str, user: &str) -> Kubeconfig {
        Kubeconfig::from_yaml(&format!(
            "clusters: [{{name: c, cluster: {cluster}}}]\nusers: [{{name: u, user: {user}}}]\n\
             contexts: [{{name: x, context: {{cluster: c, user: u}}}}]\n"
        ))
        .unwrap()
    }

    #[test]
    fn a_server_without_a_scheme_gets_the_one_of_client_go() {
        for (cluster, user, server) in [
            ("{server: 'localhost:8080'}", "{}", "http://localhost:8080"),
            ("{server: 'h:1', certificate-authority: ca.crt}", "{}", "https://h:1"),
            ("{server: 'h:1', certificate-authority-data: eA==}", "{}", "https://h:1"),
            ("{server: 'h:1', insecure-skip-tls-verify: true}", "{}", "https://h:1"),
            ("{server: 'h:1'}", "{client-certificate: c.crt}", "https://h:1"),
            ("{server: 'https://h:1/path'}", "{}", "https://h:1/path"),
        ] {
            let mut config = config(cluster, user);
            assert!(!apply(&mut config, "x").unwrap());
            let cluster = config.clusters[0].cluster.as_ref().unwrap();
            assert_eq!(cluster.server.as_deref(), Some(server));
        }
        assert!(apply(&mut config("{server: h, proxy-url: 'http://p:1'}", "{}"), "x").unwrap());
        assert!(!apply(&mut config("{server: h}", "{}"), "another").unwrap());
    }

    #[test]
    fn an_invalid_token_is_refused_without_being_shown() {
        let error = apply(&mut config("{server: h}", "{token: \"sesame\\n\"}"), "x")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("the token of the user \"u\" has a line break") && !error.contains("sesame"),
            "{error}"
        );
        assert!(apply(&mut config("{server: h}", "{token: sesame}"), "x").is_ok());
    }

    #[test]
    fn white_space_around_a_token_in_a_file_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        for (text, inline) in [
            ("sesame", None),
            ("sesame\n", Some("sesame")),
            (" sesame \r\n", Some("sesame")),
        ] {
            let file = dir.path().join("token");
            fs::write(&file, text).unwrap();
            let mut config = config(
                "{server: h}",
                &format!("{{tokenFile: {:?}}}", file.display().to_string()),
            );
            apply(&mut config, "x").unwrap();
            let token = config.auth_infos[0].auth_info.as_ref().unwrap().token.as_ref();
            assert_eq!(token.map(ExposeSecret::expose_secret), inline);
        }
        let error = apply(&mut config("{server: h}", "{tokenFile: /is/not/there}"), "x")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("read the token file \"/is/not/there\" of the user \"u\": No such file"),
            "{error}"
        );
    }
}
