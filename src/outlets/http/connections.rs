//! The open connections: bounded, and when full an idle one is evicted for a new one.
//!
//! Evicted is the longest idle connection of the address that has most. A client that opens connections
//! and sends nothing can only evict its own: a probe is answered even while thousands are opened.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::telemetry::Telemetry;
use crate::telemetry::http::CloseReason;

/// Hands out the slots.
#[derive(Debug)]
pub(super) struct Connections {
    limit: usize,
    start: Instant,
    open: Mutex<Open>,
    next: AtomicU64,
    telemetry: Arc<Telemetry>,
}

/// The open connections by ascending id, and how many each address has: counted as they come and go, because counting
/// at each eviction would make a flood of new connections expensive.
#[derive(Debug, Default)]
struct Open {
    by_id: BTreeMap<u64, Arc<HttpConnection>>,
    held: HashMap<IpAddr, u32>,
}

#[derive(Debug)]
pub(super) struct HttpConnection {
    from: IpAddr,
    /// Requests whose response is not sent yet; several with HTTP/2.
    in_flight: AtomicUsize,
    /// When the last of them ended, milliseconds after `start`.
    idle_since: AtomicU64,
    evict: Notify,
}

/// One open connection's slot, freed when dropped.
#[derive(Debug)]
pub(super) struct ConnectionSlot {
    connections: Arc<Connections>,
    id: u64,
    connection: Arc<HttpConnection>,
}

impl Connections {
    pub(super) fn new(limit: usize, telemetry: Arc<Telemetry>) -> Arc<Self> {
        let (start, next) = (Instant::now(), AtomicU64::new(0));
        Arc::new(Self { limit, start, open: Mutex::default(), next, telemetry })
    }

    /// A slot for a new connection, evicting an idle one if all are taken; `None` when all are busy.
    pub(super) fn admit(self: &Arc<Self>, from: IpAddr) -> Option<ConnectionSlot> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.by_id.len() >= self.limit && !self.evict(&mut open) {
            return None;
        }
        let connection = Arc::new(HttpConnection {
            from: from.to_canonical(),
            in_flight: AtomicUsize::new(0),
            idle_since: AtomicU64::new(self.now()),
            evict: Notify::new(),
        });
        let id = self.next.fetch_add(1, Relaxed);
        open.insert(id, Arc::clone(&connection));
        self.telemetry.connection_opened();
        Some(ConnectionSlot { connections: Arc::clone(self), id, connection })
    }

    /// Evicts an idle connection if there is one.
    fn evict(&self, open: &mut Open) -> bool {
        let evicted = open.evictable().and_then(|id| open.remove(id));
        // Its task ends a little later; its slot is another's from now on.
        evicted.iter().for_each(|_| self.telemetry.connection_closed());
        self.telemetry.connection_closed_early(if evicted.is_some() { CloseReason::Idle } else { CloseReason::Full });
        evicted.inspect(|connection| connection.evict.notify_one()).is_some()
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Open {
    fn insert(&mut self, id: u64, connection: Arc<HttpConnection>) {
        *self.held.entry(connection.from).or_default() += 1;
        self.by_id.insert(id, connection);
    }

    fn remove(&mut self, id: u64) -> Option<Arc<HttpConnection>> {
        let connection = self.by_id.remove(&id)?;
        if let Some(held) = self.held.get_mut(&connection.from) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(&connection.from);
            }
        }
        Some(connection)
    }

    /// The longest idle connection of the address that has most of all that have an idle one.
    fn evictable(&self) -> Option<u64> {
        let rank = |connection: &HttpConnection| {
            let (in_flight, since) = (connection.in_flight.load(Relaxed), connection.idle_since.load(Relaxed));
            (in_flight == 0).then(|| (self.held.get(&connection.from).copied(), Reverse(since)))
        };
        let idle = self.by_id.iter().filter_map(|(id, connection)| Some((rank(connection)?, *id)));
        // Of two that became idle at once, the older one.
        idle.max_by_key(|(rank, id)| (*rank, Reverse(*id))).map(|(_, id)| id)
    }
}

impl ConnectionSlot {
    /// The address at the other end.
    pub(super) fn peer(&self) -> IpAddr {
        self.connection.from
    }

    /// Completes when the connection must close for a new one.
    pub(super) async fn evicted(&self) {
        self.connection.evict.notified().await;
    }

    /// Marks the connection busy until this guard and all others are dropped.
    pub(super) fn busy(self: &Arc<Self>) -> BusyGuard {
        self.connection.in_flight.fetch_add(1, Relaxed);
        BusyGuard(Arc::clone(self))
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let own = self.connections.open.lock().unwrap_or_else(PoisonError::into_inner).remove(self.id);
        own.iter().for_each(|_| self.connections.telemetry.connection_closed());
    }
}

#[derive(Debug)]
pub(super) struct BusyGuard(Arc<ConnectionSlot>);

impl Drop for BusyGuard {
    fn drop(&mut self) {
        // In this order: an idle connection never shows the time of a request before the last.
        self.0.connection.idle_since.store(self.0.connections.now(), Relaxed);
        self.0.connection.in_flight.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::telemetry::Observed;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    async fn is_evicted(slot: &ConnectionSlot) -> bool {
        tokio::time::timeout(Duration::from_millis(1), slot.evicted()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_idle_is_evicted_and_the_busy_are_not() {
        let telemetry = Arc::new(Telemetry::default());
        let connections = Connections::new(2, Arc::clone(&telemetry));
        let busy = Arc::new(connections.admit(HERE).unwrap());
        let working = busy.busy();
        tokio::time::advance(Duration::from_secs(1)).await;
        let idle = connections.admit(HERE).unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
        let third = Arc::new(connections.admit(HERE).expect("the idle one is evicted"));
        assert!(is_evicted(&idle).await);
        let _also_working = third.busy();
        assert!(connections.admit(HERE).is_none(), "all are busy");
        drop(working);
        assert!(connections.admit(HERE).is_some());
        let http = telemetry.own_state(Observed::default()).http;
        assert_eq!(CloseReason::ALL.map(|reason| http.closed_early(reason)), [1, 2, 0], "full, idle, handshake");
    }

    #[test]
    fn a_connection_is_busy_until_its_last_request_has_ended() {
        let connections = Connections::new(1, Arc::default());
        let slot = Arc::new(connections.admit(HERE).unwrap());
        let (one, other) = (slot.busy(), slot.busy());
        drop(one);
        assert!(connections.admit(HERE).is_none());
        drop(other);
        assert!(connections.admit(HERE).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn the_address_with_most_connections_is_evicted_from() {
        let connections = Connections::new(3, Arc::default());
        let probe = connections.admit(HERE).unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
        let crowd = [THERE, "::ffff:10.0.0.1".parse().unwrap()].map(|from| connections.admit(from).unwrap());
        let newcomer = connections.admit(THERE).unwrap();
        assert!(is_evicted(&crowd[0]).await && !is_evicted(&probe).await && !is_evicted(&newcomer).await);
    }
}
