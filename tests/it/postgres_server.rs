//! A real PostgreSQL: its own cluster on a free port, with a user that may only connect.

use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::support::{Killed, eventually, free_port};

pub(crate) const PASSWORD: &str = "hunter2";

/// Where Debian puts the newest server's programs; they are not on the path.
fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is needed: ./test installs it");
    let version = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    versions.map(|entry| entry.unwrap().path()).max_by_key(version).unwrap().join("bin")
}

/// The server refuses to run as root: then its own user runs it.
fn unprivileged(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]).arg(program);
    command
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

pub(crate) struct PostgresServer {
    folder: TempDir,
    port: u16,
    process: Option<Killed>,
}

impl PostgresServer {
    /// A server that wants passwords by SCRAM.
    pub(crate) fn start() -> Self {
        Self::start_with(|_| String::new())
    }

    /// With more configuration lines, which `prepare` writes after it put files into the folder it is given.
    pub(crate) fn start_with(prepare: impl FnOnce(&Path) -> String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (port, data, path) = (free_port(), folder.path().join("data"), folder.path().to_owned());
        std::fs::write(path.join("password"), PASSWORD).unwrap();
        let own = |path: &Path| run(Command::new("chown").args(["-R", "postgres:postgres"]).arg(path));
        let lines = prepare(&path);
        if is_root() {
            own(&path);
        }
        run(unprivileged(&programs().join("initdb"))
            .args(["--username=postgres", "--auth=scram-sha-256", "--no-sync", "--no-instructions", "--locale=C"])
            .arg(format!("--pwfile={}/password", path.display()))
            .arg(&data));
        let lines = format!(
            "port = {port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{}'\nfsync = off\n\
             max_connections = 37\nshared_buffers = 1MB\n{lines}",
            path.display()
        );
        std::fs::write(data.join("postgresql.auto.conf"), lines).unwrap();
        let mut server = Self { folder, port, process: None };
        server.restart();
        server.sql(&format!("CREATE ROLE metrics LOGIN PASSWORD '{PASSWORD}'"));
        server
    }

    /// Starts it, again on the same port.
    pub(crate) fn restart(&mut self) {
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        let child = unprivileged(&programs().join("postgres"))
            .arg("-D")
            .arg(self.folder.path().join("data"))
            .stderr(log)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        self.process = Some(Killed(child));
        let ready = || std::fs::read_to_string(self.folder.path().join("log")).unwrap().contains("ready to accept");
        eventually("PostgreSQL", Duration::from_secs(20), ready);
        assert!(TcpStream::connect(("127.0.0.1", self.port)).is_ok());
    }

    /// Stops it as an operator does, closing every connection.
    pub(crate) fn stop(&mut self) {
        self.end(libc::SIGINT);
    }

    fn end(&mut self, signal: i32) {
        let Some(mut process) = self.process.take() else { return };
        let pid = process.0.id().to_string();
        // Killing outright would leave its shared memory behind.
        let _ = Command::new("kill").args([format!("-{signal}"), pid]).status();
        let _ = process.0.wait();
    }

    /// Runs one command as the superuser.
    pub(crate) fn sql(&self, command: &str) {
        let socket = self.folder.path().to_str().unwrap();
        run(Command::new(programs().join("psql")).env("PGPASSWORD", PASSWORD).args([
            "-h",
            socket,
            "-p",
            &self.port.to_string(),
            "-U",
            "postgres",
            "-qc",
            command,
        ]));
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        self.end(libc::SIGQUIT);
    }
}
