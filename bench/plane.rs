//! A control plane that no measurement before has used.

use std::path::Path;

use super::running::Running;

/// Ends when it is dropped.
pub struct Plane(Running);

impl Plane {
    pub fn start() -> Self {
        Self(Running::start(&[]))
    }

    pub fn kubeconfig(&self) -> &Path {
        &self.0.kubeconfig
    }

    pub fn kubectl(&self, arguments: &[&str]) {
        self.kubectl_with(arguments, "");
    }

    pub fn apply(&self, yaml: &str) {
        self.kubectl_with(&["apply", "-f", "-"], yaml);
    }

    fn kubectl_with(&self, arguments: &[&str], input: &str) {
        let done = self.0.kubectl(arguments, input);
        done.unwrap_or_else(|error| panic!("kubectl {arguments:?}: {error}"));
    }
}
