//! What the recorded cases and those of the field share: a case's input, loaded into Redis, and the binary's answer to it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde::Deserialize;

use crate::support::RedisServer;

/// Numbers agree within this.
pub(crate) const TOLERANCE: f64 = 1e-9;

#[derive(Deserialize)]
pub(crate) struct Input {
    now: f64,
    env: BTreeMap<String, String>,
    redis: Vec<Vec<String>>,
}

impl Input {
    /// Redis then holds what the case's commands leave, and nothing else.
    pub(crate) fn load(&self, connection: &mut redis::Connection) {
        let mut pipeline = redis::pipe();
        pipeline.cmd("FLUSHALL").ignore();
        for command in &self.redis {
            let (name, arguments) = command.split_first().unwrap();
            pipeline.cmd(name).arg(arguments).ignore();
        }
        pipeline.query::<()>(connection).unwrap();
    }

    /// One tick at the case's time, without settings that a developer's own environment would bring in.
    pub(crate) fn snapshot(&self, server: &RedisServer, arguments: &[&str]) -> Output {
        let output = Command::new(env!("CARGO_BIN_EXE_kdcube-metrics"))
            .env_clear()
            .envs(&self.env)
            .env("REDIS_URL", server.url())
            .args(["snapshot", "--at", &self.now.to_string()])
            .args(arguments)
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{:?}: {errors}", output.status);
        output
    }
}

/// The files of a folder of cases, beside this project's manifest, by name.
pub(crate) fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Fails with everything that `check` finds in any of the cases, by case.
pub(crate) fn assert_each(files: Vec<PathBuf>, check: impl Fn(&Path) -> Vec<String>) {
    let mut report = String::new();
    for path in files {
        let found = check(&path);
        if !found.is_empty() {
            report += &format!("{}:\n  {}\n", path.file_stem().unwrap().to_string_lossy(), found.join("\n  "));
        }
    }
    assert!(report.is_empty(), "{report}");
}
