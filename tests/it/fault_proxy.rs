//! An HTTP proxy in front of a real server that forwards requests or injects faults.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::{Body, to_bytes};
use axum::http::{Request, Response};
use futures_util::StreamExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use crate::fault::{Fault, Mishaps};
use crate::support::{free_port, raw};

/// Runs until its runtime ends.
pub(crate) struct FaultyProxy {
    pub(crate) port: u16,
    pub(crate) mishaps: Mishaps,
    /// The server behind it.
    behind: u16,
    requests: AtomicUsize,
}

impl FaultyProxy {
    pub(crate) async fn before(behind: u16) -> Arc<Self> {
        let port = free_port();
        let proxy = Arc::new(Self { port, mishaps: Mishaps::default(), behind, requests: AtomicUsize::new(0) });
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let own = Arc::clone(&proxy);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&own).serve(stream));
            }
        });
        proxy
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Requests so far, however they ended.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    async fn serve(self: Arc<Self>, stream: TcpStream) {
        let service = service_fn(move |request| Arc::clone(&self).answer(request));
        // An injected fault ends the connection with an error.
        let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> io::Result<Response<Body>> {
        self.requests.fetch_add(1, Ordering::SeqCst);
        match self.mishaps.next() {
            Fault::None => self.forward(request).await,
            Fault::Answer(status, text) => Ok(Response::builder().status(status).body(Body::from(text)).unwrap()),
            Fault::Late(pause) => {
                let answer = self.forward(request).await;
                tokio::time::sleep(pause).await;
                answer
            }
            Fault::Reset => {
                let _ = Body::new(request.into_body()).into_data_stream().next().await;
                Err(io::Error::from(io::ErrorKind::ConnectionReset))
            }
            Fault::Hang => std::future::pending().await,
        }
    }

    async fn forward(&self, request: Request<Incoming>) -> io::Result<Response<Body>> {
        let (head, body) = request.into_parts();
        let body = to_bytes(Body::new(body), usize::MAX).await.map_err(io::Error::other)?;
        let headers = head.headers.iter().filter(|(name, _)| !matches!(name.as_str(), "host" | "connection"));
        let headers = headers.map(|(name, value)| format!("{name}: {}\r\n", value.to_str().unwrap()));
        let start = format!("{} {} HTTP/1.0\r\nHost: localhost\r\n", head.method, head.uri.path());
        let bytes = [format!("{start}{}\r\n", headers.collect::<String>()).as_bytes(), &body].concat();
        let behind = self.behind;
        let answer = tokio::task::spawn_blocking(move || raw(behind, &bytes)).await.unwrap();
        let answer = answer.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionReset))?;
        Ok(Response::builder().status(answer.status).body(Body::from(answer.body)).unwrap())
    }
}
