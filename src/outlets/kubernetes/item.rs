//! One value of one metric, as an HPA asks for it by name and labels.

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::document::Status;
use super::quantity::quantity;
use super::selector::Selector;
use crate::base::clock::UnixSeconds;
use crate::catalog::{self, Metric, Sample};
use crate::engine::snapshot::Snapshot;
use crate::outlets::names::Mapping;

/// The metric of a name in Kubernetes, which is its first name in Prometheus.
pub(super) fn find(name: &str, mapping: &Mapping) -> Result<&'static Metric, Status> {
    let found = catalog::all().find(|metric| self::name(metric, mapping) == name);
    found.ok_or_else(|| {
        let known: Vec<String> = catalog::all().map(|metric| self::name(metric, mapping)).collect();
        let near = crate::base::text::nearest(name, known.iter().map(String::as_str));
        let hint = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
        let name = crate::base::text::quoted(name);
        Status::new(StatusCode::NOT_FOUND, "NotFound", format!("there is no metric {name:?}{hint}"))
    })
}

/// Its name in Kubernetes.
pub(super) fn name(metric: &'static Metric, mapping: &Mapping) -> String {
    mapping.prometheus_names(metric).next().unwrap_or_default().to_owned()
}

/// The one series that the selector selects. None is an error that says why, and never a number; several are one too,
/// because an HPA would add them up.
pub(super) fn item(
    metric: &'static Metric,
    name: &str,
    selector: &Selector,
    snapshot: &Snapshot,
) -> Result<Value, Status> {
    let samples = catalog::samples(&snapshot.state);
    let of_metric: Vec<&Sample> = samples.iter().filter(|sample| sample.metric == metric).collect();
    let selected: Vec<&&Sample> = of_metric.iter().filter(|sample| selector.selects(&labels(sample))).collect();
    match selected[..] {
        [sample] => document(sample, name, snapshot.taken_at),
        [] if of_metric.is_empty() => Err(absent(metric, name, snapshot)),
        [] => Err(Status::new(StatusCode::NOT_FOUND, "NotFound", format!("no series of {name} has these labels"))),
        _ => Err(Status::new(
            StatusCode::BAD_REQUEST,
            "BadRequest",
            format!("{} series of {name} have these labels: select one, because an HPA adds them up", selected.len()),
        )),
    }
}

fn labels(sample: &Sample) -> Vec<(&str, &str)> {
    let scope = sample.scope.iter().flat_map(|scope| [("tenant", &scope.tenant), ("project", &scope.project)]);
    let scope = scope.map(|(name, value)| (name, value.as_str()));
    scope.chain(sample.labels.iter().map(|(name, value)| (*name, value.as_str()))).collect()
}

fn document(sample: &Sample, name: &str, at: UnixSeconds) -> Result<Value, Status> {
    let value = quantity(sample.value).ok_or_else(|| unavailable(format!("{name} is {}", sample.value)))?;
    let labels: Map<String, Value> =
        labels(sample).into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    let mut item = json!({
        "metricName": name,
        "metricLabels": labels,
        "timestamp": super::document::time(at),
        "value": value,
    });
    if let (Some(seconds), Some(item)) = (window(sample), item.as_object_mut()) {
        item.insert("window".to_owned(), seconds.into());
    }
    Ok(item)
}

/// Seconds that the value is about; `None` of a value of now.
fn window(sample: &Sample) -> Option<u32> {
    let label = sample.labels.iter().find(|(name, _)| *name == "window").map(|(_, window)| window.as_str());
    match label.or_else(|| sample.metric.key.rsplit_once('.').map(|(_, last)| last))? {
        "1m" => Some(60),
        "15m" => Some(900),
        "1h" => Some(3600),
        _ => None,
    }
}

fn absent(metric: &'static Metric, name: &str, snapshot: &Snapshot) -> Status {
    let reason = metric.scalar(&snapshot.state).and_then(|reading| reading.reason().map(ToString::to_string));
    unavailable(format!("{name} has no value: {}", reason.unwrap_or_else(|| metric.absent.to_owned())))
}

fn unavailable(message: String) -> Status {
    Status::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", message)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::analysis::SystemState;
    use crate::analysis::state::Reading;
    use crate::engine::snapshot::RunId;
    use crate::platform::facts::{PerRole, Scope};

    fn snapshot() -> Snapshot {
        let scope = Some(Arc::new(Scope { tenant: "acme".into(), project: "chat".into() }));
        let mut state = SystemState { scope, ..SystemState::default() };
        state.queue.total = Reading::Value(7);
        state.queue.pressure = Reading::Value(0.85);
        state.queue.depths = PerRole { paid: Reading::Value(3), anonymous: Reading::Value(4), ..PerRole::default() };
        Snapshot {
            id: RunId::random().snapshot(1),
            taken_at: 1_767_225_600.25,
            taken: tokio::time::Instant::now(),
            state: Arc::new(state),
        }
    }

    fn ask(name: &str, selector: &str) -> Result<Value, Status> {
        let metric = find(name, &Mapping::default())?;
        item(metric, name, &Selector::parse(selector).unwrap(), &snapshot())
    }

    #[test]
    fn a_scalar_is_one_item_with_the_time_of_its_snapshot() {
        let expected = json!({
            "metricName": "kdcube_proc_queue_pressure_ratio",
            "metricLabels": {"tenant": "acme", "project": "chat"},
            "timestamp": "2026-01-01T00:00:00Z",
            "value": "850m",
        });
        assert_eq!(ask("kdcube_proc_queue_pressure_ratio", "tenant=acme").unwrap(), expected);
    }

    #[test]
    fn labels_select_one_series_and_several_are_an_error() {
        assert_eq!(ask("kdcube_proc_queue_depth", "role=paid").unwrap()["value"], "3");
        let (status, message) = ask("kdcube_proc_queue_depth", "").unwrap_err().parts();
        assert!(status == 400 && message.contains("2 series"), "{message}");
        assert_eq!(ask("kdcube_proc_queue_depth", "role=free").unwrap_err().parts().0, 404);
        assert_eq!(ask("kdcube_proc_queue_total", "tenant=other").unwrap_err().parts().0, 404);
    }

    #[test]
    fn what_is_not_known_is_a_status_with_its_reason_and_never_a_number() {
        let (status, message) = ask("kdcube_ingress_sse_total_connections", "").unwrap_err().parts();
        assert!(status == 503 && message.contains("has no value: "), "{message}");
        let (status, message) = ask("kdcube_proc_queue_totl", "").unwrap_err().parts();
        assert!(status == 404 && message.contains("did you mean kdcube_proc_queue_total?"), "{message}");
    }

    #[test]
    fn a_value_of_a_window_says_how_long_it_is_and_a_value_of_now_says_nothing() {
        let of = |key: &str, labels| {
            let metric = catalog::find(key).unwrap();
            window(&Sample { metric, labels, part: catalog::Part::Whole, value: 1.0, scope: None })
        };
        assert_eq!(of("throttling.rate_limit_429.1m", Vec::new()), Some(60));
        assert_eq!(of("proc.queue.total", Vec::new()), None);
        let labelled =
            ["1m", "15m", "1h", "day"].map(|label| of("proc.queue.total", vec![("window", label.to_owned())]));
        assert_eq!(labelled, [Some(60), Some(900), Some(3600), None]);
    }
}
