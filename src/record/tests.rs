//! Recordings hold what a replay needs and nothing else, and a damaged one says where.

use std::collections::BTreeMap;

use super::*;
use crate::platform::facts::{LatencySeries, Point, ThrottlingDetail, ThrottlingEvent};
use crate::platform::gateway::{GatewayContext, SavedGatewayConfig};

const SECRET: &str = "hunter2";

fn gateway() -> GatewayConfig {
    let text = format!(
        r#"{{"tenant": "acme", "project": "chat", "redis_url": "redis://:{SECRET}@h", "x": {{"token": "{SECRET}"}},
        "service_capacity": {{"concurrent_requests_per_process": 7}}}}"#
    );
    let component = Component::Proc;
    let context = GatewayContext { component, instance_id: "m-1", tenant: None, project: None, forced: false };
    GatewayConfig::from_env_json(&text, &context).unwrap()
}

fn facts() -> Facts {
    let detail = ThrottlingDetail {
        reason: Some("hourly_rate_limit".to_owned()),
        http_status: Some(429),
        session_id: Some(SECRET.to_owned()),
        shown: Some(serde_json::json!({"session_id": SECRET, "fingerprint": SECRET})),
    };
    let saved = format!(
        r#"{{"redis_url": "redis://:{SECRET}@h", "service_capacity": {{"concurrent_requests_per_process": 9}}}}"#
    );
    Facts {
        latency: BTreeMap::from([(LatencySeries::TaskExec, vec![Point { at: 1.5, value: 20.0 }])]),
        throttling_events: vec![ThrottlingEvent { at: 2.5, detail: Some(detail) }],
        saved_gateway_config: SavedGatewayConfig::Text(saved),
        ..Facts::default()
    }
}

fn recorded() -> String {
    let header = Header::new(&gateway(), "Europe/Berlin", 5.0).line().unwrap();
    [100.0, 105.0, 105.0]
        .iter()
        .fold(header, |text, at| text + &RecordedTick::new(*at, facts(), &gateway()).line().unwrap())
}

#[test]
fn a_recording_reads_back_and_holds_no_secret() {
    let text = recorded();
    assert!(!text.contains(SECRET), "{text}");
    let recording = Recording::open(text.as_bytes()).unwrap();
    let header = recording.header().clone();
    assert_eq!((header.zone.as_str(), header.interval_seconds), ("Europe/Berlin", 5.0));
    let concurrency =
        |gateway: &GatewayConfig| gateway.settings().service_capacity.concurrent_requests_per_process.whole();
    let replayed = header.gateway_config("m-1").unwrap();
    assert_eq!((concurrency(&replayed), replayed.scope()), (7, gateway().scope()));
    let ticks: Vec<RecordedTick> = recording.map(Result::unwrap).collect();
    assert_eq!(ticks.iter().map(|tick| tick.at).collect::<Vec<_>>(), [100.0, 105.0, 105.0]);
    let read = &ticks[0].facts;
    assert_eq!(read.latency, facts().latency);
    let detail = read.throttling_events[0].detail.as_ref().unwrap();
    assert_eq!((detail.http_status, &detail.session_id, &detail.shown), (Some(429), &None, &None));
    let saved = replayed.with_saved_json(read.saved_gateway_config.text().unwrap()).unwrap();
    assert_eq!(concurrency(&saved), 9, "what counts of it is kept");
}

#[test]
fn a_saved_configuration_that_cannot_be_used_is_not_recorded() {
    let saved_gateway_config = SavedGatewayConfig::Text(format!("{{nope {SECRET}"));
    let tick = RecordedTick::new(1.0, Facts { saved_gateway_config, ..Facts::default() }, &gateway());
    assert!(!tick.line().unwrap().contains(SECRET));
    assert!(matches!(tick.facts.saved_gateway_config, SavedGatewayConfig::Unreadable(_)));
}

/// The problem of a recording, after so many good ticks.
fn problem(text: &str) -> (usize, String) {
    let recording = match Recording::open(text.as_bytes()) {
        Ok(recording) => recording,
        Err(error) => return (0, error.to_string()),
    };
    let (mut good, mut problem) = (0, String::new());
    for tick in recording {
        match tick {
            Ok(_) => good += 1,
            Err(error) => problem = error.to_string(),
        }
    }
    (good, problem)
}

#[test]
fn a_damaged_recording_is_read_up_to_the_damage_which_is_named_with_its_line() {
    let good = recorded();
    let header = good.lines().next().unwrap();
    let tick = good.lines().nth(1).unwrap();
    assert_eq!(problem(&good), (3, String::new()));
    assert_eq!(problem(&format!("\n{header}\n\n{tick}\n")), (1, String::new()), "blank lines are none");
    for (bad, expected) in [
        ("{nope", "line 3: is not JSON (column 2)"),
        (&tick[..tick.len() - 9], "line 3: is not JSON"),
        ("7", "line 3: .: is not struct RecordedTick"),
        (r#"{"facts": {}}"#, "line 3: .: missing field `at`"),
        (r#"{"at": "hunter2", "facts": {}}"#, "line 3: at: is not f64"),
        (r#"{"at": 100.0, "facts": {"jobs": {"nobody": 1}}}"#, "line 3: facts.jobs"),
        (r#"{"at": 100.0, "facts": {"sse": "hunter2"}}"#, "line 3: facts.sse: is not a sequence"),
        (r#"{"at": 99.0, "facts": {}}"#, "line 3: at: is dated before the line above it"),
        (r#"{"at": 100.0, "facts": {}} {}"#, "line 3: is not JSON (column 2"),
    ] {
        let (good, problem) = problem(&format!("{header}\n{tick}\n{bad}\n{tick}\n"));
        assert!(good == 1 && problem.starts_with(expected) && !problem.contains(SECRET), "{bad}: {good} {problem}");
    }
}

#[test]
fn what_is_no_recording_says_what_was_expected() {
    let good = recorded();
    let header = good.lines().next().unwrap();
    for (bad, expected) in [
        ("", "line 1 is not the header of a recording: it is empty; expected the output of `kdcube-metrics record`"),
        ("at,arrivals\n1,2\n", "line 1 is not the header of a recording: is not JSON (column 1)"),
        ("{}", "line 1 is not the header of a recording: .: missing field `recording`"),
        (
            header.replacen("recording\":1", "recording\":2", 1).as_str(),
            "line 1: is a recording of format 2; this version reads format 1",
        ),
    ] {
        let found = problem(bad);
        assert!(found.0 == 0 && found.1.starts_with(expected), "{bad}: {found:?}");
    }
}
