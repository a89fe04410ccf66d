//! A cluster that says whose certificates its front proxy has, and who may read.

use std::fs;
use std::net::TcpStream;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{LIMIT, ROOT};
use crate::authority::Authority;
use crate::support::{Killed, eventually, free_port};

/// An API server of a folder that is a service account's, too.
pub(super) struct Cluster {
    folder: TempDir,
    port: u16,
    _process: Killed,
}

impl Cluster {
    pub(super) fn start(authority: &Authority) -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        fs::write(folder.path().join("token"), "hunter2\n").unwrap();
        fs::copy(authority.certificate(), folder.path().join("ca.crt")).unwrap();
        let own = authority.issue("api-server");
        let child = Command::new(format!("{ROOT}/target/venv/bin/python"))
            .arg(format!("{ROOT}/tests/it/kubernetes/api_server.py"))
            .args([port.to_string(), own.certificate, own.key, folder.path().to_str().unwrap().to_owned()])
            .spawn()
            .expect("./test installs Python");
        let cluster = Self { folder, port, _process: Killed(child) };
        eventually("the API server", LIMIT, || TcpStream::connect(("127.0.0.1", port)).is_ok());
        cluster
    }

    /// Publishes who the front proxy is.
    pub(super) fn publish(&self, front: &Authority, names: &[&str]) {
        let data = json!({
            "requestheader-client-ca-file": fs::read_to_string(front.certificate()).unwrap(),
            "requestheader-allowed-names": json!(names).to_string(),
        });
        fs::write(self.folder.path().join("configmap.json"), data.to_string()).unwrap();
    }

    pub(super) fn allow(&self, users: &[&str]) {
        fs::write(self.folder.path().join("users.json"), json!(users).to_string()).unwrap();
    }

    /// What it was asked to authorize.
    pub(super) fn reviews(&self) -> Vec<Value> {
        let reviews = fs::read_to_string(self.folder.path().join("reviews")).unwrap_or_default();
        reviews.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The settings that name it.
    pub(super) fn settings(&self) -> [(&'static str, String); 2] {
        [
            ("METRICS_EXTERNAL_METRICS_API_SERVER", format!("https://localhost:{}", self.port)),
            ("METRICS_EXTERNAL_METRICS_SERVICE_ACCOUNT_DIR", self.folder.path().to_str().unwrap().to_owned()),
        ]
    }
}
