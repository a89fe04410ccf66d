//! A count for each of very many numbers: nearly all are below 255 and take a byte.

use std::collections::HashMap;

use super::names::index;

/// Stands for a count that is kept apart.
const LARGE: u8 = u8::MAX;

/// The counts; 0 where none was set.
#[derive(Debug, Default)]
pub(super) struct Counts {
    small: Vec<u8>,
    large: HashMap<u32, u32>,
}

impl Counts {
    pub(super) fn get(&self, number: u32) -> u32 {
        match self.small.get(index(number)).copied().unwrap_or(0) {
            LARGE => self.large.get(&number).copied().unwrap_or(0),
            small => small.into(),
        }
    }

    pub(super) fn set(&mut self, number: u32, count: u32) {
        if self.small.len() <= index(number) {
            self.small.resize(index(number) + 1, 0);
        }
        let small = u8::try_from(count).unwrap_or(LARGE);
        let before = self.small.get_mut(index(number)).map(|place| std::mem::replace(place, small));
        if small == LARGE {
            self.large.insert(number, count);
        } else if before == Some(LARGE) {
            self.large.remove(&number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_any_size_are_kept() {
        let mut counts = Counts::default();
        assert_eq!(counts.get(7), 0);
        for count in [1, 254, 255, 256, 1_000_000, 255, 254, 0] {
            counts.set(3, count);
            counts.set(5, count / 2);
            assert_eq!((counts.get(3), counts.get(5), counts.get(4)), (count, count / 2, 0));
        }
        assert!(counts.large.is_empty());
    }
}
