//! A small controller-runtime on kube-runtime. Knows nothing of backups.

pub mod backoff;
pub mod clock;
pub mod controller;
pub mod health;
pub mod lease;
pub mod manager;
pub mod metrics;
pub mod object;
pub mod operation;
pub mod reconciler;
pub mod report;
pub mod task;
pub mod watch;

pub use controller::Controller;
pub use manager::{Manager, ManagerError, When};
pub use object::{Kind, ObjectRef, Uid, uid_of};
pub use operation::Operations;
pub use reconciler::{Class, Classify, Next, Reconciler};
pub use watch::{SharedWatch, Watch};
