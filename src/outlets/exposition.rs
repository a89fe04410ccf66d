//! Prometheus text: samples of the catalog and the server's own metrics, in format 0.0.4 or
//! OpenMetrics 1.0. Who asks for which, and when, is for the caller.
//!
//! Names are the mapping's. A gauge whose name ends like a counter or a part of a histogram
//! (`kdcube_proc_queue_total`) is declared untyped: the documented name stays, and neither
//! Prometheus nor promtool takes it for what it is not.

mod encoder;

use crate::catalog::own::{OwnMetric, OwnRow};
use crate::catalog::{Kind, Sample};
use crate::outlets::names::Mapping;
use encoder::{Declared, Encoder};

pub use encoder::TextFormat;

/// Renders samples; those of one metric must follow each other, as `catalog::samples` gives them.
/// An OpenMetrics text is not complete before [`finish`].
#[must_use]
pub fn render(samples: &[Sample], mapping: &Mapping, format: TextFormat) -> String {
    let mut encoder = Encoder::new(format);
    for family in samples.chunk_by(|a, b| std::ptr::eq(a.metric, b.metric)) {
        let Some(metric) = family.first().map(|sample| sample.metric) else { continue };
        let name = mapping.prometheus_name(metric);
        encoder.declare(Declared {
            name,
            kind: declared_type(name, metric.kind),
            help: metric.help,
            unit: metric.unit,
        });
        for sample in family {
            encoder.sample(name, "", &sample.labels, sample.value);
        }
    }
    encoder.into_text()
}

/// Renders the server's own metrics, likewise.
#[must_use]
pub fn render_own(own: &[(&'static OwnMetric, Vec<OwnRow>)], format: TextFormat) -> String {
    let mut encoder = Encoder::new(format);
    for (metric, rows) in own {
        let OwnMetric { name, kind, help, unit, .. } = **metric;
        encoder.declare(Declared { name, kind: Some(kind), help, unit });
        for row in rows {
            encoder.sample(name, row.suffix, &row.labels, row.value);
        }
    }
    encoder.into_text()
}

/// Completes a text that is made of rendered parts.
pub fn finish(text: &mut String, format: TextFormat) {
    if format == TextFormat::OpenMetrics {
        text.push_str("# EOF\n");
    }
}

/// The kind that a name does not contradict; `None` is untyped.
fn declared_type(name: &str, kind: Kind) -> Option<Kind> {
    let misleading = ["_total", "_count", "_sum", "_bucket", "_created"].iter().any(|suffix| name.ends_with(suffix));
    match kind {
        Kind::Gauge if misleading => None,
        // A counter that a mapping renamed must keep its suffix to be one.
        Kind::Counter if !name.ends_with("_total") => None,
        _ => Some(kind),
    }
}

#[cfg(test)]
mod tests;
