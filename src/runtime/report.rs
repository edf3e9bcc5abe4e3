//! Events and error logs come from here.

use kube::{Client, Resource};

pub use kube::runtime::events::EventType;

/// Something worth telling a user about an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Normal or warning.
    pub kind: EventType,
    /// Short, in PascalCase.
    pub reason: String,
    /// What was done, in PascalCase, such as `Reconcile`.
    pub action: String,
    /// A sentence.
    pub note: String,
}

/// Publishes events. Clones are the same.
#[derive(Debug, Clone)]
pub struct Reporter {
    _todo: (),
}

impl Reporter {
    /// Publishes through this client, named after the program.
    pub fn new(client: Client, program: &str) -> Self {
        let _ = (client, program);
        todo!()
    }

    /// Publishes nothing.
    pub fn silent() -> Self {
        Self { _todo: () }
    }

    /// Publishes an event about this object. Returns at once; when the API server is too slow, events are dropped and counted.
    pub fn publish<K: Resource<DynamicType = ()>>(&self, object: &K, notice: Notice) {
        let _ = (object, notice);
        todo!()
    }
}
