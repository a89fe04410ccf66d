//! Differences over several polls: those that last count, those that come and go are a matter of timing.

use std::collections::BTreeMap;

use serde_json::Value;

use super::difference::Difference;
use super::known::Known;
use super::names::NameDifference;

/// What is known of one path over all polls.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Finding {
    /// The newest values, as printed.
    pub(super) theirs: String,
    pub(super) own: String,
    pub(super) known: Option<Known>,
    counts: Counts,
}

/// In how many polls a path differed, by direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    more: u32,
    less: u32,
    other: u32,
    unexplained: u32,
}

impl Counts {
    const fn all(self) -> u32 {
        self.more + self.less + self.other
    }

    /// Two reads of a moving number differ now in one direction, now in the other.
    fn steady(self) -> u32 {
        self.more.max(self.less).max(self.other)
    }
}

impl Finding {
    /// In how many polls it differed.
    pub(super) const fn polls(&self) -> u32 {
        self.counts.all()
    }
}

/// All findings by path.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) polls: u32,
    found: BTreeMap<String, Finding>,
}

/// What remains to be reported.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Findings {
    pub(super) unexplained: Vec<(String, Finding)>,
    pub(super) known: BTreeMap<Known, Vec<(String, Finding)>>,
    /// Paths that differed in no more than half of the polls.
    pub(super) transient: usize,
}

impl Tally {
    pub(super) fn payload(&mut self, difference: &Difference, known: Option<Known>) {
        let numbers = |value: &Option<Value>| value.as_ref().and_then(Value::as_f64);
        let direction = numbers(&difference.theirs).zip(numbers(&difference.own));
        let shown = |value: &Option<Value>| super::report::shown(&difference.path, value.as_ref());
        self.add(difference.path.to_string(), [shown(&difference.theirs), shown(&difference.own)], direction, known);
    }

    pub(super) fn name(&mut self, difference: &NameDifference) {
        let number = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| value.to_string());
        let own = match &difference.renamed {
            Some(renamed) => format!("{} as {}", number(difference.own), renamed.escape_debug()),
            None => number(difference.own),
        };
        let path = format!("/metrics {}", difference.name.escape_debug());
        self.add(path, [number(difference.theirs), own], difference.theirs.zip(difference.own), difference.known);
    }

    fn add(&mut self, path: String, shown: [String; 2], direction: Option<(f64, f64)>, known: Option<Known>) {
        let [theirs, own] = shown;
        let finding = self.found.entry(path).or_insert_with(|| Finding {
            theirs: String::new(),
            own: String::new(),
            known: None,
            counts: Counts::default(),
        });
        (finding.theirs, finding.own, finding.known) = (theirs, own, known.or(finding.known));
        match direction {
            Some((theirs, own)) if own > theirs => finding.counts.more += 1,
            Some((theirs, own)) if own < theirs => finding.counts.less += 1,
            _ => finding.counts.other += 1,
        }
        finding.counts.unexplained += u32::from(known.is_none());
    }

    pub(super) fn result(self) -> Findings {
        let mut result = Findings::default();
        for (path, mut finding) in self.found {
            if finding.counts.steady() * 2 <= self.polls {
                result.transient += 1;
                continue;
            }
            // Without a reason in half of the polls, the reason in the others is not one.
            finding.known = finding.known.filter(|_| finding.counts.unexplained * 2 < finding.counts.all());
            match finding.known {
                Some(known) => result.known.entry(known).or_default().push((path, finding)),
                None => result.unexplained.push((path, finding)),
            }
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::leaves::Path;
    use super::*;

    /// The result of polls that each saw one path with these values, or equal ones (`None`).
    fn result(polls: &[Option<(i64, i64, Option<Known>)>]) -> Findings {
        let mut tally = Tally::default();
        for poll in polls {
            tally.polls += 1;
            if let Some((theirs, own, known)) = *poll {
                let difference =
                    Difference { path: Path::of("a.b"), theirs: Some(json!(theirs)), own: Some(json!(own)) };
                tally.payload(&difference, known);
            }
        }
        tally.result()
    }

    #[test]
    fn a_difference_lasts_if_it_is_there_in_most_polls_in_one_direction() {
        let (up, down) = (Some((1, 2, None)), Some((2, 1, None)));
        let table: [(&[_], bool); 7] = [
            (&[up], true),
            (&[up, None], false),
            (&[up, up, None], true),
            (&[up, down], false),
            (&[up, down, up, down, up], true),
            (&[up, down, None], false),
            (&[None, None], false),
        ];
        for (polls, lasts) in table {
            assert_eq!(result(polls).unexplained.len(), usize::from(lasts), "{polls:?}");
        }
        assert_eq!(result(&[up, down]).transient, 1);
        assert_eq!(result(&[None]), Findings::default());
    }

    #[test]
    fn a_reason_must_hold_in_most_polls() {
        let known = Some((1, 2, Some(Known::Draining)));
        let unknown = Some((1, 2, None));
        assert_eq!(result(&[known, known, unknown]).known.keys().collect::<Vec<_>>(), [&Known::Draining]);
        for polls in [&[known, unknown][..], &[unknown, unknown, known]] {
            assert_eq!((result(polls).known.len(), result(polls).unexplained.len()), (0, 1), "{polls:?}");
        }
    }

    #[test]
    fn a_finding_shows_the_newest_values_and_how_often_it_was_there() {
        let found = result(&[Some((1, 2, None)), Some((3, 4, None)), None]).unexplained;
        let (path, finding) = &found[0];
        assert_eq!((path.as_str(), finding.theirs.as_str(), finding.own.as_str()), ("a.b", "3", "4"));
        assert_eq!(finding.polls(), 2);
    }

    #[test]
    fn a_renamed_metric_shows_its_name_here() {
        let mut tally = Tally { polls: 1, ..Tally::default() };
        tally.name(&NameDifference {
            name: "kdcube_a_ms".to_owned(),
            theirs: Some(1.0),
            renamed: Some("kdcube_a".to_owned()),
            own: Some(1.0),
            known: Some(Known::MetricNames),
        });
        let known = tally.result().known;
        let (path, finding) = &known[&Known::MetricNames][0];
        assert_eq!((path.as_str(), finding.own.as_str()), ("/metrics kdcube_a_ms", "1 as kdcube_a"));
    }
}
