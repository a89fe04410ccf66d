//! What the service does with a connection and with a request, injected faults included.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, StatusCode};
use futures_util::StreamExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::{Rejection, State, identity, moto, rules, signature, wire};
use crate::fault::Fault;

pub(super) async fn serve(stream: TcpStream, state: Arc<State>) {
    match state.tls.clone() {
        None => talk(stream, state).await,
        Some(tls) => {
            if let Ok(stream) = tls.accept(stream).await {
                talk(stream, state).await;
            }
        }
    }
}

async fn talk(stream: impl AsyncRead + AsyncWrite + Unpin, state: Arc<State>) {
    let service = service_fn(move |request| answer(request, Arc::clone(&state)));
    // A fault ends the connection with an error, as meant.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(request: Request<Incoming>, state: Arc<State>) -> io::Result<Response<Body>> {
    if !request.uri().path().starts_with("/service/") {
        return Ok(identity::answer(request).await);
    }
    state.requests.fetch_add(1, Ordering::SeqCst);
    let fault = state.mishaps.next();
    let (head, body) = request.into_parts();
    let body = Body::new(body);
    if matches!(fault, Fault::Reset) {
        let _ = body.into_data_stream().next().await;
        return Err(io::Error::from(io::ErrorKind::ConnectionReset));
    }
    let body = to_bytes(body, usize::MAX).await.map_err(io::Error::other)?;
    let outcome = match fault {
        Fault::Hang => std::future::pending().await,
        Fault::Answer(status, code) => Err(Rejection { status, code, message: "injected".to_owned() }),
        _ => take(&state, &Request::from_parts(head, body.to_vec())).await,
    };
    if let Fault::Late(pause) = fault {
        tokio::time::sleep(pause).await;
    }
    Ok(match outcome {
        Ok(()) => Response::builder().header("smithy-protocol", "rpc-v2-cbor").body(Body::empty()).unwrap(),
        Err(rejection) => wire::rejection(&rejection),
    })
}

/// Everything that the service does with a request.
async fn take(state: &State, request: &Request<Vec<u8>>) -> Result<(), Rejection> {
    wire::is_put_metric_data(request)?;
    signature::check(request)?;
    let put = wire::decode(request)?;
    rules::check(&put)?;
    let poison = state.poison.lock().unwrap().clone();
    if put.data.iter().any(|datum| datum.dimensions.iter().any(|(_, value)| Some(value) == poison.as_ref())) {
        return Err(Rejection {
            status: StatusCode::BAD_REQUEST.as_u16(),
            code: "InvalidParameterValue",
            message: "The value is not accepted.".to_owned(),
        });
    }
    if let Some(moto) = &state.moto {
        moto::hand_on(moto, request, &put).await;
    }
    state.accepted.lock().unwrap().push(put);
    Ok(())
}
