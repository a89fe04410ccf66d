//! Who is connected: at most so many, and when full an idle one goes.
//!
//! It is one of the address that has most, the longest idle of these. A client that opens
//! connections and says nothing so keeps nobody out but itself: an orchestrator's probe is answered
//! even while thousands of connections are opened.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::telemetry::Telemetry;
use crate::telemetry::http::CloseReason;

/// A connection is busy while its last request is unanswered: this stands for "idle since".
const BUSY: u64 = u64::MAX;

/// The connections that are open.
#[derive(Debug)]
pub(super) struct Connections {
    limit: usize,
    start: Instant,
    open: Mutex<Open>,
    next: AtomicU64,
    telemetry: Arc<Telemetry>,
}

/// The open ones by id, which grow, and how many each address has: a flood of new connections must
/// not make each of them dear.
#[derive(Debug, Default)]
struct Open {
    by_id: BTreeMap<u64, Arc<HttpConnection>>,
    held: HashMap<IpAddr, u32>,
}

/// One of them.
#[derive(Debug)]
pub(super) struct HttpConnection {
    from: IpAddr,
    /// Milliseconds after `start`, or [`BUSY`].
    idle_since: AtomicU64,
    evict: Notify,
}

/// A slot among the connections, given back when dropped.
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

    /// A slot for a new connection. When there is none, an idle one is told to go; when all are busy
    /// there is no slot, and the new connection is closed.
    pub(super) fn admit(self: &Arc<Self>, from: IpAddr) -> Option<ConnectionSlot> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.by_id.len() >= self.limit && !self.evict(&mut open) {
            return None;
        }
        let idle_since = AtomicU64::new(self.now());
        let connection = Arc::new(HttpConnection { from: from.to_canonical(), idle_since, evict: Notify::new() });
        let id = self.next.fetch_add(1, Relaxed);
        open.insert(id, Arc::clone(&connection));
        self.telemetry.set_open_connections(open.by_id.len());
        Some(ConnectionSlot { connections: Arc::clone(self), id, connection })
    }

    /// Makes room if somebody is idle.
    fn evict(&self, open: &mut Open) -> bool {
        let evicted = open.spare().and_then(|id| open.remove(id));
        self.telemetry.connection_closed_early(if evicted.is_some() { CloseReason::Idle } else { CloseReason::Full });
        evicted.inspect(|connection| connection.evict.notify_one()).is_some()
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(BUSY - 1)
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
    fn spare(&self) -> Option<u64> {
        let rank = |connection: &HttpConnection| {
            let since = connection.idle_since.load(Relaxed);
            (since != BUSY).then(|| (self.held.get(&connection.from).copied(), Reverse(since)))
        };
        let idle = self.by_id.iter().filter_map(|(id, connection)| Some((rank(connection)?, *id)));
        // Of two that became idle at once the older one goes.
        idle.max_by_key(|(rank, id)| (*rank, Reverse(*id))).map(|(_, id)| id)
    }
}

impl ConnectionSlot {
    /// Completes when the slot is needed by somebody else.
    pub(super) async fn evicted(&self) {
        self.connection.evict.notified().await;
    }

    /// Marks the connection busy until the answer is dropped.
    pub(super) fn busy(self: &Arc<Self>) -> Busy {
        self.connection.idle_since.store(BUSY, Relaxed);
        Busy(Arc::clone(self))
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        let mut open = self.connections.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.remove(self.id);
        self.connections.telemetry.set_open_connections(open.by_id.len());
    }
}

/// A request is being answered.
#[derive(Debug)]
pub(super) struct Busy(Arc<ConnectionSlot>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.connection.idle_since.store(self.0.connections.now(), Relaxed);
    }
}

#[cfg(test)]
mod tests;
