//! The client of a run: every request needs a permit of the limiter, which also handles a 429.

use bytes::Bytes;
use serde_json::Value;
use tokio::time::Instant;

use crate::cluster::discovery::Resource;
use crate::cluster::error::Class;
use crate::cluster::objects::{self, WriteOptions};
use crate::cluster::{ApiError, Cluster};
use crate::restore::limiter::Limiter;

/// How often a request is sent again after a 429, each time after the pause that the server asked for. Continuing with the next
/// item instead would send as many requests, and its wave would end without this item.
const PUSH_BACKS: u32 = 20;

/// Requests start at this many at once.
const START: u32 = 8;

/// A client of the cluster with a limit on concurrent requests.
#[derive(Debug)]
pub struct ThrottledClient {
    cluster: Cluster,
    limiter: Limiter,
    options: WriteOptions,
}

impl ThrottledClient {
    /// At most `max` requests at once. The cluster's client must have no retry layer of its own. `options` are those of
    /// every creation and change.
    pub fn new(cluster: Cluster, max: u32, options: WriteOptions) -> Self {
        Self {
            cluster,
            limiter: Limiter::new(START, max),
            options,
        }
    }

    /// Since when the API server answers every request with a 429.
    pub fn turned_away_since(&self) -> Option<Instant> {
        self.limiter.turned_away_since()
    }

    /// Creates an object.
    pub async fn create(&self, resource: &Resource, namespace: Option<&str>, body: Bytes) -> Result<Value, ApiError> {
        self.limited(|| objects::create(&self.cluster, resource, namespace, body.clone(), self.options))
            .await
    }

    /// Reads an object; nothing if it is not there.
    pub async fn get(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Option<Value>, ApiError> {
        self.limited(|| objects::get(&self.cluster, resource, namespace, name))
            .await
    }

    /// Changes an object.
    pub async fn merge_patch(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        name: &str,
        patch: &Value,
    ) -> Result<Value, ApiError> {
        self.limited(|| objects::merge_patch(&self.cluster, resource, namespace, name, patch, self.options))
            .await
    }

    /// Replaces an object's status.
    pub async fn update_status(
        &self,
        resource: &Resource,
        namespace: Option<&str>,
        name: &str,
        body: Bytes,
    ) -> Result<Value, ApiError> {
        self.limited(|| objects::update_status(&self.cluster, resource, namespace, name, body.clone()))
            .await
    }

    async fn limited<T, F>(&self, request: impl Fn() -> F) -> Result<T, ApiError>
    where
        F: Future<Output = Result<T, ApiError>>,
    {
        let mut push_backs = 0;
        loop {
            let permit = self.limiter.permit().await;
            let result = request().await;
            match &result {
                Err(error) if error.is_too_many_requests() => {
                    permit.pushed_back(error.retry_after);
                    push_backs += 1;
                    if push_backs <= PUSH_BACKS {
                        continue;
                    }
                }
                // a request that did not arrive says nothing about the load of the server
                Err(error) if matches!(error.class(), Class::Transport | Class::Unsent) => drop(permit),
                _ => permit.answered(),
            }
            return result;
        }
    }
}
