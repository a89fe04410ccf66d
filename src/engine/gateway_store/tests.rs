//! Which configuration is in force after what happened to the saved copy and to updates, and what is reported of it.

use proptest::prelude::*;

use super::*;
use crate::platform::facts::Component;
use crate::platform::gateway::GatewayContext;

const NOW: f64 = 1_000_000.0;

fn store(forced: bool) -> GatewayStore {
    let context = GatewayContext { component: Component::Proc, instance_id: "m", tenant: None, project: None, forced };
    GatewayStore::new(GatewayConfig::from_env_json(&config(1), &context).unwrap(), forced)
}

fn config(processes: i64) -> String {
    format!(r#"{{"tenant": "a", "project": "b", "service_capacity": {{"processes_per_instance": {processes}}}}}"#)
}

fn text(processes: i64) -> SavedGatewayConfig {
    SavedGatewayConfig::Text(config(processes))
}

fn unreadable() -> SavedGatewayConfig {
    SavedGatewayConfig::Unreadable("is empty".to_owned())
}

fn update(tenant: &str, processes: i64) -> Vec<u8> {
    format!(r#"{{"tenant": "{tenant}", "project": "b", "ts": 1, "config": {}}}"#, config(processes)).into_bytes()
}

fn shown(store: &GatewayStore) -> i64 {
    store.current().settings().service_capacity.processes_per_instance.whole()
}

fn codes(store: &GatewayStore, now: f64) -> Vec<&'static str> {
    store.problems(now).iter().map(|problem| problem.code.as_str()).collect()
}

/// A store after ticks that found these, a second apart.
fn after(ticks: &[SavedGatewayConfig]) -> GatewayStore {
    let mut store = store(false);
    for (second, saved) in (0..).zip(ticks) {
        store.apply_saved(saved, NOW + f64::from(second));
    }
    store
}

#[test]
fn the_last_good_one_stays_in_force_and_the_problem_lasts_as_long_as_its_cause() {
    use SavedGatewayConfig::Missing;
    let (broken, unusable) = (SavedGatewayConfig::Text("{".into()), SavedGatewayConfig::Text(r#"{"pools": 5}"#.into()));
    let (bad, gone): (&[_], &[_]) = (&["gateway_config_unreadable"], &["gateway_config_deleted"]);
    for (ticks, processes, origin, problems, uncertain) in [
        (&[Missing][..], 1, "environment", &[][..], false),
        (&[text(2)], 2, "saved", &[], false),
        // At the start the environment's stands in, and nobody knows whether it is the platform's.
        (&[unreadable()], 1, "environment", bad, true),
        (std::slice::from_ref(&broken), 1, "environment", bad, true),
        (std::slice::from_ref(&unusable), 1, "environment", bad, true),
        (&[unreadable(), Missing], 1, "environment", &[], false),
        (&[unreadable(), text(2)], 2, "saved", &["gateway_config_changed"], false),
        // While the server runs, as in the platform's own processes, nothing changes.
        (&[text(2), unreadable()], 2, "saved", bad, false),
        (&[text(2), broken.clone(), unreadable(), unusable.clone()], 2, "saved", bad, false),
        (&[text(2), Missing], 2, "saved", gone, false),
        (&[text(2), unreadable(), Missing], 2, "saved", gone, false),
        (&[text(2), Missing, unreadable()], 2, "saved", bad, false),
        (&[text(2), Missing, text(2)], 2, "saved", &[], false),
        (&[text(2), Missing, text(3)], 3, "saved", &["gateway_config_changed"], false),
        (&[Missing, text(2)], 2, "saved", &["gateway_config_changed"], false),
    ] {
        let store = after(ticks);
        let status = store.status();
        assert_eq!((shown(&store), status.origin.as_str()), (processes, origin), "{ticks:?}");
        assert_eq!((codes(&store, NOW + 10.0), status.is_uncertain), (problems.to_vec(), uncertain), "{ticks:?}");
    }
}

#[test]
fn a_problem_names_the_key_and_what_is_in_force_and_quotes_no_value() {
    let secret = SavedGatewayConfig::Text(r#"{"pools": "S3CRET", "redis": ["S3CRET"], "S3CRET"#.to_owned());
    let problems = after(&[text(2), secret]).problems(NOW);
    assert_eq!(problems[0].subject, "a:b:kdcube:config:gateway:current");
    assert!(problems[0].detail.ends_with("; in force: the one saved in Redis"), "{problems:?}");
    assert!(!format!("{problems:?}").contains("S3CRET"), "{problems:?}");
    let many: Vec<String> = (0..50).map(|role| format!(r#""r{role}": {{"burst": "S3CRET"}}"#)).collect();
    let many = SavedGatewayConfig::Text(format!(r#"{{"rate_limits": {{{}}}}}"#, many.join(", ")));
    let detail = after(&[many]).problems(NOW)[0].detail.clone();
    assert!(
        detail.contains("45 more; in force: the one from the environment") && !detail.contains("S3CRET"),
        "{detail}"
    );
}

#[test]
fn a_change_is_reported_with_old_and_new_for_fifteen_minutes() {
    let store = after(&[text(2), text(20)]);
    assert_eq!(store.status().changed_at, Some(NOW + 1.0));
    let problems = store.problems(NOW + 2.0);
    assert_eq!(problems[0].detail, "saved in Redis: capacity_per_instance 28 -> 280");
    assert_eq!(codes(&store, NOW + 900.0), ["gateway_config_changed"]);
    assert_eq!(codes(&store, NOW + 901.0), [""; 0]);
    assert_eq!(store.status().changed_at, Some(NOW + 1.0), "the time of the change stays");
}

#[test]
fn what_is_in_force_at_the_start_is_no_change() {
    for first in [text(2), SavedGatewayConfig::Missing, unreadable()] {
        assert_eq!(after(&[first]).status().changed_at, None);
    }
    let mut early = store(false);
    early.apply_update(&update("a", 7), NOW).unwrap();
    early.apply_saved(&text(7), NOW);
    assert_eq!((shown(&early), early.status().changed_at), (7, None));
}

#[test]
fn an_update_that_is_saved_as_well_is_one_change() {
    let mut store = after(&[text(2)]);
    store.apply_update(&update("a", 3), NOW + 5.0).unwrap();
    store.apply_saved(&text(3), NOW + 6.0);
    let status = store.status();
    assert_eq!((shown(&store), status.origin.as_str(), status.changed_at), (3, "saved", Some(NOW + 5.0)));
}

#[test]
fn a_forced_environment_ignores_the_saved_one_and_follows_updates() {
    let mut store = store(true);
    for saved in [text(2), unreadable(), SavedGatewayConfig::Missing] {
        assert_eq!(store.apply_saved(&saved, NOW), None);
    }
    assert_eq!((shown(&store), codes(&store, NOW), store.status().is_uncertain), (1, Vec::new(), false));
    store.apply_update(&update("a", 3), NOW).unwrap();
    assert_eq!(shown(&store), 3);
}

#[test]
fn a_broken_text_is_returned_once_for_the_counter() {
    let mut store = store(false);
    let broken = SavedGatewayConfig::Text("{".to_owned());
    assert_eq!(store.apply_saved(&broken, NOW).map(|malformed| malformed.kind), Some(InputKind::GatewayConfig));
    assert_eq!(store.apply_saved(&broken, NOW), None);
    assert_eq!(store.apply_saved(&unreadable(), NOW), None, "the source counts what it cannot read");
}

#[test]
fn an_update_that_cannot_be_used_is_ignored_and_reported_until_a_good_one_or_for_fifteen_minutes() {
    for bad in [update("other", 3), b"\xff".to_vec(), Vec::new(), b"{}".to_vec(), vec![b' '; 70_000]] {
        let mut store = after(&[text(2)]);
        assert!(store.apply_update(&bad, NOW).is_err());
        assert_eq!((shown(&store), codes(&store, NOW + 899.0)), (2, vec!["gateway_config_unreadable"]));
        assert_eq!(store.problems(NOW)[0].subject, "a:b:kdcube:config:gateway:update");
        assert_eq!(codes(&store, NOW + 900.0), [""; 0]);
        assert_eq!(store.apply_update(&update("a", 2), NOW + 1.0), Ok(()));
        assert_eq!(codes(&store, NOW + 2.0), [""; 0], "nothing changed but the origin");
    }
}

#[derive(Debug, Clone)]
enum Event {
    Saved(SavedGatewayConfig),
    Update(Vec<u8>),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let saved = prop_oneof![
        Just(SavedGatewayConfig::Missing),
        Just(unreadable()),
        Just(SavedGatewayConfig::Text("[]".to_owned())),
        (1..4_i64).prop_map(text),
    ];
    let message = prop_oneof![(1..4_i64).prop_map(|processes| update("a", processes)), Just(b"x".to_vec())];
    let event = prop_oneof![saved.prop_map(Event::Saved), message.prop_map(Event::Update)];
    proptest::collection::vec(event, 0..30)
}

proptest! {
    /// The oracle: the newest good text or update, and before any the environment's.
    #[test]
    fn whatever_happens_the_newest_usable_one_is_in_force(events in events()) {
        let mut store = store(false);
        let (mut expected, mut newest) = (1, None);
        for event in events {
            match event {
                Event::Saved(saved) => {
                    let is_new = newest.as_ref() != Some(&saved);
                    store.apply_saved(&saved, NOW);
                    if let (true, Some(processes)) = (is_new, (1..4).find(|processes| saved == text(*processes))) {
                        expected = processes;
                    }
                    newest = Some(saved);
                }
                Event::Update(message) => {
                    let usable = store.apply_update(&message, NOW).is_ok();
                    if let (true, Some(processes)) = (usable, (1..4).find(|processes| message == update("a", *processes))) {
                        expected = processes;
                    }
                }
            }
            prop_assert_eq!(shown(&store), expected);
        }
    }
}
