//! What the store reports with every tick: its problems, and where the configuration in force comes from.

use super::{GatewayStore, Noted, SavedState};
use crate::base::clock::UnixSeconds;
use crate::platform::gateway::GatewayOrigin;
use crate::problems::code::code;
use crate::problems::{Problem, ProblemCode};

const UNREADABLE: ProblemCode = code("gateway_config_unreadable");
const DELETED: ProblemCode = code("gateway_config_deleted");
const CHANGED: ProblemCode = code("gateway_config_changed");

/// How long a change, and an update that was ignored, is a problem; seconds.
const RECENT: f64 = 900.0;

/// Where the configuration in force comes from and when it last changed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GatewayStatus {
    pub origin: GatewayOrigin,
    /// `None` where it has not changed since the start.
    pub changed_at: Option<UnixSeconds>,
    /// The saved configuration could not be read at the start: capacity and limits are the environment's and may differ
    /// from those of the platform's processes. The quality of a snapshot is then partial.
    pub is_uncertain: bool,
}

/// An origin as people read it.
pub(super) const fn origin_text(origin: GatewayOrigin) -> &'static str {
    match origin {
        GatewayOrigin::Environment => "from the environment",
        GatewayOrigin::Yaml => "from gateway.yaml",
        GatewayOrigin::Saved => "saved in Redis",
        GatewayOrigin::Published => "published update",
    }
}

impl GatewayStore {
    /// Where the configuration in force comes from.
    #[must_use]
    pub fn status(&self) -> GatewayStatus {
        GatewayStatus {
            origin: self.current.origin(),
            changed_at: self.change.as_ref().map(|change| change.at),
            is_uncertain: self.is_uncertain(),
        }
    }

    /// What is wrong at `now`.
    #[must_use]
    pub fn problems(&self, now: UnixSeconds) -> Vec<Problem> {
        let (keys, origin) = (self.keys(), origin_text(self.current.origin()));
        let in_force = format!("in force: the one {origin}");
        let saved = match &self.saved {
            SavedState::Fine => None,
            SavedState::Unreadable(problem) => {
                Some(Problem::new(UNREADABLE, keys.gateway_config(), format!("{problem}; {in_force}")))
            }
            SavedState::Deleted => Some(Problem::new(DELETED, keys.gateway_config(), in_force)),
        };
        let update = recent(self.rejected_update.as_ref(), now)
            .map(|detail| Problem::new(UNREADABLE, keys.gateway_updates(), format!("update ignored: {detail}")));
        let change =
            recent(self.change.as_ref(), now).map(|detail| Problem::new(CHANGED, keys.gateway_config(), detail));
        [saved, update, change].into_iter().flatten().collect()
    }
}

/// What was noted, if it is not long ago.
fn recent(noted: Option<&Noted>, now: UnixSeconds) -> Option<&str> {
    noted.filter(|noted| now - noted.at < RECENT).map(|noted| noted.detail.as_str())
}
