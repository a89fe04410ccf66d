//! What was shown at an earlier time of the last hour, and what changed since.

use serde::Serialize;
use utoipa::ToSchema;

use super::{Explanation, optional};
use crate::base::clock::UnixSeconds;
use crate::catalog::{self, Metric};
use crate::engine::recent::{Mark, RecentTicks, Shown, TickRecord};

/// A metric at an earlier time.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Then {
    #[schema(value_type = f64)]
    pub asked: UnixSeconds,
    /// The snapshot that was the newest at that time.
    pub snapshot: String,
    #[schema(value_type = f64)]
    pub time: UnixSeconds,
    pub quality: &'static str,
    #[serde(serialize_with = "optional")]
    pub value: Option<f64>,
    pub absent: Option<String>,
    /// The operands that are scalars themselves, and the value, where they differ from now's.
    pub changed: Vec<Change>,
    /// What happened from then on.
    pub since: Vec<Mark>,
}

/// A number that is another one now.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Change {
    pub key: &'static str,
    #[serde(serialize_with = "optional")]
    pub then: Option<f64>,
    #[serde(serialize_with = "optional")]
    pub now: Option<f64>,
}

impl Then {
    /// What was shown of a scalar at `asked`; a snapshot that was older than `stale_after` seconds then was not served.
    ///
    /// # Errors
    /// A sentence: the time is not kept, or the metric is none of which values are kept.
    pub(crate) fn of(
        metric: &'static Metric,
        now: &Explanation,
        recent: &RecentTicks,
        asked: UnixSeconds,
        stale_after: f64,
    ) -> Result<Self, String> {
        if !metric.is_scalar() {
            return Err(format!("{} is a family: earlier values are kept of scalars only", metric.key));
        }
        let tick = recent.at(asked).ok_or_else(|| not_kept(recent, asked))?;
        let is_stale = asked - tick.at > stale_after;
        let shown = tick.scalar(metric.key).filter(|_| !is_stale);
        let absent = match shown {
            Some(Shown::Value(_)) => None,
            Some(Shown::Absent(cause)) => Some(cause.as_str().to_owned()),
            None => Some("the newest snapshot was stale: nothing was served".to_owned()),
        };
        Ok(Self {
            asked,
            snapshot: tick.id.to_string(),
            time: tick.at,
            quality: tick.quality.as_str(),
            value: shown.and_then(Shown::value),
            absent,
            changed: changes(metric, now, &tick),
            since: recent.marks().into_iter().filter(|mark| mark.at >= tick.at).collect(),
        })
    }
}

fn not_kept(recent: &RecentTicks, asked: UnixSeconds) -> String {
    match recent.ticks().first() {
        Some(first) => format!("nothing is kept of {asked}: the oldest tick that is kept is of {}", first.at),
        None => "there was no tick yet".to_owned(),
    }
}

fn changes(metric: &'static Metric, now: &Explanation, tick: &TickRecord) -> Vec<Change> {
    let of_operands = now.operands.iter().filter_map(|operand| {
        Some((catalog::find(operand.name).filter(|operand| operand.is_scalar())?.key, operand.value))
    });
    let all = std::iter::once((metric.key, now.value)).chain(of_operands);
    let both = all.map(|(key, now)| Change { key, then: tick.scalar(key).and_then(Shown::value), now });
    both.filter(|change| change.then != change.now).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;
    use crate::analysis::SystemState;
    use crate::analysis::state::Reading;
    use crate::engine::recent::MarkKind;
    use crate::engine::snapshot::{Publisher, RunId, Snapshot, SnapshotReader, channel};
    use crate::outlets::explain::explain;
    use crate::outlets::names::Mapping;

    fn publish(publisher: &Publisher, at: f64, queued: Option<i64>) {
        let mut state = SystemState::default();
        if let Some(queued) = queued {
            state.queue.total = Reading::Value(queued);
        }
        let (id, taken) = (RunId::random().snapshot(1), Instant::now());
        publisher.publish(Arc::new(Snapshot { id, taken_at: at, taken, state: Arc::new(state) }));
    }

    fn then(reader: &SnapshotReader, key: &str, asked: f64) -> Result<Then, String> {
        let metric = catalog::find(key).unwrap();
        let now = explain(metric, reader.latest().as_ref(), &Mapping::default());
        Then::of(metric, &now, reader.recent(), asked, 15.0)
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_shown_at_a_time_is_told_with_what_changed_and_happened_since() {
        let (publisher, reader) = channel(Duration::from_secs(5), Duration::from_secs(15));
        for (at, queued) in [(10.0, Some(3)), (15.0, None), (20.0, Some(8))] {
            publish(&publisher, at, queued);
        }
        let mark = Mark { at: 17.0, kind: MarkKind::ConfigurationChanged, detail: "a 1 -> 2".to_owned() };
        publisher.mark(mark.clone());
        let found = then(&reader, "proc.queue.total", 14.0).unwrap();
        assert_eq!((found.time, found.value, found.since), (10.0, Some(3.0), vec![mark]));
        assert_eq!(found.changed, [Change { key: "proc.queue.total", then: Some(3.0), now: Some(8.0) }]);
        let found = then(&reader, "proc.queue.total", 16.0).unwrap();
        assert_eq!((found.value, found.absent.as_deref()), (None, Some("it is neither configured nor queried")));
        let found = then(&reader, "proc.queue.total", 20.0).unwrap();
        assert_eq!((found.changed, found.since), (vec![], vec![]));
        let stale = then(&reader, "proc.queue.total", 36.0).unwrap();
        assert!(stale.value.is_none() && stale.absent.unwrap().contains("stale"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_time_that_is_not_kept_and_a_family_are_one_line() {
        let (publisher, reader) = channel(Duration::from_secs(5), Duration::from_secs(15));
        assert_eq!(then(&reader, "proc.queue.total", 5.0).unwrap_err(), "there was no tick yet");
        publish(&publisher, 10.0, None);
        let error = then(&reader, "proc.queue.total", 5.0).unwrap_err();
        assert_eq!(error, "nothing is kept of 5: the oldest tick that is kept is of 10");
        assert!(then(&reader, "proc_queue_depth", 10.0).unwrap_err().contains("is a family"));
    }
}
