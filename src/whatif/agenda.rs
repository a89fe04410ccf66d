//! What happens when: events by their time, those of one time in the order in which they were added.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::base::clock::UnixSeconds;

#[derive(Debug)]
pub(super) struct Agenda<E> {
    heap: BinaryHeap<Entry<E>>,
    added: u64,
}

#[derive(Debug)]
struct Entry<E> {
    at: UnixSeconds,
    number: u64,
    event: E,
}

impl<E> Agenda<E> {
    pub(super) fn new() -> Self {
        Self { heap: BinaryHeap::new(), added: 0 }
    }

    pub(super) fn add(&mut self, at: UnixSeconds, event: E) {
        self.added += 1;
        self.heap.push(Entry { at, number: self.added, event });
    }

    /// The next event that is due by `until`, with its time.
    pub(super) fn next(&mut self, until: UnixSeconds) -> Option<(UnixSeconds, E)> {
        self.heap.peek().filter(|entry| entry.at <= until)?;
        self.heap.pop().map(|entry| (entry.at, entry.event))
    }
}

impl<E> Ord for Entry<E> {
    /// The earliest is the greatest: a heap gives the greatest first.
    fn cmp(&self, other: &Self) -> Ordering {
        other.at.total_cmp(&self.at).then(other.number.cmp(&self.number))
    }
}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<E> Eq for Entry<E> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_by_time_and_then_in_order() {
        let mut agenda = Agenda::new();
        for (at, event) in [(3.0, 'd'), (1.0, 'a'), (2.0, 'b'), (2.0, 'c'), (9.0, 'e')] {
            agenda.add(at, event);
        }
        let due: Vec<(f64, char)> = std::iter::from_fn(|| agenda.next(3.0)).collect();
        assert_eq!(due, [(1.0, 'a'), (2.0, 'b'), (2.0, 'c'), (3.0, 'd')]);
        assert_eq!(agenda.next(8.9), None);
        assert_eq!(agenda.next(9.0), Some((9.0, 'e')));
    }
}
