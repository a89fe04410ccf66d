//! Who is connected: at most so many, and when full the one that has been idle longest goes.
//!
//! A client that opens connections and says nothing can so keep nobody else out: an orchestrator's
//! probe is answered even while thousands of idle connections are held open.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// A connection is busy while its last request is unanswered: this stands for "idle since".
const BUSY: u64 = u64::MAX;

/// The connections that are open.
#[derive(Debug)]
pub(super) struct Connections {
    limit: usize,
    start: Instant,
    open: Mutex<BTreeMap<u64, Arc<Connection>>>,
    next: AtomicU64,
}

/// One of them.
#[derive(Debug)]
pub(super) struct Connection {
    /// Milliseconds after `start`, or [`BUSY`].
    idle_since: AtomicU64,
    evict: Notify,
}

/// A place among the connections, given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    connections: Arc<Connections>,
    id: u64,
    connection: Arc<Connection>,
}

impl Connections {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, start: Instant::now(), open: Mutex::default(), next: AtomicU64::new(0) })
    }

    /// A place for a new connection. When there is none, the longest idle one is told to go; when
    /// all are busy there is no place, and the new connection is closed.
    pub(super) fn admit(self: &Arc<Self>) -> Option<Place> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= self.limit {
            let idle = open.iter().filter(|(_, connection)| connection.idle_since.load(Relaxed) != BUSY);
            let (&oldest, _) = idle.min_by_key(|(_, connection)| connection.idle_since.load(Relaxed))?;
            if let Some(evicted) = open.remove(&oldest) {
                evicted.evict.notify_one();
            }
        }
        let connection = Arc::new(Connection { idle_since: AtomicU64::new(self.now()), evict: Notify::new() });
        let id = self.next.fetch_add(1, Relaxed);
        open.insert(id, Arc::clone(&connection));
        Some(Place { connections: Arc::clone(self), id, connection })
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(BUSY - 1)
    }
}

impl Place {
    /// Completes when the place is needed by somebody else.
    pub(super) async fn evicted(&self) {
        self.connection.evict.notified().await;
    }

    /// Marks the connection busy until the answer is dropped.
    pub(super) fn busy(self: &Arc<Self>) -> Busy {
        self.connection.idle_since.store(BUSY, Relaxed);
        Busy(Arc::clone(self))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

/// A request is being answered.
#[derive(Debug)]
pub(super) struct Busy(Arc<Place>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.connection.idle_since.store(self.0.connections.now(), Relaxed);
    }
}

/// How long a client may take to send the head of a request.
pub(super) const HEAD_TIME: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_longest_idle_goes_and_the_busy_stay() {
        let connections = Connections::new(2);
        let busy = Arc::new(connections.admit().unwrap());
        let working = busy.busy();
        tokio::time::advance(Duration::from_secs(1)).await;
        let idle = connections.admit().unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
        let third = Arc::new(connections.admit().expect("the idle one goes"));
        tokio::time::timeout(Duration::from_secs(1), idle.evicted()).await.expect("told to go");
        let _also_working = third.busy();
        assert!(connections.admit().is_none(), "all are busy");
        drop(working);
        assert!(connections.admit().is_some());
    }
}
