//! Whole backups of a fake cluster, by theme.

mod actions;
mod blocks;
mod contents;
mod faults;
mod harness;
mod hooks;
mod selection;
mod versions;
mod volumes;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;
use flate2::read::{GzDecoder, MultiGzDecoder};
use futures::future::BoxFuture;
use serde_json::{Value, json};

use self::harness::*;
use super::*;
use crate::api::LabelSelector;
use crate::api::v1::BackupSpec;
use crate::archive::layout::{ItemCopy, Member};
use crate::archive::reader::{Limits, Sink, read};
use crate::backup::actions::{ActionContext, ActionError, AppliesTo, BackupItemAction, Executed, StartedOperation};
use crate::backup::again::{AgainDeps, collect_again};
use crate::backup::item::{Item, ItemRef};
use crate::backup::progress::Snapshot;
use crate::cluster::Cluster;
use crate::cluster::discovery::Discovery;
use crate::hook::{Runner, Tally};
use crate::select::resource_policies::ResourcePolicies;
use crate::telemetry::logrus::{Format, Level};
use crate::testing::fake_api::{FakeApi, Fault};
use crate::testing::fake_pods::FakePods;
