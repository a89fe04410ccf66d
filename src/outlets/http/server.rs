//! The server under the routes: accepts, limits and drains connections. Serving one of them is in `connection`.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

use super::connection::{Accepted, serve_connection};
pub use super::connection::{Protocol, ServerState};
use super::connections::Connections;
use super::limits::MAX_CONNECTIONS;

/// Connections that may wait to be accepted. With the usual 128, a burst makes other clients wait a
/// second for their retransmitted SYN.
const BACKLOG: u32 = 4096;

/// Pause after a failed accept, as when file descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Listens on an address, also if its port was in use a moment ago (`SO_REUSEADDR`).
///
/// # Errors
/// The operating system's, such as an address in use.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves until `shutdown`, then lets requests in flight finish within `drain`.
pub async fn serve(listener: TcpListener, server: ServerState, shutdown: impl Future<Output = ()>, drain: Duration) {
    let connections = Connections::new(MAX_CONNECTIONS, Arc::clone(server.telemetry()));
    let (server, graceful) = (Arc::new(server), GracefulShutdown::new());
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) => admit(stream, from, &connections, &server, graceful.watcher()),
                Err(error) => {
                    tracing::debug!(%error, "accept failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    server.close();
    if timeout(drain, graceful.shutdown()).await.is_err() {
        tracing::warn!("connections still open after {drain:?} are closed");
    }
}

/// Spawns a task for the connection, or closes it when every slot is busy.
fn admit(
    stream: TcpStream,
    from: SocketAddr,
    connections: &Arc<Connections>,
    server: &Arc<ServerState>,
    watcher: Watcher,
) {
    let Some(slot) = connections.admit(from.ip()) else {
        tracing::debug!("all connections are busy: a new one is closed");
        return;
    };
    // Responses are written whole, so Nagle's algorithm would only delay them.
    let _ = stream.set_nodelay(true);
    let slot = Arc::new(slot);
    let accepted = Accepted { slot: Arc::clone(&slot), server: Arc::clone(server), watcher };
    tokio::spawn(async move {
        tokio::select! {
            () = serve_connection(stream, accepted) => {},
            () = slot.evicted() => tracing::debug!("an idle connection was evicted"),
        }
    });
}
