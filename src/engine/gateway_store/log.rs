//! The log lines: the configuration in force at the start, and each change.

use crate::platform::gateway::{FigureChange, GatewayConfig, GatewayOrigin};

/// Most changes that are listed; a configuration may have any number of roles.
const MOST_CHANGES: usize = 20;

/// The configuration in force at the start, with its figures and how the capacity of an instance follows from them.
pub(super) fn in_force(config: &GatewayConfig) {
    let figures: Vec<String> =
        config.figures().into_iter().take(2 * MOST_CHANGES).map(|(name, value)| format!("{name} {value}")).collect();
    let capacity = config.capacity_arithmetic();
    let (source, figures) = (config.origin().as_str(), figures.join(", "));
    tracing::info!(source, capacity, figures, "gateway configuration in force");
    if matches!(config.origin(), GatewayOrigin::Saved | GatewayOrigin::Published) {
        // Those of the environment's are reported with its other settings.
        config.warnings().iter().for_each(|warning| tracing::warn!("{warning}"));
    }
}

/// Another configuration is in force; the figures that changed, as text.
pub(super) fn changed(old: &GatewayConfig, new: &GatewayConfig) -> String {
    let changes = listed(&old.changes_to(new));
    let (source, before) = (new.origin().as_str(), old.origin().as_str());
    tracing::info!(source, before, changes, "gateway configuration changed");
    new.warnings().iter().for_each(|warning| tracing::warn!("{warning}"));
    changes
}

fn listed(changes: &[FigureChange]) -> String {
    if changes.is_empty() {
        return "capacity and limits are the same".to_owned();
    }
    let shown: Vec<String> = changes.iter().take(MOST_CHANGES).map(ToString::to_string).collect();
    let more = changes.len() - shown.len();
    let more = if more == 0 { String::new() } else { format!(", {more} more") };
    format!("{}{more}", shown.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_of_changes_is_cut_with_its_number() {
        let change = |number: usize| FigureChange { name: format!("f{number}"), old: None, new: Some("1".to_owned()) };
        let changes: Vec<FigureChange> = (0..23).map(change).collect();
        let text = listed(&changes);
        assert!(text.starts_with("f0 unset -> 1, f1 unset -> 1") && text.ends_with("f19 unset -> 1, 3 more"), "{text}");
        assert_eq!(listed(&changes[..1]), "f0 unset -> 1");
        assert_eq!(listed(&[]), "capacity and limits are the same");
    }
}
