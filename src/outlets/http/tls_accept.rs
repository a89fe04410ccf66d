//! Accepts TLS connections, and answers plain HTTP on the TLS port with 400.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::limits::{HANDSHAKE_TIME, MAX_HEAD, WRITE_TIME};
use super::problem::HttpProblem;
use crate::tls::server::common_name;

/// A socket with a limit for its writes.
pub(super) type Socket = Pin<Box<TimeoutStream<TcpStream>>>;

/// Time limit of the response to plain HTTP on the TLS port.
const PLAIN_HTTP_TIME: Duration = Duration::from_secs(1);

pub(super) struct TlsConnection {
    pub(super) stream: TlsStream<Socket>,
    /// The common name in the client's certificate, if it presented one that verified; empty where it has none.
    pub(super) name: Option<Arc<str>>,
}

/// Why a socket did not become a TLS connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum AcceptError {
    #[error("the client closed the connection without sending anything")]
    ClosedByClient,
    #[error("the server is stopping")]
    Stopping,
    #[error("the client speaks HTTP without TLS")]
    PlainHttp,
    #[error("no handshake within {HANDSHAKE_TIME:?}")]
    TimedOut,
    #[error(transparent)]
    Failed(#[from] io::Error),
}

/// Bounds how long a client that reads nothing keeps a response in memory.
pub(super) fn with_write_timeout(stream: TcpStream) -> Socket {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_TIME));
    Box::pin(stream)
}

/// The handshake, without a time limit for the client's side of it.
pub(super) async fn accept_tls(stream: TcpStream, config: Arc<ServerConfig>) -> Result<TlsConnection, AcceptError> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 0 {
        return Err(AcceptError::ClosedByClient);
    }
    // A handshake begins with byte 22, an HTTP request with its method.
    if first[0].is_ascii_uppercase() {
        let _ = tokio::time::timeout(PLAIN_HTTP_TIME, respond_use_tls(stream)).await;
        return Err(AcceptError::PlainHttp);
    }
    let stream = TlsAcceptor::from(config).accept(with_write_timeout(stream)).await?;
    // rustls has verified the certificates of a connection that has some.
    let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let name = certificate.map(|certificate| common_name(certificate).unwrap_or_default().into());
    Ok(TlsConnection { stream, name })
}

async fn respond_use_tls(mut stream: TcpStream) -> io::Result<()> {
    let problem = HttpProblem::new(StatusCode::BAD_REQUEST, "this port speaks TLS: use https://");
    stream.write_all(problem.to_http1().as_bytes()).await?;
    stream.shutdown().await?;
    // Closing a socket with unread data resets the connection, and the client would lose the response.
    let (mut rest, mut length) = ([0; 1024], 0);
    while length < MAX_HEAD {
        match stream.read(&mut rest).await? {
            0 => break,
            read => length += read,
        }
    }
    Ok(())
}
