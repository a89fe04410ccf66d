//! The client: a Python process that takes steps and prints what came back.

use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::support::Killed;

const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/venv/bin/python");
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/keda");

/// KEDA's interface today, and before it knew fractions.
pub(crate) const NEW: &str = "keda.proto";
pub(crate) const OLD: &str = "old.proto";

pub(crate) struct Client {
    steps: ChildStdin,
    results: BufReader<ChildStdout>,
    _process: Killed,
}

impl Client {
    /// Files: the server's authority, and where it has one the client's certificate and key. None: without TLS.
    pub(crate) fn connect(proto: &str, port: u16, files: &[String]) -> Self {
        let mut child = Command::new(PYTHON)
            .args([format!("{FOLDER}/client.py"), format!("{FOLDER}/{proto}"), port.to_string()])
            .args(files)
            .env_clear()
            .env("GRPC_VERBOSITY", "NONE")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the Python packages of tests/requirements.txt are needed: ./test installs them");
        let (steps, results) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { steps, results, _process: Killed(child) }
    }

    pub(crate) fn send(&mut self, step: Value) {
        writeln!(self.steps, "{step}").unwrap();
    }

    /// What came back, or the code and the details of a failure.
    pub(crate) fn receive(&mut self) -> Result<Value, (String, String)> {
        let mut line = String::new();
        self.results.read_line(&mut line).unwrap();
        let mut result: Value = serde_json::from_str(&line).expect("the client is there");
        match result.get_mut("ok") {
            Some(ok) => Ok(ok.take()),
            None => {
                let text = |key: &str| result[key].as_str().unwrap_or_default().to_owned();
                Err((text("code"), text("details")))
            }
        }
    }

    pub(crate) fn step(&mut self, step: Value) -> Result<Value, (String, String)> {
        self.send(step);
        self.receive()
    }

    pub(crate) fn ok(&mut self, step: Value) -> Value {
        let shown = step.to_string();
        self.step(step).unwrap_or_else(|failure| panic!("{shown}: {failure:?}"))
    }

    pub(crate) fn failed(&mut self, step: Value) -> (String, String) {
        let shown = step.to_string();
        self.step(step).err().unwrap_or_else(|| panic!("{shown} did not fail"))
    }
}
