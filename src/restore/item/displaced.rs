//! Objects that give way to one of the same name, because their namespaces are restored into one: a warning (decision 40).

use super::super::engine::Run;
use super::super::ledger::Severity;
use super::super::object::displaced;
use super::Subject;

impl Run<'_> {
    /// Says of each object that is lost so which one is restored in its place.
    pub(in super::super) async fn warn_of_displaced(&self) {
        for (loser, winner) in self.plan.displaced() {
            let (path, _) = self.request.archive.path(*loser);
            let (kept, _) = self.request.archive.path(*winner);
            let (Some(lost), Some(kept)) = (path.namespace, kept.namespace) else {
                continue;
            };
            let target = self.restoration.target(lost);
            let subject = Subject {
                item: *loser,
                path,
                target: Some(target),
            };
            // one that cannot be read is told of where it is restored
            let (Some(object), Some(other)) = (self.read_json(*loser).await, self.read_json(*winner).await) else {
                continue;
            };
            let is_left_out = matches!(self.owner_of(&subject, &object).await, Ok(Some(_)));
            if !is_left_out && displaced::is_lost(&object, &other) {
                let text = displaced::warning(&self.id_of(*loser), lost, kept, target);
                self.say(Some(target), Severity::Warning, text);
            }
        }
    }
}
