//! Which metrics go to CloudWatch: globs of keys and named sets, resolved against the catalog when they are read.

use std::collections::BTreeSet;

use crate::catalog::{self, Metric};
use crate::settings::FromSetting;

/// The included keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Include(BTreeSet<&'static str>);

impl Default for Include {
    /// What the table sends by default.
    fn default() -> Self {
        Self(catalog::set("@default").into_iter().flatten().map(|metric| metric.key).collect())
    }
}

impl Include {
    #[must_use]
    pub fn contains(&self, metric: &Metric) -> bool {
        self.0.contains(metric.key)
    }

    /// The metrics in catalog order.
    pub fn metrics(&self) -> impl Iterator<Item = &'static Metric> {
        catalog::all().filter(|metric| self.contains(metric))
    }
}

impl FromSetting for Include {
    fn from_setting(text: &str) -> Result<Self, String> {
        let mut keys = BTreeSet::new();
        for glob in text.split(',').map(str::trim).filter(|glob| !glob.is_empty()) {
            keys.extend(chosen(glob)?.into_iter().map(|metric| metric.key));
        }
        Ok(if keys.is_empty() { Self::default() } else { Self(keys) })
    }
}

/// The metrics of a named set, or whose key or alias matches.
fn chosen(glob: &str) -> Result<Vec<&'static Metric>, String> {
    if glob.starts_with('@') {
        return catalog::set(glob)
            .ok_or_else(|| format!("`{glob}` is no set; the sets are {}", catalog::SETS.join(", ")));
    }
    let named = |metric: &&Metric| matches(glob, metric.key) || metric.aliases.iter().any(|alias| matches(glob, alias));
    let found: Vec<_> = catalog::all().filter(named).collect();
    if found.is_empty() { Err(format!("no metric matches `{glob}`")) } else { Ok(found) }
}

/// Whether `text` matches `glob`; `*` matches any characters, also none and dots.
fn matches(glob: &str, text: &str) -> bool {
    let Some((head, rest)) = glob.split_once('*') else { return glob == text };
    let Some(text) = text.strip_prefix(head) else { return false };
    // Every part but the last may match as early as it likes; the last must end the text.
    let (middle, tail) = rest.rsplit_once('*').unwrap_or(("", rest));
    let mut left = text;
    for part in middle.split('*') {
        match left.find(part) {
            Some(at) => left = left.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    left.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The plain definition, letter by letter.
    fn reference(glob: &[u8], text: &[u8]) -> bool {
        match (glob, text) {
            ([], []) => true,
            ([b'*', rest @ ..], _) => reference(rest, text) || matches!(text, [_, text @ ..] if reference(glob, text)),
            ([a, glob @ ..], [b, text @ ..]) => a == b && reference(glob, text),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn a_star_matches_anything(glob in "[ab*]{0,6}", text in "[ab]{0,6}") {
            prop_assert_eq!(matches(&glob, &text), reference(glob.as_bytes(), text.as_bytes()));
        }
    }

    #[test]
    fn scalars_are_the_default() {
        let include = Include::from_setting("").unwrap();
        assert_eq!(include, Include::default());
        assert!(include.metrics().count() > 10 && include.metrics().all(Metric::is_scalar));
    }

    #[test]
    fn globs_match_keys_and_aliases() {
        let aliased = catalog::all().find(|metric| !metric.aliases.is_empty()).unwrap();
        let include = Include::from_setting(&format!("proc_queue_*, {}", aliased.aliases[0])).unwrap();
        assert!(include.contains(catalog::find("proc_queue_tasks").unwrap()) && include.contains(aliased));
        assert!(include.metrics().all(|metric| metric == aliased || metric.key.starts_with("proc_queue_")));
        assert_eq!(Include::from_setting("*").unwrap().metrics().count(), catalog::all().count());
    }

    #[test]
    fn the_platforms_suggested_keys_select_metrics() {
        let include =
            Include::from_setting("proc.queue.wait_ms_p95,proc.capacity.utilization,ingress.throttling.*").unwrap();
        let keys: Vec<_> = include.metrics().map(|metric| metric.key).collect();
        assert_eq!(keys, ["proc.queue.utilization_ratio", "proc.queue.wait.p95_ms", "throttling.rate_limit_429"]);
    }

    #[test]
    fn a_set_is_chosen_by_its_name_and_added_to_others() {
        let of = |text: &str| Include::from_setting(text).map(|include| include.metrics().count());
        let (default, scaling) = (of("@default").unwrap(), of("@scaling").unwrap());
        assert_eq!(Include::from_setting("@default"), Ok(Include::default()));
        assert_eq!(of(" @scaling,@default, proc.slots"), Ok(default + scaling + 1));
        assert_eq!(of("@all"), Err("`@all` is no set; the sets are @default, @scaling".to_owned()));
    }

    #[test]
    fn a_glob_that_matches_nothing_is_rejected() {
        assert_eq!(Include::from_setting("*,proc.nothing*").unwrap_err(), "no metric matches `proc.nothing*`");
    }
}
