//! Texts that many events name, each stored once and for as long as an event names it.
//!
//! A day of events may name a million sessions, so all texts share one buffer, and the table that finds one holds its
//! number alone.

use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use super::counts::Counts;
use super::packed::{Form, pack, unpack};

/// Dead bytes that are worth moving the living ones for.
const WORTH_MOVING: usize = 64 * 1024;

/// The texts by number. The number of a text that nobody names any more is given to another.
#[derive(Debug, Default)]
pub(super) struct Names {
    table: HashTable<u32>,
    hasher: RandomState,
    places: Vec<Place>,
    /// How many events name each.
    named: Counts,
    bytes: Vec<u8>,
    /// Bytes of texts that nobody names.
    dead: usize,
    free: Vec<u32>,
    /// The bytes of the text that is looked for.
    sought: Vec<u8>,
}

/// Where a text is.
#[derive(Debug, Clone, Copy)]
struct Place {
    start: u32,
    length: u16,
    form: Form,
}

impl Names {
    /// The number of a text, which is named once more.
    pub(super) fn name(&mut self, text: &str) -> u32 {
        let form = pack(text, &mut self.sought);
        let hash = self.hasher.hash_one(self.sought.as_slice());
        let is_same = |number: &u32| read(&self.places, &self.bytes, *number) == (form, self.sought.as_slice());
        let known = self.table.find(hash, is_same).copied();
        let number = known.unwrap_or_else(|| self.insert(hash, form));
        self.named.set(number, self.named.get(number) + 1);
        number
    }

    /// Takes back one naming of a text.
    pub(super) fn release(&mut self, number: u32) {
        let Some(left) = self.named.get(number).checked_sub(1) else { return };
        self.named.set(number, left);
        if left == 0 {
            self.remove(number);
        }
    }

    /// The text of a number that [`Self::name`] gave.
    pub(super) fn text(&self, number: u32) -> Cow<'_, str> {
        let (form, bytes) = read(&self.places, &self.bytes, number);
        unpack(form, bytes)
    }

    fn insert(&mut self, hash: u64, form: Form) -> u32 {
        let start = u32::try_from(self.bytes.len()).unwrap_or(u32::MAX);
        let place = Place { start, length: u16::try_from(self.sought.len()).unwrap_or(u16::MAX), form };
        self.bytes.extend_from_slice(&self.sought);
        let number = self.free.pop().unwrap_or_else(|| u32::try_from(self.places.len()).unwrap_or(u32::MAX));
        match self.places.get_mut(index(number)) {
            Some(free) => *free = place,
            None => self.places.push(place),
        }
        let (places, bytes, hasher) = (&self.places, &self.bytes, &self.hasher);
        self.table.insert_unique(hash, number, |number| hasher.hash_one(read(places, bytes, *number).1));
        number
    }

    fn remove(&mut self, number: u32) {
        let (_, bytes) = read(&self.places, &self.bytes, number);
        let (hash, length) = (self.hasher.hash_one(bytes), bytes.len());
        if let Ok(entry) = self.table.find_entry(hash, |known| *known == number) {
            entry.remove();
        }
        self.free.push(number);
        self.dead += length;
        if self.dead > WORTH_MOVING.max(self.bytes.len() / 2) {
            self.compact();
        }
    }

    /// Moves the texts together that are named.
    fn compact(&mut self) {
        let mut kept = Vec::with_capacity(self.bytes.len() - self.dead);
        for (number, place) in (0..).zip(&mut self.places) {
            if self.named.get(number) > 0 {
                let start = u32::try_from(kept.len()).unwrap_or(u32::MAX);
                kept.extend_from_slice(slice(&self.bytes, *place));
                place.start = start;
            }
        }
        (self.bytes, self.dead) = (kept, 0);
    }
}

fn read<'a>(places: &[Place], bytes: &'a [u8], number: u32) -> (Form, &'a [u8]) {
    places.get(index(number)).map_or_else(Default::default, |place| (place.form, slice(bytes, *place)))
}

fn slice(bytes: &[u8], place: Place) -> &[u8] {
    let start = index(place.start);
    bytes.get(start..start + usize::from(place.length)).unwrap_or_default()
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
        assert_eq!((names.name("first"), &*names.text(first), &*names.text(second)), (first, "first", "second"));
        names.release(first);
        assert_eq!(names.name("first"), first, "it is still named once");
        (0..2).for_each(|_| names.release(first));
        assert_eq!((names.name("third"), &*names.text(first), &*names.text(second)), (first, "third", "second"));
    }

    #[test]
    fn the_bytes_of_forgotten_texts_are_given_back() {
        let mut names = Names::default();
        let kept = names.name("kept");
        for round in 0..100_000 {
            let number = names.name(&format!("session-{round}"));
            names.release(number);
        }
        assert!(names.bytes.capacity() < 4 * WORTH_MOVING && names.places.len() == 2, "{}", names.bytes.capacity());
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
                prop_assert!(numbers.iter().all(|number| names.text(*number) == text.as_str()));
            }
        }
    }
}
