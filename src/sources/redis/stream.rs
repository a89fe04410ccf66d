//! Opens the transport to Redis or a sentinel: TCP, TLS or a Unix socket.

use std::io::{Error, Result};
use std::path::Path;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::address::HostPort;
use crate::tls::stream_client::StreamClient;

pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Connects to a host, whose name is resolved anew each time; with `tls`, encrypted.
pub(super) async fn tcp(place: &HostPort, tls: Option<&StreamClient>) -> Result<Box<dyn Stream>> {
    let stream = TcpStream::connect((place.host.as_str(), place.port)).await?;
    // A pipeline is sent as a whole; waiting for more data would only delay it.
    stream.set_nodelay(true)?;
    let Some(tls) = tls else { return Ok(Box::new(stream)) };
    let name = ServerName::try_from(place.host.clone()).map_err(Error::other)?;
    Ok(Box::new(TlsConnector::from(tls.config()).connect(name, stream).await?))
}

pub(super) async fn unix(path: &Path) -> Result<Box<dyn Stream>> {
    Ok(Box::new(UnixStream::connect(path).await?))
}
