//! From a sample to CloudWatch's data point: what is fit for it, what it says, and what it weighs.

use std::sync::Arc;

use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, MetricDatum, StandardUnit};

use crate::base::clock::UnixSeconds;
use crate::catalog::Sample;
use crate::outlets::names::Mapping;
use crate::outlets::push::cloudwatch::config::{Dimensions, is_sound_value};

/// CloudWatch's limit of one request.
pub(super) const MOST_IN_A_REQUEST: usize = 1000;

/// CloudWatch's limit of one request, before compression, without room for its frame.
pub(super) const MOST_BYTES: usize = 1_000_000 - 1024;

/// One value of one metric at its own time.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SpooledPoint {
    pub(super) at: UnixSeconds,
    pub(super) sample: Sample,
}

/// Whether CloudWatch can take it: one bad point would have it refuse the whole request.
pub(super) fn is_fit(sample: &Sample) -> bool {
    let range = 2.0_f64.powi(-360)..=2.0_f64.powi(360);
    let value = sample.value;
    (value == 0.0 || range.contains(&value.abs())) && sample.labels.iter().all(|(_, label)| is_sound_value(label))
}

/// What all points have in common.
#[derive(Debug)]
pub(super) struct DatumFormat {
    mapping: Arc<Mapping>,
    dimensions: Vec<Dimension>,
    storage_resolution: i32,
    /// What the common dimensions weigh.
    weight: usize,
}

impl DatumFormat {
    pub(super) fn new(mapping: Arc<Mapping>, dimensions: &Dimensions, high_resolution: bool) -> Self {
        Self {
            mapping,
            storage_resolution: if high_resolution { 1 } else { 60 },
            weight: dimensions.iter().map(|(name, value)| dimension_weight(name, value)).sum(),
            dimensions: dimensions.iter().map(|(name, value)| dimension(name, value)).collect(),
        }
    }

    /// The point as the service wants it.
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

    /// The point as a person reads it.
    pub(super) fn line(&self, point: &SpooledPoint) -> String {
        let (name, unit) = self.mapping.cloudwatch(point.sample.metric);
        let dimensions = self.dimensions.iter().filter_map(|kept| Some((kept.name()?, kept.value()?)));
        let labels = point.sample.labels.iter().map(|(name, value)| (*name, value.as_str()));
        let dimensions: Vec<String> = dimensions.chain(labels).map(|(name, value)| format!("{name}={value}")).collect();
        format!("  {name} {{{}}} = {} {unit}", dimensions.join(", "), point.sample.value)
    }

    /// At least the bytes that the point takes in a request.
    pub(super) fn weight(&self, point: &SpooledPoint) -> usize {
        // Names of fields, unit, value and time.
        const FRAME: usize = 160;
        let (name, _) = self.mapping.cloudwatch(point.sample.metric);
        let labels = point.sample.labels.iter().map(|(name, value)| dimension_weight(name, value));
        FRAME + name.len() + self.weight + labels.sum::<usize>()
    }
}

/// Requests that points of these weights take.
pub(super) fn requests(weights: impl Iterator<Item = usize>) -> usize {
    let (mut requests, mut points, mut bytes) = (0, MOST_IN_A_REQUEST, 0);
    for weight in weights {
        if points == MOST_IN_A_REQUEST || bytes + weight > MOST_BYTES {
            (requests, points, bytes) = (requests + 1, 0, 0);
        }
        points += 1;
        bytes += weight;
    }
    requests
}

fn dimension(name: &str, value: &str) -> Dimension {
    Dimension::builder().name(name).value(value).build()
}

fn dimension_weight(name: &str, value: &str) -> usize {
    // Names of fields and lengths.
    const FRAME: usize = 24;
    FRAME + name.len() + value.len()
}

#[cfg(test)]
mod tests;
