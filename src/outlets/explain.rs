//! Why a metric is what it is: its formula with the numbers filled in, where they were read, what was left out, how full its
//! window is, its names in every outlet, and what was shown at an earlier time.
//!
//! Pure: a snapshot, the recent ticks and a time in, an [`Explanation`] out. The route, the page and the command render it.

mod formula;
mod names;
mod nearest;
mod origin;
mod text;
mod then;

use std::sync::Arc;

use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use self::formula::Formula;
pub use self::names::{MetricNames, Snippets};
pub(crate) use self::nearest::nearest;
pub use self::origin::ExplainedSource;
pub use self::then::Then;
use super::human;
use super::names::Mapping;
use crate::analysis::SystemState;
use crate::analysis::state::{LeftOut, Reading};
use crate::base::clock::UnixSeconds;
use crate::base::number;
use crate::catalog::{self, Metric, Unit};
use crate::engine::snapshot::Snapshot;

/// What a metric's value rests on.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Explanation {
    pub key: &'static str,
    pub help: &'static str,
    #[serde(serialize_with = "word")]
    #[schema(value_type = String)]
    pub unit: Unit,
    /// A scalar's value, in its unit.
    #[serde(serialize_with = "optional")]
    pub value: Option<f64>,
    /// Why a scalar has no value.
    pub absent: Option<String>,
    /// The formula with names for its operands; `None` where there is none to state.
    pub formula: Option<&'static str>,
    /// The same with their values, as people read them.
    pub filled: Option<String>,
    pub operands: Vec<ExplainedOperand>,
    /// The values of a family.
    pub series: Vec<ExplainedSeries>,
    pub sources: Vec<ExplainedSource>,
    pub left_out: Vec<ExplainedLoss>,
    pub window: Option<ExplainedWindow>,
    /// `None` while there is no fresh snapshot.
    pub snapshot: Option<ExplainedSnapshot>,
    pub names: MetricNames,
    pub snippets: Snippets,
    /// What was shown at the time that was asked for.
    pub then: Option<Then>,
}

/// A number of a formula.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ExplainedOperand {
    pub name: &'static str,
    pub what: &'static str,
    #[serde(serialize_with = "optional")]
    pub value: Option<f64>,
    pub absent: Option<String>,
}

/// One series of a family.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ExplainedSeries {
    /// Label values in the order of the metric's labels, joined by commas.
    pub labels: String,
    #[serde(serialize_with = "optional")]
    pub value: Option<f64>,
    pub absent: Option<String>,
}

/// Inputs that did not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ExplainedLoss {
    pub kind: &'static str,
    pub times: u64,
    pub reason: String,
}

/// The window that a value looks at.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ExplainedWindow {
    pub series: String,
    pub window: &'static str,
    /// 0 to 1; `None` where the series cannot be read.
    #[serde(serialize_with = "optional")]
    pub filled_ratio: Option<f64>,
}

/// The snapshot that the value is of.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ExplainedSnapshot {
    pub id: String,
    #[schema(value_type = f64)]
    pub time: UnixSeconds,
    pub age_seconds: f64,
    pub quality: &'static str,
}

/// Explains a metric of the deployment by this snapshot; without a fresh one nothing is served, and nothing explained but names.
#[must_use]
pub fn explain(metric: &'static Metric, snapshot: Option<&Arc<Snapshot>>, mapping: &Mapping) -> Explanation {
    let unknown = SystemState::default();
    let state = snapshot.map_or(&unknown, |snapshot| &*snapshot.state);
    let row = Formula::of(metric.key).filter(|_| snapshot.is_some());
    let operands = row.map(|row| operands(row, state)).unwrap_or_default();
    let (value, absent) = shown(metric, snapshot);
    let origins = row.map(|row| row.origins).unwrap_or_default();
    Explanation {
        key: metric.key,
        help: metric.help,
        unit: metric.unit,
        value,
        absent,
        formula: row.map(|row| row.text).filter(|text| !text.is_empty()),
        filled: row.and_then(|row| filled(row, &operands, value, metric.unit)),
        operands,
        series: if metric.is_scalar() || snapshot.is_none() { Vec::new() } else { series(metric, state) },
        sources: if snapshot.is_some() { origin::sources(origins, state) } else { Vec::new() },
        left_out: losses(origins, state),
        window: window(metric, origins, state),
        snapshot: snapshot.map(|snapshot| of_snapshot(snapshot)),
        names: MetricNames::of(metric, mapping),
        snippets: Snippets::of(metric, mapping),
        then: None,
    }
}

/// A scalar's value, or why it has none.
fn shown(metric: &'static Metric, snapshot: Option<&Arc<Snapshot>>) -> (Option<f64>, Option<String>) {
    let Some(snapshot) = snapshot else {
        return (None, Some("there is no fresh snapshot: the source cannot be read".to_owned()));
    };
    match scalar(metric.key, &snapshot.state) {
        Some(Reading::Value(value)) => (Some(value), None),
        Some(Reading::Absent(reason)) => (None, Some(reason.to_string())),
        None => (None, None),
    }
}

fn scalar(key: &str, state: &SystemState) -> Option<Reading<f64>> {
    catalog::scalars(state).find(|(metric, _)| metric.key == key).map(|(_, reading)| reading)
}

fn operands(row: &'static Formula, state: &SystemState) -> Vec<ExplainedOperand> {
    row.places().into_iter().map(|place| operand(row, place, state)).collect()
}

/// An operand of the row, or the scalar of that key.
fn operand(row: &'static Formula, place: &'static str, state: &SystemState) -> ExplainedOperand {
    let own = row.operands.iter().find(|operand| operand.name == place);
    let (what, reading) = match own {
        Some(operand) => (operand.what, (operand.read)(state)),
        None => {
            let what = catalog::find(place).map_or("", |metric| metric.help);
            (what, scalar(place, state).unwrap_or_default())
        }
    };
    let absent = reading.reason().map(ToString::to_string);
    ExplainedOperand { name: place, what, value: reading.value(), absent }
}

/// The formula with numbers, and what it gives.
fn filled(row: &Formula, operands: &[ExplainedOperand], value: Option<f64>, unit: Unit) -> Option<String> {
    if row.text.is_empty() {
        return None;
    }
    let fill = |text: String, operand: &ExplainedOperand| {
        let number = operand.value.map_or_else(|| "absent".to_owned(), human::digits);
        text.replace(&format!("{{{}}}", operand.name), &number)
    };
    let text = operands.iter().fold(row.text.to_owned(), fill);
    let result = value.map_or_else(|| "absent".to_owned(), |value| human::value(value, unit));
    Some(format!("{text} = {result}"))
}

fn series(metric: &'static Metric, state: &SystemState) -> Vec<ExplainedSeries> {
    let of_metric = catalog::samples(state).into_iter().filter(|sample| sample.metric == metric);
    let known = of_metric.map(|sample| {
        let labels: Vec<&str> = sample.labels.iter().map(|(_, value)| value.as_str()).collect();
        ExplainedSeries { labels: labels.join(","), value: Some(sample.value), absent: None }
    });
    let absent = catalog::absences(state).into_iter().filter(|absence| absence.metric == metric);
    let absent = absent.map(|absence| ExplainedSeries {
        labels: absence.labels.join(","),
        value: None,
        absent: Some(absence.reason),
    });
    known.chain(absent).collect()
}

fn losses(origins: &[origin::Origin], state: &SystemState) -> Vec<ExplainedLoss> {
    let concerned = |left: &&LeftOut| origins.iter().any(|origin| origin.concerns(left.kind));
    let loss =
        |left: &LeftOut| ExplainedLoss { kind: left.kind.as_str(), times: left.times, reason: left.reason.to_string() };
    state.left_out.iter().filter(concerned).map(loss).collect()
}

fn window(metric: &Metric, origins: &[origin::Origin], state: &SystemState) -> Option<ExplainedWindow> {
    let (series, window) = origins.iter().find_map(|origin| origin.window()).filter(|_| metric.is_scalar())?;
    let filled_ratio = state.window_fill.get(&(series, window)).copied();
    Some(ExplainedWindow { series: series.to_string(), window: window.as_str(), filled_ratio })
}

fn of_snapshot(snapshot: &Snapshot) -> ExplainedSnapshot {
    ExplainedSnapshot {
        id: snapshot.id.to_string(),
        time: snapshot.taken_at,
        age_seconds: number::round(snapshot.age().as_secs_f64(), 3),
        quality: snapshot.state.quality.as_str(),
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde calls")]
fn word<S: Serializer>(unit: &Unit, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(unit.word())
}

/// Whole numbers without a fraction, as in every other JSON of this server.
#[expect(clippy::ref_option, reason = "the form that serde calls")]
fn optional<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    value.map(number::json).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::analysis::recorded::Case;
    use crate::analysis::state::{Cause, Reason};
    use crate::engine::snapshot::RunId;
    use crate::platform::facts::InputKind;

    pub(super) fn snapshot(state: SystemState) -> Arc<Snapshot> {
        let (id, taken) = (RunId::random().snapshot(42), Instant::now());
        Arc::new(Snapshot { id, taken_at: 100.0, taken, state: Arc::new(state) })
    }

    fn case(name: &str) -> Arc<Snapshot> {
        snapshot(Case::all().into_iter().find(|case| case.name == name).unwrap().state())
    }

    fn explained(key: &str, snapshot: &Arc<Snapshot>) -> Explanation {
        explain(catalog::find(key).unwrap(), Some(snapshot), &Mapping::default())
    }

    #[test]
    fn the_formula_of_the_pressure_has_its_numbers_and_they_give_the_value() {
        let snapshot = case("queues-all-roles");
        let found = explained("proc.queue.pressure_ratio", &snapshot);
        let (queued, capacity) = (found.operands[0].value.unwrap(), found.operands[1].value.unwrap());
        assert_eq!(found.value, Some(queued / capacity));
        let filled = found.filled.unwrap();
        let expected = format!("{} / {}; 1 without capacity = ", human::digits(queued), human::digits(capacity));
        assert!(filled.starts_with(&expected), "{filled}");
        assert!(found.sources.iter().any(|source| source.source.ends_with("queue:paid")), "{:?}", found.sources);
        assert_eq!(found.snapshot.unwrap().id, snapshot.id.to_string());
        assert_eq!(found.names.prometheus, ["kdcube_proc_queue_pressure_ratio"]);
    }

    #[test]
    fn every_metric_of_every_case_is_explained_by_the_number_that_is_exported() {
        for case in Case::all() {
            let snapshot = snapshot(case.state());
            for metric in catalog::all() {
                let found = explain(metric, Some(&snapshot), &Mapping::default());
                if metric.is_scalar() {
                    let exported = scalar(metric.key, &snapshot.state).unwrap();
                    assert_eq!(found.value, exported.clone().value(), "{}: {}", case.name, metric.key);
                    assert_eq!(found.value.is_none(), found.absent.is_some());
                    let filled = found.filled.unwrap();
                    assert!(!filled.contains('{') && !filled.contains('}'), "{filled}");
                } else {
                    let exported =
                        catalog::samples(&snapshot.state).into_iter().filter(|sample| sample.metric == metric);
                    let known = found.series.iter().filter(|series| series.value.is_some());
                    assert_eq!(known.count(), exported.count(), "{}: {}", case.name, metric.key);
                }
            }
        }
    }

    #[test]
    fn what_was_left_out_of_a_metric_is_named_and_what_concerns_others_is_not() {
        let left = |kind| LeftOut { kind, times: 2, reason: Reason::of(Cause::Unreadable, "a:b") };
        let left_out = vec![left(InputKind::Heartbeat), left(InputKind::SeriesMember)];
        let state = Case::all().into_iter().find(|case| case.name == "one-each").unwrap().state();
        let snapshot = snapshot(SystemState { left_out, ..state });
        let kinds =
            |key: &str| explained(key, &snapshot).left_out.into_iter().map(|left| left.kind).collect::<Vec<_>>();
        assert_eq!(kinds("proc.active_tasks"), ["heartbeat"]);
        assert_eq!(kinds("proc.queue.wait.p95_ms"), ["series_member"]);
        assert_eq!(kinds("proc.queue.total"), [""; 0]);
    }

    #[test]
    fn without_a_fresh_snapshot_nothing_but_names_is_explained() {
        let found = explain(catalog::find("proc.queue.total").unwrap(), None, &Mapping::default());
        assert_eq!((found.value, found.sources.len(), found.operands.len()), (None, 0, 0));
        assert!(found.absent.unwrap().contains("no fresh snapshot"));
        assert_eq!(found.snippets.promql, "max(kdcube_proc_queue_total)");
    }

    #[test]
    fn an_absent_operand_is_no_number_in_the_formula() {
        let found = explained("proc.queue.pressure_ratio", &snapshot(SystemState::default()));
        assert_eq!(found.filled.as_deref(), Some("absent / absent; 1 without capacity = absent"));
    }
}
