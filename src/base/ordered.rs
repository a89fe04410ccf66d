//! Walks over what is in order: where most keys of one collection are in another, a step beside it costs less than a search.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::slice::Iter;

/// Whether a key comes before another one. That they are the same is asked first: of names that are shared their place says so.
pub(crate) fn is_before<K: Ord>(one: &K, other: &K) -> bool {
    one != other && one < other
}

/// Sets the values of these keys. Any order is right; that of the keys is quick.
pub(crate) fn set_all<'a, K: Ord + Clone + 'a, V>(
    map: &mut BTreeMap<K, V>,
    values: impl IntoIterator<Item = (&'a K, V)>,
) {
    let mut others = Vec::new();
    let mut known = map.iter_mut().peekable();
    for (key, value) in values {
        while known.next_if(|(before, _)| is_before(*before, key)).is_some() {}
        match known.next_if(|(same, _)| *same == key) {
            Some((_, known)) => *known = value,
            None => others.push((key.clone(), value)),
        }
    }
    map.extend(others);
}

/// Finds values by keys that are asked for in order.
pub(crate) struct Walk<'a, K, V> {
    left: Peekable<Iter<'a, (K, V)>>,
}

impl<'a, K: Ord, V> Walk<'a, K, V> {
    /// A walk over entries in the order of their keys.
    pub(crate) fn new(entries: &'a [(K, V)]) -> Self {
        Self { left: entries.iter().peekable() }
    }

    /// The value of a key, which is not less than the one before; of a key that is there twice the last.
    pub(crate) fn find(&mut self, key: &K) -> Option<&'a V> {
        while self.left.next_if(|(before, _)| is_before(before, key)).is_some() {}
        let same = self.left.clone().take_while(|(same, _)| same == key);
        same.last().map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn values_are_set_in_any_order_and_the_last_of_a_key_counts(
            before in proptest::collection::btree_map(0..30_u8, any::<u8>(), 0..20),
            mut values in proptest::collection::vec((0..30_u8, any::<u8>()), 0..20),
            sorted in any::<bool>()
        ) {
            if sorted {
                values.sort_by_key(|(key, _)| *key);
            }
            let mut expected = before.clone();
            expected.extend(values.iter().copied());
            let mut map = before;
            set_all(&mut map, values.iter().map(|(key, value)| (key, *value)));
            prop_assert_eq!(map, expected);
        }

        #[test]
        fn a_walk_finds_what_a_search_finds(
            mut entries in proptest::collection::vec((0..30_u8, any::<u8>()), 0..20),
            mut asked in proptest::collection::vec(0..30_u8, 0..30)
        ) {
            asked.sort_unstable();
            entries.sort_by_key(|(key, _)| *key);
            let mut walk = Walk::new(&entries);
            for key in asked {
                let expected = entries.iter().rfind(|(same, _)| *same == key);
                prop_assert_eq!(walk.find(&key), expected.map(|(_, value)| value));
            }
        }
    }
}
