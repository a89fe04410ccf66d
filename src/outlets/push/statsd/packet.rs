//! From samples to datagrams: one line a gauge, as many lines as fit.

use std::fmt::Write;

use super::config::{Dialect, StatsdConfig};
use crate::catalog::{Part, Sample};

/// Bytes of a datagram that pass Ethernet in one piece.
pub(super) const MAX_DATAGRAM: usize = 1432;

/// The line of a sample; `None` where the protocol cannot say it: a gauge with a sign is a difference to it.
pub(super) fn line(sample: &Sample, config: &StatsdConfig) -> Option<String> {
    let is_value = sample.part == Part::Whole && sample.value.is_finite() && sample.value.is_sign_positive();
    let mut line = format!("{}{}", config.prefix, sample.metric.key);
    match config.dialect {
        Dialect::Dogstatsd => {
            let _ = write!(line, ":{}|g{}", sample.value, tags(sample));
        }
        Dialect::Statsd => {
            sample.labels.iter().for_each(|(_, value)| line.extend([".", &part(value)]));
            let _ = write!(line, ":{}|g", sample.value);
        }
    }
    (is_value && line.len() <= MAX_DATAGRAM).then_some(line)
}

fn tags(sample: &Sample) -> String {
    let scope = sample.scope.iter().flat_map(|scope| [("tenant", &scope.tenant), ("project", &scope.project)]);
    let labels = sample.labels.iter().map(|(name, value)| (*name, value));
    let tags: Vec<String> = scope.chain(labels).map(|(name, value)| format!("{name}:{}", tag(value))).collect();
    if tags.is_empty() { String::new() } else { format!("|#{}", tags.join(",")) }
}

/// A value without what ends a tag.
fn tag(value: &str) -> String {
    value.chars().map(|c| if c.is_control() || ",|#".contains(c) { '_' } else { c }).collect()
}

/// A value as a part of a name.
fn part(value: &str) -> String {
    value.chars().map(|c| if c.is_ascii_alphanumeric() || "_-".contains(c) { c } else { '_' }).collect()
}

/// The lines in as few datagrams as hold them.
pub(super) fn datagrams(lines: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut datagrams: Vec<String> = Vec::new();
    for line in lines {
        match datagrams.last_mut() {
            Some(last) if last.len() + 1 + line.len() <= MAX_DATAGRAM => last.extend(["\n", &line]),
            _ => datagrams.push(line),
        }
    }
    datagrams
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::catalog::find;
    use crate::platform::facts::Scope;

    fn config(dialect: Dialect) -> StatsdConfig {
        StatsdConfig { address: "x:1".to_owned(), dialect, prefix: "kdcube.".to_owned() }
    }

    fn sample(key: &str, labels: Vec<(&'static str, String)>, value: f64) -> Sample {
        let scope = Some(Arc::new(Scope { tenant: "acme".into(), project: "chat".into() }));
        Sample { metric: find(key).unwrap(), labels, part: Part::Whole, value, scope }
    }

    #[test]
    fn labels_are_tags_or_parts_of_the_name() {
        let role = sample("proc_queue_depth", vec![("role", "paid|x".to_owned())], 2.5);
        assert_eq!(
            line(&role, &config(Dialect::Dogstatsd)).unwrap(),
            "kdcube.proc_queue_depth:2.5|g|#tenant:acme,project:chat,role:paid_x"
        );
        assert_eq!(line(&role, &config(Dialect::Statsd)).unwrap(), "kdcube.proc_queue_depth.paid_x:2.5|g");
    }

    #[test]
    fn what_the_protocol_cannot_say_is_left_out() {
        for value in [-1.0, -0.0, f64::NAN, f64::INFINITY] {
            assert_eq!(line(&sample("proc.queue.total", vec![], value), &config(Dialect::Statsd)), None, "{value}");
        }
    }

    proptest! {
        #[test]
        fn every_line_is_in_one_datagram_of_legal_size(lengths in proptest::collection::vec(1..MAX_DATAGRAM, 0..60)) {
            let lines: Vec<String> = lengths.into_iter().map(|length| "x".repeat(length)).collect();
            let datagrams = datagrams(lines.clone());
            prop_assert!(datagrams.iter().all(|datagram| datagram.len() <= MAX_DATAGRAM));
            let sent: Vec<&str> = datagrams.iter().flat_map(|datagram| datagram.split('\n')).collect();
            prop_assert_eq!(sent, lines.iter().map(String::as_str).collect::<Vec<_>>());
        }

        #[test]
        fn no_label_breaks_out_of_its_line(value in ".{0,40}") {
            for dialect in [Dialect::Dogstatsd, Dialect::Statsd] {
                let line = line(&sample("proc_queue_depth", vec![("role", value.clone())], 1.0), &config(dialect)).unwrap();
                prop_assert!(!line.contains('\n') && line.matches("|g").count() == 1, "{}", line);
            }
        }
    }

    #[test]
    fn a_datagram_is_filled_to_its_last_byte_and_a_line_of_more_is_left_out() {
        let lines = |lengths: &[usize]| datagrams(lengths.iter().map(|length| "x".repeat(*length))).len();
        assert_eq!((lines(&[716, MAX_DATAGRAM - 717]), lines(&[716, MAX_DATAGRAM - 716])), (1, 2));
        assert_eq!((lines(&[]), lines(&[1, 1, 1])), (0, 1));
        let of_role = |length| {
            let role = sample("proc_queue_depth", vec![("role", "x".repeat(length))], 1.0);
            line(&role, &config(Dialect::Dogstatsd)).map(|line| line.len())
        };
        let fits = MAX_DATAGRAM - of_role(0).unwrap();
        assert_eq!((of_role(fits), of_role(fits + 1)), (Some(MAX_DATAGRAM), None));
    }

    #[test]
    fn only_a_whole_gauge_has_a_line_and_zero_is_one() {
        let whole = sample("proc.queue.total", vec![], 0.0);
        assert!(line(&whole, &config(Dialect::Statsd)).is_some());
        let sum = Sample { part: Part::Sum, ..whole };
        assert_eq!(line(&sum, &config(Dialect::Statsd)), None);
    }
}
