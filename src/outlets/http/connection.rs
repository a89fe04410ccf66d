//! One connection: a handshake where there is to be one, then requests and answers within limits.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::Watcher;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tower::ServiceExt;

use super::access::AccessControl;
use super::connections::ConnectionSlot;
use super::gate::Certified;
use super::limits::{HANDSHAKE_TIME, HEAD_TIME, MAX_BUFFER, MAX_HEAD, MAX_HEADERS};
use super::tls_accept;
use crate::telemetry::Telemetry;
use crate::telemetry::http::CloseReason;

/// What every connection leads into.
pub struct ServerState {
    router: Router,
    door: AccessControl,
    telemetry: Arc<Telemetry>,
    /// True when the server stops.
    closing: watch::Sender<bool>,
}

impl ServerState {
    /// Routes behind a door.
    #[must_use]
    pub fn new(router: Router, door: AccessControl, telemetry: Arc<Telemetry>) -> Self {
        Self { router, door, telemetry, closing: watch::Sender::new(false) }
    }

    pub(super) const fn telemetry(&self) -> &Arc<Telemetry> {
        &self.telemetry
    }

    /// Ends handshakes; requests end by themselves.
    pub(super) fn close(&self) {
        self.closing.send_replace(true);
    }
}

/// What is known of a client.
#[derive(Clone)]
struct ClientIdentity {
    certified: bool,
    /// The TLS identity that it was accepted with.
    accepted: Option<Arc<ServerConfig>>,
}

/// A handshake where there is to be one, then HTTP until one side has had enough.
pub(super) async fn serve_connection(
    stream: TcpStream,
    slot: &Arc<ConnectionSlot>,
    server: &Arc<ServerState>,
    watcher: Watcher,
) {
    let Some(identity) = server.door.tls() else {
        let client = ClientIdentity { certified: false, accepted: None };
        return http(tls_accept::socket(stream), client, slot, server, watcher).await;
    };
    let mut closing = server.closing.subscribe();
    let accepted = tokio::select! {
        accepted = timeout(HANDSHAKE_TIME, tls_accept::accept_tls(stream, Arc::clone(&identity))) => accepted,
        _ = closing.wait_for(|closing| *closing) => return,
    };
    match accepted.unwrap_or_else(|_| Err(format!("no handshake within {HANDSHAKE_TIME:?}"))) {
        Ok(Some(accepted)) => {
            let client = ClientIdentity { certified: accepted.certified, accepted: Some(identity) };
            http(accepted.stream, client, slot, server, watcher).await;
        }
        Ok(None) => {}
        Err(error) => {
            server.telemetry.connection_closed_early(CloseReason::Handshake);
            tracing::debug!(error, "a connection did not become one of TLS");
        }
    }
}

async fn http<S>(
    stream: S,
    client: ClientIdentity,
    slot: &Arc<ConnectionSlot>,
    server: &Arc<ServerState>,
    watcher: Watcher,
) where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let answer = service_fn(|request| answer(Arc::clone(server), Arc::clone(slot), client.clone(), request));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
    http.max_header_size(MAX_HEAD).max_headers(MAX_HEADERS).max_buf_size(MAX_BUFFER);
    if let Err(error) = watcher.watch(http.serve_connection(TokioIo::new(stream), answer)).await {
        tracing::debug!(%error, "a connection ended badly");
    }
}

async fn answer(
    server: Arc<ServerState>,
    slot: Arc<ConnectionSlot>,
    client: ClientIdentity,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let _busy = slot.busy();
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(Certified(client.certified));
    let mut response = server.router.clone().oneshot(request).await?;
    if client.is_outdated(&server.door) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

impl ClientIdentity {
    /// Whether it was accepted with an identity that has been replaced: it must come again, or a
    /// certificate that is trusted no more would be as good as long as its connection lasts.
    fn is_outdated(&self, door: &AccessControl) -> bool {
        let now = door.tls();
        self.accepted.as_ref().zip(now).is_some_and(|(then, now)| !Arc::ptr_eq(then, &now))
    }
}
