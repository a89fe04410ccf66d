//! The receiver: a Python process that prints what arrives.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::authority::Pair;
use crate::support::{Killed, eventually, free_port};

const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/venv/bin/python");
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/otlp/receiver.py");

/// Python imports much before it listens.
const START: Duration = Duration::from_secs(60);

pub(crate) struct Receiver {
    port: u16,
    folder: TempDir,
    _process: Killed,
}

/// One request.
pub(crate) struct Arrived {
    request: Value,
    pub(crate) headers: BTreeMap<String, String>,
}

impl Receiver {
    pub(crate) fn start(protocol: &str, answers: &Value) -> Self {
        Self::on(free_port(), protocol, answers, None)
    }

    pub(crate) fn on(port: u16, protocol: &str, answers: &Value, pair: Option<&Pair>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let output = File::create(folder.path().join("arrived")).unwrap();
        let child = Command::new(PYTHON)
            .args([SCRIPT, &port.to_string(), protocol, &answers.to_string()])
            .args(pair.into_iter().flat_map(|pair| [&pair.certificate, &pair.key]))
            .stdout(output)
            .spawn()
            .expect("the Python packages of tests/requirements.txt are needed: ./test installs them");
        let receiver = Self { port, folder, _process: Killed(child) };
        eventually("the receiver", START, || TcpStream::connect(("127.0.0.1", port)).is_ok());
        receiver
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Every request so far, oldest first; one that is still being written is left out.
    pub(crate) fn arrived(&self) -> Vec<Arrived> {
        let text = std::fs::read_to_string(self.folder.path().join("arrived")).unwrap();
        let lines = text.lines().filter_map(|line| serde_json::from_str(line).ok());
        let arrived = |mut line: Value| Arrived {
            request: line["request"].take(),
            headers: serde_json::from_value(line["headers"].take()).unwrap(),
        };
        lines.map(arrived).collect()
    }
}

impl Arrived {
    /// Attributes of the resource.
    pub(crate) fn resource(&self) -> BTreeMap<String, String> {
        let attributes = self.request["resourceMetrics"][0]["resource"]["attributes"].as_array().unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        attributes.iter().map(|pair| (text(&pair["key"]), text(&pair["value"]["stringValue"]))).collect()
    }

    pub(crate) fn metric(&self, name: &str) -> Option<Value> {
        let metrics = self.request["resourceMetrics"][0]["scopeMetrics"][0]["metrics"].as_array()?;
        metrics.iter().find(|metric| metric["name"] == name).cloned()
    }

    /// The points of a gauge.
    pub(crate) fn points(&self, name: &str) -> Vec<Value> {
        let metric = self.metric(name).unwrap_or_default();
        metric["gauge"]["dataPoints"].as_array().cloned().unwrap_or_default()
    }
}
