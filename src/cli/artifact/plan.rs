//! The plan of a restore, from the server (decisions 20 and 37).

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Method, StatusCode};

use super::body::{self, Body};
use super::endpoint_request::{EndpointRequest, OpenError};
use super::request::{Offer, Requests};
use super::{ArtifactError, Artifacts};
use crate::api::restore_plan::{Invalid, PlanLine, PlannedItem, RestorePlan, Summary};
use crate::api::v1::{DownloadTargetKind, Restore};

/// The most bytes of a line. The server writes no longer ones: the API server's own limits bound the texts and changes of an item.
const MAX_LINE: usize = 16 << 20;

/// A restore that was not planned.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The server has no dry run.
    #[error("this Velero server does not support --dry-run, nothing was created; it needs a server of this release")]
    TooOld,
    /// The server was not reached.
    #[error(transparent)]
    Unreached(#[from] ArtifactError),
    /// The server refused the request.
    #[error("the server refused the dry run: {0}")]
    Refused(String),
    /// The server failed during the dry run.
    #[error("the dry run failed: {0}")]
    Failed(String),
    /// The answer is not a plan.
    #[error("read the plan: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// The answer is incomplete.
    #[error("the plan is incomplete: the connection ended early; check that the velero pod is still running")]
    Cut,
}

impl Artifacts {
    /// The server's plan for this restore of `backup`; `limit` is how long to wait until it is ready to plan.
    pub async fn plan(&self, backup: &str, restore: &Restore, limit: Duration) -> Result<RestorePlan, PlanError> {
        let kind = DownloadTargetKind::BackupContents;
        let requests = Requests::new(&self.client, &self.namespace);
        let request = self.request(&requests, &kind, backup).await?;
        let planned = match self.offer(&requests, &request, limit).await {
            Ok(offer) => self.planned(offer, backup, restore).await,
            Err(error) => Err(error.into()),
        };
        requests.remove(&request).await;
        planned
    }

    async fn planned(&self, offer: Offer, backup: &str, restore: &Restore) -> Result<RestorePlan, PlanError> {
        let token = offer.token.ok_or(PlanError::TooOld)?;
        let request = EndpointRequest {
            method: Method::POST,
            path: format!("/restores/plan/{backup}"),
            body: Bytes::from(serde_json::to_vec(restore)?),
        };
        let mut failed = Vec::new();
        match self.send(&request, &token, &mut failed).await {
            Ok(body) => self.read(body, restore).await,
            Err(OpenError::NotFound) => Err(PlanError::TooOld),
            Err(OpenError::Rejected(StatusCode::UNPROCESSABLE_ENTITY, text)) => Ok(RestorePlan {
                validation_errors: serde_json::from_str::<Invalid>(&text)?.validation_errors,
                ..empty_plan(restore)
            }),
            Err(OpenError::Rejected(_, text)) => Err(PlanError::Refused(text)),
            Err(OpenError::Unreachable(_)) => Err(ArtifactError::Unreachable(failed).into()),
        }
    }

    async fn read(&self, mut body: Body, restore: &Restore) -> Result<RestorePlan, PlanError> {
        let mut plan = empty_plan(restore);
        let mut lines = Lines::default();
        while let Some(piece) = body::next(&mut body, self.options.timeout).await? {
            lines.add(&piece)?;
            while let Some(line) = lines.next() {
                match serde_json::from_slice(&line)? {
                    PlanLine::Restore(validated) => plan.restore = *validated,
                    PlanLine::Alive {} => {}
                    PlanLine::Item(item) => plan.items.push(*item),
                    PlanLine::Failed { reason } => return Err(PlanError::Failed(reason)),
                    PlanLine::End { summary, warnings } => {
                        (plan.summary, plan.warnings) = (summary, warnings);
                        sort(&mut plan);
                        return Ok(plan);
                    }
                }
            }
        }
        Err(PlanError::Cut)
    }
}

/// A plan without items.
pub fn empty_plan(restore: &Restore) -> RestorePlan {
    RestorePlan {
        restore: restore.clone(),
        summary: Summary::default(),
        validation_errors: Vec::new(),
        warnings: Vec::new(),
        items: Vec::new(),
    }
}

/// The items of a wave run in parallel and arrive in any order. Sorted, the plan is the same each time.
fn sort(plan: &mut RestorePlan) {
    plan.items.sort_by(|one, other| {
        let key = |item: &PlannedItem| {
            (
                item.wave,
                item.namespace.clone(),
                item.kind.clone(),
                item.name.clone(),
                item.api_version.clone(),
            )
        };
        key(one).cmp(&key(other))
    });
}

/// Splits the received bytes into lines.
#[derive(Default)]
struct Lines(BytesMut);

impl Lines {
    fn add(&mut self, piece: &[u8]) -> Result<(), ArtifactError> {
        if self.0.len() + piece.len() > MAX_LINE {
            let text = format!("a line has more than {MAX_LINE} bytes");
            return Err(ArtifactError::Transfer(io::Error::new(
                io::ErrorKind::InvalidData,
                text,
            )));
        }
        self.0.extend_from_slice(piece);
        Ok(())
    }

    fn next(&mut self) -> Option<BytesMut> {
        let end = self.0.iter().position(|byte| *byte == b'\n')?;
        Some(self.0.split_to(end + 1))
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;
    use crate::api::restore_plan::PlannedAction;
    use crate::cli::artifact::DownloadOptions;

    fn artifacts() -> Artifacts {
        let options = DownloadOptions {
            timeout: std::time::Duration::from_secs(1),
            insecure_skip_tls_verify: false,
            cacert: None,
        };
        Artifacts::new(crate::testing::fake_api::FakeApi::new().client(), "velero", options)
    }

    fn item(wave: u64, name: &str) -> PlanLine {
        PlanLine::Item(Box::new(PlannedItem {
            name: name.to_owned(),
            wave,
            action: PlannedAction::Create,
            ..PlannedItem::default()
        }))
    }

    async fn read(lines: &[PlanLine], piece: usize) -> Result<RestorePlan, PlanError> {
        let mut text = Vec::new();
        for line in lines {
            serde_json::to_writer(&mut text, line).unwrap();
            text.push(b'\n');
        }
        let pieces: Vec<_> = text
            .chunks(piece)
            .map(|piece| Ok(Bytes::copy_from_slice(piece)))
            .collect();
        let body: Body = Box::pin(stream::iter(pieces));
        artifacts().read(body, &Restore::new("velero", "r")).await
    }

    #[tokio::test]
    async fn a_plan_is_read_in_pieces_and_sorted() {
        let end = PlanLine::End {
            summary: Summary {
                create: 3,
                ..Summary::default()
            },
            warnings: vec!["w".to_owned()],
        };
        let lines = [item(1, "b"), PlanLine::Alive {}, item(2, "a"), item(1, "a"), end];
        for piece in [1, 7, 10_000] {
            let plan = read(&lines, piece).await.unwrap();
            let names: Vec<_> = plan.items.iter().map(|item| (item.wave, item.name.as_str())).collect();
            assert_eq!(names, [(1, "a"), (1, "b"), (2, "a")]);
            assert_eq!(
                (plan.summary.create, plan.warnings.as_slice()),
                (3, ["w".to_owned()].as_slice())
            );
        }
    }

    #[tokio::test]
    async fn an_incomplete_plan_is_an_error() {
        assert!(matches!(read(&[item(1, "a")], 9).await, Err(PlanError::Cut)));
        let failed = PlanLine::Failed {
            reason: "no space".to_owned(),
        };
        let error = read(&[item(1, "a"), failed], 9).await.unwrap_err();
        assert!(error.to_string().ends_with("no space"), "{error}");
    }
}
