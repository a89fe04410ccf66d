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

use super::connections::Place;
use super::door::Door;
use super::gate::Certified;
use super::handshake;
use super::limits::{HANDSHAKE_TIME, HEAD_TIME, MAX_BUFFER, MAX_HEAD, MAX_HEADERS};
use crate::telemetry::Telemetry;
use crate::telemetry::door::Refusal;

/// What every connection leads into.
pub struct House {
    router: Router,
    door: Door,
    telemetry: Arc<Telemetry>,
    /// True when the server stops.
    closing: watch::Sender<bool>,
}

impl House {
    /// Routes behind a door.
    #[must_use]
    pub fn new(router: Router, door: Door, telemetry: Arc<Telemetry>) -> Self {
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
struct Client {
    certified: bool,
    /// The TLS identity that it was greeted with.
    greeted: Option<Arc<ServerConfig>>,
}

/// A handshake where there is to be one, then HTTP until one side has had enough.
pub(super) async fn converse(stream: TcpStream, place: &Arc<Place>, house: &Arc<House>, watcher: Watcher) {
    let Some(identity) = house.door.tls() else {
        let client = Client { certified: false, greeted: None };
        return http(handshake::socket(stream), client, place, house, watcher).await;
    };
    let mut closing = house.closing.subscribe();
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
