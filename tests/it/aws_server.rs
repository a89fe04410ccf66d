//! A CloudWatch for tests: speaks the protocol of the current SDK, checks signatures with AWS' signer, enforces the
//! documented limits, injects faults, and forwards what it accepted to moto, where boto3 reads
//! it back.

mod identity;
mod moto;
mod rules;
mod service;
mod signature;
mod tls;
mod wire;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

pub(crate) use self::identity::TOKEN;
pub(crate) use self::moto::Moto;
pub(crate) use self::wire::{Datum, Put};
use crate::fault::{Fault, Mishaps};
use crate::support::free_port;

pub(crate) const REGION: &str = "eu-central-1";
pub(crate) const KEY: &str = "AKIDTESTS";
pub(crate) const SECRET: &str = "s3cr3t-of-the-tests";

/// A rejection in the service's words.
#[derive(Debug)]
pub(crate) struct Rejection {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

#[derive(Default)]
struct State {
    moto: Option<String>,
    tls: Option<TlsAcceptor>,
    mishaps: Mishaps,
    /// A dimension value for which a request is refused.
    poison: Mutex<Option<String>>,
    requests: AtomicUsize,
    accepted: Mutex<Vec<Put>>,
}

/// The server; stops when dropped.
pub(crate) struct AwsServer {
    port: u16,
    state: Arc<State>,
    task: Option<JoinHandle<()>>,
}

impl AwsServer {
    pub(crate) async fn start() -> Self {
        Self::run(State::default()).await
    }

    /// Hands on to moto what it accepts.
    pub(crate) async fn start_with(moto: &Moto) -> Self {
        Self::run(State { moto: Some(moto.address().to_owned()), ..State::default() }).await
    }

    /// With TLS, for `localhost`; puts the certificate that clients must trust in the folder.
    pub(crate) async fn start_tls(folder: &Path) -> Self {
        Self::run(State { tls: Some(tls::acceptor(folder)), ..State::default() }).await
    }

    async fn run(state: State) -> Self {
        let mut server = Self { port: free_port(), state: Arc::new(state), task: None };
        server.resume().await;
        server
    }

    /// Goes away, connections included.
    pub(crate) async fn stop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            let _ = task.await;
        }
    }

    /// Is there (again), on the same port.
    pub(crate) async fn resume(&mut self) {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await.unwrap();
        let state = Arc::clone(&self.state);
        self.task = Some(tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(service::serve(stream, Arc::clone(&state)));
            }
        }));
    }

    pub(crate) fn url(&self) -> String {
        match self.state.tls {
            Some(_) => format!("https://localhost:{}", self.port),
            None => format!("http://127.0.0.1:{}", self.port),
        }
    }

    /// What happens to the next requests, in order.
    pub(crate) fn mishaps(&self, mishaps: impl IntoIterator<Item = Fault>) {
        self.state.mishaps.extend(mishaps);
    }

    /// From now on nothing goes wrong any more.
    pub(crate) fn recover(&self) {
        self.state.mishaps.clear();
    }

    /// Refuses requests that have this value of a dimension.
    pub(crate) fn poison(&self, value: &str) {
        *self.state.poison.lock().unwrap() = Some(value.to_owned());
    }

    /// Requests so far, however they ended.
    pub(crate) fn requests(&self) -> usize {
        self.state.requests.load(Ordering::SeqCst)
    }

    pub(crate) fn accepted(&self) -> Vec<Put> {
        self.state.accepted.lock().unwrap().clone()
    }

    /// All accepted points.
    pub(crate) fn points(&self) -> Vec<Datum> {
        self.accepted().into_iter().flat_map(|put| put.data).collect()
    }
}

impl Drop for AwsServer {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}
