//! A connection to an API server.

use std::time::Duration;

use kube::Client;
use kube::client::retry::RetryPolicy;
use kube::client::{AuthError, ClientBuilder};
use kube::config::{Config, ExecConfig, KubeConfigOptions};
use tower::buffer::BufferLayer;
use tower::retry::RetryLayer;
use tower::util::MapErrLayer;

use super::error::ConnectError;
use super::kubeconfig::{self, Found, Surroundings};
use super::rate::RateLimit;
use super::traced::TracedLayer;
use super::{leniency, proxy, unreached};
use crate::telemetry::causes;

/// The deadline of a single request: longer than the API server's own minute, so that its answer comes first.
const DEADLINE: Duration = Duration::from_secs(70);

/// Requests waiting for the connection pool.
const BUFFER: usize = 1024;

/// A connection to an API server; cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    deadline: Duration,
}

/// How to find the API server.
#[derive(Clone, Debug, Default)]
pub struct ClientOptions {
    /// A kubeconfig file; absent: `$KUBECONFIG`, the user's own, or the pod's service account.
    pub kubeconfig: Option<std::path::PathBuf>,
    /// A context of the kubeconfig; absent: its current one.
    pub context: Option<String>,
    /// The `User-Agent` of the requests.
    pub user_agent: Option<String>,
    /// The user's limit on requests; absent: as many as the server takes (decision 9).
    pub limit: Option<RateLimit>,
    /// Whether the client retries transient errors. The engines have retries of their own.
    pub retry: bool,
    /// Whether to ask for uncompressed answers. Near the API server, compressing a list takes longer than sending it.
    pub uncompressed: bool,
}

impl Cluster {
    /// Sets up the connection. Sends no request yet.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn connect(options: &ClientOptions) -> Result<Self, ConnectError> {
        // Two providers in one program make rustls panic at the first connection; ring is the only one here.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut config = load(options).await?;
        config.default_retry = false;
        config.disable_compression |= options.uncompressed;
        if let Some(agent) = &options.user_agent {
            let agent = agent
                .parse()
                .map_err(|_| ConnectError::Config(format!("`{agent}` is not a valid user agent")))?;
            config.headers.push((http::header::USER_AGENT, agent));
        }
        let server = config.cluster_url.clone();
        let plugin = config.auth_info.exec.clone();
        let builder = ClientBuilder::try_from(config).map_err(|error| unusable(error, plugin.as_ref()))?;
        let named = move |error| unreached::named(&server, error);
        let builder = builder.with_layer(&MapErrLayer::new(named));
        let policy = RetryPolicy::new(Duration::from_millis(200), Duration::from_secs(5), 4, true)?;
        let client = match (options.retry, &options.limit) {
            (false, None) => builder.with_layer(&TracedLayer).build(),
            (false, Some(limit)) => builder
                .with_layer(limit)
                .with_layer(&BufferLayer::new(BUFFER))
                .with_layer(&TracedLayer)
                .build(),
            (true, None) => builder
                .with_layer(&BufferLayer::new(BUFFER))
                .with_layer(&RetryLayer::new(policy))
                .with_layer(&TracedLayer)
                .build(),
            (true, Some(limit)) => builder
                .with_layer(limit)
                .with_layer(&BufferLayer::new(BUFFER))
                .with_layer(&RetryLayer::new(policy))
                .with_layer(&TracedLayer)
                .build(),
        };
        Ok(Self::from_client(client))
    }

    /// A client that exists already (a fake server in tests).
    pub fn from_client(client: Client) -> Self {
        Self {
            client,
            deadline: DEADLINE,
        }
    }

    /// The client for typed APIs and watches.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The deadline of a single request.
    pub fn deadline(&self) -> Duration {
        self.deadline
    }
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").finish_non_exhaustive()
    }
}

/// Why the client cannot be built. The standard output of a plugin may be a token and is left out.
fn unusable(error: kube::Error, plugin: Option<&ExecConfig>) -> ConnectError {
    let command = plugin.and_then(|plugin| plugin.command.clone()).unwrap_or_default();
    match error {
        kube::Error::Auth(AuthError::AuthExecRun { out, .. }) => {
            let complaint = String::from_utf8_lossy(&out.stderr);
            let complaint: Vec<&str> = complaint
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty())
                .collect();
            let mut why = out.status.to_string();
            if !complaint.is_empty() {
                why = format!("{why}: {}", complaint.join("; "));
            }
            ConnectError::PluginFailed { command, why }
        }
        kube::Error::Auth(AuthError::AuthExecStart(error)) => {
            let hint = plugin
                .and_then(|plugin| plugin.install_hint.as_deref())
                .unwrap_or_default()
                .trim();
            ConnectError::PluginNotStarted {
                command,
                why: error.to_string(),
                hint: if hint.is_empty() {
                    "check that it is installed".to_owned()
                } else {
                    hint.to_owned()
                },
            }
        }
        other => ConnectError::Client(other),
    }
}

async fn load(options: &ClientOptions) -> Result<Config, ConnectError> {
    let found = kubeconfig::find(
        options.kubeconfig.as_deref(),
        options.context.as_deref(),
        &Surroundings::of_process(),
    )?;
    match found {
        Found::Chosen(mut merged, context) => {
            let own_proxy = leniency::apply(&mut merged, &context)?;
            let wanted = KubeConfigOptions {
                context: Some(context),
                ..KubeConfigOptions::default()
            };
            let config = Config::from_custom_kubeconfig(*merged, &wanted).await;
            let mut config = config.map_err(|error| ConnectError::Config(causes::in_line(&error)))?;
            if !own_proxy {
                config.proxy_url = proxy::of_environment(&config.cluster_url, |name| std::env::var(name).ok())
                    .map_err(|name| {
                        ConnectError::Config(format!("the environment variable {name} is not the address of a proxy"))
                    })?;
            }
            Ok(config)
        }
        Found::Nothing(why) => {
            Config::incluster().map_err(|error| ConnectError::Config(format!("{why}, and in-cluster: {error}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::{ExitStatus, Output};

    use super::*;

    #[test]
    fn a_failed_plugin_is_named_with_its_error_output() {
        let plugin: ExecConfig =
            serde_json::from_value(serde_json::json!({"command": "login", "installHint": "see example.com\n"}))
                .unwrap();
        let output = |stderr: &str| Output {
            status: ExitStatus::from_raw(3 << 8),
            stdout: b"sesame".to_vec(),
            stderr: stderr.as_bytes().to_vec(),
        };
        let failed = |stderr: &str| AuthError::AuthExecRun {
            cmd: "login".to_owned(),
            out: Box::new(output(stderr)),
        };
        for (error, phrase) in [
            (
                failed("no session\n\nlog in\n"),
                "running the credential plugin `login` of the kubeconfig failed: exit status: 3: no session; log in; check that it is logged in",
            ),
            (
                failed(""),
                "running the credential plugin `login` of the kubeconfig failed: exit status: 3; check that it is logged in",
            ),
            (
                AuthError::AuthExecStart(std::io::Error::other("not there")),
                "starting the credential plugin `login` of the kubeconfig failed: not there; see example.com",
            ),
        ] {
            assert_eq!(unusable(kube::Error::Auth(error), Some(&plugin)).to_string(), phrase);
        }
    }
}
