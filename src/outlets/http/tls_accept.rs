//! TLS handshakes: from a socket to a connection that HTTP is spoken over, or a word to who speaks it plainly.

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

use super::limits::{MAX_HEAD, WRITE_TIME};
use super::problem::HttpProblem;

/// A socket whose writes give up.
pub(super) type Socket = Pin<Box<TimeoutStream<TcpStream>>>;

/// How long somebody who speaks HTTP to the TLS port may take to take the answer.
const GOODBYE: Duration = Duration::from_secs(1);

/// A connection, and whether its client has shown a certificate that holds.
pub(super) struct TlsConnection {
    pub(super) stream: TlsStream<Socket>,
    pub(super) certified: bool,
}

/// The socket with a limit for its writes: a client that takes nothing of its answer is let go.
pub(super) fn socket(stream: TcpStream) -> Socket {
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_TIME));
    Box::pin(stream)
}

/// Shakes hands; `None` when the client went away without a word, as a probe of the port does.
///
/// # Errors
/// Why this is no TLS connection.
pub(super) async fn accept_tls(stream: TcpStream, config: Arc<ServerConfig>) -> Result<Option<TlsConnection>, String> {
    let mut first = [0];
    let [letter] = match stream.peek(&mut first).await {
        Ok(0) => return Ok(None),
        Ok(_) => first,
        Err(error) => return Err(error.to_string()),
    };
    // A handshake begins with byte 22, a request of HTTP with its method.
    if letter.is_ascii_uppercase() {
        let _ = tokio::time::timeout(GOODBYE, tell_to_use_tls(stream)).await;
        return Err("the client speaks HTTP without TLS".to_owned());
    }
    let stream = TlsAcceptor::from(config).accept(socket(stream)).await.map_err(|error| error.to_string())?;
    // rustls has verified whatever certificates a connection has.
    let certified = stream.get_ref().1.peer_certificates().is_some();
    Ok(Some(TlsConnection { stream, certified }))
}

async fn tell_to_use_tls(mut stream: TcpStream) -> std::io::Result<()> {
    let problem = HttpProblem::new(StatusCode::BAD_REQUEST, "this port speaks TLS: use https://");
    stream.write_all(problem.on_the_wire().as_bytes()).await?;
    stream.shutdown().await?;
    // What is left unread when a socket closes takes the answer with it.
    let (mut rest, mut length) = ([0; 1024], 0);
    while length < MAX_HEAD {
        match stream.read(&mut rest).await? {
            0 => break,
            read => length += read,
        }
    }
    Ok(())
}
