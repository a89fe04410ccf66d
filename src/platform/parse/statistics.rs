//! What workers and the platform count: SSE connections, and the statistics of queues.

use serde::de::MapAccess;

use super::fields::{Fields, Scalar, skip};
use super::{LARGEST_COUNT, ParseError, amount, fields, whole_amount};
use crate::platform::facts::{QueueAnalytics, SseSample, WorkerId};

const COUNT: &str = "count";
const SESSIONS: &str = "sessions";
const MAX: &str = "max";
const AVG_WAIT: &str = "avg_wait_time";
const THROUGHPUT: &str = "throughput_last_hour";

#[derive(Default)]
struct Sample<'a> {
    count: Option<Scalar<'a>>,
    sessions: Option<Scalar<'a>>,
    max: Option<Scalar<'a>>,
    ts: Option<Scalar<'a>>,
}

impl<'a> Fields<'a> for Sample<'a> {
    fn take<A: MapAccess<'a>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        let field = match name {
            COUNT => &mut self.count,
            SESSIONS => &mut self.sessions,
            MAX => &mut self.max,
            "ts" => &mut self.ts,
            _ => return skip(map),
        };
        *field = Some(map.next_value()?);
        Ok(())
    }
}

#[derive(Default)]
struct Analytics<'a> {
    avg_wait_time: Option<Scalar<'a>>,
    throughput_last_hour: Option<Scalar<'a>>,
}

impl<'a> Fields<'a> for Analytics<'a> {
    fn take<A: MapAccess<'a>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        let field = match name {
            AVG_WAIT => &mut self.avg_wait_time,
            THROUGHPUT => &mut self.throughput_last_hour,
            _ => return skip(map),
        };
        *field = Some(map.next_value()?);
        Ok(())
    }
}

/// An ingress worker's sample of its SSE connections. Null counts are 0, as their writer means them; a time that is
/// not a number is treated as missing.
///
/// # Errors
/// Not a JSON object, or a count that is not a number or is none that a worker can have.
pub fn sse_sample(bytes: &[u8], worker: &WorkerId) -> Result<SseSample, ParseError> {
    let sample: Sample<'_> = fields(bytes)?;
    Ok(SseSample {
        worker: worker.clone(),
        count: counted(sample.count, COUNT)?,
        sessions: counted(sample.sessions, SESSIONS)?,
        max: counted(sample.max, MAX)?,
        at: sample.ts.as_ref().and_then(Scalar::float).filter(|at| at.is_finite()),
    })
}

/// The platform's statistics of a role's queue.
///
/// # Errors
/// Not a JSON object, or a known field of the wrong type or outside what it can be.
pub fn queue_analytics(bytes: &[u8]) -> Result<QueueAnalytics, ParseError> {
    let analytics: Analytics<'_> = fields(bytes)?;
    Ok(QueueAnalytics {
        avg_wait_seconds: amount(analytics.avg_wait_time.as_ref(), AVG_WAIT)?.unwrap_or(0.0),
        throughput_last_hour: whole_amount(analytics.throughput_last_hour.as_ref(), THROUGHPUT)?.unwrap_or(0),
    })
}

/// A count as Python's `int` takes it: a fraction is dropped, digits in a text are read; null and missing are 0. A negative
/// one and one that a float does not hold exactly count nothing.
fn counted(value: Option<Scalar<'_>>, field: &'static str) -> Result<i64, ParseError> {
    let count = python_int(value, field)?;
    if (0..=LARGEST_COUNT).contains(&count) { Ok(count) } else { Err(ParseError::Impossible(field)) }
}

fn python_int(value: Option<Scalar<'_>>, field: &'static str) -> Result<i64, ParseError> {
    let bad = ParseError::BadField { field, expected: "a number" };
    match value {
        None | Some(Scalar::Null) => Ok(0),
        Some(Scalar::Text(text)) => text.trim().parse().map_err(|_| bad),
        Some(Scalar::Number { whole: Some(whole), .. }) => Ok(whole),
        #[expect(clippy::cast_possible_truncation, reason = "dropping the fraction is intended")]
        Some(Scalar::Number { float, .. }) if float.is_finite() => Ok(float as i64),
        Some(_) => Err(bad),
    }
}
