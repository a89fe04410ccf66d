//! Finds the metric that somebody means: by key, alias or its name in an outlet, else those with the nearest names.

use crate::catalog::{self, Metric};
use crate::outlets::names::Mapping;

/// Most names that are suggested.
const MOST: usize = 5;
/// How similar a name has to be, from 0 to 1.
const SIMILAR: f64 = 0.6;

/// The metric of the deployment that the text names, or the keys that are nearest to it, the nearest first.
///
/// # Errors
/// Nothing has that name.
pub(crate) fn nearest(text: &str, mapping: &Mapping) -> Result<&'static Metric, Vec<&'static str>> {
    let by_name = |metric: &&'static Metric| {
        mapping.cloudwatch(metric).0 == text || mapping.prometheus_names(metric).any(|name| name == text)
    };
    if let Some(metric) = catalog::find(text).or_else(|| catalog::all().find(by_name)) {
        return Ok(metric);
    }
    let text: String = text.chars().take(100).collect::<String>().to_ascii_lowercase();
    let similarity = |metric: &'static Metric| {
        let names = std::iter::once(metric.key).chain(metric.aliases.iter().copied());
        names.map(|name| strsim::jaro_winkler(name, &text).max(part(name, &text))).fold(0.0, f64::max)
    };
    let mut all: Vec<(f64, &'static str)> = catalog::all().map(|metric| (similarity(metric), metric.key)).collect();
    all.retain(|(similarity, _)| *similarity >= SIMILAR);
    all.sort_by(|left, right| right.0.total_cmp(&left.0));
    Err(all.into_iter().map(|(_, key)| key).take(MOST).collect())
}

/// A word of a key is near to it, however long the rest is.
fn part(name: &str, text: &str) -> f64 {
    if text.len() >= 3 && name.contains(text) { 0.95 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(text: &str) -> Result<&'static str, Vec<&'static str>> {
        nearest(text, &Mapping::default()).map(|metric| metric.key)
    }

    #[test]
    fn a_metric_is_found_by_every_name_that_it_has() {
        for name in ["proc.queue.total", "proc.queue.depth", "kdcube_proc_queue_total", "proc/queue/total"] {
            assert_eq!(found(name), Ok("proc.queue.total"), "{name}");
        }
        assert_eq!(found("kdcube_proc_queue_depth"), Ok("proc_queue_depth"));
    }

    #[test]
    fn a_typo_leads_to_the_key_that_was_meant() {
        for (typo, meant) in [
            ("proc.queue.presure_ratio", "proc.queue.pressure_ratio"),
            ("PROC.QUEUE.TOTAL", "proc.queue.total"),
            ("saturation", "ingress.sse.saturation_percent"),
        ] {
            assert_eq!(found(typo).unwrap_err()[0], meant, "{typo}");
        }
        assert_eq!(found(""), Err(vec![]));
        assert_eq!(found("§§§"), Err(vec![]));
    }

    proptest! {
        #[test]
        fn any_text_has_few_suggestions(text in ".{0,200}") {
            prop_assert!(found(&text).map_or_else(|near| near.len(), |_| 0) <= MOST);
        }
    }
}
