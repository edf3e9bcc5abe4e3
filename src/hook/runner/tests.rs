//! Hooks in fake pods, by theme.

mod failures;
mod harness;
mod interrupted;
mod order;
mod stopped;
mod traced;

use std::io::Read;
use std::pin::pin;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use futures::FutureExt;
use serde_json::json;

use self::harness::*;
use super::*;
use crate::cluster::raw::RawObject;
use crate::hook::command::{Phase, Source};
use crate::hook::spec::SpecHooks;
use crate::hook::standing::Standing;
use crate::telemetry::logrus::Format;
use crate::testing::fake_pods::FakePods;
