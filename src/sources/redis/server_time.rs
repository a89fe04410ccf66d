//! Redis' clock: a TIME at the end of a tick's first round trip. A user may lack the permission for it, and a proxy in front of
//! Redis may not know the command: this server's clock has to do then.

use std::time::Duration;

use redis::Value;
use tokio::time::Instant;

use super::errors::error_text;
use crate::sources::ServerClock;

/// What the last TIME said.
#[derive(Debug, Default)]
pub(super) struct ServerTime {
    clock: Option<ServerClock>,
    is_refusal_logged: bool,
}

impl ServerTime {
    pub(super) const fn clock(&self) -> Option<ServerClock> {
        self.clock
    }

    /// Takes the reply, which arrived just now, of a round trip that took `round_trip`.
    pub(super) fn take(&mut self, reply: Option<&Value>, round_trip: Duration) {
        let half = round_trip / 2;
        let read = Instant::now().checked_sub(half).unwrap_or_else(Instant::now);
        self.clock = reply.and_then(seconds).map(|at| ServerClock { at, read, uncertainty: half.as_secs_f64() });
        if self.clock.is_none() && !std::mem::replace(&mut self.is_refusal_logged, true) {
            let error = match reply {
                Some(Value::ServerError(error)) => error_text(error),
                _ => "the reply is not a time".to_owned(),
            };
            tracing::warn!(error, "Redis' clock cannot be read with TIME: this server's clock is used instead");
        }
    }
}

/// Seconds and microseconds.
fn seconds(reply: &Value) -> Option<f64> {
    let Value::Array(parts) = reply else { return None };
    let [seconds, micros] = parts.as_slice() else { return None };
    let number = |part: &Value| redis::from_redis_value_ref::<u32>(part).ok().map(f64::from);
    Some(number(seconds)? + number(micros)? / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(line: &str) -> Value {
        redis::parse_redis_value(line.as_bytes()).unwrap()
    }

    #[test]
    fn the_time_is_that_of_the_middle_of_the_round_trip() {
        let mut time = ServerTime::default();
        time.take(Some(&reply("*2\r\n$10\r\n1767225600\r\n$6\r\n500000\r\n")), Duration::from_secs(2));
        let clock = time.clock().unwrap();
        assert_eq!((clock.at, clock.uncertainty), (1_767_225_600.5, 1.0));
        assert!((clock.now() - 1_767_225_601.5).abs() < 0.5, "{}", clock.now());
    }

    #[test]
    fn a_reply_that_is_no_time_leaves_the_clock_unknown() {
        for line in ["-NOPERM time\r\n", "*1\r\n$1\r\n1\r\n", "*2\r\n$1\r\nx\r\n$1\r\n1\r\n", ":1\r\n"] {
            let mut time = ServerTime::default();
            time.take(Some(&reply(line)), Duration::ZERO);
            assert_eq!(time.clock(), None, "{line}");
        }
    }
}
