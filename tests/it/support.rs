//! Real servers for tests: each on a free port in its own directory, killed when dropped.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long a server may take to start.
const START: Duration = Duration::from_secs(10);

/// A free port below the ephemeral range, and never the same twice: tests run in parallel.
pub(crate) fn free_port() -> u16 {
    const FIRST: u32 = 12_000;
    const PORTS: u32 = 20_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        // Other test runs on the same machine begin elsewhere.
        let place = std::process::id().wrapping_mul(97).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(FIRST + place % PORTS).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A process that does not outlive its test.
pub(crate) struct Killed(pub(crate) Child);

impl Killed {
    /// Sends a signal.
    pub(crate) fn signal(&self, signal: i32) {
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
#[expect(clippy::disallowed_methods, reason = "a test thread of its own may sleep")]
pub(crate) fn eventually(what: &str, limit: Duration, mut done: impl FnMut() -> bool) {
    // Other tests keep the machine busy.
    let limit = limit * 3;
    let end = Instant::now() + limit;
    while !done() {
        assert!(Instant::now() < end, "{what} did not come within {limit:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs what waits for nothing. The limit is far above what it takes, because other tests keep the machine busy, and
/// below what a client is given.
pub(crate) fn at_once<T>(ask: impl FnOnce() -> T) -> T {
    let began = Instant::now();
    let answer = ask();
    assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
    answer
}

/// A real redis-server.
pub(crate) struct RedisServer {
    folder: TempDir,
    port: u16,
    arguments: Vec<String>,
    process: Option<Killed>,
}

impl RedisServer {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// With more configuration, as on redis-server's command line.
    pub(crate) fn start_with(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let arguments = arguments.iter().map(ToString::to_string).collect();
        let mut server = Self { folder, port: free_port(), arguments, process: None };
        server.restart();
        server
    }

    /// The same with a trace of the deployment of [`GATEWAY`]: of one that is not there nothing is exported.
    pub(crate) fn with_deployment(self) -> Self {
        let key = "acme:chat:kdcube:circuit_breaker:authentication:state";
        redis::cmd("SET").arg(key).arg("closed").query::<()>(&mut self.connection()).unwrap();
        self
    }

    /// Starts it again on the same port.
    pub(crate) fn restart(&mut self) {
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

    pub(crate) fn stop(&mut self) {
        self.process = None;
    }

    /// Stops it answering without closing its connections, or lets it go on.
    pub(crate) fn hang(&self, hang: bool) {
        self.process.as_ref().unwrap().signal(if hang { libc::SIGSTOP } else { libc::SIGCONT });
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    /// A plain connection, to put things in and look at them.
    pub(crate) fn connection(&self) -> redis::Connection {
        self.try_connection().expect("redis-server lets us in")
    }

    /// The same, where it may not let anybody in just now.
    pub(crate) fn try_connection(&self) -> Option<redis::Connection> {
        redis::Client::open(self.url()).unwrap().get_connection().ok()
    }
}

/// An HTTP answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Lower-case names.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        Some(Self { status, headers, body: bytes[end + 4..].to_vec() })
    }
}

/// Sends bytes to a local port and reads until the server closes; `None` when that is no answer.
pub(crate) fn raw(port: u16, bytes: &[u8]) -> Option<Answer> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
    stream.write_all(bytes).ok()?;
    let mut answer = Vec::new();
    // A reset after the answer is as good as an end.
    let _ = stream.read_to_end(&mut answer);
    Answer::parse(&answer)
}

/// One request with a method and headers.
pub(crate) fn request(port: u16, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    // Version 1.0: the answer comes in one piece.
    let text = format!("{method} {path} HTTP/1.0\r\nHost: localhost\r\n{headers}\r\n");
    raw(port, text.as_bytes()).unwrap_or_else(|| panic!("no answer to {method} {path}"))
}

pub(crate) fn get(port: u16, path: &str) -> Answer {
    request(port, "GET", path, &[])
}

/// The value of a series without labels.
pub(crate) fn value(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

/// The program with nothing of the developer's environment.
pub(crate) fn program(variables: &[(&str, &str)], arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kdcube-metrics"));
    command.env_clear().envs(variables.iter().copied()).args(arguments);
    command
}

/// The gateway configuration that the tests run under.
pub(crate) const GATEWAY: (&str, &str) = ("GATEWAY_CONFIG_JSON", r#"{"tenant": "acme", "project": "chat"}"#);

/// The program, serving.
pub(crate) struct Server {
    port: u16,
    process: Killed,
    log: PathBuf,
    _folder: TempDir,
}

impl Server {
    /// Serves with these variables besides [`GATEWAY`], a port, and a short tick.
    pub(crate) fn start(variables: &[(&str, &str)]) -> Self {
        Self::start_logging_to(None, variables)
    }

    /// The same with another standard error than the file of [`Self::log`].
    pub(crate) fn start_logging_to(output: Option<Stdio>, variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (port, log) = (free_port(), folder.path().join("log"));
        let file = std::fs::File::create(&log).unwrap();
        let process = program(&[GATEWAY, ("METRICS_SAMPLE_INTERVAL_SEC", "0.2")], &["serve"])
            .env("METRICS_PORT", port.to_string())
            .env("METRICS_BIND", "127.0.0.1")
            .envs(variables.iter().copied())
            .stderr(output.unwrap_or_else(|| file.into()))
            .spawn()
            .unwrap();
        let server = Self { port, process: Killed(process), log, _folder: folder };
        eventually("the server", START, || TcpStream::connect(("127.0.0.1", port)).is_ok());
        server
    }

    /// The same, and it has a snapshot.
    pub(crate) fn ready(variables: &[(&str, &str)]) -> Self {
        let server = Self::start(variables);
        eventually("readiness", START, || server.get("/readyz").status == 200);
        server
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        get(self.port, path)
    }

    /// Resident memory, in MiB.
    pub(crate) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.0.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_ascii_whitespace().next().unwrap().parse::<u64>().unwrap() / 1024
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// The log when it holds this text: a thread of its own writes it.
    pub(crate) fn log_with(&self, part: &str) -> String {
        eventually(part, START, || self.log().contains(part));
        self.log()
    }

    /// Waits until this many lines of the log contain all of these, and there are no more.
    pub(crate) fn logged(&self, expected: usize, parts: &[&str]) {
        let count = || self.log().lines().filter(|line| parts.iter().all(|part| line.contains(part))).count();
        eventually(&format!("{parts:?}"), START, || count() >= expected);
        assert_eq!(count(), expected, "{parts:?} in {}", self.log());
    }

    /// The most memory that it had resident so far, bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.0.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    pub(crate) fn signal(&self, signal: i32) {
        self.process.signal(signal);
    }

    /// Sends SIGTERM and waits; the exit code and how long it took.
    pub(crate) fn terminate(mut self) -> (Option<i32>, Duration, String) {
        let began = Instant::now();
        self.process.signal(libc::SIGTERM);
        let status = self.process.0.wait().unwrap();
        (status.code(), began.elapsed(), self.log())
    }
}
