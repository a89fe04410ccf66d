//! What one round trip reads of the processes.

use std::sync::Arc;

use redis::Pipeline;

use super::super::values::{Values, ask_up_to};
use super::instances::ReadInstances;
use super::large::NORMAL_BYTES;
use crate::platform::keys::Keys;
use crate::platform::parse::MAX_HEARTBEAT_BYTES;

/// Most members read of one index; far above any fleet.
const INDEX_MEMBERS: usize = 50_000;

/// What one round trip reads.
#[derive(Debug, Default)]
pub(in super::super) struct FleetQuery {
    /// Services whose index is read.
    pub(super) services: Vec<(String, String)>,
    /// What is read of the index of instances.
    pub(super) instances: Option<ReadInstances>,
    /// Services whose index is read with the scores: a process is new, and may be gone already.
    pub(super) scored: Vec<(String, String)>,
    /// The COUNT of a SCAN step, if there is one.
    pub(super) scan: Option<usize>,
    /// Heartbeats that the last tick read.
    pub(super) heartbeats: Vec<Arc<str>>,
    /// Heartbeats that it did not read: read one by one, which distinguishes a key that is gone from one of another
    /// type.
    pub(super) new: Vec<Arc<str>>,
    /// Heartbeats that are too long to be read beside all others.
    pub(super) large: Vec<String>,
    pub(super) sse: Vec<Arc<str>>,
}

impl FleetQuery {
    pub(in super::super) const fn is_empty(&self) -> bool {
        self.services.is_empty()
            && self.scored.is_empty()
            && self.heartbeats.is_empty()
            && self.new.is_empty()
            && self.large.is_empty()
            && self.sse.is_empty()
            && self.scan.is_none()
    }

    /// The index of the SCAN's reply: a user may lack the permission for it.
    pub(in super::super) fn scan_at(&self) -> Option<usize> {
        self.scan.map(|_| self.services.len() + usize::from(self.instances.is_some()))
    }

    /// Adds the commands. `cursor` is the SCAN's.
    pub(super) fn ask(&self, keys: &Keys, cursor: u64, values: &Values, pipeline: &mut Pipeline) {
        for (service_type, service_name) in &self.services {
            ask_index(&keys.process_index(service_type, service_name), &[], pipeline);
        }
        match self.instances {
            Some(ReadInstances::Members) => ask_index(&keys.instance_index(), &[], pipeline),
            Some(ReadInstances::Length) => _ = pipeline.cmd("ZCARD").arg(keys.instance_index()),
            None => {}
        }
        if let Some(count) = self.scan {
            let scan = pipeline.cmd("SCAN").arg(cursor).arg("MATCH").arg(keys.heartbeat_pattern());
            scan.arg("COUNT").arg(count);
        }
        for (service_type, service_name) in &self.scored {
            ask_index(&keys.process_index(service_type, service_name), &["WITHSCORES"], pipeline);
        }
        values.ask(&self.heartbeats, pipeline);
        for key in &self.new {
            ask_up_to(NORMAL_BYTES + 1, key, pipeline);
        }
        for key in &self.large {
            ask_up_to(MAX_HEARTBEAT_BYTES + 1, key, pipeline);
        }
        values.ask(&self.sse, pipeline);
    }
}

fn ask_index(key: &str, options: &[&str], pipeline: &mut Pipeline) {
    // Newest first: the limit drops the oldest.
    let range = pipeline.cmd("ZREVRANGEBYSCORE").arg(key).arg("+inf").arg("-inf").arg(options);
    range.arg("LIMIT").arg(0).arg(INDEX_MEMBERS);
}
