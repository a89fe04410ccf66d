//! What happened between ticks and explains a step in a chart: a start, a lost source, another configuration, another leader.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use crate::analysis::SystemState;
use crate::analysis::state::Quality;
use crate::base::clock::UnixSeconds;
use crate::base::lease::Standing;
use crate::platform::gateway::{FigureChange, GatewayConfig};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Mark {
    /// Unix seconds.
    #[schema(value_type = f64)]
    pub at: UnixSeconds,
    pub kind: MarkKind,
    /// What is particular about it; may be empty.
    pub detail: String,
}

/// What kind of thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MarkKind {
    /// The first tick of this server: what was before it is not kept.
    Started,
    SourceLost,
    SourceBack,
    /// Nothing of the deployment is in the source any more.
    ScopeLost,
    ScopeFound,
    ConfigurationChanged,
    /// This replica records and pushes from now on.
    LeaseGained,
    LeaseLost,
}

impl MarkKind {
    /// A short sentence without a full stop.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "this server started",
            Self::SourceLost => "the source could not be read",
            Self::SourceBack => "the source could be read again",
            Self::ScopeLost => "the deployment vanished from the source",
            Self::ScopeFound => "the deployment was found in the source",
            Self::ConfigurationChanged => "the gateway configuration changed",
            Self::LeaseGained => "this replica became the leader",
            Self::LeaseLost => "another replica became the leader",
        }
    }
}

/// What earlier ticks were like.
#[derive(Debug, Default)]
pub(crate) struct MarkWatch {
    /// Whether the last tick could read its source; `None` before the first.
    up: Option<bool>,
    found: Option<bool>,
    leads: Option<bool>,
    gateway: Option<Arc<GatewayConfig>>,
}

impl MarkWatch {
    /// What a tick shows to have happened since the one before it. `state` is `None` where the source could not be read.
    pub(crate) fn observe(&mut self, state: Option<&SystemState>, standing: Standing, now: UnixSeconds) -> Vec<Mark> {
        let mark = |kind, detail| Mark { at: now, kind, detail };
        let plain = |kind| mark(kind, String::new());
        let mut marks = Vec::new();
        match (self.up.replace(state.is_some()), state.is_some()) {
            (None, _) => marks.push(plain(MarkKind::Started)),
            (Some(true), false) => marks.push(plain(MarkKind::SourceLost)),
            (Some(false), true) => marks.push(plain(MarkKind::SourceBack)),
            _ => {}
        }
        let Some(state) = state else { return marks };
        let found = state.quality != Quality::ScopeNotFound;
        marks.extend(turned(&mut self.found, found, MarkKind::ScopeFound, MarkKind::ScopeLost).map(plain));
        let leads = standing != Standing::Follower;
        marks.extend(turned(&mut self.leads, leads, MarkKind::LeaseGained, MarkKind::LeaseLost).map(plain));
        marks.extend(self.changes(state).map(|detail| mark(MarkKind::ConfigurationChanged, detail)));
        marks
    }

    /// What another configuration changed; `None` where the same one is in force.
    fn changes(&mut self, state: &SystemState) -> Option<String> {
        let newer = state.gateway.known()?;
        if self.gateway.as_ref().is_some_and(|known| Arc::ptr_eq(known, newer)) {
            return None;
        }
        let older = self.gateway.replace(Arc::clone(newer))?;
        let changes = older.changes_to(newer);
        Some(changes.iter().map(FigureChange::to_string).collect::<Vec<_>>().join(", "))
    }
}

/// Remembers a state, and returns the kind of change that it is; the first is none.
fn turned(known: &mut Option<bool>, now: bool, on: MarkKind, off: MarkKind) -> Option<MarkKind> {
    let before = known.replace(now)?;
    (before != now).then_some(if now { on } else { off })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::recorded::Case;
    use crate::analysis::state::Reading;

    fn kinds(marks: &[Mark]) -> Vec<MarkKind> {
        marks.iter().map(|mark| mark.kind).collect()
    }

    #[test]
    fn each_change_is_marked_once_with_its_time() {
        use MarkKind::{LeaseGained, LeaseLost, ScopeFound, ScopeLost, SourceBack, SourceLost, Started};
        let ok = SystemState::default();
        let gone = SystemState { quality: Quality::ScopeNotFound, ..SystemState::default() };
        let (alone, follower) = (Standing::Alone, Standing::Follower);
        let ticks: [(Option<&SystemState>, Standing, &[MarkKind]); 9] = [
            (Some(&ok), follower, &[Started]),
            (Some(&ok), follower, &[]),
            (None, follower, &[SourceLost]),
            (None, follower, &[]),
            (Some(&ok), alone, &[SourceBack, LeaseGained]),
            (Some(&gone), alone, &[ScopeLost]),
            (Some(&gone), Standing::Leader, &[]),
            (Some(&ok), follower, &[ScopeFound, LeaseLost]),
            (Some(&ok), follower, &[]),
        ];
        let mut watch = MarkWatch::default();
        for (time, (state, standing, expected)) in (1_u8..).zip(ticks) {
            let marks = watch.observe(state, standing, f64::from(time));
            assert_eq!(kinds(&marks), expected, "{time}");
            assert!(marks.iter().all(|mark| mark.at == f64::from(time)));
        }
    }

    #[test]
    fn a_server_that_starts_without_its_source_has_started() {
        let marks = MarkWatch::default().observe(None, Standing::Alone, 1.0);
        assert_eq!(kinds(&marks), [MarkKind::Started]);
    }

    #[test]
    fn another_configuration_is_marked_with_what_it_changes() {
        let gateway = Case::all()[0].state().gateway.value().unwrap();
        let saved = r#"{"service_capacity": {"concurrent_requests_per_process": 77}}"#;
        let other = Arc::new(gateway.with_saved_json(saved).unwrap());
        let mut watch = MarkWatch::default();
        let mut details = |gateway: &Arc<GatewayConfig>| {
            let state = SystemState { gateway: Reading::Value(Arc::clone(gateway)), ..SystemState::default() };
            let marks = watch.observe(Some(&state), Standing::Alone, 1.0).into_iter();
            let changed = marks.filter(|mark| mark.kind == MarkKind::ConfigurationChanged);
            changed.map(|mark| mark.detail).collect::<Vec<_>>()
        };
        assert_eq!(details(&gateway), [""; 0]);
        assert_eq!(details(&gateway), [""; 0]);
        let changed = details(&other);
        assert!(changed[0].contains("capacity_per_instance ") && changed[0].contains(" -> "), "{changed:?}");
    }
}
