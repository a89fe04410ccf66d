//! From points to OTLP's message: one resource, one scope, each metric once with its points.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Metric as MetricMessage, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
    metric::Data, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

use super::names;
use crate::base::clock::UnixSeconds;
use crate::catalog::{Kind, Metric, Part};
use crate::outlets::push::spool::SpooledPoint;

/// Whose points they are.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    /// What is the same for all points.
    pub(super) attributes: BTreeMap<String, String>,
    /// When this process started: since then its counters count.
    pub(super) started: Option<UnixSeconds>,
}

/// The message; points of another kind than gauge and counter are left out.
pub(super) fn request(points: &[SpooledPoint], identity: &Identity) -> ExportMetricsServiceRequest {
    let scope = InstrumentationScope {
        name: env!("CARGO_PKG_NAME").to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    };
    let metrics = ScopeMetrics { scope: Some(scope), metrics: metrics(points, identity), ..ScopeMetrics::default() };
    let resource = Resource { attributes: resource(points, identity), ..Resource::default() };
    let all = ResourceMetrics { resource: Some(resource), scope_metrics: vec![metrics], ..ResourceMetrics::default() };
    ExportMetricsServiceRequest { resource_metrics: vec![all] }
}

/// Whether the message can carry it.
pub(super) fn is_carried(point: &SpooledPoint) -> bool {
    point.sample.part == Part::Whole && point.sample.value.is_finite()
}

/// With tenant and project of the points, where the source says them.
fn resource(points: &[SpooledPoint], identity: &Identity) -> Vec<KeyValue> {
    let mut attributes = identity.attributes.clone();
    if let Some(scope) = points.iter().find_map(|point| point.sample.scope.as_ref()) {
        attributes.entry("kdcube.tenant".to_owned()).or_insert_with(|| scope.tenant.clone());
        attributes.entry("kdcube.project".to_owned()).or_insert_with(|| scope.project.clone());
    }
    attributes.into_iter().map(|(key, value)| attribute(&key, &value)).collect()
}

fn metrics(points: &[SpooledPoint], identity: &Identity) -> Vec<MetricMessage> {
    let mut by_key: BTreeMap<&'static str, (&'static Metric, Vec<NumberDataPoint>)> = BTreeMap::new();
    for point in points.iter().filter(|point| is_carried(point)) {
        let metric = point.sample.metric;
        by_key.entry(metric.key).or_insert_with(|| (metric, Vec::new())).1.push(data_point(point, identity));
    }
    by_key.into_values().map(|(metric, points)| message(metric, points)).collect()
}

fn message(metric: &Metric, data_points: Vec<NumberDataPoint>) -> MetricMessage {
    let data = match metric.kind {
        Kind::Counter => Data::Sum(Sum {
            data_points,
            aggregation_temporality: AggregationTemporality::Cumulative.into(),
            is_monotonic: true,
        }),
        Kind::Gauge | Kind::Histogram => Data::Gauge(Gauge { data_points }),
    };
    MetricMessage {
        name: names::name(metric),
        description: metric.help.to_owned(),
        unit: names::unit(metric).to_owned(),
        data: Some(data),
        ..MetricMessage::default()
    }
}

fn data_point(point: &SpooledPoint, identity: &Identity) -> NumberDataPoint {
    let sample = &point.sample;
    let start = identity.started.filter(|_| sample.metric.kind == Kind::Counter);
    NumberDataPoint {
        attributes: sample.labels.iter().map(|(name, value)| attribute(name, value)).collect(),
        start_time_unix_nano: start.map(nanoseconds).unwrap_or_default(),
        time_unix_nano: nanoseconds(point.at),
        value: Some(number_data_point::Value::AsDouble(names::value(sample.metric, sample.value))),
        ..NumberDataPoint::default()
    }
}

fn attribute(key: &str, value: &str) -> KeyValue {
    let value = AnyValue { value: Some(Value::StringValue(value.to_owned())) };
    KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() }
}

/// Whole microseconds: more digits a double does not have.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates; no time is below 0")]
fn nanoseconds(at: UnixSeconds) -> u64 {
    ((at * 1e6).round() as u64).saturating_mul(1000)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::catalog::{Sample, find, own};
    use crate::platform::facts::Scope;

    fn point(metric: &'static Metric, at: f64, value: f64) -> SpooledPoint {
        let scope = Some(Arc::new(Scope { tenant: "acme".into(), project: "chat".into() }));
        SpooledPoint { at, sample: Sample { metric, labels: vec![], part: Part::Whole, value, scope } }
    }

    fn identity() -> Identity {
        let attributes = [("service.name".to_owned(), "metrics".to_owned())].into();
        Identity { attributes, started: Some(100.0) }
    }

    #[test]
    fn a_metric_of_two_times_is_one_with_two_points_and_no_start() {
        let depth = find("proc.queue.total").unwrap();
        let message = request(&[point(depth, 1000.5, 3.0), point(depth, 1001.5, 4.0)], &identity());
        let [resource] = &message.resource_metrics[..] else { panic!("{message:?}") };
        let attributes: Vec<&str> =
            resource.resource.as_ref().unwrap().attributes.iter().map(|pair| pair.key.as_str()).collect();
        assert_eq!(attributes, ["kdcube.project", "kdcube.tenant", "service.name"]);
        let [metric] = &resource.scope_metrics[0].metrics[..] else { panic!("{message:?}") };
        assert_eq!((metric.name.as_str(), metric.unit.as_str()), ("kdcube.proc.queue.total", "{task}"));
        let Some(Data::Gauge(Gauge { data_points })) = &metric.data else { panic!("{metric:?}") };
        let times: Vec<(u64, u64)> =
            data_points.iter().map(|point| (point.start_time_unix_nano, point.time_unix_nano)).collect();
        assert_eq!(times, [(0, 1_000_500_000_000), (0, 1_001_500_000_000)]);
    }

    #[test]
    fn our_own_counters_are_cumulative_from_the_start_of_the_process() {
        let ticks = own::all().find(|metric| metric.key == "kdcube_metrics_ticks_total").unwrap();
        let message = request(&[point(ticks, 1000.0, 3.0)], &identity());
        let Some(Data::Sum(sum)) = &message.resource_metrics[0].scope_metrics[0].metrics[0].data else {
            panic!("{message:?}")
        };
        assert!(sum.is_monotonic && sum.aggregation_temporality == i32::from(AggregationTemporality::Cumulative));
        assert_eq!(sum.data_points[0].start_time_unix_nano, 100_000_000_000);
    }

    #[test]
    fn no_number_that_is_none_is_carried() {
        let depth = find("proc.queue.total").unwrap();
        let message = request(&[point(depth, 1.0, f64::NAN), point(depth, 1.0, f64::INFINITY)], &identity());
        assert!(message.resource_metrics[0].scope_metrics[0].metrics.is_empty());
    }
}
