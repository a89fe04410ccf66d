//! moto, a CloudWatch that keeps points and answers boto3; it does not speak the SDK's new protocol.

use std::net::TcpStream as Probe;
use std::process::{Command, Stdio};
use std::time::Duration;

use axum::http::Request;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{KEY, Put, REGION, SECRET};
use crate::support::{Killed, eventually, free_port};

/// Python imports much before it listens.
const START: Duration = Duration::from_secs(60);

const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/venv/bin/python");

/// The server; killed when dropped.
pub(crate) struct Moto {
    address: String,
    _process: Killed,
}

impl Moto {
    pub(crate) fn start() -> Self {
        let port = free_port();
        let child = Command::new(PYTHON)
            .args(["-m", "moto.server", "--host", "127.0.0.1", "--port", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("moto is needed: ./test installs it");
        let process = Killed(child);
        eventually("moto", START, || Probe::connect(("127.0.0.1", port)).is_ok());
        Self { address: format!("127.0.0.1:{port}"), _process: process }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Every series of a namespace, as boto3 reads it.
    pub(crate) fn series(&self, namespace: &str) -> Vec<Value> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/aws_server/read.py");
        let output = Command::new(PYTHON)
            .args([script, &format!("http://{}", self.address), namespace])
            .env_clear()
            .envs([("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", SECRET), ("AWS_DEFAULT_REGION", REGION)])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// The same request in the older protocol, with its own signature, from which moto takes the region.
pub(super) async fn hand_on(moto: &str, request: &Request<Vec<u8>>, put: &Put) {
    let data: Vec<_> = put.data.iter().map(datum).collect();
    let body = json!({"Namespace": put.namespace, "MetricData": data}).to_string();
    let authorization = request.headers()["authorization"].to_str().unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: {moto}\r\nConnection: close\r\nContent-Type: application/x-amz-json-1.0\r\n\
         X-Amz-Target: GraniteServiceVersion20100801.PutMetricData\r\nAuthorization: {authorization}\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(moto).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "moto answers {answer}");
}

fn datum(datum: &super::Datum) -> Value {
    let dimensions: Vec<_> = datum.dimensions.iter().map(|(n, v)| json!({"Name": n, "Value": v})).collect();
    json!({
        "MetricName": datum.name, "Dimensions": dimensions, "Value": datum.value, "Unit": datum.unit,
        "Timestamp": datum.at, "StorageResolution": i64::try_from(datum.resolution).unwrap(),
    })
}
