//! Readiness of the components, for `/readyz`.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

/// The state of everything that reports one. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Mutex<BTreeMap<String, State>>>);

/// The state of one component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It works. The text, which may be empty, has details, such as the current leader.
    Ready(String),
    /// It does not work, or not yet, for this reason.
    NotReady(String),
}

impl Health {
    /// Nothing reports yet: ready.
    pub fn new() -> Self {
        Self::default()
    }

    /// A component that is not ready until it reports so.
    pub fn component(&self, name: impl Into<String>) -> Component {
        let name = name.into();
        self.states().insert(name.clone(), State::NotReady("starting".into()));
        Component {
            health: self.clone(),
            name,
        }
    }

    /// Whether every component is ready.
    pub fn is_ready(&self) -> bool {
        self.states().values().all(|state| matches!(state, State::Ready(_)))
    }

    /// The components that are not ready, with the reason.
    pub fn not_ready(&self) -> Vec<(String, String)> {
        let states = self.states();
        let waiting = states.iter().filter_map(|(name, state)| match state {
            State::NotReady(reason) => Some((name.clone(), reason.clone())),
            State::Ready(_) => None,
        });
        waiting.collect()
    }

    fn states(&self) -> MutexGuard<'_, BTreeMap<String, State>> {
        self.0.lock()
    }
}

/// One line for each component, as in the API server's own `/readyz?verbose`.
impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        for (name, state) in &*self.states() {
            match state {
                State::Ready(more) if more.is_empty() => writeln!(text, "[+]{name} ok")?,
                State::Ready(more) => writeln!(text, "[+]{name} ok: {more}")?,
                State::NotReady(reason) => writeln!(text, "[-]{name} not ready: {reason}")?,
            }
        }
        f.write_str(&text)
    }
}

/// Reports the state of one component.
#[derive(Debug, Clone)]
pub struct Component {
    health: Health,
    name: String,
}

impl Component {
    /// It works.
    pub fn ready(&self) {
        self.set(State::Ready(String::new()));
    }

    /// It works, with details.
    pub fn ready_with(&self, more: impl Into<String>) {
        self.set(State::Ready(more.into()));
    }

    /// It does not work, or not yet.
    pub fn not_ready(&self, reason: impl Into<String>) {
        self.set(State::NotReady(reason.into()));
    }

    fn set(&self, state: State) {
        self.health.states().insert(self.name.clone(), state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_ready_when_every_component_is() {
        let health = Health::new();
        let (watch, leader) = (health.component("watch Order"), health.component("leader"));
        assert_eq!(health.not_ready().len(), 2);
        leader.ready_with("held by b");
        watch.not_ready("forbidden");
        assert!(!health.is_ready());
        assert_eq!(
            health.to_string(),
            "[+]leader ok: held by b\n[-]watch Order not ready: forbidden\n"
        );
        watch.ready();
        assert!(health.is_ready());
        assert_eq!(health.to_string(), "[+]leader ok: held by b\n[+]watch Order ok\n");
    }
}
