//! Objects of Velero's kinds in one namespace, with the API server's error messages.

mod error;
mod follow;
mod kind;

pub use error::RequestError;
pub use kind::Kind;

use std::time::Duration;

use futures::{Stream, TryStreamExt};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::Value;

use super::flag::Selector;
use super::output::{Listing, selector};
use super::traced::parent_of_objects;
use crate::controllers::run::trace::annotate;
use kind::{check_name, failed};

/// At most so many objects get a name of the same second.
const MAX_SAME_SECOND: u32 = 20;

fn dry_run() -> PostParams {
    PostParams {
        dry_run: true,
        ..PostParams::default()
    }
}

/// The object with the annotation of the trace that it belongs to.
fn traced<K: Kind>(mut object: K) -> K {
    if let Some(parent) = parent_of_objects() {
        annotate(object.meta_mut(), &parent);
    }
    object
}

/// The objects of one kind in one namespace. Cheap to make and to clone.
#[derive(Clone, Debug)]
pub struct Objects<K> {
    api: Api<K>,
}

impl<K: Kind> Objects<K> {
    /// The objects in `namespace`.
    pub fn new(client: &Client, namespace: &str) -> Self {
        Self {
            api: Api::namespaced(client.clone(), namespace),
        }
    }

    /// One object.
    pub async fn get(&self, name: &str) -> Result<K, RequestError> {
        check_name::<K>(name)?;
        self.api.get(name).await.map_err(failed::<K>)
    }

    /// One object, if it exists.
    pub async fn find(&self, name: &str) -> Result<Option<K>, RequestError> {
        match self.get(name).await {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All objects that match the selector, read in pages.
    pub async fn list(&self, labels: Option<&Selector>) -> Result<Listing<K>, RequestError> {
        let query = labels
            .map(|Selector(labels)| selector::text(Some(labels)))
            .filter(|query| query != selector::NONE);
        self.list_query(query.as_deref()).await
    }

    /// All objects with this value of a label.
    pub async fn labelled(&self, key: &str, value: &str) -> Result<Vec<K>, RequestError> {
        Ok(self.list_query(Some(&format!("{key}={value}"))).await?.items)
    }

    async fn list_query(&self, query: Option<&str>) -> Result<Listing<K>, RequestError> {
        let mut params = ListParams::default().limit(500);
        params.label_selector = query.map(str::to_owned);
        let mut listing = Listing {
            items: Vec::new(),
            resource_version: None,
        };
        loop {
            let page = self.api.list(&params).await.map_err(failed::<K>)?;
            listing.items.extend(page.items);
            listing.resource_version = page.metadata.resource_version;
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params.continue_token = Some(token),
                None => return Ok(listing),
            }
        }
    }

    /// The named objects; without names all that match the selector.
    ///
    /// # Errors
    /// A named object does not exist.
    pub async fn named_or_listed(
        &self,
        names: &[String],
        labels: Option<&Selector>,
    ) -> Result<Listing<K>, RequestError> {
        if names.is_empty() {
            return self.list(labels).await;
        }
        let mut items = Vec::with_capacity(names.len());
        for name in names {
            items.push(self.get(name).await?);
        }
        Ok(Listing {
            items,
            resource_version: None,
        })
    }

    /// Creates an object and returns it as stored.
    pub async fn create(&self, object: &K) -> Result<K, RequestError> {
        self.api
            .create(&PostParams::default(), object)
            .await
            .map_err(failed::<K>)
    }

    /// The same for an object that begins work: it belongs to the trace of this command.
    pub async fn begin(&self, object: &K) -> Result<K, RequestError> {
        self.create(&traced(object.clone())).await
    }

    /// The same for one with a name made of the time in seconds. If the name exists, a number is appended.
    pub async fn begin_named_by_time(&self, object: &mut K) -> Result<K, RequestError> {
        *object = traced(object.clone());
        self.create_under_free_name(object, &PostParams::default()).await
    }

    /// Creates an object in a dry run of the API server.
    pub async fn could_create(&self, object: &K) -> Result<K, RequestError> {
        self.api.create(&dry_run(), object).await.map_err(failed::<K>)
    }

    /// The same for an object with a name made of the time in seconds.
    pub async fn could_create_named_by_time(&self, object: &mut K) -> Result<K, RequestError> {
        self.create_under_free_name(object, &dry_run()).await
    }

    async fn create_under_free_name(&self, object: &mut K, params: &PostParams) -> Result<K, RequestError> {
        let name = object.meta().name.clone().unwrap_or_default();
        let mut number = 1;
        loop {
            match self.api.create(params, object).await.map_err(failed::<K>) {
                Err(error) if error.is_already_exists() && number < MAX_SAME_SECOND => number += 1,
                answered => return answered,
            }
            object.meta_mut().name = Some(format!("{name}-{number}"));
        }
    }

    /// Changes an object by a JSON merge patch.
    pub async fn patch(&self, name: &str, patch: &Value) -> Result<K, RequestError> {
        check_name::<K>(name)?;
        self.api
            .patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .map_err(failed::<K>)
    }

    /// Deletes an object.
    pub async fn delete(&self, name: &str) -> Result<(), RequestError> {
        check_name::<K>(name)?;
        self.api
            .delete(name, &DeleteParams::default())
            .await
            .map(drop)
            .map_err(failed::<K>)
    }

    /// The object now and at each change, `None` while it does not exist. Transient errors are retried; the stream ends with the first
    /// other error. It needs the permissions to `get` and `watch` this object; without `watch` it polls once a second.
    pub fn watch(&self, name: &str) -> impl Stream<Item = Result<Option<K>, RequestError>> + Send + use<K> {
        follow::follow(self.api.clone(), name.to_owned())
    }

    /// Waits until `done` accepts the object; `None` after the timeout.
    pub async fn wait_until(
        &self,
        name: &str,
        timeout: Duration,
        done: impl Fn(&K) -> bool,
    ) -> Result<Option<K>, RequestError> {
        let mut changes = self.watch(name);
        let accepted = async {
            while let Some(object) = changes.try_next().await? {
                if let Some(object) = object.filter(|object| done(object)) {
                    return Ok(Some(object));
                }
            }
            Ok(None)
        };
        tokio::time::timeout(timeout, accepted).await.unwrap_or(Ok(None))
    }
}
