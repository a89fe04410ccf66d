//! The server under the routes: accepts, limits and drains HTTP/1 connections.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

use super::connections::{Connections, HEAD_TIME, Place};

/// Connections that may be open at once; a fleet of scrapers needs a handful.
const MAX_CONNECTIONS: usize = 512;

/// Longest head of a request, in bytes and in headers.
const MAX_HEAD: usize = 16 * 1024;
const MAX_HEADERS: usize = 64;

/// Pause when the operating system cannot give a connection, as when file descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves until `shutdown`, then lets answers that are under way finish within `drain`.
pub async fn serve(listener: TcpListener, router: Router, shutdown: impl Future<Output = ()>, drain: Duration) {
    let connections = Connections::new(MAX_CONNECTIONS);
    let graceful = GracefulShutdown::new();
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => admit(stream, &connections, &router, graceful.watcher()),
                Err(error) => {
                    tracing::debug!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    if tokio::time::timeout(drain, graceful.shutdown()).await.is_err() {
        tracing::warn!("connections were still open after {drain:?} and are cut");
    }
}

/// Gives the connection a task, or closes it when every place is busy.
fn admit(stream: TcpStream, connections: &Arc<Connections>, router: &Router, watcher: Watcher) {
    let Some(place) = connections.admit() else {
        tracing::debug!("every connection is busy; a new one is closed");
        return;
    };
    // Answers are written at once: waiting to fill a packet would only delay them.
    let _ = stream.set_nodelay(true);
    tokio::spawn(connection(stream, Arc::new(place), router.clone(), watcher));
}

async fn connection(stream: TcpStream, place: Arc<Place>, router: Router, watcher: Watcher) {
    let answer = {
        let place = Arc::clone(&place);
        service_fn(move |request: Request<Incoming>| answer(router.clone(), Arc::clone(&place), request))
    };
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_header_size(MAX_HEAD).max_headers(MAX_HEADERS);
    let served = watcher.watch(http.serve_connection(TokioIo::new(stream), answer));
    tokio::select! {
        served = served => if let Err(error) = served {
            tracing::debug!(%error, "a connection ended badly");
        },
        () = place.evicted() => tracing::debug!("an idle connection made room for a new one"),
    }
}

async fn answer(router: Router, place: Arc<Place>, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let _busy = place.busy();
    router.oneshot(request.map(Body::new)).await
}
