//! Where a number is in `/api/v1/signals`.

use crate::catalog;

/// The parts of a key: split at dots, except after a prefix that is itself a key, to which the rest is joined by `_`.
pub(in crate::outlets) fn signals_path(key: &'static str) -> Vec<String> {
    let is_key = |head: &str| catalog::all().any(|metric| metric.key == head);
    let mut parts: Vec<String> = Vec::new();
    let mut head = String::new();
    for part in key.split('.') {
        match parts.last_mut() {
            Some(last) if is_key(&head) => {
                last.push('_');
                last.push_str(part);
            }
            _ => parts.push(part.to_owned()),
        }
        head = if head.is_empty() { part.to_owned() } else { format!("{head}.{part}") };
    }
    parts
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_key_with_another_key_as_prefix_is_joined() {
        assert_eq!(signals_path("proc.queue.pressure_ratio.1m"), ["proc", "queue", "pressure_ratio_1m"]);
        assert_eq!(signals_path("proc.queue.depth.1m"), ["proc", "queue", "depth", "1m"]);
        assert_eq!(signals_path("ingress.rest.latency.p95"), ["ingress", "rest", "latency", "p95"]);
    }

    #[test]
    fn no_two_keys_collide() {
        let scalars = || catalog::all().filter(|metric| metric.is_scalar());
        let paths: BTreeSet<Vec<String>> = scalars().map(|metric| signals_path(metric.key)).collect();
        for path in &paths {
            for length in 1..path.len() {
                assert!(!paths.contains(&path[..length]), "{path:?}");
            }
        }
        assert_eq!(paths.len(), scalars().count());
    }
}
