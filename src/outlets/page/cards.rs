//! The two decisions: how many processors and how many ingress workers, with the arithmetic and how near the limits are.

use maud::{Markup, html};

use super::chart::{Chart, Line, bullet};
use super::charts::of;
use super::history::History;
use super::layout::number;
use crate::analysis::SystemState;
use crate::analysis::state::{Decision, HintReason, Reading};
use crate::catalog::{self, Unit};
use crate::outlets::human;
use crate::platform::facts::Component;

/// The shares at which the built-in rules add replicas.
const TARGET_LOAD: f64 = 0.8;
const TARGET_SATURATION: f64 = 0.7;

pub(super) fn section(state: &SystemState, history: &History<'_>) -> Markup {
    html! {
        section.cards {
            (card(Component::Proc, "Processors", state, history, &html! {
                (load(state)) (queue(state))
            }))
            (card(Component::Ingress, "Ingress", state, history, &html! { (sse(state)) (latency(state)) }))
        }
    }
}

fn card(component: Component, title: &str, state: &SystemState, history: &History<'_>, bars: &Markup) -> Markup {
    let key = |what: &str| format!("{}.replicas.{what}", component.as_str());
    let has_replicas = catalog::find(&key("desired")).is_some();
    html! {
        article {
            h2 { (title) }
            @if has_replicas {
                p.replicas {
                    span { (number(&key("current"), state)) small { " now" } } " → "
                    span { (number(&key("desired"), state)) small { " wanted" } }
                }
            }
            p.why { (reasons(component, state)) }
            @if has_replicas { p.steps tabindex="0" { (steps(component, state)) } }
            (bars)
            @if has_replicas {
                (Chart {
                    title: "Replicas",
                    unit: Unit::Count,
                    lines: replicas(history, &key("current"), &key("desired")),
                    steps: true,
                }.figure(history))
            }
        }
    }
}

fn replicas(history: &History<'_>, current: &str, desired: &str) -> Vec<Line> {
    of(history, "now", current, 1.0).into_iter().chain(of(history, "wanted", desired, 1.0)).collect()
}

fn reasons(component: Component, state: &SystemState) -> Markup {
    let (word, why) = hint(component, state);
    html! { b { (word) } " " (why) }
}

/// What the built-in hint says, and why.
pub(super) fn hint(component: Component, state: &SystemState) -> (&'static str, String) {
    let hint = match state.hint(component) {
        Reading::Absent(reason) => return ("no recommendation:", reason.to_string()),
        Reading::Value(hint) => hint,
    };
    let decision = state.decision(component).get().unwrap_or(Decision::Hold);
    let word = match decision {
        Decision::ScaleUp => "scale out",
        Decision::ScaleDown => "scale in",
        Decision::Hold => "hold",
    };
    let held = if hint.decision == decision { "" } else { " (held: the numbers are not complete)" };
    (word, hint.reasons.iter().map(reason).collect::<Vec<_>>().join("; ") + held)
}

/// How the wanted number comes about, or why there is none.
pub(super) fn steps(component: Component, state: &SystemState) -> String {
    let recommendation = state.recommendation(component);
    match recommendation.desired.reason() {
        Some(reason) => format!("no number of replicas: {reason}"),
        None => recommendation.steps.iter().map(ToString::to_string).collect::<Vec<_>>().join(" · "),
    }
}

fn reason(reason: &HintReason) -> String {
    match reason {
        HintReason::QueuePressure(pressure) => format!("queue pressure {}", human::digits(*pressure)),
        HintReason::BusyWithQueue(percent) => format!("busy ({} %) and something is queued", human::digits(*percent)),
        HintReason::IdleQueue => "nothing is queued and little is worked on".to_owned(),
        HintReason::SseSaturation(percent) => {
            format!("SSE connections at {} % of their limit", human::digits(*percent))
        }
        HintReason::IdleSse => "few SSE connections and little load".to_owned(),
        HintReason::Upstream(words) => words.clone(),
    }
}

fn bar(label: &str, key: &str, state: &SystemState, drawing: Option<Markup>) -> Markup {
    html! {
        div.bar { span { (label) } (drawing.unwrap_or_default()) span.value { (number(key, state)) } }
    }
}

fn load(state: &SystemState) -> Markup {
    let proc = state.proc.known();
    let both = proc.and_then(|proc| proc.load.get().zip(proc.capacity.get()));
    let drawing = both.map(|(load, slots)| {
        let (load, slots) = (crate::base::number::float(load), crate::base::number::float(slots));
        bullet(load, slots, &[(slots * TARGET_LOAD, "target".to_owned())])
    });
    bar("worked on", "proc.active_tasks", state, drawing)
}

/// The queue against the depths at which roles are refused.
fn queue(state: &SystemState) -> Markup {
    let known = state.queue.total.get().zip(state.capacity.total.get()).zip(state.capacity.limits.known());
    let drawing = known.map(|((queued, capacity), limits)| {
        let float = crate::base::number::float;
        let refuses = |role: &str, depth: i64| (float(depth), format!("refuses {role} from"));
        let places = [
            refuses("anonymous", limits.anonymous),
            refuses("registered", limits.registered),
            refuses("paid", limits.paid),
            refuses("everybody", limits.hard),
        ];
        bullet(float(queued), float(capacity), &places)
    });
    bar("queued", "proc.queue.total", state, drawing)
}

fn sse(state: &SystemState) -> Markup {
    let both = state.sse.known().and_then(|sse| sse.against_limit().value());
    let drawing = both.map(|(open, limit)| {
        bullet(open, limit, &[(limit * TARGET_SATURATION, "target".to_owned()), (limit, "refuses from".to_owned())])
    });
    bar("SSE", "ingress.sse.total_connections", state, drawing)
}

fn latency(state: &SystemState) -> Markup {
    bar("REST p95", "ingress.rest.latency.p95", state, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::state::{Cause, ComponentState, Hint, Quality, SseTotals};
    use crate::outlets::page::tests::peace;
    use crate::platform::gateway::Limits;

    fn hinting(hint: Reading<Hint>, quality: Quality) -> (&'static str, String) {
        super::hint(Component::Proc, &SystemState { proc_hint: hint, quality, ..SystemState::default() })
    }

    #[test]
    fn a_hint_is_a_word_with_its_reasons_and_is_held_while_the_numbers_are_not_complete() {
        let of = |decision, reasons| Reading::Value(Hint { decision, reasons });
        let busy = || of(Decision::ScaleUp, vec![HintReason::QueuePressure(0.853), HintReason::BusyWithQueue(81.0)]);
        let idle = || of(Decision::ScaleDown, vec![HintReason::IdleQueue]);
        let held = "nothing is queued and little is worked on (held: the numbers are not complete)";
        for (hint, quality, word, why) in [
            (busy(), Quality::Ok, "scale out", "queue pressure 0.853; busy (81 %) and something is queued"),
            (idle(), Quality::Ok, "scale in", "nothing is queued and little is worked on"),
            (idle(), Quality::Partial, "hold", held),
            (of(Decision::Hold, Vec::new()), Quality::Partial, "hold", ""),
        ] {
            assert_eq!(hinting(hint, quality), (word, why.to_owned()));
        }
        let (word, why) = hinting(Reading::absent(Cause::UnknownWorkers), Quality::Ok);
        assert!(word == "no recommendation:" && !why.is_empty(), "{word} {why}");
    }

    #[test]
    fn the_bars_mark_where_replicas_are_added_and_roles_are_refused() {
        let (load_now, slots) = (Reading::Value(3), Reading::Value(10));
        let proc = Reading::Value(ComponentState { load: load_now, capacity: slots, ..ComponentState::default() });
        let mut state = SystemState { proc, ..SystemState::default() };
        state.queue.total = Reading::Value(5);
        state.capacity.total = Reading::Value(40);
        state.capacity.limits = Reading::Value(Limits { anonymous: 24, registered: 32, paid: 36, hard: 40 });
        let (connections, max) = (Reading::Value(9), Reading::Value(50));
        state.sse = Reading::Value(SseTotals { connections, max, workers: 1, ..SseTotals::default() });
        for (bar, whole, places) in [
            (load(&state), "3 of 10", &["target 8<"][..]),
            (
                queue(&state),
                "5 of 40",
                &["anonymous from 24<", "registered from 32<", "paid from 36<", "everybody from 40<"],
            ),
            (sse(&state), "9 of 50", &["target 35<", "refuses from 50<"]),
        ] {
            let bar = bar.into_string();
            let found = bar.matches("class=\"place\"").count();
            assert!(bar.contains(whole) && found == places.len(), "{bar}");
            assert!(places.iter().all(|place| bar.contains(place)), "{bar}");
        }
    }

    #[test]
    fn a_bar_without_its_numbers_is_not_drawn() {
        let nothing = SystemState::default();
        for bar in [load(&nothing), queue(&nothing), sse(&nothing), latency(&nothing)] {
            let bar = bar.into_string();
            assert!(!bar.contains("<svg") && bar.contains('–'), "{bar}");
        }
        assert!(load(&peace()).into_string().contains("<svg"));
    }
}
