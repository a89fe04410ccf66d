//! The limits of PutMetricData, as documented.

use kdcube_metrics::base::clock::{Clock, SystemClock};
use kdcube_metrics::outlets::names::CLOUDWATCH_UNITS;

use super::{Datum, Put, Rejection};

const DAY: f64 = 86_400.0;

pub(super) fn check(put: &Put) -> Result<(), Rejection> {
    if put.bytes > 1_000_000 {
        return Err(Rejection { status: 413, code: "RequestEntityTooLarge", message: format!("{} bytes", put.bytes) });
    }
    if put.namespace.is_empty() {
        return Err(rejection("MissingParameter", "The parameter Namespace is required."));
    }
    if put.data.is_empty() {
        return Err(rejection("MissingParameter", "The parameter MetricData is required."));
    }
    let sound = |c: char| c.is_ascii_alphanumeric() || ".-_/#: ".contains(c);
    if put.namespace.len() > 255 || put.namespace.starts_with([':']) || !put.namespace.chars().all(sound) {
        return Err(rejection("InvalidParameterValue", "The value for parameter Namespace is invalid."));
    }
    if put.namespace.starts_with("AWS/") {
        return Err(rejection("InvalidParameterValue", "The value AWS/ for parameter Namespace is invalid."));
    }
    if put.data.len() > 1000 {
        let message = "The collection MetricData must not have a size greater than 1000.";
        return Err(rejection("ValidationError", message));
    }
    put.data.iter().enumerate().try_for_each(|(index, datum)| {
        let wrong = wrong(datum);
        wrong.map_or(Ok(()), |what| {
            let message = format!("The parameter MetricData.member.{}.{what} is invalid.", index + 1);
            Err(rejection("InvalidParameterValue", &message))
        })
    })
}

/// The field of a point that is not accepted.
fn wrong(datum: &Datum) -> Option<&'static str> {
    let text = |text: &str, longest| {
        let printable = text.chars().all(|c| c.is_ascii_graphic() || c == ' ');
        printable && text.len() <= longest && !text.trim().is_empty()
    };
    let now = SystemClock.now();
    let names: std::collections::BTreeSet<_> = datum.dimensions.iter().map(|(name, _)| name).collect();
    match () {
        () if !text(&datum.name, 255) || datum.name.starts_with(':') => Some("MetricName"),
        () if datum.dimensions.len() > 30 || names.len() < datum.dimensions.len() => Some("Dimensions"),
        () if names.iter().any(|name| !text(name, 255) || name.starts_with(':')) => Some("Dimensions.Name"),
        () if datum.dimensions.iter().any(|(_, value)| !text(value, 1024)) => Some("Dimensions.Value"),
        () if !CLOUDWATCH_UNITS.contains(&datum.unit.as_str()) => Some("Unit"),
        () if !in_range(datum.value) => Some("Value"),
        () if datum.at < now - 14.0 * DAY || datum.at > now + DAY / 12.0 => Some("Timestamp"),
        () if !matches!(datum.resolution, 1 | 60) => Some("StorageResolution"),
        () => None,
    }
}

fn in_range(value: f64) -> bool {
    value == 0.0 || (value.is_finite() && value.abs() >= 2_f64.powi(-360) && value.abs() <= 2_f64.powi(360))
}

fn rejection(code: &'static str, message: &str) -> Rejection {
    Rejection { status: 400, code, message: message.to_owned() }
}
