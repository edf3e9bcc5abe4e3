//! Lists unfinished multipart uploads, which object_store does not support: it signs the URL, and the request is sent and read here.

use std::time::Duration;

use futures::stream::{self, StreamExt};
use http::Method;
use object_store::aws::AmazonS3;
use object_store::path::Path;
use object_store::signer::{SignedUrlOptions, Signer};
use serde::Deserialize;

use super::failure::{Answer, failure, without_queries};
use crate::store::error::{Class, Failure};
use crate::store::provider::{Pieces, ProviderResult, Unfinished};

/// How long a request's signature is valid; it is used at once.
const TTL: Duration = Duration::from_mins(1);

/// Longest answer: a page has a thousand uploads at most.
const LONGEST: usize = 16 << 20;

/// All unfinished uploads of keys that begin with `prefix`.
pub(super) fn list(client: AmazonS3, http: reqwest::Client, prefix: &str) -> Pieces<Unfinished> {
    let first = Some(Marker::default());
    let query = Query {
        client,
        http,
        prefix: prefix.to_owned(),
    };
    stream::try_unfold((query, first), |(query, marker)| async move {
        let Some(marker) = marker else { return Ok(None) };
        let page = query.page(&marker).await?;
        let next = page.next(&marker);
        let uploads = page.uploads.into_iter().filter_map(Upload::into_unfinished).map(Ok);
        Ok(Some((stream::iter(uploads), (query, next))))
    })
    .flat_map(|page: ProviderResult<_>| match page {
        Ok(page) => page.left_stream(),
        Err(failure) => stream::iter([Err(failure)]).right_stream(),
    })
    .boxed()
}

struct Query {
    client: AmazonS3,
    http: reqwest::Client,
    prefix: String,
}

/// Where a page begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Marker {
    key: String,
    id: String,
}

impl Query {
    async fn page(&self, marker: &Marker) -> ProviderResult<Page> {
        let mut query = vec![("uploads", ""), ("prefix", &self.prefix)];
        if !marker.key.is_empty() {
            query.extend([("key-marker", marker.key.as_str()), ("upload-id-marker", &marker.id)]);
        }
        let options = SignedUrlOptions::default().with_query(query);
        let url = self
            .client
            .signed_url_opts(Method::GET, &Path::ROOT, TTL, &options)
            .await
            .map_err(|error| failure(&error))?;
        let broken = |error: reqwest::Error| {
            Failure::new(
                Class::Unavailable,
                format!(
                    "there was no answer: {}",
                    without_queries(&error.without_url().to_string())
                ),
            )
        };
        let mut response = self.http.get(url.as_str()).send().await.map_err(broken)?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(broken)? {
            if body.len() + chunk.len() > LONGEST {
                return Err(Failure::new(Class::Other, "the list of unfinished uploads is too long"));
            }
            body.extend_from_slice(&chunk);
        }
        let body = String::from_utf8_lossy(&body);
        if !status.is_success() {
            return Err(Answer::new(status.as_u16(), &body).failure());
        }
        Page::parse(&body)
    }
}

/// `ListMultipartUploadsResult`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Page {
    #[serde(rename = "Upload")]
    uploads: Vec<Upload>,
    is_truncated: bool,
    next_key_marker: String,
    next_upload_id_marker: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Upload {
    key: String,
    #[serde(rename = "UploadId")]
    id: String,
    #[serde(default)]
    initiated: String,
}

impl Page {
    fn parse(xml: &str) -> ProviderResult<Self> {
        quick_xml::de::from_str(xml).map_err(|error| {
            Failure::new(
                Class::Other,
                format!("the list of unfinished uploads cannot be read: {error}"),
            )
        })
    }

    /// Where the next page begins. A store that returns the same marker again would cause an endless loop.
    fn next(&self, this: &Marker) -> Option<Marker> {
        let next = Marker {
            key: self.next_key_marker.clone(),
            id: self.next_upload_id_marker.clone(),
        };
        (self.is_truncated && !next.key.is_empty() && next != *this).then_some(next)
    }
}

impl Upload {
    /// An upload without a readable time is left alone: it may be in progress.
    fn into_unfinished(self) -> Option<Unfinished> {
        let began = self.initiated.parse().ok()?;
        Some(Unfinished {
            key: self.key,
            id: self.id,
            began,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_as_the_store_writes_it() {
        let page = Page::parse(
            r#"<?xml version="1.0" encoding="UTF-8"?>
            <ListMultipartUploadsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
              <Bucket>b</Bucket><KeyMarker></KeyMarker><NextKeyMarker>k2</NextKeyMarker>
              <NextUploadIdMarker>u2</NextUploadIdMarker><MaxUploads>2</MaxUploads><IsTruncated>true</IsTruncated>
              <Upload><Key>k&amp;1</Key><UploadId>u1</UploadId><Initiator><ID>me</ID></Initiator>
                <StorageClass>STANDARD</StorageClass><Initiated>2026-01-02T03:04:05.000Z</Initiated></Upload>
              <Upload><Key>k2</Key><UploadId>u2</UploadId><Initiated>yesterday</Initiated></Upload>
            </ListMultipartUploadsResult>"#,
        )
        .unwrap();
        let next = page.next(&Marker::default());
        assert_eq!(
            next,
            Some(Marker {
                key: "k2".to_owned(),
                id: "u2".to_owned()
            })
        );
        assert_eq!(page.next(&next.unwrap()), None, "it would go round in circles");
        let uploads: Vec<_> = page.uploads.into_iter().filter_map(Upload::into_unfinished).collect();
        let began = "2026-01-02T03:04:05Z".parse().unwrap();
        assert_eq!(
            uploads,
            [Unfinished {
                key: "k&1".to_owned(),
                id: "u1".to_owned(),
                began
            }]
        );
    }

    #[test]
    fn an_empty_page_is_the_last_one() {
        let page =
            Page::parse("<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>")
                .unwrap();
        assert_eq!((page.uploads.len(), page.next(&Marker::default())), (0, None));
    }
}
