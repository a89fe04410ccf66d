//! What the fuzzer begins with: the values of the recorded cases, by kind, and some of our own.

use serde_json::Value;

use crate::cases;

/// What an input is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Heartbeat,
    SseSample,
    Analytics,
    SeriesMember,
    ThrottlingEvent,
    CircuitState,
    CircuitStats,
    Counter,
    GatewayConfig,
    GatewayYaml,
    Payload,
    Mapping,
    RedisUrl,
    EnvFile,
    QueuedTask,
    Recording,
    Load,
    Policy,
}

/// Begins of keys behind the scope, and what their values are.
const KEYS: &[(&str, Kind)] = &[
    ("heartbeat:process:", Kind::Heartbeat),
    ("chat:sse:connections:", Kind::SseSample),
    ("queue:analytics:", Kind::Analytics),
    ("metrics:", Kind::SeriesMember),
    ("throttling:events", Kind::ThrottlingEvent),
    ("config:gateway:current", Kind::GatewayConfig),
];

/// Where the cases hold none, or too few.
const OWN: &[(Kind, &str)] = &[
    (Kind::Analytics, r#"{"avg_wait_time": 2.5, "throughput_last_hour": 120, "last_updated": 1767225600.0}"#),
    (Kind::Counter, "12"),
    (Kind::Counter, " -3\n"),
    (Kind::CircuitState, "half_open"),
    (Kind::GatewayYaml, "tenant: acme\nproject: chat\nservice_capacity: {concurrent_requests_per_process: 7}\n"),
    (Kind::GatewayYaml, "tenant: acme\nproject: chat\nbackpressure:\n  proc: {capacity_buffer: 0.1}\n"),
    (Kind::GatewayConfig, r#"{"tenant": "acme", "project": "chat", "pools": {"proc": {"pg_pool_max_size": 8}}}"#),
    (Kind::Mapping, r#"{"proc.queue.total": {"name": "chat/queue", "unit": "Count"}, "proc.exec.p95_ms": "exec"}"#),
    (Kind::RedisUrl, "redis://user:p%40ss@redis.example.com:6380/3?ssl_cert_reqs=required&socket_timeout=2.5"),
    (Kind::RedisUrl, "rediss://:secret@[::1]:6379/0"),
    (Kind::RedisUrl, "redis+sentinel://u:p@a:26379,b:26379/mymaster/0"),
    (Kind::RedisUrl, "unix:///run/redis.sock?db=2"),
    (
        Kind::EnvFile,
        "# a comment\nexport METRICS_PORT=8090\nREDIS_URL='redis://:pa$$@h/0'\nMETRICS_AUTH_TOKEN=\"a b\"\n",
    ),
    (Kind::QueuedTask, r#"{"meta": {"task_id": "t", "created_at": 1767225600.5}, "history": ["long"]}"#),
    (Kind::QueuedTask, r#"{"user": {"id": "u"}, "meta": {"created_at": 1767225600}, "request": {"message": "hello"}}"#),
    (Kind::Load, "{\"at\": 1030, \"seconds\": 8}\n{\"at\": 1000.5, \"seconds\": 2.5, \"role\": \"paid\"}\n"),
    (Kind::Recording, RECORDING),
    (Kind::Load, RECORDING),
];

const RECORDING: &str = concat!(
    r#"{"recording": 1, "version": "0.1.0", "tenant": "acme", "project": "chat", "component": "proc", "gateway": {}, "#,
    r#""zone": "UTC", "interval_seconds": 5.0}"#,
    "\n",
    r#"{"at": 1767225600.5, "facts": {"latency": {"task_exec": [[1767225600.0, 812.5]], "queue_wait": []}}}"#,
    "\n",
    r#"{"at": 1767225605.5, "facts": {"queues": {"paid": {"ready": 3, "inflight": 1, "continuations": 0}}}}"#,
    "\n",
);

pub(crate) struct Corpus(Vec<(Kind, Vec<u8>)>);

impl Corpus {
    pub(crate) fn load() -> Self {
        let mut found: Vec<(Kind, Vec<u8>)> =
            OWN.iter().map(|(kind, text)| (*kind, text.as_bytes().to_vec())).collect();
        for path in cases::files("tests/conformance/cases").into_iter().chain(cases::files("tests/field/cases")) {
            let case: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
            for command in case["redis"].as_array().unwrap() {
                found.extend(values(command));
            }
            let payload = &case["expected"]["system"];
            if payload.is_object() {
                found.push((Kind::Payload, payload.to_string().into_bytes()));
            }
        }
        let policies = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/deployment/policies")).unwrap();
        found.extend(policies.map(|file| (Kind::Policy, std::fs::read(file.unwrap().path()).unwrap())));
        // One of each, and not thousands of one series.
        found.sort();
        found.dedup();
        let mut kept = Vec::new();
        for (place, entry) in found.into_iter().enumerate() {
            let of_kind = kept.iter().filter(|(kind, _): &&(Kind, Vec<u8>)| *kind == entry.0).count();
            if of_kind < 60 || place % 97 == 0 {
                kept.push(entry);
            }
        }
        Self(kept)
    }

    pub(crate) fn of(&self, kind: Kind) -> &[(Kind, Vec<u8>)] {
        let start = self.0.iter().position(|(found, _)| *found == kind).unwrap_or_default();
        let length = self.0[start..].iter().take_while(|(found, _)| *found == kind).count();
        &self.0[start..start + length]
    }
}

impl PartialOrd for Kind {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Kind {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (*self as u8).cmp(&(*other as u8))
    }
}

/// The values that a command writes, with what they are.
fn values(command: &Value) -> Vec<(Kind, Vec<u8>)> {
    let words: Vec<&str> = command.as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let [name, key, rest @ ..] = words.as_slice() else { return Vec::new() };
    let Some(key) = key.strip_prefix("acme:chat:kdcube:") else { return Vec::new() };
    let circuit = key.strip_prefix("circuit_breaker:").and_then(|key| key.rsplit_once(':')).map(|(_, part)| part);
    let kind = match circuit {
        Some("state") => Some(Kind::CircuitState),
        Some("stats") => Some(Kind::CircuitStats),
        _ => KEYS.iter().find(|(begin, _)| key.starts_with(begin)).map(|(_, kind)| *kind),
    };
    let Some(kind) = kind else { return Vec::new() };
    let written: Vec<&str> = match *name {
        "SET" => rest.first().copied().into_iter().collect(),
        "SETEX" => rest.get(1).copied().into_iter().collect(),
        "ZADD" => rest.iter().skip(1).step_by(2).copied().collect(),
        _ => Vec::new(),
    };
    written.into_iter().map(|text| (kind, text.as_bytes().to_vec())).collect()
}
