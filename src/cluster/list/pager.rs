//! Page after page: limits that follow the measured size, and the recovery of a lost page or list.

use std::time::Duration;

use http_body_util::BodyExt;
use kube::client::Body;
use tokio::time::{Instant, timeout};
use tracing::{Instrument, Span};

use super::error::{ListError, is_transient};
use super::request::{ListEvent, ListRequest};
use super::split::{Element, SplitError, Splitter};
use crate::cluster::budget::Budget;
use crate::cluster::raw::RawObject;
use crate::cluster::request::Request;
use crate::cluster::{ApiError, Cluster};
use crate::runtime::backoff::{Backoff, Policy};

/// The size of a page: large enough that the number of requests does not matter, small enough for the server, which builds it whole.
const TARGET_BYTES: u64 = 4 << 20;

/// The most items of a page, however small they are.
const MAX_LIMIT: u32 = 10_000;

/// The longest pause within a page.
const IDLE: Duration = Duration::from_secs(30);

/// The longest wait for a page in all, without the time of the consumer.
const PAGE: Duration = Duration::from_mins(5);

/// Consecutive failures without progress after which the list fails.
const MAX_FAILURES: u32 = 6;

/// How often a list starts over.
const MAX_RESTARTS: u32 = 5;

/// The longest wait that a server may ask for.
const MAX_WAIT: Duration = Duration::from_mins(1);

const RETRY: Policy = Policy::doubling(Duration::from_millis(200), Duration::from_secs(10));

pub(super) struct Pager {
    cluster: Cluster,
    request: ListRequest,
    budget: Budget,
    attempt: String,
    page: Option<Page>,
    /// Of the page that is read or comes next; empty for the first.
    token: String,
    limit: u32,
    /// The expected size of the next page, by the last one.
    expected_bytes: u64,
    /// Items from `token` on that were handed out already. A token is for one view of the list and one order, so a page
    /// that broke off continues where it was, even with another limit.
    ahead: u64,
    /// The place of the next item since the list began (again).
    position: u64,
    first_page_read: bool,
    ended: bool,
    restarts: u32,
    failures: u32,
    backoff: Backoff,
    /// The span of its requests. Only they are in it: the list is polled for each object.
    span: Span,
}

struct Page {
    body: Body,
    splitter: Splitter,
    /// The first items, which were handed out before.
    skip: u64,
    items: u64,
    bytes: u64,
    waited: Duration,
}

/// The result of a read from a page.
enum Read {
    Some,
    End,
}

impl Pager {
    pub(super) fn new(cluster: Cluster, request: ListRequest, budget: Budget) -> Self {
        let what = request.resource.group_resource();
        let attempt = match &request.namespace {
            Some(namespace) => format!("list {what} in namespace \"{namespace}\""),
            None => format!("list {what}"),
        };
        Self {
            cluster,
            attempt,
            page: None,
            token: String::new(),
            limit: request.first_limit.clamp(1, MAX_LIMIT),
            expected_bytes: TARGET_BYTES,
            ahead: 0,
            position: 0,
            first_page_read: false,
            ended: false,
            restarts: 0,
            failures: 0,
            backoff: Backoff::new(RETRY),
            span: Span::current(),
            request,
            budget,
        }
    }

    pub(super) async fn next(&mut self) -> Result<Option<ListEvent>, ListError> {
        while !self.ended {
            let event = match self.page.as_mut() {
                None => match self.open().await {
                    Ok(page) => {
                        self.page = Some(page);
                        None
                    }
                    Err(error) => self.failed(error).await?,
                },
                Some(page) => match page.next() {
                    Some((element, false)) => Some(self.hand_out(element).await),
                    Some((_, true)) => None,
                    None => match page.read(&self.attempt).await {
                        Ok(Read::Some) => None,
                        Ok(Read::End) => self.end_page().await?,
                        Err(PageError::Broken(error)) => self.failed(error).await?,
                        Err(PageError::NotAList(reason)) => return Err(self.not_a_list(reason)),
                    },
                },
            };
            if event.is_some() {
                return Ok(event);
            }
        }
        Ok(None)
    }

    async fn open(&mut self) -> Result<Page, ApiError> {
        // A slow consumer holds the answer back, and the server breaks off an answer that takes longer than its minute. So a
        // page is requested only when there is room for much of it.
        let room = usize::try_from(self.expected_bytes)
            .unwrap_or(usize::MAX)
            .min(self.budget.capacity() / 4);
        drop(self.budget.take(room).await);

        let ListRequest {
            resource,
            namespace,
            label_selector,
            ..
        } = &self.request;
        let mut request = Request::get(resource.path(namespace.as_deref(), None), &self.attempt)
            .with_query("limit", &self.limit.to_string());
        if let Some(selector) = label_selector {
            request = request.with_query("labelSelector", selector);
        }
        if !self.token.is_empty() {
            request = request.with_query("continue", &self.token);
        }
        let deadline = self.cluster.deadline();
        let answer = timeout(deadline, request.open(&self.cluster))
            .instrument(self.span.clone())
            .await
            .map_err(|_| request.timed_out(deadline))??;
        Ok(Page {
            body: answer.into_body(),
            splitter: Splitter::default(),
            skip: self.ahead,
            items: 0,
            bytes: 0,
            waited: Duration::ZERO,
        })
    }

    async fn hand_out(&mut self, element: Element) -> ListEvent {
        let position = self.position;
        self.position += 1;
        self.ahead += 1;
        self.progressed();
        let resource = &self.request.resource;
        let parsed = match element {
            Element::Whole(json) => RawObject::parse_item(json, &resource.api_version(), &resource.kind)
                .map_err(|error| (error.to_string(), error.name)),
            Element::TooLarge(bytes) => Err((format!("it has {bytes} bytes, more than an archive can hold"), None)),
        };
        match parsed {
            Ok(object) => {
                let permit = self.budget.take(object.json.len()).await;
                ListEvent::Item(object.holding(permit))
            }
            Err((error, name)) => ListEvent::Unreadable { position, name, error },
        }
    }

    async fn end_page(&mut self) -> Result<Option<ListEvent>, ListError> {
        let Some(Page {
            splitter, items, bytes, ..
        }) = self.page.take()
        else {
            return Ok(None);
        };
        let meta = match splitter.finish() {
            Ok(meta) => meta,
            Err(SplitError::CutOff) => return self.failed(broken(&self.attempt, "it ended early")).await,
            Err(SplitError::NotAList(reason)) => return Err(self.not_a_list(reason)),
        };
        self.progressed();
        self.limit = next_limit(self.limit, items, bytes);
        self.expected_bytes = bytes.min(TARGET_BYTES);
        self.ahead = self.ahead.saturating_sub(items);
        self.ended = meta.continue_token.is_empty();
        self.token = meta.continue_token;
        if std::mem::replace(&mut self.first_page_read, true) {
            return Ok(None);
        }
        let rest = if self.ended { Some(0) } else { meta.remaining_item_count };
        Ok(Some(ListEvent::FirstPage {
            expected_total: rest.map(|rest| items + rest),
        }))
    }

    fn progressed(&mut self) {
        self.failures = 0;
        self.backoff.succeeded();
    }

    /// Decides how to continue: an error ends the list, an event is to be handed out first.
    async fn failed(&mut self, error: ApiError) -> Result<Option<ListEvent>, ListError> {
        let begun = self.page.take().is_some();
        self.failures += 1;
        if self.failures > MAX_FAILURES || !is_transient(&error, !self.token.is_empty()) {
            return Err(ListError::Api(error));
        }
        if error.is_expired() {
            if let Some(token) = &error.continue_token {
                tracing::debug!(
                    attempt = self.attempt,
                    "the view of the list has expired; continuing in a newer one"
                );
                self.token.clone_from(token);
                // Unless a page was handed out in part, no item comes twice: the order is that of the names.
                return Ok((std::mem::take(&mut self.ahead) > 0).then_some(ListEvent::Restarted));
            }
            return if self.restart() {
                Ok(Some(ListEvent::Restarted))
            } else {
                Err(self.restarted_too_often(error))
            };
        }
        if begun {
            // The page may have been too large for the server's timeout.
            self.limit = (self.limit / 2).max(1);
        }
        let wait = self
            .backoff
            .failed()
            .max(error.retry_after.unwrap_or_default())
            .min(MAX_WAIT);
        tracing::debug!(%error, wait_ms = wait.as_millis(), "a page of a list failed; retrying");
        tokio::time::sleep(wait).await;
        if self.token.is_empty() && self.ahead > 0 {
            return if self.restart() {
                Ok(Some(ListEvent::Restarted))
            } else {
                Err(self.restarted_too_often(error))
            };
        }
        Ok(None)
    }

    /// Starts over, unless that happened too often.
    fn restart(&mut self) -> bool {
        self.token.clear();
        self.ahead = 0;
        self.position = 0;
        self.restarts += 1;
        self.restarts <= MAX_RESTARTS
    }

    fn restarted_too_often(&self, last: ApiError) -> ListError {
        ListError::Restarts {
            attempt: self.attempt.clone(),
            restarts: MAX_RESTARTS,
            last: Box::new(last),
        }
    }

    fn not_a_list(&self, reason: String) -> ListError {
        ListError::NotAList {
            attempt: self.attempt.clone(),
            reason,
        }
    }
}

enum PageError {
    Broken(ApiError),
    NotAList(String),
}

impl Page {
    /// The next element that was read, and whether it was handed out before.
    fn next(&mut self) -> Option<(Element, bool)> {
        let element = self.splitter.next()?;
        self.items += 1;
        self.bytes += match &element {
            Element::Whole(json) => json.len() as u64,
            Element::TooLarge(bytes) => *bytes,
        };
        Some((element, self.items <= self.skip))
    }

    async fn read(&mut self, attempt: &str) -> Result<Read, PageError> {
        let patience = IDLE.min(PAGE.saturating_sub(self.waited));
        let asked = Instant::now();
        let frame = timeout(patience, self.body.frame()).await;
        self.waited += asked.elapsed();
        let frame = match frame {
            Ok(None) => return Ok(Read::End),
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(error))) => return Err(PageError::Broken(broken(attempt, &error.to_string()))),
            Err(_) => {
                let silence = format!("nothing came for {} s", patience.as_secs());
                return Err(PageError::Broken(broken(attempt, &silence)));
            }
        };
        let Some(data) = frame.data_ref() else {
            return Ok(Read::Some);
        };
        self.splitter
            .feed(data)
            .map(|()| Read::Some)
            .map_err(|error| match error {
                SplitError::NotAList(reason) => PageError::NotAList(reason),
                SplitError::CutOff => PageError::Broken(broken(attempt, "it ended early")),
            })
    }
}

fn broken(attempt: &str, why: &str) -> ApiError {
    Request::get("", attempt).broken(&why)
}

/// The limit of the page after one of so many items and bytes. It grows slowly, since the next items may be larger.
fn next_limit(limit: u32, items: u64, bytes: u64) -> u32 {
    if items == 0 {
        return limit;
    }
    let fitting = TARGET_BYTES / bytes.div_ceil(items).max(1);
    u32::try_from(fitting)
        .unwrap_or(MAX_LIMIT)
        .clamp(1, MAX_LIMIT.min(limit.saturating_mul(2)))
}

#[cfg(test)]
mod tests;
