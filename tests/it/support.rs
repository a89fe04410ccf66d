//! Real servers for tests: started on free ports in folders of their own, killed when dropped.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long a server may take to start.
const START: Duration = Duration::from_secs(10);

/// A port that nobody listens on right now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A process that does not outlive its test.
pub struct Killed(pub Child);

impl Killed {
    /// Sends a signal.
    pub fn signal(&self, signal: i32) {
        let pid = i32::try_from(self.0.id()).unwrap();
        let status = Command::new("kill").arg(format!("-{signal}")).arg(pid.to_string()).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        // A stopped process does not die of SIGTERM.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until `done`, or fails saying what did not come.
pub fn eventually(what: &str, limit: Duration, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + limit;
    while !done() {
        assert!(Instant::now() < end, "{what} did not come within {limit:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A real redis-server.
pub struct RedisServer {
    folder: TempDir,
    port: u16,
    arguments: Vec<String>,
    process: Option<Killed>,
}

impl RedisServer {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// With more configuration, as on redis-server's command line.
    pub fn start_with(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let arguments = arguments.iter().map(ToString::to_string).collect();
        let mut server = Self { folder, port: free_port(), arguments, process: None };
        server.restart();
        server
    }

    /// Starts it again on the same port.
    pub fn restart(&mut self) {
        self.process = None;
        let child = Command::new("redis-server")
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(["--dir", self.folder.path().to_str().unwrap(), "--unixsocket", self.socket().to_str().unwrap()])
            .args(&self.arguments)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is needed: ./test installs it");
        self.process = Some(Killed(child));
        let port = self.port;
        eventually("redis-server", START, || TcpStream::connect(("127.0.0.1", port)).is_ok());
    }

    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Stops it answering without closing its connections, or lets it go on.
    pub fn hang(&self, hang: bool) {
        self.process.as_ref().unwrap().signal(if hang { libc::SIGSTOP } else { libc::SIGCONT });
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A plain connection, to put things in and look at them.
    pub fn connection(&self) -> redis::Connection {
        redis::Client::open(self.url()).unwrap().get_connection().unwrap()
    }
}
