//! Objects of ours as the API server has them now, for decisions that must not rest on a store that may be behind.

use std::fmt::Debug;

use kube::api::ListParams;
use kube::core::NamespaceResourceScope;
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

use crate::api::names::is_object_name;
use crate::runtime::Kind;
use crate::runtime::watch::Guarded;

use super::context::Context;

/// Objects a page.
const PAGE: u32 = 500;

/// One object of Velero's namespace. A name that no object can have is that of none.
///
/// # Errors
/// The API server refused or was not reached, or the object cannot be read.
pub async fn get<K>(ctx: &Context, name: &str) -> Result<Option<K>, kube::Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
{
    if !is_object_name(name) {
        return Ok(None);
    }
    let api: Api<K> = Api::namespaced(ctx.cluster.client().clone(), &ctx.namespace);
    api.get_opt(name).await
}

/// The objects of Velero's namespace with these labels. One that cannot be read is left out.
///
/// # Errors
/// The API server refused or was not reached.
pub async fn labelled<K>(ctx: &Context, labels: &str) -> Result<Vec<K>, kube::Error>
where
    K: Kind + Resource<DynamicType = (), Scope = NamespaceResourceScope> + DeserializeOwned,
{
    labelled_as(ctx, labels, Some).await
}

/// The same, of which only what `keep` makes of each is held: a page of whole objects at a time.
///
/// # Errors
/// The API server refused or was not reached.
pub async fn labelled_as<K, T>(
    ctx: &Context,
    labels: &str,
    keep: impl Fn(K) -> Option<T>,
) -> Result<Vec<T>, kube::Error>
where
    K: Kind + Resource<DynamicType = (), Scope = NamespaceResourceScope> + DeserializeOwned,
{
    let client = ctx.cluster.client().clone();
    let api: Api<Guarded<K>> = Api::namespaced_with(client, &ctx.namespace, &());
    let (mut found, mut page) = (Vec::new(), ListParams::default().labels(labels).limit(PAGE));
    loop {
        let list = api.list(&page).await?;
        found.extend(list.items.into_iter().filter_map(|item| match item {
            Guarded::Good(object) => keep(object),
            Guarded::Broken { .. } => None,
        }));
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(found),
        }
    }
}
