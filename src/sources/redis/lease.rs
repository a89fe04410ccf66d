//! The lease in Redis: watched with each tick's first reading, and written in the transaction that writes the points.
//!
//! `WATCH` makes the transaction fail if anybody changed the lease after it was read, so a replica that was paused between
//! reading and writing writes nothing. That needs no script, and no round trip of its own.

use std::time::Duration;

use redis::{Pipeline, ServerError, Value};
use tokio::time::Instant;

use super::errors::{error_text, first_refusal};
use crate::base::clock::UnixSeconds;
use crate::base::lease::{self, Contender, Leadership, LeaseRecord};

/// Seconds that the record stays in Redis after its last renewal.
const KEPT: u64 = 7 * 24 * 3600;

/// This process's part in the lease of one scope.
#[derive(Debug)]
pub(super) struct Lease {
    key: String,
    contender: Contender,
    leadership: Leadership,
    watched: Option<Watched>,
    /// The connection that lacks the permission: another one may have it.
    forbidden_on: Option<u64>,
}

/// The lease as it was read.
#[derive(Debug)]
struct Watched {
    /// The connection that watches it.
    connection: u64,
    asked: Instant,
    record: Option<LeaseRecord>,
}

/// What a tick may do with its points.
pub(super) enum Claim {
    /// Write them: there is no lease.
    Alone,
    /// Write them in one transaction with this record.
    Write(LeaseRecord),
    /// Write the record alone: the holder before has written in this interval.
    Begin(LeaseRecord),
    /// Another replica writes them.
    Follow,
}

impl Lease {
    pub(super) fn new(key: String, contender: Contender, leadership: Leadership) -> Self {
        leadership.contend();
        Self { key, contender, leadership, watched: None, forbidden_on: None }
    }

    /// Adds the commands that read and watch it.
    pub(super) fn ask(&mut self, pipeline: &mut Pipeline) {
        // A change before this reading is no change after it.
        pipeline.cmd("UNWATCH");
        pipeline.cmd("WATCH").arg(&self.key);
        pipeline.cmd("GET").arg(&self.key);
        self.watched = Some(Watched { connection: 0, asked: Instant::now(), record: None });
    }

    /// Takes the replies, which came over this connection.
    pub(super) fn take(&mut self, replies: &[Value], connection: u64) {
        let Some(mut watched) = self.watched.take() else { return };
        if let Some(error) = first_refusal(replies) {
            return self.refused(error, watched.record.is_some(), connection);
        }
        if self.forbidden_on == Some(connection) {
            return;
        }
        watched.connection = connection;
        // What cannot be parsed was not written by a replica: it is overwritten.
        watched.record = match replies.last() {
            Some(Value::BulkString(bytes)) => serde_json::from_slice(bytes).ok(),
            _ => None,
        };
        if self.forbidden_on.take().is_some() {
            self.leadership.contend();
        }
        self.watched = Some(watched);
    }

    /// It cannot be read or written. Without permission this server acts alone as long as the connection lasts. A Redis that
    /// takes no writes now, as a full one or a replica, may be written by others before this server can: it acts alone only
    /// where nobody has ever held a lease.
    fn refused(&mut self, error: &ServerError, is_known: bool, connection: u64) {
        if error.code() == "NOPERM" {
            self.forbidden_on = Some(connection);
        } else if is_known || self.leadership.record().is_some() {
            return;
        }
        self.leadership.refuse(error_text(error));
    }

    /// What the tick of `now` may do, over `connection`.
    pub(super) fn claim(&mut self, now: UnixSeconds, connection: Option<u64>) -> Claim {
        if self.forbidden_on.is_some() {
            return Claim::Alone;
        }
        // Without the connection that watches, nothing would notice another replica.
        let Some(watched) = self.watched.as_ref().filter(|watched| Some(watched.connection) == connection) else {
            return Claim::Follow;
        };
        match lease::claim(watched.record.as_ref(), &self.contender, now) {
            Some(record) if lease::has_former_written(watched.record.as_ref(), &self.contender, now) => {
                Claim::Begin(record)
            }
            Some(record) => Claim::Write(record),
            None => {
                self.leadership.follow(watched.record.clone());
                Claim::Follow
            }
        }
    }

    /// The transaction that writes `record` and then what `commands` write.
    pub(super) fn transaction(&self, record: &LeaseRecord, commands: &Pipeline) -> Pipeline {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("MULTI");
        // A record is plain data and always serialises. It outlives its holder, so that fences go on.
        pipeline.cmd("SET").arg(&self.key).arg(serde_json::to_string(record).unwrap_or_default()).arg("EX").arg(KEPT);
        commands.cmd_iter().for_each(|command| {
            pipeline.add_command(command.clone());
        });
        pipeline.cmd("EXEC");
        pipeline
    }

    /// Takes the replies to the transaction: those of its commands, or `None` where another replica was quicker. An error
    /// of the server is a reply too.
    pub(super) fn written(&mut self, record: LeaseRecord, mut replies: Vec<Value>) -> Option<Vec<Value>> {
        let watched = self.watched.take();
        match replies.pop() {
            Some(Value::Nil) => {
                self.leadership.follow(None);
                None
            }
            Some(Value::Array(mut results)) => {
                let results = results.split_off(1.min(results.len()));
                if let Some(Watched { asked, record: former, .. }) = watched {
                    let until = asked + Duration::from_secs(u64::from(self.contender.seconds));
                    self.leadership.lead(former.as_ref(), record, until);
                }
                Some(results)
            }
            last => {
                let refused = replies.into_iter().chain(last).find(|reply| matches!(reply, Value::ServerError(_)));
                if let (Some(Value::ServerError(error)), Some(watched)) = (&refused, watched) {
                    self.refused(error, watched.record.is_some(), watched.connection);
                }
                Some(refused.into_iter().collect())
            }
        }
    }

    /// Gives the lease back, if it is this process's: the commands, in a transaction on the connection that watches.
    pub(super) fn release(&self, connection: Option<u64>) -> Option<Pipeline> {
        let watched = self.watched.as_ref().filter(|watched| Some(watched.connection) == connection)?;
        let record = lease::released(watched.record.as_ref(), &self.contender)?;
        Some(self.transaction(&record, &Pipeline::new()))
    }
}
