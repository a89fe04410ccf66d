//! Which gateway configuration is in force: the environment's, the one saved in Redis, or one published while the
//! server runs.
//!
//! A configuration that cannot be used never replaces one that can: the last good one stays in force, and the problem
//! is active as long as its cause. `gateway_config` reads the environment's.

mod log;
mod report;

use std::sync::Arc;

use crate::base::clock::UnixSeconds;
use crate::platform::facts::{InputKind, Malformed};
use crate::platform::gateway::{GatewayConfig, GatewayOrigin, SavedGatewayConfig};
use crate::platform::keys::Keys;
use crate::platform::parse;

pub use report::GatewayStatus;

/// The configuration in force and what it depends on.
#[derive(Debug)]
pub struct GatewayStore {
    environment: GatewayConfig,
    force_environment: bool,
    current: Arc<GatewayConfig>,
    /// The saved copy that was last looked at, so that only a change is parsed; `None` before the first tick.
    seen: Option<SavedGatewayConfig>,
    saved: SavedState,
    /// A saved configuration was in force at some time of this run.
    was_saved: bool,
    change: Option<Noted>,
    rejected_update: Option<Noted>,
}

/// What is wrong with the saved copy.
#[derive(Debug, Clone, PartialEq, Eq)]
enum SavedState {
    /// It is in force, or there never was one.
    Fine,
    Unreadable(String),
    /// It was in force and is gone.
    Deleted,
}

/// Something that happened once, and what it was.
#[derive(Debug, Clone)]
struct Noted {
    at: UnixSeconds,
    detail: String,
}

impl GatewayStore {
    /// Starts with the environment's configuration; `force_environment` ignores the saved one.
    #[must_use]
    pub fn new(environment: GatewayConfig, force_environment: bool) -> Self {
        Self {
            current: Arc::new(environment.clone()),
            environment,
            force_environment,
            seen: None,
            saved: SavedState::Fine,
            was_saved: false,
            change: None,
            rejected_update: None,
        }
    }

    /// The configuration in force.
    #[must_use]
    pub const fn current(&self) -> &Arc<GatewayConfig> {
        &self.current
    }

    /// Looks at the saved configuration, once a tick. The first call decides what is in force at the start. A text that
    /// cannot be used is returned once; the configuration in force stays.
    pub fn apply_saved(&mut self, saved: &SavedGatewayConfig, now: UnixSeconds) -> Option<Malformed> {
        let first = self.seen.is_none();
        if self.seen.as_ref() == Some(saved) {
            return None;
        }
        let malformed = if self.force_environment { None } else { self.take_saved(saved, now) };
        self.seen = Some(saved.clone());
        if first {
            log::in_force(&self.current);
        }
        malformed
    }

    fn take_saved(&mut self, saved: &SavedGatewayConfig, now: UnixSeconds) -> Option<Malformed> {
        let parsed = match saved {
            SavedGatewayConfig::Missing => {
                self.saved = if self.was_saved { SavedState::Deleted } else { SavedState::Fine };
                return None;
            }
            // The source has counted it.
            SavedGatewayConfig::Unreadable(problem) => {
                self.saved = SavedState::Unreadable(problem.clone());
                return None;
            }
            SavedGatewayConfig::Text(text) => self.environment.with_saved_json(text),
        };
        match parsed {
            Ok(config) => {
                (self.saved, self.was_saved) = (SavedState::Fine, true);
                self.put_in_force(config, now);
                None
            }
            Err(error) => {
                let problem = error.brief();
                self.saved = SavedState::Unreadable(problem.clone());
                Some(Malformed { kind: InputKind::GatewayConfig, key: self.keys().gateway_config(), problem })
            }
        }
    }

    /// Applies a published configuration.
    ///
    /// # Errors
    /// What is wrong with it, or that it is another deployment's; the one in force stays.
    pub fn apply_update(&mut self, message: &[u8], now: UnixSeconds) -> Result<(), String> {
        match self.parse_update(message) {
            Ok(config) => {
                self.rejected_update = None;
                self.put_in_force(config, now);
                Ok(())
            }
            Err(problem) => {
                self.rejected_update = Some(Noted { at: now, detail: problem.clone() });
                Err(problem)
            }
        }
    }

    fn parse_update(&self, message: &[u8]) -> Result<GatewayConfig, String> {
        let text = parse::utf8(message).map_err(|error| error.to_string())?;
        self.environment.with_update_message(text).map_err(|error| error.brief())
    }

    /// What replaces the environment's before the first tick is no change: it was in force before this server started.
    fn put_in_force(&mut self, config: GatewayConfig, now: UnixSeconds) {
        if self.seen.is_some() && !self.current.is_same(&config) {
            let changes = log::changed(&self.current, &config);
            let detail = format!("{}: {changes}", report::origin_text(config.origin()));
            self.change = Some(Noted { at: now, detail });
        }
        self.current = Arc::new(config);
    }

    fn keys(&self) -> Keys {
        Keys::new(self.environment.scope())
    }

    /// Whether the saved configuration could never be read and the environment's is in force instead: the platform's
    /// processes that run longer than this server may have another one.
    fn is_uncertain(&self) -> bool {
        let of_environment = matches!(self.current.origin(), GatewayOrigin::Environment | GatewayOrigin::Yaml);
        matches!(self.saved, SavedState::Unreadable(_)) && !self.was_saved && of_environment
    }
}

#[cfg(test)]
mod tests;
