//! Texts that many events name, each stored once and for as long as an event names it.
//!
//! A day of events may name a million sessions, so all texts share one buffer, and the table that finds one holds its
//! number alone.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

/// Dead bytes that are worth moving the living ones for.
const WORTH_MOVING: usize = 64 * 1024;

/// The texts by number. The number of a text that nobody names any more is given to another.
#[derive(Debug, Default)]
pub(super) struct Names {
    table: HashTable<u32>,
    hasher: RandomState,
    places: Vec<Place>,
    text: String,
    /// Bytes of texts that nobody names.
    dead: usize,
    free: Vec<u32>,
}

/// Where a text is, and how many events name it.
#[derive(Debug, Clone, Copy)]
struct Place {
    start: usize,
    length: u32,
    named: u32,
}

impl Names {
    /// The number of a text, which is named once more.
    pub(super) fn name(&mut self, text: &str) -> u32 {
        let hash = self.hasher.hash_one(text);
        let known = self.table.find(hash, |number| read(&self.places, &self.text, *number) == text).copied();
        let number = known.unwrap_or_else(|| self.insert(hash, text));
        self.places.get_mut(index(number)).into_iter().for_each(|place| place.named += 1);
        number
    }

    /// Takes back one naming of a text.
    pub(super) fn release(&mut self, number: u32) {
        let Some(place) = self.places.get_mut(index(number)) else { return };
        place.named = place.named.saturating_sub(1);
        if place.named == 0 {
            self.remove(number);
        }
    }

    /// The text of a number that [`Self::name`] gave.
    pub(super) fn text(&self, number: u32) -> &str {
        read(&self.places, &self.text, number)
    }

    fn insert(&mut self, hash: u64, text: &str) -> u32 {
        let place = Place { start: self.text.len(), length: u32::try_from(text.len()).unwrap_or(u32::MAX), named: 0 };
        self.text.push_str(text);
        let number = self.free.pop().unwrap_or_else(|| u32::try_from(self.places.len()).unwrap_or(u32::MAX));
        match self.places.get_mut(index(number)) {
            Some(free) => *free = place,
            None => self.places.push(place),
        }
        let (places, text, hasher) = (&self.places, &self.text, &self.hasher);
        self.table.insert_unique(hash, number, |number| hasher.hash_one(read(places, text, *number)));
        number
    }

    fn remove(&mut self, number: u32) {
        let text = read(&self.places, &self.text, number);
        let (hash, length) = (self.hasher.hash_one(text), text.len());
        if let Ok(entry) = self.table.find_entry(hash, |known| *known == number) {
            entry.remove();
        }
        self.free.push(number);
        self.dead += length;
        if self.dead > WORTH_MOVING.max(self.text.len() / 2) {
            self.compact();
        }
    }

    /// Moves the texts together that are named.
    fn compact(&mut self) {
        let mut kept = String::with_capacity(self.text.len() - self.dead);
        for place in self.places.iter_mut().filter(|place| place.named > 0) {
            let start = kept.len();
            kept.push_str(slice(&self.text, *place));
            place.start = start;
        }
        (self.text, self.dead) = (kept, 0);
    }
}

fn read<'a>(places: &[Place], text: &'a str, number: u32) -> &'a str {
    places.get(index(number)).map_or("", |place| slice(text, *place))
}

fn slice(text: &str, place: Place) -> &str {
    text.get(place.start..place.start + index(place.length)).unwrap_or_default()
}

/// A number as an index.
pub(super) const fn index(number: u32) -> usize {
    number as usize
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_has_one_number_while_it_is_named() {
        let mut names = Names::default();
        let (first, second) = (names.name("first"), names.name("second"));
        assert_eq!((names.name("first"), names.text(first), names.text(second)), (first, "first", "second"));
        names.release(first);
        assert_eq!(names.name("first"), first, "it is still named once");
        (0..2).for_each(|_| names.release(first));
        assert_eq!((names.name("third"), names.text(first), names.text(second)), (first, "third", "second"));
    }

    #[test]
    fn the_bytes_of_forgotten_texts_are_given_back() {
        let mut names = Names::default();
        let kept = names.name("kept");
        for round in 0..100_000 {
            let number = names.name(&format!("session-{round}"));
            names.release(number);
        }
        assert!(names.text.capacity() < 4 * WORTH_MOVING && names.places.len() == 2, "{}", names.text.capacity());
        assert_eq!(names.text(kept), "kept");
    }

    proptest! {
        #[test]
        fn every_number_keeps_its_text(steps in proptest::collection::vec((0_u32..50, any::<bool>()), 0..500)) {
            let mut names = Names::default();
            let mut named: HashMap<String, Vec<u32>> = HashMap::new();
            for (text, is_named) in steps {
                let text = format!("{text:0>5000}");
                if is_named {
                    named.entry(text.clone()).or_default().push(names.name(&text));
                } else if let Some(number) = named.get_mut(&text).and_then(Vec::pop) {
                    names.release(number);
                }
            }
            for (text, numbers) in named {
                prop_assert!(numbers.iter().all(|number| names.text(*number) == text));
            }
        }
    }
}
