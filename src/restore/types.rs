//! The types that the cluster serves while it is restored into: CRDs of the restore itself add to them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard, RwLock};
use tokio::time::{Instant, sleep};

use crate::archive::spool::Spool;
use crate::cluster::discovery::{Discovery, GroupResource};
use crate::restore::actions::Actions;
use crate::restore::deps::EngineDeps;
use crate::restore::fatal::Fatal;
use crate::restore::type_names::TypeNames;
use crate::runtime::backoff::{Backoff, Policy};

/// How long to wait for a type after its CRD was accepted: discovery follows with a delay.
const DISCOVERY_LAG: Duration = Duration::from_secs(10);

/// The waits between two reads of discovery.
const DISCOVERY_WAITS: Policy = Policy::doubling(Duration::from_millis(25), Duration::from_secs(1));

/// What the cluster serves, and the actions resolved for it.
pub(super) struct ServedTypes {
    pub(super) discovery: Discovery,
    pub(super) actions: Actions,
}

/// Whether a type that is not served may be served later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outlook {
    /// A CRD or an API service of the restore or of the cluster may bring it.
    MayCome,
    /// It will not be served. The text says what to check.
    Never(String),
}

/// The served types. They are replaced as a whole when discovery is read again.
pub(super) struct ApiTypes<'a> {
    deps: &'a EngineDeps<'a>,
    archive: &'a Spool,
    served: RwLock<Arc<ServedTypes>>,
    /// Types of CRDs that this restore has created.
    expected: Mutex<Vec<GroupResource>>,
    /// For types that are not served, by version and type. Cleared when discovery is read again.
    outlooks: Mutex<HashMap<String, Outlook>>,
}

impl<'a> ApiTypes<'a> {
    /// The types that the cluster serves when the restore begins.
    pub(super) fn new(deps: &'a EngineDeps<'a>, archive: &'a Spool, served: ServedTypes) -> Self {
        Self {
            deps,
            archive,
            served: RwLock::new(Arc::new(served)),
            expected: Mutex::default(),
            outlooks: Mutex::default(),
        }
    }

    /// What the cluster serves now.
    pub(super) fn served(&self) -> Arc<ServedTypes> {
        Arc::clone(&self.served.read())
    }

    /// A CRD was accepted: its type will be served soon.
    pub(super) fn expect(&self, resource: GroupResource) {
        self.expected().push(resource);
    }

    /// If CRDs were accepted since the last time, reads discovery until it has their types.
    pub(super) async fn await_expected(&self) -> Result<(), Fatal> {
        let expected = std::mem::take(&mut *self.expected());
        if expected.is_empty() {
            return Ok(());
        }
        let (start, mut waits) = (Instant::now(), Backoff::new(DISCOVERY_WAITS));
        loop {
            self.refresh().await?;
            let served = self.served();
            let is_served = |resource: &GroupResource| served.discovery.preferred_version(resource).is_some();
            if expected.iter().all(is_served) || start.elapsed() > DISCOVERY_LAG {
                return Ok(());
            }
            sleep(waits.failed()).await;
        }
    }

    /// Reads discovery again, and resolves again what the actions apply to.
    pub(super) async fn refresh(&self) -> Result<(), Fatal> {
        let discovery = Discovery::read(&self.deps.cluster).await?;
        let names = TypeNames::new(&discovery, self.archive);
        let actions = Actions::resolve(&self.deps.actions, &|name| names.resolve(name))?;
        let served = Arc::new(ServedTypes { discovery, actions });
        *self.served.write() = served;
        self.outlooks().clear();
        Ok(())
    }

    /// The cached outlook of a type that is not served.
    pub(super) fn outlook(&self, key: &str) -> Option<Outlook> {
        self.outlooks().get(key).cloned()
    }

    /// Caches it until discovery is read again.
    pub(super) fn set_outlook(&self, key: String, outlook: Outlook) {
        self.outlooks().insert(key, outlook);
    }

    fn expected(&self) -> MutexGuard<'_, Vec<GroupResource>> {
        self.expected.lock()
    }

    fn outlooks(&self) -> MutexGuard<'_, HashMap<String, Outlook>> {
        self.outlooks.lock()
    }
}
