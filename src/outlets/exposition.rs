//! Prometheus text in format 0.0.4 or OpenMetrics 1.0, for samples of the deployment's and of the server's own metrics.
//!
//! Names are the mapping's; a metric with two names is written once under each. A gauge whose name ends like a counter or a part of a histogram
//! (`kdcube_proc_queue_total`) is declared untyped: the documented name stays, and neither
//! Prometheus nor promtool mistakes its type.

mod encoder;

use crate::catalog::{Kind, Metric, Sample};
use crate::outlets::names::Mapping;
use encoder::{Declared, Encoder};

pub use encoder::TextFormat;

/// Renders a complete text; samples of one metric must follow each other, as the catalog returns them.
#[must_use]
pub fn render(samples: &[Sample], mapping: &Mapping, format: TextFormat) -> String {
    let mut encoder = Encoder::new(format);
    for family in samples.chunk_by(|a, b| std::ptr::eq(a.metric, b.metric)) {
        let Some(metric) = family.first().map(|sample| sample.metric) else { continue };
        for name in mapping.prometheus_names(metric) {
            write_family(&mut encoder, name, metric, family);
        }
    }
    encoder.finish()
}

fn write_family(encoder: &mut Encoder, name: &str, metric: &Metric, samples: &[Sample]) {
    let kind = declared_type(name, metric.kind);
    encoder.declare(Declared { name, kind, help: metric.help, unit: metric.unit });
    for sample in samples {
        encoder.sample(name, sample);
    }
}

/// The kind, unless the name contradicts it; `None` is untyped.
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
