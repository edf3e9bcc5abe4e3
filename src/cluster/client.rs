//! A connection to an API server.

use std::time::Duration;

use kube::Client;
use kube::client::ClientBuilder;
use kube::client::retry::RetryPolicy;
use kube::config::{Config, KubeConfigOptions};
use tower::buffer::BufferLayer;
use tower::retry::RetryLayer;

use super::error::ConnectError;
use super::kubeconfig::{self, Found, Surroundings};
use super::rate::RateLimit;

/// No single request takes longer: longer than the API server's own minute, so that its answer comes first.
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
pub struct Options {
    /// A kubeconfig file; absent: `$KUBECONFIG`, the user's own, or the pod's service account.
    pub kubeconfig: Option<std::path::PathBuf>,
    /// A context of the kubeconfig; absent: its current one.
    pub context: Option<String>,
    /// What the requests say they come from.
    pub user_agent: Option<String>,
    /// The user's limit on requests; absent: as many as the server takes (decision 9).
    pub limit: Option<RateLimit>,
    /// Whether requests that fail in a way that passes are tried again here; engines decide for themselves.
    pub retry: bool,
    /// Whether large answers are to come as they are. Beside the API server compressing a list takes it longer than sending it.
    pub uncompressed: bool,
}

impl Cluster {
    /// Connects as the options say. Nothing is asked of the server yet.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn connect(options: &Options) -> Result<Self, ConnectError> {
        // Two providers in one program make rustls panic at the first connection; ring is the only one here.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut config = load(options).await?;
        config.default_retry = false;
        config.disable_compression |= options.uncompressed;
        if let Some(agent) = &options.user_agent {
            let agent = agent
                .parse()
                .map_err(|_| ConnectError::Config(format!("`{agent}` is no user agent")))?;
            config.headers.push((http::header::USER_AGENT, agent));
        }
        let builder = ClientBuilder::try_from(config).map_err(ConnectError::Client)?;
        let policy = RetryPolicy::new(Duration::from_millis(200), Duration::from_secs(5), 4, true)?;
        let client = match (options.retry, &options.limit) {
            (false, None) => builder.build(),
            (false, Some(limit)) => builder.with_layer(limit).with_layer(&BufferLayer::new(BUFFER)).build(),
            (true, None) => builder
                .with_layer(&BufferLayer::new(BUFFER))
                .with_layer(&RetryLayer::new(policy))
                .build(),
            (true, Some(limit)) => builder
                .with_layer(limit)
                .with_layer(&BufferLayer::new(BUFFER))
                .with_layer(&RetryLayer::new(policy))
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

    /// No single request takes longer than this.
    pub fn deadline(&self) -> Duration {
        self.deadline
    }
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").finish_non_exhaustive()
    }
}

async fn load(options: &Options) -> Result<Config, ConnectError> {
    let found = kubeconfig::find(
        options.kubeconfig.as_deref(),
        options.context.as_deref(),
        &Surroundings::of_process(),
    )?;
    match found {
        Found::Chosen(merged, context) => {
            let wanted = KubeConfigOptions {
                context: Some(context),
                ..KubeConfigOptions::default()
            };
            let config = Config::from_custom_kubeconfig(*merged, &wanted).await;
            config.map_err(|error| ConnectError::Config(error.to_string()))
        }
        Found::Nothing(why) => {
            Config::incluster().map_err(|error| ConnectError::Config(format!("{why}, and in-cluster: {error}")))
        }
    }
}
