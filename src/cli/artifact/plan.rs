//! The plan of a restore, from the server (decisions 20 and 37).

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Method, StatusCode};

use super::body::{self, Body};
use super::request::{Offer, Requests};
use super::way::{Ask, Miss};
use super::{ArtifactError, Artifacts};
use crate::api::restore_plan::{Invalid, PlanLine, PlannedItem, RestorePlan, Summary};
use crate::api::v1::{DownloadTargetKind, Restore};

/// A longer line is not one of ours: an item's texts and changes are bounded by the API server's own limits.
const LONGEST_LINE: usize = 16 << 20;

/// No plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The server does not know how.
    #[error(
        "this Velero server cannot plan a restore without carrying it out, and nothing was created; it takes a server of this release"
    )]
    TooOld,
    /// The server was not reached.
    #[error(transparent)]
    Unreached(#[from] ArtifactError),
    /// The server will not now, or not this one.
    #[error("the server does not plan the restore: {0}")]
    Refused(String),
    /// It gave up in the middle.
    #[error("the restore could not be planned to the end: {0}")]
    Failed(String),
    /// The answer is not what it should be.
    #[error("read the plan: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// The answer stopped in the middle.
    #[error("the plan broke off before its end; check that the velero pod is still there")]
    Cut,
}

impl Artifacts {
    /// What the server would do with this restore of `backup`, if it is ready to plan it within `limit`.
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
        let ask = Ask {
            method: Method::POST,
            path: format!("/restores/plan/{backup}"),
            body: Bytes::from(serde_json::to_vec(restore)?),
        };
        let mut closed = Vec::new();
        match self.ask(&ask, &token, &mut closed).await {
            Ok(body) => self.read(body, restore).await,
            Err(Miss::Absent) => Err(PlanError::TooOld),
            Err(Miss::Refused(StatusCode::UNPROCESSABLE_ENTITY, text)) => Ok(RestorePlan {
                validation_errors: serde_json::from_str::<Invalid>(&text)?.validation_errors,
                ..nothing(restore)
            }),
            Err(Miss::Refused(_, text)) => Err(PlanError::Refused(text)),
            Err(Miss::Closed(_)) => Err(ArtifactError::Unreachable(closed).into()),
        }
    }

    async fn read(&self, mut body: Body, restore: &Restore) -> Result<RestorePlan, PlanError> {
        let mut plan = nothing(restore);
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
                        arrange(&mut plan);
                        return Ok(plan);
                    }
                }
            }
        }
        Err(PlanError::Cut)
    }
}

/// A plan in which nothing is planned.
pub fn nothing(restore: &Restore) -> RestorePlan {
    RestorePlan {
        restore: restore.clone(),
        summary: Summary::default(),
        validation_errors: Vec::new(),
        warnings: Vec::new(),
        items: Vec::new(),
    }
}

/// Those of a wave go at once, so they come in any order: by name they are the same plan each time.
fn arrange(plan: &mut RestorePlan) {
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

/// Cuts what arrives into lines.
#[derive(Default)]
struct Lines(BytesMut);

impl Lines {
    fn add(&mut self, piece: &[u8]) -> Result<(), ArtifactError> {
        if self.0.len() + piece.len() > LONGEST_LINE {
            let text = format!("a line has more than {LONGEST_LINE} bytes");
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
    async fn a_plan_is_read_however_it_is_cut_and_is_in_order() {
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
    async fn half_a_plan_is_none() {
        assert!(matches!(read(&[item(1, "a")], 9).await, Err(PlanError::Cut)));
        let failed = PlanLine::Failed {
            reason: "no space".to_owned(),
        };
        let error = read(&[item(1, "a"), failed], 9).await.unwrap_err();
        assert!(error.to_string().ends_with("no space"), "{error}");
    }
}
