//! The one sentence at the top: how the deployment is, since when, and the numbers that say so.

use maud::{Markup, html};

use super::PageInputs;
use super::history::History;
use crate::analysis::SystemState;
use crate::analysis::state::{Process, Quality, Service};
use crate::base::clock::UnixSeconds;
use crate::base::number::{count, float};
use crate::catalog;
use crate::engine::recent::{Charted, Shown, TickRecord};
use crate::outlets::human;
use crate::platform::facts::Component;
use crate::problems::{ActiveProblem, Severity};

/// The bounds from which the deployment is overloaded: those of the built-in hint.
const PRESSURE: f64 = 0.85;
const SATURATION: f64 = 0.8;

/// How it is; each has a colour, a shape and a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Fine,
    Warning,
    Critical,
    /// Nothing is known.
    Blind,
}

impl Level {
    /// The class in the page, and the word in the API.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Warning => "warning",
            Self::Critical => "critical",
            Self::Blind => "blind",
        }
    }
}

/// The sentence.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Verdict {
    pub(super) level: Level,
    word: &'static str,
    since: Option<UnixSeconds>,
    facts: Vec<String>,
}

impl Verdict {
    pub(super) fn of(inputs: &PageInputs<'_>, history: &History<'_>) -> Self {
        let Some(snapshot) = inputs.snapshot else { return blind(inputs) };
        let state = &*snapshot.state;
        if state.quality == Quality::ScopeNotFound {
            return not_found(inputs);
        }
        for (code, word) in [("no_workers", "NO WORKERS"), ("no_capacity", "NO CAPACITY"), ("stalled", "STALLED")] {
            if let Some(problem) = inputs.problems.iter().find(|problem| problem.code.as_str() == code) {
                return Self { facts: waiting(state, &problem.detail), ..of_problem(word, problem) };
            }
        }
        if is_overloaded(history.latest()) {
            return overloaded(state, history);
        }
        let worst = inputs.problems.iter().find(|problem| problem.severity > Severity::Info);
        let facts = summary(inputs, state);
        match worst {
            Some(problem) => {
                let word = if problem.severity == Severity::Critical { "BROKEN" } else { "DEGRADED" };
                let mut verdict = of_problem(word, problem);
                verdict.facts = std::iter::once(problem.code.as_str().to_owned()).chain(facts).collect();
                verdict
            }
            None => Self { level: Level::Fine, word: "OK", since: None, facts },
        }
    }

    /// As one line.
    pub(super) fn text(&self) -> String {
        let since = self.since.map(|since| format!(" since {}", human::time_of_day(since))).unwrap_or_default();
        std::iter::once(format!("{}{since}", self.word))
            .chain(self.facts.iter().cloned())
            .collect::<Vec<_>>()
            .join(" · ")
    }

    pub(super) const fn word(&self) -> &'static str {
        self.word
    }

    /// Colour, shape and word.
    pub(super) fn bar(&self) -> Markup {
        let class = self.level.as_str();
        let shape = match self.level {
            Level::Fine => "●",
            Level::Warning => "▲",
            Level::Critical => "■",
            Level::Blind => "◆",
        };
        html! {
            header.verdict.(class) role="status" {
                span.shape aria-hidden="true" { (shape) }
                h1 {
                    b { (self.word) }
                    @if let Some(since) = self.since { " since " (human::time_of_day(since)) }
                    @for fact in &self.facts { " · " (fact) }
                }
            }
        }
    }
}

fn of_problem(word: &'static str, problem: &ActiveProblem) -> Verdict {
    let level = if problem.severity == Severity::Critical { Level::Critical } else { Level::Warning };
    Verdict { level, word, since: Some(problem.since), facts: Vec::new() }
}

/// There is no fresh snapshot.
fn blind(inputs: &PageInputs<'_>) -> Verdict {
    let cause = ["source_unreachable", "wrong_node", "cluster_mode", "snapshot_stale"];
    let problem = cause.iter().find_map(|code| inputs.problems.iter().find(|problem| problem.code.as_str() == *code));
    let (word, age) = match inputs.age {
        Some(age) => ("STALE", format!("the newest snapshot is {} old", human::seconds(age.as_secs_f64()))),
        None => ("NO DATA", "no snapshot has been taken yet".to_owned()),
    };
    let mut facts = vec![inputs.server.place.clone(), age, "no number of the deployment is exported".to_owned()];
    facts.extend(problem.map(|problem| problem.detail.clone()));
    Verdict { level: Level::Blind, word, since: problem.map(|problem| problem.since), facts }
}

fn not_found(inputs: &PageInputs<'_>) -> Verdict {
    let problem = inputs.problems.iter().find(|problem| problem.code.as_str() == "scope_not_found");
    let detail = problem.map_or_else(|| "no key of it is there".to_owned(), |problem| problem.detail.clone());
    let facts = vec![inputs.server.scope.clone(), detail];
    Verdict { level: Level::Blind, word: "NOTHING FOUND", since: problem.map(|problem| problem.since), facts }
}

/// Whether a tick shows work beyond what the deployment takes.
fn is_overloaded(tick: Option<&TickRecord>) -> bool {
    let Some(tick) = tick else { return false };
    let at_least = |key: &str, bound: f64| tick.scalar(key).and_then(Shown::value).is_some_and(|value| value >= bound);
    at_least("proc.queue.pressure_ratio", PRESSURE)
        || at_least("ingress.sse.saturation_ratio", SATURATION)
        || tick.charted(Charted::Backpressured).is_some_and(|refused| refused > 0.0)
}

fn overloaded(state: &SystemState, history: &History<'_>) -> Verdict {
    let since = history.newest().take_while(|tick| is_overloaded(Some(tick))).last().map(|tick| tick.at);
    let mut facts = Vec::new();
    facts.extend(
        catalog::scalar("proc.queue.pressure_ratio", state).map(|value| format!("pressure {}", human::digits(value))),
    );
    facts.extend(full(state));
    let saturation =
        catalog::scalar("ingress.sse.saturation_percent", state).filter(|value| *value >= SATURATION * 100.0);
    facts.extend(saturation.map(|value| format!("SSE {} % of the limit", human::digits(value))));
    let refused = Charted::Backpressured.read(state).filter(|refused| *refused > 0.0);
    facts.extend(refused.map(|refused| format!("{} requests refused in the last minute", human::digits(refused))));
    Verdict { level: Level::Critical, word: "OVERLOADED", since, facts }
}

/// How many processors have no free slot.
fn full(state: &SystemState) -> Option<String> {
    let fleet = state.fleet.known()?;
    let service = Service::of(Component::Proc);
    let live: Vec<&Process> =
        fleet.running(&service).flat_map(|(_, processes)| processes).filter(|process| process.is_live()).collect();
    let full = live.iter().filter(|process| process.load >= process.capacity).count();
    (!live.is_empty()).then(|| format!("{full} of {} processors full", live.len()))
}

fn waiting(state: &SystemState, detail: &str) -> Vec<String> {
    let queued = state.queue.total.get().filter(|queued| *queued > 0);
    std::iter::once(detail.to_owned())
        .chain(queued.map(|queued| format!("{} tasks queued", human::digits(float(queued)))))
        .collect()
}

/// Where it comes from, how fresh it is, and how much of it is there.
fn summary(inputs: &PageInputs<'_>, state: &SystemState) -> Vec<String> {
    let mut facts = Vec::new();
    if !inputs.server.scope.is_empty() {
        facts.push(inputs.server.scope.clone());
    }
    facts.push(inputs.server.place.clone());
    facts.extend(inputs.age.map(|age| format!("fresh {}", human::seconds(age.as_secs_f64().round()))));
    facts.extend(state.fleet.known().map(|fleet| {
        let live = fleet.processes().filter(|process| process.is_live()).count();
        format!("{live} of {} workers", fleet.processes().count())
    }));
    if !inputs.sinks.is_empty() {
        let failing = inputs.problems.iter().filter(|problem| problem.code.as_str() == "sink_failing").count();
        let (all, ok) = (inputs.sinks.len(), inputs.sinks.len().saturating_sub(failing));
        facts.push(if failing == 0 { format!("{} sinks ok", count(all)) } else { format!("{ok} of {all} sinks ok") });
    }
    facts
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::time::Instant;

    use super::*;
    use crate::analysis::state::{Reading, SseTotals, Status, ThrottledWindow};
    use crate::engine::snapshot::{RunId, Snapshot};
    use crate::outlets::page::tests::{Scene, fleet, peace, storm};

    /// A state with these alone: pressure, SSE connections of a hundred, and requests refused in the last minute.
    fn state(pressure: f64, connections: i64, refused: i64) -> SystemState {
        let (connections, max) = (Reading::Value(connections), Reading::Value(100));
        let mut state = SystemState {
            sse: Reading::Value(SseTotals { connections, max, workers: 1, ..SseTotals::default() }),
            ..peace()
        };
        state.queue.pressure = Reading::Value(pressure);
        let mut throttling = state.throttling.known().cloned().unwrap_or_default();
        throttling.windows.one_minute =
            ThrottledWindow { backpressure: Reading::Value(refused), ..ThrottledWindow::default() };
        state.throttling = Reading::Value(throttling);
        state
    }

    #[tokio::test]
    async fn each_bound_by_itself_is_an_overload_exactly_from_its_value_on() {
        for (pressure, connections, refused, expected) in [
            (0.849, 79, 0, false),
            (0.85, 0, 0, true),
            (0.0, 80, 0, true),
            (0.0, 79, 0, false),
            (0.0, 0, 1, true),
            (0.0, 0, 0, false),
        ] {
            let (id, state) = (RunId::random().snapshot(1), Arc::new(state(pressure, connections, refused)));
            let tick = TickRecord::of(&Snapshot { id, taken_at: 1.0, taken: Instant::now(), state });
            assert_eq!(is_overloaded(Some(&tick)), expected, "{pressure}, {connections}, {refused}");
        }
        assert!(!is_overloaded(None));
    }

    #[tokio::test]
    async fn an_overload_names_what_is_beyond_its_bound_and_nothing_else() {
        let text = |pressure, connections, refused| Scene::of(state(pressure, connections, refused)).verdict().1;
        let busy = text(0.9, 79, 0);
        assert!(busy.contains("pressure 0.9") && !busy.contains("SSE") && !busy.contains("refused"), "{busy}");
        let full = text(0.5, 80, 2);
        assert!(full.contains("SSE 80 % of the limit") && full.contains("2 requests refused"), "{full}");
    }

    #[tokio::test]
    async fn an_overload_lasts_since_the_first_tick_of_its_unbroken_end() {
        let (mut scene, calm) = (Scene::of(storm()), Scene::of(peace()));
        scene.ticks[10..100].clone_from_slice(&calm.ticks[10..100]);
        assert!(scene.verdict().1.starts_with("OVERLOADED since 23:58:20 "), "{}", scene.verdict().1);
    }

    #[tokio::test]
    async fn what_stops_the_work_comes_before_an_overload_and_the_worst_of_it_first() {
        let mut scene = Scene::of(storm());
        for (code, word) in [("stalled", "STALLED"), ("no_capacity", "NO CAPACITY"), ("no_workers", "NO WORKERS")] {
            scene = scene.with_problem(code, "", "why");
            let text = scene.verdict().1;
            assert!(text.starts_with(&format!("{word} since 23:59:18 · why · 89 tasks queued")), "{text}");
        }
        let mut idle = storm();
        idle.queue.total = Reading::Value(0);
        let text = Scene::of(idle).with_problem("no_workers", "", "why").verdict().1;
        assert!(text.ends_with("· why"), "no queue to tell of: {text}");
    }

    #[tokio::test]
    async fn a_problem_is_as_loud_as_its_severity_and_information_is_none() {
        for (code, word, level) in [
            ("queue_unreadable", "BROKEN since 23:59:18 · queue_unreadable · ", Level::Critical),
            ("worker_silent", "DEGRADED since 23:59:18 · worker_silent · ", Level::Warning),
            ("gateway_config_changed", "OK · acme/chat · ", Level::Fine),
        ] {
            let (found, text) = Scene::of(peace()).with_problem(code, "", "why").verdict();
            assert_eq!((found, text.starts_with(word)), (level, true), "{text}");
        }
    }

    #[tokio::test]
    async fn without_any_snapshot_there_is_no_age_and_the_source_is_a_better_cause_than_staleness() {
        let mut scene = Scene::of(peace()).with_problem("snapshot_stale", "", "old");
        scene.snapshot = None;
        let stale = scene.inputs(false, |inputs| blind(inputs).text());
        assert!(stale.starts_with("STALE since 23:59:18 · ") && stale.ends_with(" · old"), "{stale}");
        let scene = scene.with_problem("source_unreachable", "", "refused");
        let text = scene.inputs(false, |inputs| blind(&PageInputs { age: None, ..*inputs }).text());
        let expected = "NO DATA since 23:59:18 · Redis 10.0.0.5:6379/0 · no snapshot has been taken yet · no number of \
                        the deployment is exported · refused";
        assert_eq!(text, expected);
    }

    #[tokio::test]
    async fn a_processor_is_full_at_its_capacity_and_a_silent_one_is_neither_full_nor_live() {
        let of = |workers: &[(Status, i64)]| SystemState {
            fleet: Reading::Value(fleet(workers.len(), |number| workers[number])),
            ..peace()
        };
        let (healthy, silent) = (Status::Healthy, Status::Stale);
        let some = of(&[(healthy, 4), (healthy, 5), (healthy, 6), (silent, 5)]);
        assert_eq!(full(&some).as_deref(), Some("2 of 3 processors full"));
        assert_eq!(full(&of(&[(silent, 5)])), None);
        assert!(Scene::of(some).verdict().1.contains(" · 3 of 4 workers"));
    }

    #[tokio::test]
    async fn a_server_of_no_scope_names_its_place_alone_and_each_level_has_its_shape() {
        let mut scene = Scene::of(peace());
        scene.server.scope.clear();
        assert!(scene.verdict().1.starts_with("OK · Redis 10.0.0.5:6379/0 · fresh 2 s · "), "{}", scene.verdict().1);
        for (level, shape) in [(Level::Fine, "●"), (Level::Warning, "▲"), (Level::Critical, "■"), (Level::Blind, "◆")]
        {
            let bar = Verdict { level, word: "WORD", since: None, facts: Vec::new() }.bar().into_string();
            assert!(bar.contains(&format!("verdict {}\"", level.as_str())) && bar.contains(shape), "{bar}");
            assert!(!bar.contains("since"), "{bar}");
        }
    }
}
