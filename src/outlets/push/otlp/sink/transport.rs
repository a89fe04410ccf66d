//! One request to the receiver: by gRPC or as an HTTP POST, over the same HTTP client.

use std::io::Write;
use std::task::{Context, Poll};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::future::BoxFuture;
use http_body_util::BodyExt;
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse};
use prost::Message;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use secrecy::ExposeSecret;
use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataMap;
use tower::Service;
use url::Url;

use super::outcome::{self, Accepted, Failure};
use crate::base::error_chain;
use crate::outlets::push::otlp::config::{OtlpConfig, Protocol};
use crate::outlets::push::sink::SinkError;
use crate::tls::{self, client, file_error::TlsFileError};

const METHOD: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

/// Longest answer that is read.
const MAX_ANSWER: usize = 64 * 1024;

/// Sends messages to one receiver.
pub(super) struct Transport {
    client: Client,
    protocol: Protocol,
    /// Of the service; for HTTP with the path of the signal.
    url: Url,
    headers: HeaderMap,
    gzip: bool,
    /// The setting of its authorities, if any.
    ca_setting: Option<&'static str>,
}

impl Transport {
    /// Connects with its first request.
    pub(super) fn new(config: &OtlpConfig) -> Result<Self, TlsFileError> {
        let builder = Client::builder()
            .user_agent(concat!("kdcube-metrics/", env!("CARGO_PKG_VERSION")))
            .timeout(config.timeout)
            // A redirect could take credentials elsewhere.
            .redirect(Policy::none());
        let builder = match config.protocol {
            Protocol::Grpc => builder.http2_prior_knowledge(),
            Protocol::Http => builder.http1_only(),
        };
        let (variable, path) = config.authorities.as_ref().map_or(("", None), |(name, path)| (*name, Some(path)));
        let client = client::build_trusting(variable, path.map(AsRef::as_ref), builder)?;
        Ok(Self {
            client,
            protocol: config.protocol,
            url: url(config),
            headers: headers(config),
            gzip: config.gzip,
            ca_setting: config.authorities.as_ref().map(|(name, _)| *name),
        })
    }

    /// Where it sends to, without credentials.
    pub(super) const fn url(&self) -> &Url {
        &self.url
    }

    /// Sends one message; it may arrive although this fails.
    pub(super) async fn send(&self, message: ExportMetricsServiceRequest) -> Result<Accepted, Failure> {
        let answer = match self.protocol {
            Protocol::Grpc => self.grpc(message).await,
            Protocol::Http => self.post(&message).await,
        }?;
        let partial = answer.partial_success.unwrap_or_default();
        let rejected = u64::try_from(partial.rejected_data_points).unwrap_or_default();
        Ok(Accepted { rejected, message: outcome::quoted(&partial.error_message) })
    }

    async fn grpc(&self, message: ExportMetricsServiceRequest) -> Result<ExportMetricsServiceResponse, Failure> {
        let origin = self.url.as_str().parse().map_err(|_| SinkError::Setup("the URL is no URI".to_owned()))?;
        let mut grpc = tonic::client::Grpc::with_origin(HttpService(self.client.clone()), origin)
            .max_decoding_message_size(MAX_ANSWER)
            .accept_compressed(CompressionEncoding::Gzip);
        if self.gzip {
            grpc = grpc.send_compressed(CompressionEncoding::Gzip);
        }
        let mut request = tonic::Request::new(message);
        *request.metadata_mut() = MetadataMap::from_headers(self.headers.clone());
        let codec = tonic_prost::ProstCodec::default();
        let answer = grpc.unary(request, http::uri::PathAndQuery::from_static(METHOD), codec).await;
        answer.map(tonic::Response::into_inner).map_err(|status| self.grpc_failure(&status))
    }

    /// A status that the client made of a connection's error hides what failed.
    fn grpc_failure(&self, status: &tonic::Status) -> Failure {
        let mut cause = std::error::Error::source(status);
        while let Some(error) = cause {
            if error.is::<reqwest::Error>() {
                return self.unreachable(&error_chain::innermost(error).to_string()).into();
            }
            cause = error.source();
        }
        outcome::of_status(status, self.url.as_str())
    }

    async fn post(&self, message: &ExportMetricsServiceRequest) -> Result<ExportMetricsServiceResponse, Failure> {
        let request = self.client.post(self.url.clone()).headers(self.headers.clone());
        let request = request.header(CONTENT_TYPE, "application/x-protobuf");
        let body = message.encode_to_vec();
        let request = match self.gzip {
            true => request.header(CONTENT_ENCODING, "gzip").body(compressed(&body)),
            false => request.body(body),
        };
        let failed = |error: reqwest::Error| {
            let error = error.without_url();
            Failure::from(self.unreachable(&error_chain::innermost(&error).to_string()))
        };
        let response = request.send().await.map_err(failed)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = beginning(response).await.map_err(failed)?;
        if status.is_success() {
            // Some receivers answer with JSON, or nothing: accepted all the same.
            return Ok(ExportMetricsServiceResponse::decode(&body[..]).unwrap_or_default());
        }
        Err(outcome::of_http(status, &headers, &String::from_utf8_lossy(&body), self.url.as_str()))
    }

    fn unreachable(&self, cause: &str) -> SinkError {
        let failed = format!("OTLP receiver at {}: cannot be reached ({cause})", self.url);
        match tls::authority_hint(cause, Some(self.ca_setting.unwrap_or("METRICS_OTLP_CA_FILE"))) {
            hint if hint.is_empty() => SinkError::Retry(format!("{failed}; is it running?")),
            hint => SinkError::Denied(failed + &hint),
        }
    }
}

/// The standard's path below the endpoint, unless the endpoint has it already.
fn url(config: &OtlpConfig) -> Url {
    let base = &config.endpoint;
    match config.protocol {
        Protocol::Http if !base.url.path().trim_end_matches('/').ends_with("/v1/metrics") => {
            base.join(&["v1", "metrics"])
        }
        _ => base.url.clone(),
    }
}

/// With the user of the URL as basic authentication, unless a header says otherwise.
fn headers(config: &OtlpConfig) -> HeaderMap {
    use base64::Engine;
    let mut headers = config.headers.clone();
    if let Some((user, password)) = &config.endpoint.user
        && !headers.contains_key(reqwest::header::AUTHORIZATION)
    {
        let pair = format!("{user}:{}", password.expose_secret());
        let value = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
        if let Ok(mut value) = reqwest::header::HeaderValue::try_from(value) {
            value.set_sensitive(true);
            headers.insert(reqwest::header::AUTHORIZATION, value);
        }
    }
    headers
}

fn compressed(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    // Writing to memory cannot fail.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default()
}

async fn beginning(mut response: Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_ANSWER {
            break;
        }
    }
    Ok(body)
}

/// The HTTP client as tonic wants one.
#[derive(Clone)]
struct HttpService(Client);

impl Service<http::Request<tonic::body::Body>> for HttpService {
    type Response = http::Response<reqwest::Body>;
    type Error = tonic::codegen::StdError;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        let client = self.0.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body: Bytes = body.collect().await?.to_bytes();
            let request = reqwest::Request::try_from(http::Request::from_parts(parts, body))?;
            Ok(client.execute(request).await.map_err(reqwest::Error::without_url)?.into())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Read;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use axum::Router;
    use axum::body::{Body, to_bytes};
    use axum::http::{Request, Response};
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsPartialSuccess;
    use opentelemetry_proto::tonic::metrics::v1::ResourceMetrics;
    use reqwest::header::{AUTHORIZATION, HeaderValue};

    use super::*;
    use crate::base::endpoint::Endpoint;
    use crate::outlets::fake_server::serve;

    fn config(endpoint: &str, protocol: Protocol, gzip: bool) -> OtlpConfig {
        OtlpConfig {
            protocol,
            endpoint: Endpoint::parse(endpoint).unwrap(),
            headers: HeaderMap::new(),
            timeout: Duration::from_secs(10),
            gzip,
            authorities: None,
            attributes: BTreeMap::new(),
            spool: Duration::ZERO,
        }
    }

    #[test]
    fn the_path_of_the_signal_is_added_for_http_unless_it_is_there() {
        for (endpoint, protocol, expected) in [
            ("http://x:4318", Protocol::Http, "http://x:4318/v1/metrics"),
            ("http://x:4318/otlp/", Protocol::Http, "http://x:4318/otlp/v1/metrics"),
            ("http://x:4318/v1/metrics", Protocol::Http, "http://x:4318/v1/metrics"),
            ("http://x:4318/v1/metrics/", Protocol::Http, "http://x:4318/v1/metrics/"),
            ("http://x:4317/", Protocol::Grpc, "http://x:4317/"),
        ] {
            assert_eq!(url(&config(endpoint, protocol, false)).as_str(), expected);
        }
    }

    #[test]
    fn the_user_of_the_url_authenticates_unless_a_header_does_and_never_prints() {
        let mut config = config("http://me:hunter2@x:4318", Protocol::Http, false);
        let found = headers(&config);
        assert_eq!(found[AUTHORIZATION], "Basic bWU6aHVudGVyMg==");
        assert!(found[AUTHORIZATION].is_sensitive());
        config.headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer own"));
        assert_eq!(headers(&config)[AUTHORIZATION], "Bearer own");
        assert!(headers(&self::config("http://x:4318", Protocol::Http, false)).is_empty());
    }

    /// A receiver that answers everything like this, and the headers and bodies that it got.
    async fn receiver(status: u16, answer: Vec<u8>) -> (String, Arc<Mutex<Vec<(HeaderMap, Vec<u8>)>>>) {
        let got = Arc::<Mutex<Vec<(HeaderMap, Vec<u8>)>>>::default();
        let seen = Arc::clone(&got);
        let respond = move |request: Request<Body>| async move {
            let (parts, body) = request.into_parts();
            let body = to_bytes(body, 1_000_000).await.unwrap().to_vec();
            seen.lock().unwrap().push((parts.headers, body));
            Response::builder().status(status).header("location", "/elsewhere").body(Body::from(answer)).unwrap()
        };
        let router = Router::new().route("/v1/metrics", axum::routing::post(respond));
        (format!("http://{}", serve(router).await), got)
    }

    fn message() -> ExportMetricsServiceRequest {
        let schema_url = "x".repeat(1000);
        ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics { schema_url, ..ResourceMetrics::default() }],
        }
    }

    #[tokio::test]
    async fn a_message_arrives_whole_compressed_or_not() {
        for gzip in [true, false] {
            let (place, got) = receiver(200, Vec::new()).await;
            let transport = Transport::new(&config(&place, Protocol::Http, gzip)).unwrap();
            assert_eq!(transport.send(message()).await.unwrap(), Accepted::default());
            let (headers, body) = got.lock().unwrap().remove(0);
            assert_eq!(headers[CONTENT_TYPE], "application/x-protobuf");
            assert_eq!(headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding == "gzip"), gzip);
            let mut plain = Vec::new();
            match gzip {
                true => drop(flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut plain).unwrap()),
                false => plain.clone_from(&body),
            }
            assert_eq!(ExportMetricsServiceRequest::decode(&plain[..]).unwrap(), message());
            assert_eq!(body.len() < 500, gzip);
        }
    }

    #[tokio::test]
    async fn what_a_receiver_accepts_in_part_or_answers_in_json_is_accepted_and_a_status_is_not() {
        let partial = |rejected_data_points| {
            let error_message = "too\nold".to_owned();
            let partial_success = Some(ExportMetricsPartialSuccess { rejected_data_points, error_message });
            ExportMetricsServiceResponse { partial_success }.encode_to_vec()
        };
        for (answer, rejected, said) in
            [(partial(3), 3, "too old"), (partial(-1), 0, "too old"), (b"{\"partialSuccess\":{}}".to_vec(), 0, "")]
        {
            let (place, _) = receiver(200, answer).await;
            let transport = Transport::new(&config(&place, Protocol::Http, false)).unwrap();
            assert_eq!(transport.send(message()).await.unwrap(), Accepted { rejected, message: said.to_owned() });
        }
        for (status, may_retry) in [(503, true), (400, false), (307, false)] {
            let (place, got) = receiver(status, b"why".to_vec()).await;
            let transport = Transport::new(&config(&place, Protocol::Http, false)).unwrap();
            let failure = transport.send(message()).await.unwrap_err();
            assert_eq!((failure.error.may_retry(), got.lock().unwrap().len()), (may_retry, 1), "{failure:?}");
            assert!(failure.error.to_string().contains("why"), "{failure:?}");
        }
    }

    #[test]
    fn who_cannot_be_reached_is_tried_again_and_who_is_not_trusted_is_not() {
        let transport = Transport::new(&config("https://x:4318", Protocol::Http, false)).unwrap();
        let away = transport.unreachable("Connection refused");
        assert!(away.may_retry() && away.to_string().ends_with("(Connection refused); is it running?"), "{away}");
        let stranger = transport.unreachable("invalid peer certificate: UnknownIssuer");
        assert!(!stranger.may_retry() && stranger.to_string().contains("set METRICS_OTLP_CA_FILE"), "{stranger}");
    }
}
