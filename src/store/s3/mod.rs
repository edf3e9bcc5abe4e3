//! Amazon S3 and compatible stores (provider `velero.io/aws`; spec plugins 12.2, decision 25).

mod credentials;
mod failure;
mod settings;
mod unfinished;
mod writes;

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use futures::future::FutureExt;
use futures::stream::{self, StreamExt, TryStreamExt};
use http::Method;
use jiff::Timestamp;
use object_store::aws::{AmazonS3, AmazonS3Builder, S3ConditionalPut, resolve_bucket_region};
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::signer::Signer;
use object_store::{
    BackoffConfig, Certificate, ClientOptions, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt,
    RetryConfig,
};

use self::credentials::Profile;
use self::failure::failure;
use self::settings::{Address, Settings};
use super::error::{Class, Failure};
use super::provider::{Call, Depth, Entry, Part, PartTag, Pieces, Provider, ProviderResult, Unfinished};
use super::{ObjectInfo, PutOutcome, ReplaceOutcome, Result, StoreConfig, StoreError};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Time limit for the lookup of a bucket's region.
const REGION_DEADLINE: Duration = Duration::from_secs(30);

/// A bucket of an S3 store. Cheap to clone.
#[derive(Clone)]
pub(super) struct S3 {
    bucket: String,
    client: AmazonS3,
    /// The same bucket under its public address; only signs URLs.
    signer: AmazonS3,
    http: reqwest::Client,
}

impl fmt::Debug for S3 {
    /// Without the client, which would show the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3")
            .field("bucket", &self.bucket)
            .finish_non_exhaustive()
    }
}

/// Checks the settings of a location.
pub(super) fn check(config: &StoreConfig) -> Result<()> {
    Settings::read(config).map(drop)
}

impl S3 {
    /// The store of a configuration.
    pub(super) async fn open(config: &StoreConfig, bucket: &str) -> Result<Self> {
        let settings = Settings::read(config)?;
        let profile = config
            .credentials
            .as_ref()
            .map(|text| credentials::profile(text, &settings.profile))
            .transpose()?;
        let trust = Trust {
            roots: roots(config.ca_cert.as_deref())?,
            skip_verify: settings.skip_verify,
        };
        // Without a provider the TLS library panics; a second call changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();

        let region = match settings.region(profile.as_ref().and_then(|profile| profile.region.as_deref())) {
            Some(region) => region,
            None => find_region(bucket, &trust).await?,
        };
        let address = settings.address(bucket, &region)?;
        let http = trust.http(&address)?;
        let build = |address: &Address| {
            let builder = credentials_of(AmazonS3Builder::new(), profile.as_ref())
                .with_bucket_name(bucket)
                .with_region(&region)
                .with_endpoint(&address.endpoint)
                .with_virtual_hosted_style_request(address.virtual_host)
                .with_allow_http(address.is_plain_http)
                .with_client_options(trust.options(address))
                .with_retry(retries())
                .with_conditional_put(S3ConditionalPut::ETagMatch)
                // Every compatible store supports one request an object; not all support a bulk delete.
                .with_disable_bulk_delete(true);
            let builder = match settings.checksum {
                Some(checksum) => builder.with_checksum_algorithm(checksum.into()),
                None => builder,
            };
            builder.build().map_err(|error| unusable(&error))
        };
        let client = build(&address)?;
        let signer = match settings.public {
            Some(_) => build(&settings.public_address(bucket, &region)?)?,
            None => client.clone(),
        };
        Ok(Self {
            bucket: bucket.to_owned(),
            client,
            signer,
            http,
        })
    }
}

fn credentials_of(builder: AmazonS3Builder, profile: Option<&Profile>) -> AmazonS3Builder {
    let Some(profile) = profile else {
        let from_environment = credentials::from_environment(|name| std::env::var(name).ok());
        return from_environment
            .into_iter()
            .fold(builder, |builder, (key, value)| builder.with_config(key, value));
    };
    let builder = builder
        .with_access_key_id(&profile.key_id)
        .with_secret_access_key(profile.secret_key.expose());
    match &profile.token {
        Some(token) => builder.with_token(token.expose()),
        None => builder,
    }
}

/// Short enough for a call's deadline to let the last error through.
fn retries() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(200),
            max_backoff: Duration::from_secs(4),
            base: 2.0,
        },
        max_retries: 5,
        retry_timeout: Duration::from_mins(2),
    }
}

fn unusable(error: &dyn std::error::Error) -> StoreError {
    let mut text = failure::without_queries(&error.to_string());
    let mut next = error.source();
    while let Some(source) = next {
        text = format!("{text}: {}", failure::without_queries(&source.to_string()));
        next = source.source();
    }
    StoreError::Config(format!(
        "cannot set up the S3 client: {text}; check `objectStorage.caCert`, or that the image has certificates of authorities"
    ))
}

async fn find_region(bucket: &str, trust: &Trust) -> Result<String> {
    let options = trust.https_options();
    let asked = tokio::time::timeout(REGION_DEADLINE, resolve_bucket_region(bucket, &options)).await;
    let detail = match asked {
        Ok(Ok(region)) => return Ok(region),
        Ok(Err(error)) => failure(&error).detail,
        Err(_) => format!("there was no answer within {REGION_DEADLINE:?}"),
    };
    Err(StoreError::Failed {
        class: Class::Unavailable,
        attempted: format!("find out the region of bucket `{bucket}`"),
        detail: format!("{detail}; set `config.region`, and `config.s3Url` if it is not Amazon's"),
    })
}

/// The certificates to trust.
struct Trust {
    roots: Vec<Vec<u8>>,
    skip_verify: bool,
}

/// The certificates of a bundle, one by one.
fn roots(pem: Option<&[u8]>) -> Result<Vec<Vec<u8>>> {
    const END: &str = "-----END CERTIFICATE-----";
    let Some(pem) = pem else { return Ok(Vec::new()) };
    let wrong = || StoreError::Config("`objectStorage.caCert` is not a bundle of PEM certificates".to_owned());
    let text = std::str::from_utf8(pem).map_err(|_| wrong())?;
    let roots: Vec<_> = text
        .split_inclusive(END)
        .filter(|part| part.ends_with(END))
        .map(|part| part.as_bytes().to_vec())
        .collect();
    if roots.is_empty() || roots.iter().any(|root| Certificate::from_pem(root).is_err()) {
        return Err(wrong());
    }
    Ok(roots)
}

impl Trust {
    fn https_options(&self) -> ClientOptions {
        let options = ClientOptions::new()
            // Each call has its own deadline.
            .with_timeout_disabled()
            .with_connect_timeout(CONNECT_TIMEOUT)
            .with_allow_invalid_certificates(self.skip_verify);
        let roots = self.roots.iter().filter_map(|root| Certificate::from_pem(root).ok());
        roots.fold(options, ClientOptions::with_root_certificate)
    }

    fn options(&self, address: &Address) -> ClientOptions {
        // An image without root certificates can still use plain HTTP, unless they are loaded.
        let without_roots = address.is_plain_http && self.roots.is_empty();
        self.https_options()
            .with_allow_http(address.is_plain_http)
            .with_no_system_certificates(without_roots)
    }

    /// The same for requests outside of object_store.
    fn http(&self, address: &Address) -> Result<reqwest::Client> {
        let roots = self
            .roots
            .iter()
            .filter_map(|root| reqwest::Certificate::from_pem(root).ok());
        let builder = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .danger_accept_invalid_certs(self.skip_verify)
            .redirect(reqwest::redirect::Policy::none());
        let builder = if address.is_plain_http && self.roots.is_empty() {
            builder.tls_certs_only(roots)
        } else {
            builder.tls_certs_merge(roots)
        };
        builder.build().map_err(|error| unusable(&error))
    }
}

/// Keys were checked before; object_store has further rules.
fn path(key: &str) -> ProviderResult<Path> {
    Path::parse(key).map_err(|error| Failure::new(Class::Invalid, format!("the key cannot be used: {error}")))
}

fn object(meta: ObjectMeta) -> ObjectInfo {
    let (seconds, nanos) = (
        meta.last_modified.timestamp(),
        meta.last_modified.timestamp_subsec_nanos(),
    );
    let modified = Timestamp::new(seconds, i32::try_from(nanos).unwrap_or_default()).unwrap_or_default();
    ObjectInfo {
        key: meta.location.into(),
        size: meta.size,
        etag: meta.e_tag,
        modified,
    }
}

impl S3 {
    async fn head(&self, key: &str) -> ProviderResult<ObjectInfo> {
        match self.client.head(&path(key)?).await {
            Ok(meta) => Ok(object(meta)),
            Err(error) => {
                let failure = failure(&error);
                if failure.class == Class::NotFound {
                    // The answer to HEAD has no body, so the bucket may be the one that is missing.
                    self.page(key, None, None, Some(1)).await?;
                }
                Err(failure)
            }
        }
    }

    async fn read(&self, key: &str, range: Option<Range<u64>>) -> ProviderResult<(ObjectInfo, Pieces<Bytes>)> {
        let options = GetOptions {
            range: range.map(GetRange::Bounded),
            ..GetOptions::default()
        };
        let found = self
            .client
            .get_opts(&path(key)?, options)
            .await
            .map_err(|error| failure(&error))?;
        let info = object(found.meta.clone());
        Ok((info, found.into_stream().map_err(|error| failure(&error)).boxed()))
    }

    async fn delete(&self, key: &str) -> ProviderResult<()> {
        done_or_gone(self.client.delete(&path(key)?).await)
    }

    async fn page(
        &self,
        prefix: &str,
        delimiter: Option<&'static str>,
        page_token: Option<String>,
        max_keys: Option<usize>,
    ) -> ProviderResult<object_store::list::PaginatedListResult> {
        let prefix = (!prefix.is_empty()).then_some(prefix);
        let delimiter = delimiter.map(Into::into);
        let options = PaginatedListOptions {
            delimiter,
            page_token,
            max_keys,
            ..PaginatedListOptions::default()
        };
        self.client
            .list_paginated(prefix, options)
            .await
            .map_err(|error| failure::of_listing(&error))
    }
}

fn done_or_gone(result: object_store::Result<()>) -> ProviderResult<()> {
    match result.map_err(|error| failure(&error)) {
        Err(failure) if failure.class == Class::NotFound => Ok(()),
        done => done,
    }
}

impl Provider for S3 {
    fn put(&self, key: &str, bytes: Bytes, only_new: bool) -> Call<'_, PutOutcome> {
        let key = key.to_owned();
        async move { self.put(&key, bytes, only_new).await }.boxed()
    }

    fn replace(&self, key: &str, bytes: Bytes, etag: &str) -> Call<'_, ReplaceOutcome> {
        let (key, etag) = (key.to_owned(), etag.to_owned());
        async move { self.replace(&key, bytes, &etag).await }.boxed()
    }

    fn begin_upload(&self, key: &str) -> Call<'_, String> {
        let path = path(key);
        async move {
            self.client
                .create_multipart(&path?)
                .await
                .map_err(|error| failure(&error))
        }
        .boxed()
    }

    fn put_part(&self, part: Part) -> Call<'_, PartTag> {
        let Part {
            key,
            id,
            index,
            bytes,
            offset: _,
        } = part;
        let sent = async move {
            self.client
                .put_part(&path(&key)?, &id, index, bytes.into())
                .await
                .map_err(|error| failure(&error))
        };
        sent.map(|tag| tag.map(|tag| PartTag(tag.content_id))).boxed()
    }

    fn finish_upload(&self, key: &str, id: &str, parts: Vec<PartTag>) -> Call<'_, ()> {
        let (path, id) = (path(key), id.to_owned());
        let parts = parts
            .into_iter()
            .map(|PartTag(content_id)| PartId { content_id })
            .collect();
        async move {
            self.client
                .complete_multipart(&path?, &id, parts)
                .await
                .map(drop)
                .map_err(|error| failure(&error))
        }
        .boxed()
    }

    fn abort_upload(&self, key: &str, id: &str) -> Call<'_, ()> {
        let (path, id) = (path(key), id.to_owned());
        async move { done_or_gone(self.client.abort_multipart(&path?, &id).await) }.boxed()
    }

    fn uploads(&self, prefix: &str) -> Pieces<Unfinished> {
        unfinished::list(self.client.clone(), self.http.clone(), prefix)
    }

    fn read(&self, key: &str, range: Option<Range<u64>>) -> Call<'_, (ObjectInfo, Pieces<Bytes>)> {
        let key = key.to_owned();
        async move { self.read(&key, range).await }.boxed()
    }

    fn head(&self, key: &str) -> Call<'_, ObjectInfo> {
        let key = key.to_owned();
        async move { self.head(&key).await }.boxed()
    }

    fn list(&self, prefix: &str, depth: Depth) -> Pieces<Entry> {
        let delimiter = (depth == Depth::One).then_some("/");
        let (prefix, this) = (prefix.to_owned(), self.clone());
        // `None`: before the first page; `Some(None)`: behind the last one.
        stream::try_unfold(None, move |next: Option<Option<String>>| {
            let (prefix, this) = (prefix.clone(), this.clone());
            async move {
                let token = match next {
                    Some(None) => return Ok(None),
                    Some(token) => token,
                    None => None,
                };
                let page = this.page(&prefix, delimiter, token, None).await?;
                let objects = page
                    .result
                    .objects
                    .into_iter()
                    .map(|meta| Ok(Entry::Object(object(meta))));
                let prefixes = page
                    .result
                    .common_prefixes
                    .into_iter()
                    .map(|path| Ok(Entry::Prefix(format!("{path}/"))));
                Ok(Some((stream::iter(objects.chain(prefixes)), Some(page.page_token))))
            }
        })
        .flat_map(|page: ProviderResult<_>| match page {
            Ok(page) => page.left_stream(),
            Err(failure) => stream::iter([Err(failure)]).right_stream(),
        })
        .boxed()
    }

    fn delete(&self, key: &str) -> Call<'_, ()> {
        let key = key.to_owned();
        async move { self.delete(&key).await }.boxed()
    }

    fn sign(&self, key: &str, ttl: Duration) -> Call<'_, Option<String>> {
        let path = path(key);
        let sign = async move {
            self.signer
                .signed_url(Method::GET, &path?, ttl)
                .await
                .map_err(|error| failure(&error))
        };
        sign.map(|url| url.map(|url| Some(url.into()))).boxed()
    }

    fn needs_identity(&self) -> bool {
        false
    }

    /// Not created: the user has to decide about a bucket's region, encryption and rights.
    fn create_bucket(&self) -> Call<'_, ()> {
        futures::future::ready(Err(Failure::new(
            Class::Invalid,
            "buckets are not made here; make it with the store's own tools",
        )))
        .boxed()
    }
}
