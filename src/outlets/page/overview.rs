//! The page's facts in words, as JSON, for people in a terminal: the verdict, problems, decisions, numbers and workers.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::history::History;
use super::verdict::Verdict;
use super::{PageInputs, cards, deliveries, workers};
use crate::analysis::SystemState;
use crate::base::clock::UnixSeconds;
use crate::catalog;
use crate::outlets::human;
use crate::platform::facts::Component;
use crate::problems::ActiveProblem;

/// What `/api/v1/overview` answers. A reader of another version gets what both know.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct Overview {
    pub(crate) verdict: VerdictText,
    /// The id of the newest snapshot; `None` where it is stale, or none was taken.
    pub(crate) snapshot: Option<String>,
    /// The most severe first.
    pub(crate) problems: Vec<ProblemText>,
    /// Empty without a fresh snapshot, as all below.
    pub(crate) decisions: Vec<DecisionText>,
    pub(crate) numbers: Vec<NumberText>,
    /// The worst first.
    pub(crate) workers: Vec<WorkerText>,
    /// Workers that are not listed.
    pub(crate) more_workers: usize,
    /// Which replica records and pushes.
    pub(crate) standing: String,
}

/// The sentence at the top.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct VerdictText {
    /// `fine`, `warning`, `critical` or `blind`.
    pub(crate) level: String,
    pub(crate) text: String,
}

/// A problem that is there now.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct ProblemText {
    pub(crate) code: String,
    pub(crate) severity: String,
    pub(crate) subject: String,
    /// Unix seconds.
    pub(crate) since: UnixSeconds,
    pub(crate) detail: String,
    pub(crate) remedy: String,
}

/// How many replicas a component has and needs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct DecisionText {
    pub(crate) component: String,
    /// Replicas as they are shown; a dash where the number is unknown.
    pub(crate) current: String,
    pub(crate) desired: String,
    /// What the built-in hint says, and why.
    pub(crate) hint: String,
    /// The arithmetic behind `desired`, or why there is none.
    pub(crate) steps: String,
}

/// A number with its unit, as people read it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct NumberText {
    pub(crate) key: String,
    pub(crate) label: String,
    /// A dash where it is absent.
    pub(crate) text: String,
}

/// A worker's row.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub(crate) struct WorkerText {
    pub(crate) name: String,
    /// `fine`, `warning`, `critical` or `info`.
    pub(crate) level: String,
    pub(crate) state: String,
    pub(crate) heartbeat: String,
    pub(crate) load: i64,
    pub(crate) capacity: i64,
    pub(crate) pools: String,
}

/// The numbers, with what they are called beside each other.
const NUMBERS: [(&str, &str); 13] = [
    ("proc.queue.total", "queued"),
    ("proc.queue.waiting", "waiting"),
    ("proc.queue.oldest_wait_seconds", "oldest wait"),
    ("proc.queue.pressure_ratio", "pressure"),
    ("proc.tasks.active", "active"),
    ("proc.slots", "slots"),
    ("proc.exec.p95_ms", "exec p95"),
    ("proc.throughput_per_second", "tasks/s"),
    ("ingress.sse.total_connections", "SSE"),
    ("ingress.sse.max_connections", "SSE limit"),
    ("ingress.rest.latency.p95", "REST p95"),
    ("throttling.rate_limit_429.1m", "429 in 1 min"),
    ("throttling.backpressure_503.1m", "503 in 1 min"),
];

impl Overview {
    /// What the page shows.
    pub(in crate::outlets) fn of(inputs: &PageInputs<'_>) -> Self {
        let verdict = Verdict::of(inputs, &History::of(inputs.ticks, inputs.marks, inputs.gap));
        let state = inputs.snapshot.map(|snapshot| &*snapshot.state);
        let (workers, more_workers) = state.map(|state| workers::texts(state, inputs.all_workers)).unwrap_or_default();
        Self {
            verdict: VerdictText { level: verdict.level.as_str().to_owned(), text: verdict.text() },
            snapshot: inputs.snapshot.map(|snapshot| snapshot.id.to_string()),
            problems: inputs.problems.iter().map(problem).collect(),
            decisions: state
                .map(|state| Component::ALL.map(|component| decision(component, state)).into())
                .unwrap_or_default(),
            numbers: state
                .map(|state| NUMBERS.map(|(key, label)| number(key, label, state)).into())
                .unwrap_or_default(),
            workers,
            more_workers,
            standing: deliveries::standing(inputs),
        }
    }
}

fn problem(problem: &ActiveProblem) -> ProblemText {
    let ActiveProblem { code, severity, subject, since, detail, remedy, .. } = problem;
    ProblemText {
        code: code.as_str().to_owned(),
        severity: severity.as_str().to_owned(),
        subject: subject.clone(),
        since: *since,
        detail: detail.clone(),
        remedy: (*remedy).to_owned(),
    }
}

fn decision(component: Component, state: &SystemState) -> DecisionText {
    let shown = |what: &str| text(&format!("{}.replicas.{what}", component.as_str()), state);
    let (word, why) = cards::hint(component, state);
    DecisionText {
        component: component.as_str().to_owned(),
        current: shown("current"),
        desired: shown("desired"),
        hint: format!("{word} {why}"),
        steps: cards::steps(component, state),
    }
}

fn number(key: &str, label: &str, state: &SystemState) -> NumberText {
    NumberText { key: key.to_owned(), label: label.to_owned(), text: text(key, state) }
}

fn text(key: &str, state: &SystemState) -> String {
    let metric = catalog::find(key);
    let value = metric.and_then(|metric| Some((metric.scalar(state)?.value()?, metric.unit)));
    value.map_or_else(|| "–".to_owned(), |(value, unit)| human::value(value, unit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::recommendation::Recommendation;
    use crate::analysis::state::{Cause, Decision, Hint, HintReason, Reading};
    use crate::outlets::page::tests::{NOW, Scene, peace, storm};

    fn overview(scene: &Scene) -> Overview {
        scene.inputs(false, Overview::of)
    }

    #[tokio::test]
    async fn without_a_fresh_snapshot_there_are_problems_and_no_numbers() {
        let mut scene = Scene::of(storm()).with_problem("source_unreachable", "redis", "refused");
        assert_eq!(overview(&scene).snapshot, scene.snapshot.as_ref().map(|snapshot| snapshot.id.to_string()));
        scene.snapshot = None;
        let Overview { verdict, snapshot, problems, decisions, numbers, workers, more_workers, standing } =
            overview(&scene);
        assert_eq!((verdict.level.as_str(), snapshot, more_workers), ("blind", None, 0));
        assert!(decisions.is_empty() && numbers.is_empty() && workers.is_empty());
        assert_eq!(standing, "this server records and pushes");
        let [ProblemText { code, severity, subject, since, detail, remedy }] = &problems[..] else {
            panic!("{problems:?}")
        };
        assert_eq!([code, severity, subject, detail], ["source_unreachable", "critical", "redis", "refused"]);
        assert!(*since == NOW - 42.0 && !remedy.is_empty());
    }

    #[tokio::test]
    async fn a_number_has_its_unit_and_an_absent_one_is_a_dash() {
        let mut state = storm();
        state.demand.waiting = Reading::absent(Cause::UnknownWorkers);
        state.demand.active = Reading::Value(1204);
        let numbers = overview(&Scene::of(state)).numbers;
        let text = |key: &str| numbers.iter().find(|number| number.key == key).map(|number| number.text.as_str());
        assert_eq!(numbers.len(), NUMBERS.len());
        assert_eq!(
            ["proc.queue.total", "proc.tasks.active", "proc.queue.waiting"].map(text),
            [Some("89"), Some("1,204"), Some("–")]
        );
    }

    #[tokio::test]
    async fn a_decision_says_what_there_is_what_is_wanted_and_why_and_what_is_unknown_is_a_dash() {
        let mut state = peace();
        let replicas = |desired, current| Recommendation { desired, current, ..Recommendation::default() };
        state.scaling.proc = replicas(Reading::Value(4), Reading::Value(2));
        state.scaling.ingress = replicas(Reading::absent(Cause::UnknownWorkers), Reading::Value(1));
        let reasons = vec![HintReason::QueuePressure(2.123), HintReason::IdleSse];
        state.proc_hint = Reading::Value(Hint { decision: Decision::ScaleUp, reasons });
        let decisions = overview(&Scene::of(state)).decisions;
        let of = |component: &str| decisions.iter().find(|decision| decision.component == component).unwrap();
        assert_eq!((of("proc").current.as_str(), of("proc").desired.as_str()), ("2", "4"));
        assert_eq!(of("proc").hint, "scale out queue pressure 2.12; few SSE connections and little load");
        assert_eq!((of("ingress").current.as_str(), of("ingress").desired.as_str()), ("1", "–"));
        assert!(of("ingress").steps.starts_with("no number of replicas: "), "{:?}", of("ingress"));
    }
}
