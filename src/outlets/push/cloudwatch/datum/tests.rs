//! What a data point says, and which samples become one.

use proptest::prelude::*;

use super::*;
use crate::catalog::find;
use crate::settings::FromSetting;

fn sample(key: &str, labels: &[(&'static str, &str)], value: f64) -> Sample {
    let labels = labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Sample { metric: find(key).unwrap(), labels, value, scope: None }
}

fn format(mapping: &str, dimensions: &str, high_resolution: bool) -> DatumFormat {
    let dimensions = Dimensions::from_setting(dimensions).unwrap();
    DatumFormat::new(Arc::new(Mapping::parse(mapping).unwrap()), &dimensions, high_resolution)
}

fn pairs(datum: &MetricDatum) -> Vec<(&str, &str)> {
    datum.dimensions().iter().map(|d| (d.name().unwrap(), d.value().unwrap())).collect()
}

#[test]
fn requests_are_as_many_as_the_limits_make() {
    assert_eq!(requests(std::iter::empty()), 0);
    assert_eq!(requests(std::iter::repeat_n(100, 1000)), 1);
    assert_eq!(requests(std::iter::repeat_n(100, 1001)), 2);
    assert_eq!(requests(std::iter::repeat_n(MOST_BYTES / 2, 5)), 3);
}

#[test]
fn a_datum_has_name_unit_value_time_resolution_and_both_kinds_of_dimensions() {
    let format = format("{}", r#"{"env": "prod"}"#, true);
    let datum = format
        .datum(&SpooledPoint { at: 1_767_225_600.25, sample: sample("proc_queue_tasks", &[("role", "chat")], 3.0) });
    assert_eq!(datum.metric_name(), Some("proc_queue_tasks"));
    assert_eq!(datum.unit(), Some(&StandardUnit::Count));
    assert_eq!((datum.value(), datum.storage_resolution()), (Some(3.0), Some(1)));
    assert_eq!(datum.timestamp(), Some(&DateTime::from_secs_f64(1_767_225_600.25)));
    assert_eq!(pairs(&datum), [("env", "prod"), ("role", "chat")]);
}

#[test]
fn a_mapping_gives_name_and_unit() {
    let format = format(r#"{"instances": {"name": "Fleet Size", "unit": "None"}}"#, "", false);
    let datum = format.datum(&SpooledPoint { at: 0.0, sample: sample("instances", &[], 1.0) });
    assert_eq!((datum.metric_name(), datum.unit()), (Some("Fleet Size"), Some(&StandardUnit::None)));
    assert_eq!((datum.storage_resolution(), datum.dimensions().len()), (Some(60), 0));
}

#[test]
fn values_out_of_range_are_unfit_and_zero_is_not() {
    let (least, most) = (2.0_f64.powi(-360), 2.0_f64.powi(360));
    for value in [0.0, -0.0, 1.0, -1.0, least, most, -least, -most] {
        assert!(is_fit(&sample("instances", &[], value)), "{value:e}");
    }
    for value in [f64::NAN, f64::INFINITY, -f64::INFINITY, least / 2.0, most.next_up(), -most * 2.0, f64::MIN_POSITIVE]
    {
        assert!(!is_fit(&sample("instances", &[], value)), "{value:e}");
    }
}

#[test]
fn labels_that_cannot_be_dimensions_are_unfit() {
    for label in ["", " ", "größe", "tab\t", &"x".repeat(1025)] {
        assert!(!is_fit(&sample("proc_queue_tasks", &[("role", label)], 1.0)), "{label:?}");
    }
}

proptest! {
    /// Against the encoding of the service's protocol, written by another library.
    #[test]
    fn a_point_weighs_no_less_than_its_encoding(label in "[ -~]{0,300}", at in -1e12..1e12, value in any::<f64>()) {
        let format = format("{}", r#"{"env": "prod", "tenant": "a"}"#, true);
        let point = SpooledPoint { at, sample: sample("proc_queue_tasks", &[("role", &label)], value) };
        let datum = format.datum(&point);
        let dimensions: Vec<_> = pairs(&datum).iter().map(|(n, v)| serde_json::json!({"Name": n, "Value": v})).collect();
        let like = serde_json::json!({
            "MetricName": datum.metric_name(), "Unit": datum.unit().map(StandardUnit::as_str), "Dimensions": dimensions,
            "Value": 0.1, "Timestamp": 0.1, "StorageResolution": 60,
        });
        let mut bytes = Vec::new();
        ciborium::into_writer(&like, &mut bytes).unwrap();
        prop_assert!(format.weight(&point) >= bytes.len());
    }
}
