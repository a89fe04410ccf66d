//! Which gateway configuration is in force: the environment's, the one saved in Redis, or one
//! published while the server runs. `gateway_config` reads the environment's.

use std::sync::Arc;

use crate::platform::facts::{InputKind, Malformed};
use crate::platform::gateway::GatewayConfig;
use crate::platform::parse;

/// The configuration in force and what it depends on.
#[derive(Debug)]
pub struct GatewayStore {
    environment: GatewayConfig,
    force_environment: bool,
    current: Arc<GatewayConfig>,
    /// The saved text that was last looked at, so that only a change is parsed.
    seen: Option<String>,
}

impl GatewayStore {
    /// Starts with the environment's configuration; `force_environment` ignores the saved one.
    #[must_use]
    pub fn new(environment: GatewayConfig, force_environment: bool) -> Self {
        Self { current: Arc::new(environment.clone()), environment, force_environment, seen: None }
    }

    /// The configuration in force.
    #[must_use]
    pub const fn current(&self) -> &Arc<GatewayConfig> {
        &self.current
    }

    /// Looks at the saved configuration; a broken one is told, and the one in force stays.
    pub fn apply_saved(&mut self, saved: Option<&str>) -> Option<Malformed> {
        if self.force_environment || saved == self.seen.as_deref() {
            return None;
        }
        self.seen = saved.map(str::to_owned);
        match saved.map_or_else(|| Ok(self.environment.clone()), |text| self.environment.with_saved_json(text)) {
            Ok(config) => {
                self.current = Arc::new(config);
                None
            }
            Err(error) => Some(Malformed {
                kind: InputKind::GatewayConfig,
                key: "config:gateway:current".to_owned(),
                problem: error.to_string(),
            }),
        }
    }

    /// Applies a published configuration.
    ///
    /// # Errors
    /// What is wrong with it, or that it is another deployment's; the one in force stays.
    pub fn apply_update(&mut self, message: &str) -> Result<(), String> {
        parse::utf8(message.as_bytes()).map_err(|error| error.to_string())?;
        self.current = Arc::new(self.environment.with_update_message(message).map_err(|error| error.to_string())?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::facts::Component;
    use crate::platform::gateway::GatewayContext;

    fn store(forced: bool) -> GatewayStore {
        let context =
            GatewayContext { component: Component::Proc, instance_id: "m", tenant: None, project: None, forced };
        GatewayStore::new(GatewayConfig::from_env_json(&config(1), &context).unwrap(), forced)
    }

    fn config(processes: i64) -> String {
        format!(r#"{{"tenant": "a", "project": "b", "service_capacity": {{"processes_per_instance": {processes}}}}}"#)
    }

    fn shown(store: &GatewayStore) -> serde_json::Value {
        store.current().raw()["service_capacity"]["processes_per_instance"].clone()
    }

    #[test]
    fn the_saved_configuration_wins_until_it_is_gone() {
        let mut store = store(false);
        assert_eq!(store.apply_saved(Some(&config(2))), None);
        assert_eq!(shown(&store), 2);
        store.apply_saved(None);
        assert_eq!(shown(&store), 1);
    }

    #[test]
    fn a_forced_environment_ignores_it() {
        let mut store = store(true);
        store.apply_saved(Some(&config(2)));
        assert_eq!(shown(&store), 1);
    }

    #[test]
    fn a_broken_one_is_told_once_and_changes_nothing() {
        let mut store = store(false);
        assert_eq!(store.apply_saved(Some("{")).map(|malformed| malformed.kind), Some(InputKind::GatewayConfig));
        assert_eq!(store.apply_saved(Some("{")), None);
        assert_eq!(shown(&store), 1);
    }

    #[test]
    fn an_update_applies_unless_it_is_another_deployments() {
        let mut store = store(false);
        let update =
            |tenant: &str| format!(r#"{{"tenant": "{tenant}", "project": "b", "ts": 1, "config": {}}}"#, config(3));
        assert!(store.apply_update(&update("other")).is_err());
        assert_eq!(store.apply_update(&update("a")), Ok(()));
        assert_eq!(shown(&store), 3);
    }
}
