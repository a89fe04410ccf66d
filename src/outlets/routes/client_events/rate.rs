//! How many events are received: from one peer, so that it cannot use up what others need, and from all, because each
//! is a line of the log. A large event counts as several.

use std::num::NonZeroU32;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use super::peer::Peer;
use crate::outlets::http::limits::{EVENT_UNIT, MAX_EVENT_PEERS, PEER_EVENTS, Rate, TOTAL_EVENTS};

/// Both limits; the clock is the library's own outside of tests.
#[derive(Debug)]
pub(super) struct RateLimits<C: Clock = DefaultClock> {
    peers: RateLimiter<Peer, HashMapStateStore<Peer>, C, NoOpMiddleware<C::Instant>>,
    total: RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<C::Instant>>,
}

impl RateLimits {
    pub(super) fn new() -> Self {
        Self::with_clock(&DefaultClock::default())
    }
}

impl<C: Clock + Clone> RateLimits<C> {
    fn with_clock(clock: &C) -> Self {
        let peers = RateLimiter::hashmap_with_clock(quota(PEER_EVENTS), clock.clone());
        let total = RateLimiter::direct_with_clock(quota(TOTAL_EVENTS), clock.clone());
        Self { peers, total }
    }

    /// Whether an event of this many bytes is within both limits. The peer's comes first: what is beyond it does not
    /// count for all.
    pub(super) fn admit(&self, peer: Peer, bytes: usize) -> bool {
        let units = units(bytes);
        self.has_room() && is_within(self.peers.check_key_n(&peer, units)) && is_within(self.total.check_n(units))
    }

    /// Forgets peers that have been quiet once there are too many. As many that are not quiet can only be made up.
    fn has_room(&self) -> bool {
        if self.peers.len() >= MAX_EVENT_PEERS {
            self.peers.retain_recent();
        }
        self.peers.len() < MAX_EVENT_PEERS
    }
}

fn quota(rate: Rate) -> Quota {
    let at_least_one = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
    Quota::per_second(at_least_one(rate.per_second)).allow_burst(at_least_one(rate.burst))
}

fn units(bytes: usize) -> NonZeroU32 {
    u32::try_from(bytes / EVENT_UNIT).map_or(NonZeroU32::MAX, |more| NonZeroU32::MIN.saturating_add(more))
}

/// An event that is larger than a burst is never within the limit.
fn is_within<N, L>(checked: Result<Result<(), N>, L>) -> bool {
    matches!(checked, Ok(Ok(())))
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::Duration;

    use axum::http::HeaderMap;
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn peer(number: u32) -> Peer {
        Peer::of(&HeaderMap::new(), Some(IpAddr::V4(Ipv4Addr::from_bits(number))))
    }

    fn limits() -> (FakeRelativeClock, RateLimits<FakeRelativeClock>) {
        let clock = FakeRelativeClock::default();
        let limits = RateLimits::with_clock(&clock);
        (clock, limits)
    }

    /// How many small events of a peer are admitted, of ten thousand.
    fn admitted(limits: &RateLimits<FakeRelativeClock>, peer: Peer) -> u32 {
        (0..10_000).map(|_| u32::from(limits.admit(peer, 300))).sum()
    }

    #[test]
    fn a_peer_has_a_burst_and_then_its_rate() {
        let (clock, limits) = limits();
        assert_eq!(admitted(&limits, peer(1)), PEER_EVENTS.burst);
        clock.advance(Duration::from_secs(3));
        assert_eq!(admitted(&limits, peer(1)), 3 * PEER_EVENTS.per_second);
        clock.advance(Duration::from_hours(1));
        assert_eq!(admitted(&limits, peer(1)), PEER_EVENTS.burst, "what is not used adds up to a burst at most");
    }

    #[test]
    fn what_a_peer_sends_beyond_its_limit_costs_the_others_nothing() {
        let (_, limits) = limits();
        assert_eq!(admitted(&limits, peer(1)), PEER_EVENTS.burst);
        assert_eq!(admitted(&limits, peer(2)), PEER_EVENTS.burst);
    }

    #[test]
    fn all_peers_together_have_a_limit() {
        let (clock, limits) = limits();
        let all = |limits: &_| (0..100).map(|number| admitted(limits, peer(number))).sum::<u32>();
        assert_eq!(all(&limits), TOTAL_EVENTS.burst);
        clock.advance(Duration::from_secs(2));
        assert_eq!(all(&limits), 2 * TOTAL_EVENTS.per_second);
    }

    #[test]
    fn a_large_event_counts_as_several_and_the_largest_fits() {
        for (bytes, expected) in [(0, 1), (EVENT_UNIT - 1, 1), (EVENT_UNIT, 2), (256 * 1024, 65)] {
            assert_eq!(units(bytes).get(), expected, "{bytes}");
        }
        let (_, limits) = limits();
        let largest = (0..10).filter(|_| limits.admit(peer(1), 256 * 1024)).count();
        assert_eq!(largest, (PEER_EVENTS.burst / 65) as usize);
        assert!(!limits.admit(peer(2), usize::MAX));
    }

    #[test]
    fn made_up_addresses_fill_a_bounded_table_that_empties_again() {
        let (clock, limits) = limits();
        for number in 0..20_000 {
            limits.admit(peer(number), 300);
        }
        assert_eq!(limits.peers.len(), MAX_EVENT_PEERS);
        assert!(!limits.admit(peer(20_001), 300));
        clock.advance(Duration::from_secs(10));
        assert!(limits.admit(peer(20_001), 300));
        assert_eq!(limits.peers.len(), 1);
    }
}
