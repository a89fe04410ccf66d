//! One connection: the TLS handshake if there is TLS, then HTTP/1.1 or, in `http2`, HTTP/2 within limits.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use hyper::server::conn::http1 as http1_server;
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
use super::gate::{ClientName, PeerAddress};
#[cfg(feature = "keda")]
use super::http2;
use super::limits::{HANDSHAKE_TIME, HEAD_TIME, MAX_BUFFER, MAX_HEAD, MAX_HEADERS};
use super::tls_accept::{self, AcceptError, TlsConnection};
use crate::telemetry::Telemetry;
use crate::telemetry::http::CloseReason;

/// What a server speaks on all of its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Http1,
    /// With prior knowledge, or negotiated in the TLS handshake: as gRPC uses it.
    #[cfg(feature = "keda")]
    Http2,
}

/// What all connections share.
pub struct ServerState {
    protocol: Protocol,
    router: Router,
    access: Arc<AccessControl>,
    telemetry: Arc<Telemetry>,
    /// Becomes true when the server stops.
    closing: watch::Sender<bool>,
}

impl ServerState {
    #[must_use]
    pub fn new(protocol: Protocol, router: Router, access: Arc<AccessControl>, telemetry: Arc<Telemetry>) -> Self {
        Self { protocol, router, access, telemetry, closing: watch::Sender::new(false) }
    }

    pub(super) const fn telemetry(&self) -> &Arc<Telemetry> {
        &self.telemetry
    }

    /// Ends handshakes in progress; requests in flight are drained.
    pub(super) fn close(&self) {
        self.closing.send_replace(true);
    }

    /// The router's response to a request of this client.
    pub(super) async fn route(
        &self,
        request: Request<Incoming>,
        client: &ClientIdentity,
        slot: &ConnectionSlot,
    ) -> Result<Response<Body>, Infallible> {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ClientName(client.name.clone()));
        request.extensions_mut().insert(PeerAddress(slot.peer()));
        self.router.clone().oneshot(request).await
    }

    /// Completes when the server stops.
    pub(super) async fn closing(&self) {
        // The sender lives as long as this.
        let _ = self.closing.subscribe().wait_for(|closing| *closing).await;
    }
}

impl Protocol {
    /// The TLS configuration that offers it, and nothing else. A copy costs a thousandth of the handshake that needs it.
    fn offered(self, config: &Arc<ServerConfig>) -> Arc<ServerConfig> {
        match self {
            Self::Http1 => Arc::clone(config),
            #[cfg(feature = "keda")]
            Self::Http2 => {
                let mut own = ServerConfig::clone(config);
                own.alpn_protocols = vec![b"h2".to_vec()];
                Arc::new(own)
            }
        }
    }
}

/// A connection that the server has accepted.
pub(super) struct Accepted {
    pub(super) slot: Arc<ConnectionSlot>,
    pub(super) server: Arc<ServerState>,
    /// The server waits for connections whose watcher is alive.
    pub(super) watcher: Watcher,
}

/// The client of a connection, as far as TLS knows it.
#[derive(Clone)]
pub(super) struct ClientIdentity {
    /// The common name in its certificate, if it presented one that verified.
    name: Option<Arc<str>>,
    /// The TLS configuration that it was accepted with.
    accepted: Option<Arc<ServerConfig>>,
}

/// The handshake if there is TLS, then HTTP until one side closes.
pub(super) async fn serve_connection(stream: TcpStream, accepted: Accepted) {
    let server = Arc::clone(&accepted.server);
    let Some(config) = server.access.tls() else {
        let client = ClientIdentity { name: None, accepted: None };
        return speak(tls_accept::with_write_timeout(stream), client, accepted).await;
    };
    match handshake(stream, &server.protocol.offered(&config), &server).await {
        Ok(TlsConnection { stream, name }) => {
            let client = ClientIdentity { name, accepted: Some(config) };
            speak(stream, client, accepted).await;
        }
        // A probe of the port, or the server is stopping: neither is a failed handshake.
        Err(AcceptError::ClosedByClient | AcceptError::Stopping) => {}
        Err(error) => {
            server.telemetry.connection_closed_early(CloseReason::Handshake);
            tracing::debug!(%error, "TLS handshake failed");
        }
    }
}

async fn handshake(
    stream: TcpStream,
    config: &Arc<ServerConfig>,
    server: &ServerState,
) -> Result<TlsConnection, AcceptError> {
    tokio::select! {
        accepted = timeout(HANDSHAKE_TIME, tls_accept::accept_tls(stream, Arc::clone(config))) => {
            accepted.unwrap_or(Err(AcceptError::TimedOut))
        }
        () = server.closing() => Err(AcceptError::Stopping),
    }
}

async fn speak<S: AsyncRead + AsyncWrite + Unpin + 'static>(stream: S, client: ClientIdentity, accepted: Accepted) {
    match accepted.server.protocol {
        Protocol::Http1 => http1(stream, client, accepted).await,
        #[cfg(feature = "keda")]
        Protocol::Http2 => http2::serve(stream, client, accepted).await,
    }
}

async fn http1<S: AsyncRead + AsyncWrite + Unpin + 'static>(stream: S, client: ClientIdentity, accepted: Accepted) {
    let Accepted { slot, server, watcher } = accepted;
    let service = service_fn(|request| respond(Arc::clone(&server), Arc::clone(&slot), client.clone(), request));
    let mut http = http1_server::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
    http.max_header_size(MAX_HEAD).max_headers(MAX_HEADERS).max_buf_size(MAX_BUFFER);
    if let Err(error) = watcher.watch(http.serve_connection(TokioIo::new(stream), service)).await {
        tracing::debug!(%error, "connection closed with an error");
    }
}

async fn respond(
    server: Arc<ServerState>,
    slot: Arc<ConnectionSlot>,
    client: ClientIdentity,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let _busy = slot.busy();
    let mut response = server.route(request, &client, &slot).await?;
    if client.is_outdated(&server.access) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

impl ClientIdentity {
    /// Whether its TLS configuration has been replaced. It must reconnect: otherwise a certificate that is no longer
    /// trusted would stay valid for as long as the connection lasts.
    fn is_outdated(&self, access: &AccessControl) -> bool {
        self.accepted.as_ref().zip(access.tls()).is_some_and(|(then, now)| !Arc::ptr_eq(then, &now))
    }

    /// Completes when that happens; without TLS never.
    #[cfg(feature = "keda")]
    pub(super) async fn outdated(&self, server: &ServerState) {
        match &self.accepted {
            Some(accepted) => server.access.replaced(accepted).await,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::outlets::http::access::tests::tls;

    #[test]
    fn a_client_is_outdated_once_its_tls_configuration_is_replaced() {
        let (first, second) = (tls(), tls());
        let (own, identity) = watch::channel(Arc::clone(&first));
        let (secured, plain) = (AccessControl::with_tls(Some(identity)), AccessControl::with_tls(None));
        let of = |accepted: Option<&Arc<ServerConfig>>| ClientIdentity { name: None, accepted: accepted.cloned() };
        assert!(!of(Some(&first)).is_outdated(&secured) && of(Some(&second)).is_outdated(&secured));
        own.send_replace(second);
        assert!(of(Some(&first)).is_outdated(&secured));
        assert!(!of(None).is_outdated(&secured) && !of(None).is_outdated(&plain));
        assert!(!of(Some(&first)).is_outdated(&plain));
    }

    #[test]
    fn each_protocol_is_negotiated_alone() {
        let config = tls();
        assert!(Arc::ptr_eq(&Protocol::Http1.offered(&config), &config));
        #[cfg(feature = "keda")]
        assert_eq!(Protocol::Http2.offered(&config).alpn_protocols, [b"h2"]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_the_end_of_the_server_waits_until_it_is_closed_and_no_longer() {
        let access = Arc::new(AccessControl::with_tls(None));
        let server = ServerState::new(Protocol::Http1, Router::new(), access, Arc::default());
        assert!(timeout(Duration::from_secs(60), server.closing()).await.is_err());
        server.close();
        assert!(timeout(Duration::from_secs(1), server.closing()).await.is_ok(), "who asks later too");
    }

    #[cfg(feature = "keda")]
    #[tokio::test(start_paused = true)]
    async fn a_client_without_tls_is_never_told_to_reconnect_and_one_with_it_once_it_is_outdated() {
        let (own, identity) = watch::channel(tls());
        let accepted = Some(Arc::clone(&own.borrow()));
        let access = Arc::new(AccessControl::with_tls(Some(identity)));
        let server = ServerState::new(Protocol::Http2, Router::new(), access, Arc::default());
        let (plain, secured) = (ClientIdentity { name: None, accepted: None }, ClientIdentity { name: None, accepted });
        let outdated =
            async |client: &ClientIdentity| timeout(Duration::from_secs(60), client.outdated(&server)).await.is_ok();
        assert!(!outdated(&plain).await && !outdated(&secured).await);
        own.send_replace(tls());
        assert!(!outdated(&plain).await && outdated(&secured).await);
    }
}
