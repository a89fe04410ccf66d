//! HTTP/2 on one connection, for gRPC: many requests at once, and responses that last as long as the client wants them.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::connection::{Accepted, ClientIdentity, ServerState};
use super::connections::ConnectionSlot;
use super::grpc_limits::{GOAWAY_TIME, MAX_STREAMS, PING_INTERVAL, PING_TIME};
use super::limits::MAX_HEAD;

/// Serves until one side closes, the server stops, or its TLS files are replaced: a client has to verify anew then.
pub(super) async fn serve<S>(stream: S, client: ClientIdentity, accepted: Accepted)
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let Accepted { slot, server, watcher: _watcher } = accepted;
    let service = service_fn(|request| respond(Arc::clone(&server), Arc::clone(&slot), client.clone(), request));
    let mut connection = pin!(builder().serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = must_end(&client, &server) => {
            connection.as_mut().graceful_shutdown();
            timeout(GOAWAY_TIME, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection closed with an error");
    }
}

fn builder() -> http2::Builder<TokioExecutor> {
    let mut http = http2::Builder::new(TokioExecutor::new());
    http.timer(TokioTimer::new()).keep_alive_interval(PING_INTERVAL).keep_alive_timeout(PING_TIME);
    http.max_concurrent_streams(MAX_STREAMS).max_header_list_size(u32::try_from(MAX_HEAD).unwrap_or(u32::MAX));
    http
}

async fn must_end(client: &ClientIdentity, server: &ServerState) {
    tokio::select! {
        () = server.closing() => {},
        () = client.outdated(server) => {},
    }
}

/// The connection stays busy until the last frame is sent: an open stream must not be evicted.
async fn respond(
    server: Arc<ServerState>,
    slot: Arc<ConnectionSlot>,
    client: ClientIdentity,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let busy = slot.busy();
    let response = server.route(request, &client, &slot).await?;
    Ok(response.map(|body| {
        Body::new(body.map_frame(move |frame| {
            let _busy = &busy;
            frame
        }))
    }))
}
