//! What one life of a server has to go by: the oracle's, kept beside the server.

use kdcube_metrics::platform::facts::{PerRole, QueueDepth, Role, RollingSeries};
use kdcube_metrics::platform::gateway::SavedGatewayConfig;

use super::world::{FIGURES, Figures, World};

/// Time, series and value of points.
pub(super) type Points = Vec<(f64, RollingSeries, f64)>;

#[derive(Debug, Clone)]
pub(super) struct Expected {
    pub(super) figures: Figures,
    pub(super) is_configuration_uncertain: bool,
    /// It has read a saved configuration that it could use.
    was_saved: bool,
    /// What it last read of each queue, and when.
    pub(super) last_depths: PerRole<Option<(QueueDepth, f64)>>,
    /// The points of the last minute that all servers find, and its own since it read them.
    found: Points,
    /// Its own that were refused.
    refused: Points,
}

impl Default for Expected {
    fn default() -> Self {
        Self {
            figures: FIGURES[0],
            is_configuration_uncertain: false,
            was_saved: false,
            last_depths: PerRole::default(),
            found: Points::new(),
            refused: Points::new(),
        }
    }
}

impl Expected {
    /// The server has read the world.
    pub(super) fn observe(&mut self, world: &World) {
        self.settle_configuration(world);
        for role in Role::ALL.into_iter().filter(|role| !world.broken_queues.contains_key(role)) {
            if let Some(depth) = *world.depths().get(role) {
                *self.last_depths.get_mut(role) = Some((depth, world.now()));
            }
        }
        let minute = world.points().iter().filter(|point| point.at >= world.now() - 60.0);
        self.found = minute.map(|point| (point.at, point.series, point.value)).collect();
    }

    /// The rule: a saved configuration that can be read is in force; one that cannot, or is gone, leaves the last good one to
    /// a running server and the environment's to one that starts.
    fn settle_configuration(&mut self, world: &World) {
        self.is_configuration_uncertain = false;
        let saved = FIGURES.into_iter().find(|figures| world.saved.text() == Some(&figures.text()));
        match (&world.saved, saved) {
            (SavedGatewayConfig::Text(_), Some(figures)) => (self.figures, self.was_saved) = (figures, true),
            (SavedGatewayConfig::Missing, _) => {}
            _ => self.is_configuration_uncertain = !self.was_saved,
        }
    }

    /// It has recorded points, which the world took or refused.
    pub(super) fn recorded(&mut self, points: Points, is_taken: bool) {
        if is_taken { self.found.extend(points) } else { self.refused.extend(points) }
    }

    /// The points that its windows are made of.
    pub(super) fn points(&self) -> impl Iterator<Item = &(f64, RollingSeries, f64)> {
        self.found.iter().chain(&self.refused)
    }
}
