//! From a kubeconfig to a client (spec server-cli 1.2, 1.5).

use std::path::PathBuf;
use std::time::Duration;

use http::HeaderValue;
use http::header::USER_AGENT;
use kube::client::retry::RetryPolicy;
use kube::client::{Client, ClientBuilder};
use kube::config::{Config, KubeConfigOptions, Kubeconfig, KubeconfigError};
use tower::retry::RetryLayer;

use super::build_info;

/// Which API server to talk to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// The kubeconfig file; else `KUBECONFIG`, `~/.kube/config`, and inside a pod its service account.
    pub kubeconfig: Option<PathBuf>,
    /// The context in it; else its current one.
    pub context: Option<String>,
}

/// No API server can be talked to.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Neither a kubeconfig nor a pod's service account was found or could be read.
    #[error("error finding Kubernetes API server config in --kubeconfig, $KUBECONFIG, or in-cluster configuration: {0}")]
    Config(String),
    /// The client cannot be made of the configuration.
    #[error("make a client of the Kubernetes API server config: {0}; check the certificates in the kubeconfig")]
    Client(#[source] kube::Error),
}

impl Target {
    /// Reads the configuration. `program` names us to the server.
    pub async fn config(&self, program: &str) -> Result<Config, ConnectError> {
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        let from_file = match &self.kubeconfig {
            Some(path) => match Kubeconfig::read_from(path) {
                Ok(kubeconfig) => Config::from_custom_kubeconfig(kubeconfig, &options).await,
                Err(error) => Err(error),
            },
            None => Config::from_kubeconfig(&options).await,
        };
        let mut config = from_file.or_else(|error| self.in_cluster(&error))?;
        config.default_retry = false;
        if let Ok(agent) = HeaderValue::from_str(&build_info::user_agent(program)) {
            config.headers.push((USER_AGENT, agent));
        }
        Ok(config)
    }

    /// A pod's own service account, where the user has named neither a file nor a context.
    fn in_cluster(&self, error: &KubeconfigError) -> Result<Config, ConnectError> {
        let unnamed = self.kubeconfig.is_none() && self.context.is_none();
        let found = if unnamed { Config::incluster().ok() } else { None };
        found.ok_or_else(|| ConnectError::Config(error.to_string()))
    }
}

/// A client that tries requests a few times where the server asks for that: enough for a person waiting in front of it.
pub fn client(config: Config) -> Result<Client, ConnectError> {
    let policy = RetryPolicy::new(Duration::from_millis(200), Duration::from_secs(5), 4, true)
        .map_err(|error| ConnectError::Config(error.to_string()))?;
    let builder = ClientBuilder::try_from(config).map_err(ConnectError::Client)?;
    let builder = builder.with_layer(&tower::buffer::BufferLayer::new(64)).with_layer(&RetryLayer::new(policy));
    Ok(builder.build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_named_file_that_is_missing_is_not_replaced_by_another_configuration() {
        let target = Target { kubeconfig: Some("/no/such/file".into()), context: None };
        let error = target.config("velero").await.unwrap_err().to_string();
        let start = "error finding Kubernetes API server config in --kubeconfig, $KUBECONFIG, or in-cluster configuration";
        assert!(error.starts_with(start), "{error}");
    }
}
