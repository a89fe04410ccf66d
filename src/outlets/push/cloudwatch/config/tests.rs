//! Every setting of CloudWatch: what is accepted, and how a bad value is told.

use super::*;

const MINUTE: Duration = Duration::from_mins(1);

fn read_all(variables: &[(&str, &str)], interval: Duration) -> (Option<CloudWatchConfig>, Vec<String>) {
    let on = [("METRICS_EXPORT_CLOUDWATCH", "1")];
    let mut settings = Settings::from_environment(on.iter().chain(variables).copied());
    let config = read(&mut settings, interval);
    (config, settings.into_errors().into_iter().map(|error| error.to_string()).collect())
}

fn config(variables: &[(&str, &str)]) -> CloudWatchConfig {
    let (config, problems) = read_all(variables, MINUTE);
    assert_eq!(problems, [""; 0]);
    config.unwrap()
}

fn problem(variable: &str, value: &str) -> String {
    let (_, problems) = read_all(&[(variable, value)], MINUTE);
    assert_eq!(problems.len(), 1, "{variable}={value}: {problems:?}");
    problems.into_iter().next().unwrap()
}

#[test]
fn it_is_off_unless_turned_on() {
    assert_eq!(read(&mut Settings::default(), MINUTE), None);
}

#[test]
fn a_build_without_it_cannot_turn_it_on() {
    assert!(missing(true, false).is_some_and(|problem| problem.contains("cargo feature `cloudwatch`")));
    assert_eq!((missing(true, true), missing(false, false)), (None, None));
}

#[test]
fn on_alone_is_enough() {
    let config = config(&[]);
    assert_eq!((config.namespace.as_str(), config.region, config.high_resolution), ("KDCube/Metrics", None, false));
    assert_eq!((config.dimensions.iter().count(), config.spool), (0, Duration::from_mins(15)));
    assert_eq!(config.include, Include::default());
}

#[test]
fn dimensions_have_two_forms() {
    for text in
        [r#"{"env": "prod", "tenant": "a"}"#, r#"[{"Name": "env", "Value": "prod"}, {"Name": "tenant", "Value": "a"}]"#]
    {
        let config = config(&[("METRICS_CLOUDWATCH_DIMENSIONS_JSON", text)]);
        assert_eq!(config.dimensions.iter().collect::<Vec<_>>(), [("env", "prod"), ("tenant", "a")]);
    }
}

#[test]
fn resolution_is_standard_unless_told_and_follows_the_interval_if_asked_to() {
    let high = |value, seconds| {
        let variables = [("METRICS_CLOUDWATCH_HIGH_RESOLUTION", value)];
        read_all(&variables, Duration::from_secs(seconds)).0.unwrap().high_resolution
    };
    assert!(high("auto", 59) && high("1", 60));
    assert!(!high("auto", 60) && !high("0", 10) && !high("", 10));
}

#[test]
fn a_spool_of_zero_keeps_nothing() {
    assert_eq!(config(&[("METRICS_CLOUDWATCH_SPOOL_SEC", "0")]).spool, Duration::ZERO);
}

#[test]
fn a_bad_value_is_told_with_what_is_accepted() {
    let many = (0..31).map(|n| format!("\"d{n}\": \"v\"")).collect::<Vec<_>>().join(",");
    let long = "x".repeat(1025);
    for (variable, value) in [
        ("METRICS_EXPORT_CLOUDWATCH", "maybe"),
        ("METRICS_CLOUDWATCH_REGION", "eu west/1"),
        ("METRICS_CLOUDWATCH_NAMESPACE", "AWS/EC2"),
        ("METRICS_CLOUDWATCH_NAMESPACE", &long),
        ("METRICS_CLOUDWATCH_NAMESPACE", ":x"),
        ("METRICS_CLOUDWATCH_NAMESPACE", "spaced out"),
        ("METRICS_CLOUDWATCH_DIMENSIONS_JSON", "env=prod"),
        ("METRICS_CLOUDWATCH_DIMENSIONS_JSON", r#"{"env": 1}"#),
        ("METRICS_CLOUDWATCH_DIMENSIONS_JSON", r#"{"env": " "}"#),
        ("METRICS_CLOUDWATCH_DIMENSIONS_JSON", r#"{":env": "x"}"#),
        ("METRICS_CLOUDWATCH_DIMENSIONS_JSON", r#"{"env": "a", "env": "b"}"#),
        ("METRICS_CLOUDWATCH_DIMENSIONS_JSON", r#"[{"Name": "env"}]"#),
        ("METRICS_CLOUDWATCH_DIMENSIONS_JSON", &format!("{{{many}}}")),
        ("METRICS_CLOUDWATCH_DIMENSIONS_JSON", &format!("{{\"a\": \"{long}\"}}")),
        ("METRICS_CLOUDWATCH_INCLUDE", "nothing.*"),
        ("METRICS_CLOUDWATCH_HIGH_RESOLUTION", "2"),
        ("METRICS_CLOUDWATCH_SPOOL_SEC", "-1"),
    ] {
        let told = problem(variable, value);
        assert!(told.starts_with(variable) && told.contains("; accepted: "), "{told}");
    }
}

#[test]
fn dimensions_leave_room_for_the_labels_of_what_is_included() {
    let many = (0..29).map(|n| format!("\"d{n}\": \"v\"")).collect::<Vec<_>>().join(",");
    let (many, include) = (format!("{{{many}}}"), ("METRICS_CLOUDWATCH_INCLUDE", "pool_utilization_ratio"));
    let (none, problems) = read_all(&[("METRICS_CLOUDWATCH_DIMENSIONS_JSON", &many), include], MINUTE);
    assert!(none.is_none() && problems.iter().any(|told| told.contains("leave no room")), "{problems:?}");
    let (_, problems) = read_all(&[("METRICS_CLOUDWATCH_DIMENSIONS_JSON", r#"{"pool": "x"}"#), include], MINUTE);
    assert!(problems.iter().any(|told| told.contains("`pool` is a label of `pool_utilization_ratio`")), "{problems:?}");
}
