//! What metrics are read from: Redis keys and processes, with what each said in this tick.

use serde::Serialize;
use utoipa::ToSchema;

use crate::analysis::SystemState;
use crate::analysis::state::{Process, Reading, Service};
use crate::base::clock::UnixSeconds;
use crate::history::Window;
use crate::platform::facts::{Component, InputKind, LatencySeries, QueueDepth, Role, RollingSeries, SeriesId};
use crate::platform::keys::Keys;

/// Most sources that are listed of one metric.
const MOST: usize = 60;

/// A kind of place that numbers come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Queues,
    Ingress,
    Processors,
    Sse,
    Latency(LatencySeries),
    Rolling(RollingSeries),
    Analytics(Role),
    Throttling,
    /// The background streams.
    Jobs,
    /// The gateway configuration in force.
    Gateway,
}

/// One place and what it said.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ExplainedSource {
    /// A Redis key, or what else was read.
    pub source: String,
    pub said: String,
    /// When it was written, or else read; Unix seconds.
    #[schema(value_type = f64)]
    pub time: UnixSeconds,
}

/// Every source of these origins, bounded.
pub(super) fn sources(origins: &[Origin], state: &SystemState) -> Vec<ExplainedSource> {
    let Some(keys) = state.scope.as_deref().map(Keys::new) else {
        let said = "the platform's payload, which does not say where its numbers come from".to_owned();
        return vec![ExplainedSource { source: "upstream".to_owned(), said, time: state.at }];
    };
    let mut all: Vec<ExplainedSource> = origins.iter().flat_map(|origin| origin.sources(state, &keys)).collect();
    if all.len() > MOST {
        let more = all.len() - MOST;
        all.truncate(MOST);
        all.push(ExplainedSource { source: format!("{more} more"), said: "not listed".to_owned(), time: state.at });
    }
    all
}

impl Origin {
    fn sources(self, state: &SystemState, keys: &Keys) -> Vec<ExplainedSource> {
        let at = state.at;
        let one = |source: String, said: String| vec![ExplainedSource { source, said, time: at }];
        match self {
            Self::Queues => Role::ALL.into_iter().flat_map(|role| queue(role, state, keys)).collect(),
            Self::Ingress => processes(Component::Ingress, state, keys),
            Self::Processors => processes(Component::Proc, state, keys),
            Self::Sse => one(keys.sse_of_all_workers(), sse(state)),
            Self::Latency(series) => one(keys.latency(series), samples(state, series)),
            Self::Rolling(series) => one(keys.rolling(series), fill(state, SeriesId::Rolling(series))),
            Self::Analytics(role) => one(keys.analytics(role), "the platform's own statistics".to_owned()),
            Self::Throttling => one(keys.throttling_events(), fill(state, SeriesId::Throttling)),
            Self::Jobs => {
                one("the streams of background jobs".to_owned(), "lag and pending of their groups".to_owned())
            }
            Self::Gateway => gateway(state, keys),
        }
    }

    /// The kinds of input that are left out of what comes from here.
    pub(super) fn concerns(self, kind: InputKind) -> bool {
        match self {
            Self::Queues => kind == InputKind::QueueDepth,
            Self::Ingress | Self::Processors => matches!(kind, InputKind::Heartbeat | InputKind::Index),
            Self::Sse => kind == InputKind::SseSample,
            Self::Latency(_) | Self::Rolling(_) => kind == InputKind::SeriesMember,
            Self::Analytics(_) => kind == InputKind::QueueAnalytics,
            Self::Throttling => kind == InputKind::ThrottlingEvent,
            Self::Gateway => kind == InputKind::GatewayConfig,
            Self::Jobs => false,
        }
    }

    /// The series whose window its scalars look at, and that window.
    pub(super) const fn window(self) -> Option<(SeriesId, Window)> {
        match self {
            Self::Latency(series) => Some((SeriesId::Latency(series), Window::OneMinute)),
            Self::Rolling(series) => Some((SeriesId::Rolling(series), Window::OneMinute)),
            Self::Throttling => Some((SeriesId::Throttling, Window::OneHour)),
            _ => None,
        }
    }
}

fn queue(role: Role, state: &SystemState, keys: &Keys) -> Vec<ExplainedSource> {
    let source = |source: String, said: String| ExplainedSource { source, said, time: state.at };
    match state.queue.tasks.get(role) {
        Reading::Absent(reason) => vec![source(keys.queue(role), reason.to_string())],
        Reading::Value(QueueDepth { ready, inflight, continuations }) => vec![
            source(keys.queue(role), format!("{ready} ready")),
            source(keys.inflight(role), format!("{inflight} claimed")),
            source(keys.continuations(role), format!("{continuations} continuations")),
        ],
    }
}

/// The processes of a component, the busiest first.
fn processes(component: Component, state: &SystemState, keys: &Keys) -> Vec<ExplainedSource> {
    let Some(fleet) = state.fleet.known() else { return Vec::new() };
    let service = Service::of(component);
    let mut found: Vec<(&str, &Process)> = fleet
        .running(&service)
        .flat_map(|(instance, processes)| processes.iter().map(move |process| (&**instance, process)))
        .collect();
    found.sort_by_key(|(_, process)| std::cmp::Reverse(process.load));
    let source = |(instance, process): &(&str, &Process)| {
        let pid = process.pid.map_or_else(|| "None".to_owned(), |pid| pid.to_string());
        ExplainedSource {
            source: keys.heartbeat(instance, &service.kind, &service.name, &pid),
            said: process_said(process),
            time: process.last_heartbeat,
        }
    };
    // One more than are listed, so that it shows that there are more.
    found.iter().map(source).collect()
}

fn process_said(process: &Process) -> String {
    let load = format!("load {} of {}, {}", process.load, process.capacity, process.status.as_str());
    match (process.is_live(), process.draining) {
        (false, _) => format!("{load}: not counted"),
        (true, true) => format!("{load}, draining: takes no new tasks"),
        (true, false) => load,
    }
}

fn sse(state: &SystemState) -> String {
    match &state.sse {
        Reading::Absent(reason) => reason.to_string(),
        Reading::Value(sse) => {
            let unknown = sse.unknown_workers;
            let besides = if unknown > 0 { format!(", {unknown} more with an unknown count") } else { String::new() };
            format!("{} workers counted{besides}", sse.workers)
        }
    }
}

fn samples(state: &SystemState, series: LatencySeries) -> String {
    let counted = state.latency.get(&series).map(|windows| windows.one_minute.count.clone()).unwrap_or_default();
    match counted {
        Reading::Absent(reason) => reason.to_string(),
        Reading::Value(samples) => format!("{samples} samples in the last minute"),
    }
}

fn fill(state: &SystemState, series: SeriesId) -> String {
    let fills = Window::ALL.into_iter().filter_map(|window| {
        let fill = state.window_fill.get(&(series, window))?;
        Some(format!("{} {:.0} % filled", window.as_str(), fill * 100.0))
    });
    let fills: Vec<String> = fills.collect();
    if fills.is_empty() { "it cannot be read".to_owned() } else { fills.join(", ") }
}

fn gateway(state: &SystemState, keys: &Keys) -> Vec<ExplainedSource> {
    let Some(gateway) = state.gateway.known() else { return Vec::new() };
    let origin = gateway.origin().as_str();
    let source = format!("gateway configuration ({origin}; saved ones are in {})", keys.gateway_config());
    let said = format!("capacity of an instance {}", gateway.capacity_arithmetic());
    vec![ExplainedSource { source, said, time: state.at }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::recorded::Case;
    use crate::analysis::state::ProcessGroup;

    fn state(name: &str) -> SystemState {
        Case::all().into_iter().find(|case| case.name == name).unwrap().state()
    }

    #[test]
    fn queues_name_their_keys_with_what_is_in_them() {
        let found = sources(&[Origin::Queues], &state("queues-all-roles"));
        assert_eq!(found.len(), 15);
        assert_eq!(found[0].source, "acme:chat:kdcube:chat:prompt:queue:anonymous");
        assert!(found[0].said.ends_with(" ready"), "{:?}", found[0]);
    }

    #[test]
    fn a_process_names_its_heartbeat_its_load_and_whether_it_counts() {
        let found = sources(&[Origin::Processors], &state("stale-heartbeats"));
        assert!(found.iter().any(|source| source.said.ends_with("stale: not counted")), "{found:?}");
        assert!(found.iter().all(|source| source.source.contains(":chat:proc:")), "{found:?}");
    }

    #[test]
    fn sources_are_bounded_and_say_how_many_there_are() {
        let mut state = state("one-each");
        let fleet = state.fleet.clone().value().unwrap();
        let group = fleet.groups.iter().find(|group| group.service == Service::of(Component::Proc)).unwrap();
        let group = |number: usize| ProcessGroup { instance: format!("i{number}").into(), ..group.clone() };
        let groups = (0..200).map(group).collect();
        state.fleet = Reading::Value(crate::analysis::state::Fleet { groups, ..fleet });
        let found = sources(&[Origin::Processors], &state);
        assert_eq!((found.len(), found[MOST].source.as_str()), (MOST + 1, "140 more"));
    }

    #[test]
    fn an_upstream_is_one_source() {
        let found = sources(&[Origin::Queues, Origin::Sse], &SystemState::default());
        assert_eq!((found.len(), found[0].source.as_str()), (1, "upstream"));
    }
}
