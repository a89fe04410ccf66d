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
    /// When it was asked for, until the reply is taken.
    asked: Option<Instant>,
    watched: Option<Watched>,
    /// The connection that lacks the permission: another one may have it.
    forbidden_on: Option<u64>,
    /// Whether an earlier reading may still be watched: a transaction that was carried out or refused ends that.
    may_watch: bool,
    /// The time of the last record that it wrote.
    written: Option<UnixSeconds>,
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
    /// Write the record alone: this interval has been written.
    Begin(LeaseRecord),
    /// Another replica writes them.
    Follow,
}

impl Lease {
    pub(super) fn new(key: String, contender: Contender, leadership: Leadership) -> Self {
        leadership.contend();
        Self {
            key,
            contender,
            leadership,
            asked: None,
            watched: None,
            forbidden_on: None,
            may_watch: true,
            written: None,
        }
    }

    /// Whether no other replica has written since this one did: it holds the lease, and by Redis' clock too, which goes on
    /// while this process is paused.
    pub(super) fn is_held(&self, now: UnixSeconds) -> bool {
        let is_recent = |written: UnixSeconds| (0.0..f64::from(self.contender.seconds)).contains(&(now - written));
        self.forbidden_on.is_none() && self.leadership.is_leader() && self.written.is_some_and(is_recent)
    }

    /// Adds the commands that read and watch it.
    pub(super) fn ask(&mut self, pipeline: &mut Pipeline) {
        // A change before this reading is no change after it.
        if std::mem::replace(&mut self.may_watch, true) {
            pipeline.cmd("UNWATCH");
        }
        pipeline.cmd("WATCH").arg(&self.key);
        pipeline.cmd("GET").arg(&self.key);
        (self.asked, self.watched) = (Some(Instant::now()), None);
    }

    /// Takes the replies, which came over this connection.
    pub(super) fn take(&mut self, replies: &[Value], connection: u64) {
        let Some(asked) = self.asked.take() else { return };
        if let Some(error) = first_refusal(replies) {
            return self.refused(error, false, connection);
        }
        if self.forbidden_on == Some(connection) {
            return;
        }
        // What cannot be parsed was not written by a replica: it is overwritten.
        let record = match replies.last() {
            Some(Value::BulkString(bytes)) => serde_json::from_slice(bytes).ok(),
            _ => None,
        };
        if self.forbidden_on.take().is_some() {
            self.leadership.contend();
        }
        self.watched = Some(Watched { connection, asked, record });
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
            Some(record) if lease::is_interval_written(watched.record.as_ref(), &self.contender, now) => {
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
        self.may_watch = !matches!(replies.last(), Some(Value::Nil | Value::Array(_)));
        match replies.pop() {
            Some(Value::Nil) => {
                self.leadership.follow(None);
                None
            }
            Some(Value::Array(mut results)) => {
                let results = results.split_off(1.min(results.len()));
                self.written = Some(record.renewed);
                if let Some(Watched { asked, record: former, .. }) = watched {
                    let until = asked + Duration::from_secs(u64::from(self.contender.seconds));
                    self.leadership.lead(former.as_ref(), record, until, self.contender.interval);
                }
                Some(results)
            }
            last => {
                self.leadership.lapse();
                let refused = replies.into_iter().chain(last).find(|reply| matches!(reply, Value::ServerError(_)));
                if let (Some(Value::ServerError(error)), Some(watched)) = (&refused, watched) {
                    self.refused(error, watched.record.is_some(), watched.connection);
                }
                Some(refused.into_iter().collect())
            }
        }
    }

    /// The transaction had no answer: whether it took effect is unknown.
    pub(super) fn lost(&mut self) {
        self.watched = None;
        self.leadership.lapse();
    }

    /// Gives the lease back, if it is this process's: the commands, in a transaction on the connection that watches.
    pub(super) fn release(&self, connection: Option<u64>) -> Option<Pipeline> {
        let watched = self.watched.as_ref().filter(|watched| Some(watched.connection) == connection)?;
        let record = lease::released(watched.record.as_ref(), &self.contender)?;
        Some(self.transaction(&record, &Pipeline::new()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::lease::Standing;

    const NOW: f64 = 1000.0;
    /// The connection that the lease was read on.
    const CONNECTION: u64 = 4;

    fn contender() -> Contender {
        Contender { instance: "metrics".to_owned(), run: "me".to_owned(), seconds: 15, interval: 5.0 }
    }

    fn lease() -> (Lease, Leadership) {
        let leadership = Leadership::default();
        (Lease::new("a:b:lease".to_owned(), contender(), leadership.clone()), leadership)
    }

    fn record(run: &str, renewed: f64) -> LeaseRecord {
        let (instance, run) = ("metrics".to_owned(), run.to_owned());
        LeaseRecord { instance, run, fence: 7, since: 500.0, renewed, expires: renewed + 15.0 }
    }

    fn stored(record: &LeaseRecord) -> Value {
        Value::BulkString(serde_json::to_vec(record).unwrap())
    }

    /// What a server answers that refuses.
    fn refusal(code: &str) -> Value {
        let text = format!("-{code} not allowed\r\n");
        redis::parse_redis_value(text.as_bytes()).unwrap()
    }

    /// Asks for the lease and gives it this reply to GET.
    fn read(lease: &mut Lease, reply: Value) {
        lease.ask(&mut Pipeline::new());
        lease.take(&[Value::Okay, Value::Okay, reply], CONNECTION);
    }

    fn commands(pipeline: &Pipeline) -> Vec<String> {
        let words = |command: &redis::Cmd| {
            let words = command.args_iter().map(|word| match word {
                redis::Arg::Simple(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                _ => String::new(),
            });
            words.collect::<Vec<_>>().join(" ")
        };
        pipeline.cmd_iter().map(words).collect()
    }

    fn claimed(claim: &Claim) -> (&'static str, Option<u64>) {
        match claim {
            Claim::Alone => ("alone", None),
            Claim::Write(record) => ("write", Some(record.fence)),
            Claim::Begin(record) => ("begin", Some(record.fence)),
            Claim::Follow => ("follow", None),
        }
    }

    #[tokio::test]
    async fn what_a_tick_may_do_follows_from_the_lease_that_was_read() {
        let released = |renewed| LeaseRecord { expires: 0.0, ..record("other", renewed) };
        for (reply, expected) in [
            (Value::Nil, ("write", Some(1))),
            (Value::BulkString(b"not a record".to_vec()), ("write", Some(1))),
            (stored(&record("me", NOW - 5.0)), ("write", Some(7))),
            (stored(&record("other", NOW - 5.0)), ("follow", None)),
            (stored(&record("other", NOW - 15.1)), ("write", Some(8))),
            (stored(&released(NOW - 4.0)), ("begin", Some(8))),
            (stored(&released(NOW - 5.0)), ("write", Some(8))),
        ] {
            let (mut lease, _) = lease();
            read(&mut lease, reply.clone());
            assert_eq!(claimed(&lease.claim(NOW, Some(CONNECTION))), expected, "{reply:?}");
        }
    }

    #[tokio::test]
    async fn without_the_connection_that_watches_nothing_is_written_or_released() {
        let (mut lease, _) = lease();
        assert_eq!(claimed(&lease.claim(NOW, Some(CONNECTION))), ("follow", None), "it was not read yet");
        read(&mut lease, stored(&record("me", NOW - 5.0)));
        for (connection, may) in [(Some(CONNECTION), true), (Some(CONNECTION + 1), false), (None, false)] {
            assert_eq!(claimed(&lease.claim(NOW, connection)).0 == "write", may, "{connection:?}");
            assert_eq!(lease.release(connection).is_some(), may, "{connection:?}");
        }
        read(&mut lease, stored(&record("other", NOW)));
        assert!(lease.release(Some(CONNECTION)).is_none(), "it is not ours");
    }

    #[tokio::test]
    async fn the_record_and_the_points_are_one_transaction_on_a_watched_key() {
        let (mut lease, _) = lease();
        let mut asked = Pipeline::new();
        lease.ask(&mut asked);
        assert_eq!(commands(&asked), ["UNWATCH", "WATCH a:b:lease", "GET a:b:lease"]);
        let mut points = Pipeline::new();
        points.cmd("ZADD").arg("points").arg(1).arg("1:2").cmd("EXPIRE").arg("points").arg(60);
        let own = record("me", NOW);
        let json = serde_json::to_string(&own).unwrap();
        let set = format!("SET a:b:lease {json} EX 604800");
        let written = commands(&lease.transaction(&own, &points));
        assert_eq!(written, ["MULTI", &set, "ZADD points 1 1:2", "EXPIRE points 60", "EXEC"]);
        read(&mut lease, stored(&own));
        let left = serde_json::to_string(&LeaseRecord { expires: 0.0, ..own }).unwrap();
        let released = commands(&lease.release(Some(CONNECTION)).unwrap());
        assert_eq!(released, ["MULTI", &format!("SET a:b:lease {left} EX 604800"), "EXEC"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_written_record_leads_from_the_reading_on_and_its_own_reply_is_not_one_of_the_points() {
        let (mut lease, leadership) = lease();
        read(&mut lease, stored(&record("other", NOW - 20.0)));
        tokio::time::sleep(Duration::from_secs(4)).await;
        let results = vec![Value::Okay, Value::Int(1), Value::Int(2)];
        let replies = vec![Value::Okay, Value::SimpleString("QUEUED".to_owned()), Value::Array(results)];
        assert_eq!(lease.written(record("me", NOW), replies), Some(vec![Value::Int(1), Value::Int(2)]));
        assert_eq!((leadership.standing(), leadership.takeovers()), (Standing::Leader, Some(1)));
        tokio::time::sleep(Duration::from_millis(10_900)).await;
        assert!(leadership.is_leader());
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(!leadership.is_leader(), "15 s after it was read, not after it was written");
        assert_eq!(claimed(&lease.claim(NOW, Some(CONNECTION))).0, "follow", "one reading is good for one write");
    }

    #[tokio::test]
    async fn a_transaction_that_another_replica_forestalled_writes_nothing() {
        let (mut lease, leadership) = lease();
        read(&mut lease, Value::Nil);
        assert_eq!(lease.written(record("me", NOW), vec![Value::Okay, Value::Nil]), None);
        assert_eq!((leadership.standing(), leadership.refused()), (Standing::Follower, None));
    }

    #[tokio::test]
    async fn a_server_that_refuses_the_lease_makes_it_act_alone_until_another_connection_is_allowed() {
        for in_reading in [true, false] {
            let (mut lease, leadership) = lease();
            if in_reading {
                lease.ask(&mut Pipeline::new());
                lease.take(&[Value::Okay, refusal("NOPERM"), Value::Nil], CONNECTION);
            } else {
                read(&mut lease, Value::Nil);
                let results =
                    lease.written(record("me", NOW), vec![Value::Okay, refusal("NOPERM"), refusal("EXECABORT")]);
                assert_eq!(results, Some(vec![refusal("NOPERM")]), "the cause, not that the transaction was given up");
            }
            assert!(leadership.refused().is_some_and(|reason| reason.contains("NOPERM")), "{:?}", leadership.refused());
            assert_eq!(claimed(&lease.claim(NOW, Some(CONNECTION))).0, "alone");
            read(&mut lease, Value::Nil);
            assert_eq!(
                claimed(&lease.claim(NOW, Some(CONNECTION))).0,
                "alone",
                "the same connection is not asked again"
            );
            lease.ask(&mut Pipeline::new());
            lease.take(&[Value::Okay, Value::Okay, Value::Nil], CONNECTION + 1);
            assert_eq!(claimed(&lease.claim(NOW, Some(CONNECTION + 1))).0, "write");
            assert_eq!((leadership.refused(), leadership.standing()), (None, Standing::Follower));
        }
    }
}
