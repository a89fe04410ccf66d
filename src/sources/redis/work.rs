//! The tasks that are claimed next and the backlog of background jobs.
//!
//! All of these commands may be refused: older users of Redis lack the permission, and the rest does not depend on them.

use std::ops::Range;

use redis::{Pipeline, Value};

use super::errors::error_text;
use super::replies::Replies;
use super::truncate::TRUNCATED_BYTES;
use crate::base::clock::UnixSeconds;
use crate::platform::facts::{Facts, InputKind, JobBacklog, PerRole, QueueFront, Role};
use crate::platform::keys::Keys;
use crate::platform::parse::{self, ParseError};

/// Tasks at the end from which they are claimed: a task that was put back may stand behind an older one.
const NEXT: i64 = 3;
/// The platform's consumer group.
const GROUP: &str = "kdcube-background-jobs.v1";
/// Samples dated ahead by more than this are none; as everywhere.
const AHEAD_SECONDS: f64 = 2.0;
/// Ticks for which tasks are not read that are too long: a list's elements cannot be fetched in part.
const REST: u32 = 12;
/// The longest rest after ticks that failed.
const LONGEST_REST: u32 = 64;

/// Remembers what takes too long to read.
#[derive(Debug, Default)]
pub(super) struct WorkReader {
    /// Ticks until a role's next tasks are read again.
    rest: PerRole<u32>,
    /// Ticks in a row that asked for tasks and failed: perhaps of their length.
    failed: u32,
    /// A tick has begun and its replies have not come.
    is_under_way: bool,
    /// Whose tasks the tick under way asked for.
    asked: Vec<Role>,
    /// Whose queue was empty, and probably still is.
    empty: Vec<Role>,
}

impl WorkReader {
    /// Adds the commands; the places of those that may be refused. [`Self::take`] takes the replies in the same order. Those of
    /// queues that were empty are left to [`Self::ask_empty`].
    pub(super) fn ask(
        &mut self,
        keys: &Keys,
        is_empty: impl Fn(&str) -> bool,
        pipeline: &mut Pipeline,
    ) -> Range<usize> {
        let begin = pipeline.len();
        if std::mem::replace(&mut self.is_under_way, true) {
            self.note_failure();
        }
        self.rest = PerRole::from_fn(|role| self.rest.get(role).saturating_sub(1));
        let awake = Role::ALL.into_iter().filter(|role| *self.rest.get(*role) == 0);
        (self.empty, self.asked) = awake.partition(|role| is_empty(&keys.queue(*role)));
        ask_next(keys, &self.asked, pipeline);
        for role in Role::WITH_JOBS {
            pipeline.cmd("XINFO").arg("GROUPS").arg(keys.jobs(role));
        }
        begin..pipeline.len()
    }

    /// The tick before had no replies. From the second time on the tasks may be why; not where it did not ask for any.
    fn note_failure(&mut self) {
        if self.asked.is_empty() {
            (self.failed, self.rest) = (0, PerRole::default());
            return;
        }
        let rest = 1_u32.checked_shl(self.failed).unwrap_or(LONGEST_REST).min(LONGEST_REST);
        self.failed += 1;
        self.rest = PerRole::from_fn(|role| rest.max(*self.rest.get(role)));
    }

    /// Adds the replies to the facts.
    pub(super) fn take(&mut self, keys: &Keys, now: UnixSeconds, replies: &mut Replies, signals: &mut Facts) {
        self.is_under_way = false;
        let asked = std::mem::take(&mut self.asked);
        if !asked.is_empty() {
            self.failed = 0;
        }
        for role in Role::ALL {
            let key = keys.queue(role);
            *signals.queue_fronts.get_mut(role) = match role {
                _ if asked.contains(&role) => self.front(role, &key, now, replies),
                _ if self.empty.contains(&role) => Some(QueueFront::Empty),
                _ => resting(&key, replies),
            };
        }
        for role in Role::WITH_JOBS {
            let reply = replies.next();
            let backlog = replies.ok_or_note(InputKind::Jobs, &keys.jobs(role), backlog(reply));
            signals.jobs.extend(backlog.map(|backlog| (role, backlog)));
        }
    }

    /// Adds the commands for the queues that were empty, one of which may not be any more; the same otherwise.
    pub(super) fn ask_empty(&self, keys: &Keys, pipeline: &mut Pipeline) -> Range<usize> {
        let begin = pipeline.len();
        ask_next(keys, &self.empty, pipeline);
        begin..pipeline.len()
    }

    /// Takes the replies to [`Self::ask_empty`].
    pub(super) fn take_empty(&mut self, keys: &Keys, now: UnixSeconds, replies: &mut Replies, signals: &mut Facts) {
        for role in std::mem::take(&mut self.empty) {
            *signals.queue_fronts.get_mut(role) = self.front(role, &keys.queue(role), now, replies);
        }
    }

    fn front(&mut self, role: Role, key: &str, now: UnixSeconds, replies: &mut Replies) -> Option<QueueFront> {
        let before = replies.malformed.len();
        let tasks = match replies.next() {
            Some(Value::Array(tasks)) => tasks,
            // Its length was refused too, which is noted.
            Some(Value::ServerError(error)) if error.code() == "WRONGTYPE" => return None,
            reply => return replies.ok_or_note(InputKind::QueueElement, key, Err(refusal(reply.as_ref()))),
        };
        let (mut oldest, count) = (None::<UnixSeconds>, tasks.len());
        for task in tasks {
            let Value::BulkString(task) = task else { continue };
            if task.len() >= TRUNCATED_BYTES {
                *self.rest.get_mut(role) = REST;
            }
            let created = parse::queued_task(&task).and_then(|at| not_ahead(at, now));
            let created = replies.ok_or_record(InputKind::QueueElement, key, created);
            oldest = created.map(|at| oldest.map_or(at, |oldest| oldest.min(at))).or(oldest);
        }
        Some(match oldest {
            _ if replies.malformed.len() > before => QueueFront::Unreadable,
            Some(at) => QueueFront::Created(at),
            None if count == 0 => QueueFront::Empty,
            None => QueueFront::Unreadable,
        })
    }
}

fn ask_next(keys: &Keys, roles: &[Role], pipeline: &mut Pipeline) {
    for role in roles {
        pipeline.cmd("LRANGE").arg(keys.queue(*role)).arg(-NEXT).arg(-1);
    }
}

fn not_ahead(at: UnixSeconds, now: UnixSeconds) -> Result<UnixSeconds, ParseError> {
    if at <= now + AHEAD_SECONDS { Ok(at) } else { Err(ParseError::DatedAhead("meta.created_at")) }
}

fn resting(key: &str, replies: &mut Replies) -> Option<QueueFront> {
    let problem = "was not read: its tasks are too long to be read in every tick".to_owned();
    replies.ok_or_note::<()>(InputKind::QueueElement, key, Err(problem));
    Some(QueueFront::Unreadable)
}

/// The backlog of the platform's group, or what is wrong with the stream.
fn backlog(reply: Option<Value>) -> Result<JobBacklog, String> {
    let groups = match reply {
        Some(Value::Array(groups)) => groups,
        Some(Value::ServerError(error)) if error_text(&error).contains("no such key") => {
            return Ok(JobBacklog { lag: Some(0), pending: 0 });
        }
        reply => return Err(refusal(reply.as_ref())),
    };
    let group = groups.into_iter().map(fields).find(|group| text(group, "name").as_deref() == Some(GROUP));
    let group = group.ok_or_else(|| format!("has no group {GROUP}"))?;
    let pending = number(&group, "pending").ok_or("has a group without pending")?;
    Ok(JobBacklog { lag: number(&group, "lag"), pending })
}

/// Why a reply is not the one that was expected.
fn refusal(reply: Option<&Value>) -> String {
    match reply {
        Some(Value::ServerError(error)) => error_text(error),
        _ => "is not of the expected type".to_owned(),
    }
}

/// Names and values, in both versions of the protocol.
fn fields(group: Value) -> Vec<(Value, Value)> {
    match group {
        Value::Map(fields) => fields,
        Value::Array(items) => {
            let mut items = items.into_iter();
            std::iter::from_fn(|| Some((items.next()?, items.next()?))).collect()
        }
        _ => Vec::new(),
    }
}

fn field<'a>(group: &'a [(Value, Value)], name: &str) -> Option<&'a Value> {
    let is_named = |field: &&(Value, Value)| match &field.0 {
        Value::BulkString(bytes) => bytes == name.as_bytes(),
        Value::SimpleString(text) => text == name,
        _ => false,
    };
    group.iter().find(is_named).map(|(_, value)| value)
}

fn text(group: &[(Value, Value)], name: &str) -> Option<String> {
    redis::from_redis_value(field(group, name)?.clone()).ok()
}

fn number(group: &[(Value, Value)], name: &str) -> Option<i64> {
    match field(group, name)? {
        Value::Int(number) => Some((*number).max(0)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
