//! The Secret with the key of artifact tokens.

use anyhow::Context as _;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::PostParams;

use crate::controllers::artifact::token::Key;

/// The Secret whose key signs artifact tokens.
const TOKEN_SECRET: &str = "velero-artifact-tokens";

/// The key that all replicas sign tokens with; the first one creates it.
pub(super) async fn read_or_create(client: &kube::Client, namespace: &str) -> anyhow::Result<Key> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let read = |secret: Secret| {
        let bytes = secret
            .data
            .and_then(|mut data| data.remove("key"))
            .map(|b| b.0)
            .unwrap_or_default();
        Key::from_bytes(&bytes).with_context(|| {
            format!("secret \"{TOKEN_SECRET}\" holds no key; delete it, a new one is made at the next start")
        })
    };
    if let Some(secret) = api
        .get_opt(TOKEN_SECRET)
        .await
        .context("read the key of artifact tokens")?
    {
        return read(secret);
    }
    let key = Key::random();
    let secret = Secret {
        metadata: kube::api::ObjectMeta {
            name: Some(TOKEN_SECRET.to_owned()),
            namespace: Some(namespace.to_owned()),
            labels: Some([("component".to_owned(), "velero".to_owned())].into()),
            ..Default::default()
        },
        data: Some([("key".to_owned(), ByteString(key.as_bytes().to_vec()))].into()),
        ..Secret::default()
    };
    match api.create(&PostParams::default(), &secret).await {
        Ok(_) => Ok(key),
        Err(kube::Error::Api(status)) if status.is_already_exists() => read(api.get(TOKEN_SECRET).await?),
        Err(error) => Err(error).context("write the key of artifact tokens"),
    }
}
