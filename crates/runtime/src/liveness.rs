//! Liveness of the process, for `/healthz`: a process that fails it is restarted.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

/// Checks by name. Clones are the same.
///
/// A check is for faults that only a restart cures, such as a deadlock. An API server that is unavailable, or a kind that cannot be watched,
/// is a matter of [readiness](crate::health).
#[derive(Clone, Default)]
pub struct Liveness(Arc<Mutex<BTreeMap<String, Check>>>);

type Check = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

impl Liveness {
    /// No checks: alive.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a check, or replaces the one of this name. It is called at each request of `/healthz`, must be quick, and returns what is wrong.
    pub fn check(&self, name: impl Into<String>, check: impl Fn() -> Result<(), String> + Send + Sync + 'static) {
        self.checks().insert(name.into(), Arc::new(check));
    }

    /// The failing checks, with their messages.
    pub fn failing(&self) -> Vec<(String, String)> {
        // Called outside of the lock: a check may be slow, and may add others.
        let checks = self.checks().clone();
        checks
            .into_iter()
            .filter_map(|(name, check)| check().err().map(|reason| (name, reason)))
            .collect()
    }

    fn checks(&self) -> MutexGuard<'_, BTreeMap<String, Check>> {
        self.0.lock()
    }
}

impl fmt::Debug for Liveness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Liveness")
            .field(&self.checks().keys().cloned().collect::<Vec<_>>())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_that_fails_is_named_with_its_reason() {
        let liveness = Liveness::new();
        liveness.check("disk", || Ok(()));
        assert!(liveness.failing().is_empty());
        liveness.check("disk", || Err("no space left".into()));
        liveness.check("clock", || Ok(()));
        assert_eq!(liveness.failing(), [("disk".to_owned(), "no space left".to_owned())]);
    }
}
