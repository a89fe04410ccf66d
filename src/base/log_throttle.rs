//! Saying a repeated thing once: the first time, then at most every so often, with the number.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Admits each key once, and again when the quiet time has passed.
#[derive(Debug)]
pub struct LogThrottle<K> {
    quiet: Duration,
    seen: Mutex<BTreeMap<K, ThrottleEntry>>,
}

#[derive(Debug)]
struct ThrottleEntry {
    said: Instant,
    since: u64,
}

impl<K: Ord> LogThrottle<K> {
    /// Says a key again after `quiet` at the earliest. Keys are kept: there must be few.
    #[must_use]
    pub const fn new(quiet: Duration) -> Self {
        Self { quiet, seen: Mutex::new(BTreeMap::new()) }
    }

    /// How often the key came since it was last said, this time included; `None` if it is not to be said.
    pub fn admit(&self, key: K) -> Option<u64> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let Some(entry) = seen.get_mut(&key) else {
            seen.insert(key, ThrottleEntry { said: now, since: 0 });
            return Some(1);
        };
        entry.since += 1;
        if now.duration_since(entry.said) < self.quiet {
            return None;
        }
        entry.said = now;
        Some(std::mem::take(&mut entry.since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_repeated_key_is_admitted_once_then_with_its_number() {
        let throttle = LogThrottle::new(Duration::from_secs(60));
        assert_eq!(throttle.admit("a"), Some(1));
        assert_eq!(throttle.admit("a"), None);
        assert_eq!(throttle.admit("b"), Some(1));
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(throttle.admit("a"), Some(2));
        assert_eq!(throttle.admit("a"), None);
    }
}
