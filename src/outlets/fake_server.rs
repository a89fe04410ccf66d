//! A server that the tests of clients ask.

use std::net::SocketAddr;

use axum::Router;
use tokio::net::TcpListener;

/// Serves these routes on a free port for as long as the test runs.
pub(crate) async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}
