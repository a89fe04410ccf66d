//! From a sample to a CloudWatch datum: validity, content and size.

use std::sync::Arc;

use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, MetricDatum, StandardUnit};

use crate::catalog::Sample;
use crate::outlets::names::Mapping;
use crate::outlets::push::cloudwatch::config::{Dimensions, is_valid_value};
use crate::outlets::push::spool::SpooledPoint;

/// PutMetricData's limit.
pub(super) const MAX_POINTS_PER_REQUEST: usize = 1000;

/// PutMetricData's limit before compression, less room for the envelope.
pub(super) const MAX_REQUEST_BYTES: usize = 1_000_000 - 1024;

/// Whether CloudWatch accepts it: one invalid point fails the whole request.
pub(super) fn is_valid(sample: &Sample) -> bool {
    let range = 2.0_f64.powi(-360)..=2.0_f64.powi(360);
    let value = sample.value;
    (value == 0.0 || range.contains(&value.abs())) && sample.labels.iter().all(|(_, label)| is_valid_value(label))
}

/// What all points of a sink have in common.
#[derive(Debug)]
pub(super) struct DatumFormat {
    mapping: Arc<Mapping>,
    dimensions: Vec<Dimension>,
    storage_resolution: i32,
    /// Bytes of the common dimensions.
    bytes: usize,
}

impl DatumFormat {
    pub(super) fn new(mapping: Arc<Mapping>, dimensions: &Dimensions, high_resolution: bool) -> Self {
        Self {
            mapping,
            storage_resolution: if high_resolution { 1 } else { 60 },
            bytes: dimensions.iter().map(|(name, value)| dimension_bytes(name, value)).sum(),
            dimensions: dimensions.iter().map(|(name, value)| dimension(name, value)).collect(),
        }
    }

    pub(super) fn datum(&self, point: &SpooledPoint) -> MetricDatum {
        let SpooledPoint { at, sample } = point;
        let (name, unit) = self.mapping.cloudwatch(sample.metric);
        let labels = sample.labels.iter().map(|(name, value)| dimension(name, value));
        let dimensions = self.dimensions.iter().cloned().chain(labels).collect::<Vec<_>>();
        MetricDatum::builder()
            .metric_name(name)
            .unit(StandardUnit::from(unit))
            .value(sample.value)
            .timestamp(DateTime::from_secs_f64(*at))
            .storage_resolution(self.storage_resolution)
            .set_dimensions((!dimensions.is_empty()).then_some(dimensions))
            .build()
    }

    /// The point as one line of a preview.
    pub(super) fn line(&self, point: &SpooledPoint) -> String {
        let (name, unit) = self.mapping.cloudwatch(point.sample.metric);
        let dimensions = self.dimensions.iter().filter_map(|kept| Some((kept.name()?, kept.value()?)));
        let labels = point.sample.labels.iter().map(|(name, value)| (*name, value.as_str()));
        let dimensions: Vec<String> = dimensions.chain(labels).map(|(name, value)| format!("{name}={value}")).collect();
        format!("  {name} {{{}}} = {} {unit}", dimensions.join(", "), point.sample.value)
    }

    /// An upper bound of the bytes that the point takes in a request.
    pub(super) fn max_bytes(&self, point: &SpooledPoint) -> usize {
        // Names of fields, unit, value and time.
        const FRAME: usize = 160;
        let (name, _) = self.mapping.cloudwatch(point.sample.metric);
        let labels = point.sample.labels.iter().map(|(name, value)| dimension_bytes(name, value));
        FRAME + name.len() + self.bytes + labels.sum::<usize>()
    }
}

/// Number of requests for points of these sizes in bytes.
pub(super) fn requests(sizes: impl Iterator<Item = usize>) -> usize {
    let (mut requests, mut points, mut bytes) = (0, MAX_POINTS_PER_REQUEST, 0);
    for size in sizes {
        if points == MAX_POINTS_PER_REQUEST || bytes + size > MAX_REQUEST_BYTES {
            (requests, points, bytes) = (requests + 1, 0, 0);
        }
        points += 1;
        bytes += size;
    }
    requests
}

fn dimension(name: &str, value: &str) -> Dimension {
    Dimension::builder().name(name).value(value).build()
}

fn dimension_bytes(name: &str, value: &str) -> usize {
    // Names of fields and lengths.
    const FRAME: usize = 24;
    FRAME + name.len() + value.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::catalog::{Part, find};
    use crate::outlets::names::Naming;
    use crate::settings::FromSetting;

    fn sample(key: &str, labels: &[(&'static str, &str)], value: f64) -> Sample {
        let labels = labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Sample { metric: find(key).unwrap(), labels, part: Part::Whole, value, scope: None }
    }

    fn format(mapping: &str, dimensions: &str, high_resolution: bool) -> DatumFormat {
        let dimensions = Dimensions::from_setting(dimensions).unwrap();
        DatumFormat::new(Arc::new(Mapping::parse(mapping, Naming::Default).unwrap()), &dimensions, high_resolution)
    }

    fn pairs(datum: &MetricDatum) -> Vec<(&str, &str)> {
        datum.dimensions().iter().map(|d| (d.name().unwrap(), d.value().unwrap())).collect()
    }

    #[test]
    fn requests_are_bounded_by_points_and_bytes() {
        assert_eq!(requests(std::iter::empty()), 0);
        assert_eq!(requests(std::iter::repeat_n(100, 1000)), 1);
        assert_eq!(requests(std::iter::repeat_n(100, 1001)), 2);
        assert_eq!(requests(std::iter::repeat_n(MAX_REQUEST_BYTES / 2, 5)), 3);
    }

    #[test]
    fn a_datum_has_name_unit_value_time_resolution_and_all_dimensions() {
        let format = format("{}", r#"{"env": "prod"}"#, true);
        let datum = format.datum(&SpooledPoint {
            at: 1_767_225_600.25,
            sample: sample("proc_queue_tasks", &[("role", "chat")], 3.0),
        });
        assert_eq!(datum.metric_name(), Some("proc_queue_tasks"));
        assert_eq!(datum.unit(), Some(&StandardUnit::Count));
        assert_eq!((datum.value(), datum.storage_resolution()), (Some(3.0), Some(1)));
        assert_eq!(datum.timestamp(), Some(&DateTime::from_secs_f64(1_767_225_600.25)));
        assert_eq!(pairs(&datum), [("env", "prod"), ("role", "chat")]);
    }

    #[test]
    fn a_mapping_sets_name_and_unit() {
        let format = format(r#"{"instances": {"name": "Fleet Size", "unit": "None"}}"#, "", false);
        let datum = format.datum(&SpooledPoint { at: 0.0, sample: sample("instances", &[], 1.0) });
        assert_eq!((datum.metric_name(), datum.unit()), (Some("Fleet Size"), Some(&StandardUnit::None)));
        assert_eq!((datum.storage_resolution(), datum.dimensions().len()), (Some(60), 0));
    }

    #[test]
    fn values_out_of_range_are_invalid_and_zero_is_not() {
        let (least, most) = (2.0_f64.powi(-360), 2.0_f64.powi(360));
        for value in [0.0, -0.0, 1.0, -1.0, least, most, -least, -most] {
            assert!(is_valid(&sample("instances", &[], value)), "{value:e}");
        }
        for value in
            [f64::NAN, f64::INFINITY, -f64::INFINITY, least / 2.0, most.next_up(), -most * 2.0, f64::MIN_POSITIVE]
        {
            assert!(!is_valid(&sample("instances", &[], value)), "{value:e}");
        }
    }

    #[test]
    fn labels_that_cannot_be_dimensions_are_invalid() {
        for label in ["", " ", "größe", "tab\t", &"x".repeat(1025)] {
            assert!(!is_valid(&sample("proc_queue_tasks", &[("role", label)], 1.0)), "{label:?}");
        }
    }

    proptest! {
        /// Against the encoding of the service's protocol, written by another library.
        #[test]
        fn the_size_of_a_point_is_at_least_that_of_its_encoding(label in "[ -~]{0,300}", at in -1e12..1e12, value in any::<f64>()) {
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
            prop_assert!(format.max_bytes(&point) >= bytes.len());
        }
    }
}
