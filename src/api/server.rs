//! The server under the routes: accepts, limits and drains connections, with TLS or without.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tower::ServiceExt;

use super::connections::{Connections, Place};
use super::door::Door;
use super::gate::Certified;
use super::handshake;
use super::limits::{HANDSHAKE_TIME, HEAD_TIME, MAX_BUFFER, MAX_CONNECTIONS, MAX_HEAD, MAX_HEADERS};
use crate::telemetry::Telemetry;
use crate::telemetry::door::Refusal;

/// Connections that may wait to be accepted. With the usual 128 a burst makes everybody else's
/// connection wait a second for its next attempt.
const BACKLOG: u32 = 4096;

/// Pause when the operating system cannot give a connection, as when file descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Listens on an address; a port that was left a moment ago can be taken again.
///
/// # Errors
/// The operating system does not give it.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// What every connection leads into.
struct House {
    router: Router,
    door: Door,
    telemetry: Arc<Telemetry>,
    /// True when the server stops: handshakes end then.
    closing: watch::Receiver<bool>,
}

/// What is known of a client.
#[derive(Clone)]
struct Client {
    certified: bool,
    /// The TLS identity that it was greeted with.
    greeted: Option<Arc<ServerConfig>>,
}

/// Serves until `shutdown`, then lets answers that are under way finish within `drain`.
pub async fn serve(
    listener: TcpListener,
    door: Door,
    router: Router,
    telemetry: Arc<Telemetry>,
    shutdown: impl Future<Output = ()>,
    drain: Duration,
) {
    let connections = Connections::new(MAX_CONNECTIONS, Arc::clone(&telemetry));
    let graceful = GracefulShutdown::new();
    let (close, closing) = watch::channel(false);
    let house = Arc::new(House { router, door, telemetry, closing });
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) => admit(stream, from, &connections, &house, graceful.watcher()),
                Err(error) => {
                    tracing::debug!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    close.send_replace(true);
    if timeout(drain, graceful.shutdown()).await.is_err() {
        tracing::warn!("connections were still open after {drain:?} and are cut");
    }
}

/// Gives the connection a task, or closes it when every place is busy.
fn admit(stream: TcpStream, from: SocketAddr, connections: &Arc<Connections>, house: &Arc<House>, watcher: Watcher) {
    let Some(place) = connections.admit(from.ip()) else {
        tracing::debug!("every connection is busy; a new one is closed");
        return;
    };
    // Answers are written at once: waiting to fill a packet would only delay them.
    let _ = stream.set_nodelay(true);
    let (place, house) = (Arc::new(place), Arc::clone(house));
    tokio::spawn(async move {
        tokio::select! {
            () = converse(stream, &place, &house, watcher) => {},
            () = place.evicted() => tracing::debug!("an idle connection made room for a new one"),
        }
    });
}

/// A handshake where there is to be one, then HTTP until one side has had enough.
async fn converse(stream: TcpStream, place: &Arc<Place>, house: &Arc<House>, watcher: Watcher) {
    let Some(identity) = house.door.tls() else {
        let client = Client { certified: false, greeted: None };
        return http(handshake::socket(stream), client, place, house, watcher).await;
    };
    let mut closing = house.closing.clone();
    let greeted = tokio::select! {
        greeted = timeout(HANDSHAKE_TIME, handshake::greet(stream, Arc::clone(&identity))) => greeted,
        _ = closing.wait_for(|closing| *closing) => return,
    };
    match greeted.unwrap_or_else(|_| Err(format!("no handshake within {HANDSHAKE_TIME:?}"))) {
        Ok(Some(greeted)) => {
            let client = Client { certified: greeted.certified, greeted: Some(identity) };
            http(greeted.stream, client, place, house, watcher).await;
        }
        Ok(None) => {}
        Err(error) => {
            house.telemetry.door.refused(Refusal::Handshake);
            tracing::debug!(error, "a connection did not become one of TLS");
        }
    }
}

async fn http<S>(stream: S, client: Client, place: &Arc<Place>, house: &Arc<House>, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let answer = service_fn(|request| answer(Arc::clone(house), Arc::clone(place), client.clone(), request));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
    http.max_header_size(MAX_HEAD).max_headers(MAX_HEADERS).max_buf_size(MAX_BUFFER);
    if let Err(error) = watcher.watch(http.serve_connection(TokioIo::new(stream), answer)).await {
        tracing::debug!(%error, "a connection ended badly");
    }
}

async fn answer(
    house: Arc<House>,
    place: Arc<Place>,
    client: Client,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let _busy = place.busy();
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(Certified(client.certified));
    let mut response = house.router.clone().oneshot(request).await?;
    if client.is_outdated(&house.door) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

impl Client {
    /// Whether it was greeted with an identity that has been replaced: it must come again, or a
    /// certificate that is trusted no more would be as good as long as its connection lasts.
    fn is_outdated(&self, door: &Door) -> bool {
        let now = door.tls();
        self.greeted.as_ref().zip(now).is_some_and(|(then, now)| !Arc::ptr_eq(then, &now))
    }
}
