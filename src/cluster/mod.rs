//! Talking to an API server: client, discovery, raw objects, paging, exec, status writes, yaml.
//!
//! Backed-up objects stay raw JSON here: a typed struct has only the fields of one Kubernetes minor and loses the
//! others. Everything takes a [`Cluster`], which is cheap to clone.

pub mod budget;
pub mod client;
pub mod discovery;
pub mod error;
pub mod exec;
mod kubeconfig;
mod leniency;
pub mod list;
pub mod merge;
pub mod objects;
mod proxy;
pub mod rate;
pub mod raw;
pub mod request;
pub mod status;
mod traced;
mod unreached;
pub mod upgrade;
pub mod version;
pub mod yaml;

pub use client::Cluster;
pub use error::ApiError;
