//! Which processes are ingress workers, and their SSE samples.

use super::super::replies::Replies;
use super::FleetReplies;
use crate::platform::facts::{Component, Departed, Heartbeat, InputKind, SseSample, WorkerId};
use crate::platform::keys::{Keys, ProcessName};
use crate::platform::parse;

/// The SSE samples that were read of these workers.
pub(super) fn samples<'a>(
    keys: &Keys,
    reading: &FleetReplies,
    workers: impl Iterator<Item = &'a WorkerId>,
    replies: &mut Replies,
) -> Vec<SseSample> {
    let parse = |worker: &WorkerId| {
        let key = keys.sse(worker);
        let bytes = reading.sse.get(&key)?.as_deref()?;
        replies.ok_or_record(InputKind::SseSample, &key, parse::sse_sample(bytes, worker))
    };
    workers.filter_map(parse).collect()
}

/// The worker of an ingress process.
fn worker(service_type: &str, service_name: &str, instance_id: &str, process_id: Option<i64>) -> Option<WorkerId> {
    let ingress = service_type == "chat" && service_name == Component::Ingress.service_name();
    process_id.filter(|_| ingress).map(|process_id| WorkerId { instance_id: instance_id.to_owned(), process_id })
}

pub(in super::super) fn of_heartbeat(heartbeat: &Heartbeat) -> Option<WorkerId> {
    let Heartbeat { service_type, service_name, instance_id, process_id, .. } = heartbeat;
    worker(service_type, service_name, instance_id, *process_id)
}

pub(super) fn of_departed(departed: &Departed) -> Option<WorkerId> {
    let Departed { service_type, service_name, instance_id, process_id, .. } = departed;
    worker(service_type, service_name, instance_id, *process_id)
}

/// By the name of its heartbeat's key.
pub(super) fn of_name(name: &ProcessName) -> Option<WorkerId> {
    let ProcessName { service_type, service_name, instance_id, process_id } = name;
    worker(service_type, service_name, instance_id, *process_id)
}
