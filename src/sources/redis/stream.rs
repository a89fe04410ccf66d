//! Opens the transport to Redis: TCP, TLS or a Unix socket.

use std::io::{Error, Result};
use std::sync::Arc;

use redis::ConnectionAddr;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Connects; with TLS only to a server whose certificate and name can be verified.
pub(super) async fn open(address: &ConnectionAddr) -> Result<Box<dyn Stream>> {
    match address {
        ConnectionAddr::Tcp(host, port) => Ok(Box::new(tcp(host, *port).await?)),
        ConnectionAddr::TcpTls { host, port, insecure: false, .. } => Ok(Box::new(tls(host, *port).await?)),
        ConnectionAddr::TcpTls { .. } => Err(Error::other("TLS without verification is not supported")),
        ConnectionAddr::Unix(path) => Ok(Box::new(UnixStream::connect(path).await?)),
        _ => Err(Error::other("this kind of address is not supported")),
    }
}

async fn tcp(host: &str, port: u16) -> Result<TcpStream> {
    let stream = TcpStream::connect((host, port)).await?;
    // A pipeline is sent as a whole; waiting for more data would only delay it.
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn tls(host: &str, port: u16) -> Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(host.to_owned()).map_err(Error::other)?;
    let config = ClientConfig::builder().with_root_certificates(crate::tls::system_authorities()).with_no_client_auth();
    TlsConnector::from(Arc::new(config)).connect(name, tcp(host, port).await?).await
}
