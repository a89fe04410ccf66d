//! What an upstream's `/monitoring/system` sends, as the payload's shapes and then as a state.
//!
//! Reads leniently: a field of the wrong type is left out and reported, older shapes are moved to where
//! today's are. Each component's own facts come from its own side; a side that failed leaves the
//! other's. `sources::proxy` fetches.

mod bounded_json;
mod legacy;
mod merge;
mod state;
#[cfg(test)]
mod tests;

use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use super::shapes::SystemPayload;
use crate::platform::facts::{InputKind, Malformed};

pub use merge::merge;
pub use state::{Sides, state};

/// Fields of the wrong type after which a body is not what it should be.
const MOST_WRONG: usize = 32;

/// A payload, and what could not be read of it.
#[derive(Debug, Default)]
pub struct ParsedPayload {
    pub system: SystemPayload,
    pub malformed: Vec<Malformed>,
}

/// Reads a body; `name` is the upstream's, for problems found in it.
///
/// # Errors
/// It is not a JSON object, or hardly anything in it is as it should be.
pub fn read(body: &[u8], name: &str) -> Result<ParsedPayload, String> {
    let mut document = match bounded_json::read(body) {
        Ok(document @ Value::Object(_)) => document,
        Ok(_) => return Err("is not a JSON object".to_owned()),
        Err(error) if error.is_data() => return Err(format!("has {error}")),
        // The place only: serde's own text may quote what stands there.
        Err(error) => return Err(format!("is not JSON (line {}, column {})", error.line(), error.column())),
    };
    if let Value::Object(fields) = &mut document {
        legacy::migrate_legacy_fields(fields);
    }
    let mut malformed = Vec::new();
    while malformed.len() < MOST_WRONG {
        match serde_path_to_error::deserialize(&document) {
            Ok(system) => return Ok(ParsedPayload { system: fix_zero_capacity(system), malformed }),
            Err(error) => {
                let (key, problem) = (format!("{name}: {}", error.path()), without_value(error.inner()));
                if !remove(&mut document, error.path()) {
                    return Err(format!("{key}: {problem}"));
                }
                malformed.push(Malformed { kind: InputKind::Upstream, key, problem });
            }
        }
    }
    Err(format!("{MOST_WRONG} fields and more are not of the right type"))
}

/// What was expected; serde's own text quotes what was there.
fn without_value(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(", expected ").map(|(_, expected)| format!("expected {expected}")).unwrap_or(text)
}

/// Without its oldest defect: a fleet without capacity is full, not idle, when something is queued.
fn fix_zero_capacity(mut system: SystemPayload) -> SystemPayload {
    let queue = &system.queue_stats;
    if queue.capacity_context.weighted_max_capacity == Some(0) && queue.total > Some(0) {
        system.queue_utilization = Some(100.0);
    }
    system
}

/// Takes the value at `path` out; whether there was one.
fn remove(document: &mut Value, path: &Path) -> bool {
    let segments: Vec<&Segment> = path.iter().collect();
    let Some((last, parents)) = segments.split_last() else { return false };
    let parent = parents.iter().try_fold(document, |value, segment| match segment {
        Segment::Map { key } => value.get_mut(key),
        Segment::Seq { index } => value.get_mut(index),
        Segment::Enum { .. } | Segment::Unknown => None,
    });
    match (parent, last) {
        (Some(Value::Object(fields)), Segment::Map { key }) => fields.shift_remove(key).is_some(),
        (Some(Value::Array(items)), Segment::Seq { index }) if *index < items.len() => {
            items.remove(*index);
            true
        }
        _ => false,
    }
}
