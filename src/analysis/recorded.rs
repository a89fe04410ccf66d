//! The recorded cases, for tests: Redis commands made into facts, and what the platform made of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::{Analysis, Inputs, SystemState};
use crate::analysis::state::Reading;
use crate::history::History;
use crate::platform::facts::{
    Circuit, CircuitFacts, Component, Departed, Facts, InputKind, LatencySeries, Malformed, Point, QueueDepth, Role,
    RollingSeries, Unreadable, WorkerId,
};
use crate::platform::gateway::{GatewayConfig, GatewayContext, SavedGatewayConfig};
use crate::platform::parse;

const PREFIX: &str = "acme:chat:kdcube:";

pub(crate) struct Case {
    pub(crate) name: String,
    now: f64,
    instance_id: String,
    gateway: Arc<GatewayConfig>,
    signals: Facts,
    pub(crate) system: Value,
    /// The scalars that the recorder listed.
    pub(crate) scalars: BTreeMap<String, f64>,
    /// Key and value of each point that the tick adds, by key.
    pub(super) points: Vec<(String, f64)>,
}

impl Case {
    pub(crate) fn read(path: &std::path::Path) -> Self {
        let json: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let now = json["now"].as_f64().unwrap();
        let signals = Store::new(json["redis"].as_array().unwrap()).signals();
        Self {
            name: json["name"].as_str().unwrap().to_owned(),
            now,
            instance_id: json["env"]["INSTANCE_ID"].as_str().unwrap().to_owned(),
            gateway: Arc::new(gateway(&json["env"], &signals)),
            signals,
            system: json["expected"]["system"].clone(),
            scalars: serde_json::from_value(json["expected"]["scalars"].clone()).unwrap(),
            points: points(&json["expected"]["series_after"], now),
        }
    }

    /// All of them.
    pub(crate) fn all() -> Vec<Self> {
        let entries = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance/cases")).unwrap();
        let cases: Vec<Self> = entries.map(|entry| Self::read(&entry.unwrap().path())).collect();
        assert_eq!(cases.len(), 26);
        cases
    }

    /// What a recording tick finds, and the points that it adds.
    pub(crate) fn tick(&self) -> (SystemState, Vec<(RollingSeries, f64)>) {
        let mut history = History::new(1_000_000);
        history.absorb(&mut self.signals.clone(), self.now);
        let inputs = Inputs {
            zone: &jiff::tz::TimeZone::UTC,
            facts: &self.signals,
            gateway: &self.gateway,
            instance_id: &self.instance_id,
            database_max_connections: Reading::default(),
            is_gateway_uncertain: false,
            is_scope_found: self.is_scope_found(),
            now: self.now,
        };
        let analysis = Analysis::new(inputs, &history);
        let points = analysis.rolling_points();
        history.record(self.now, &points);
        (analysis.finish(&history), points)
    }

    /// The one case without any key of the scope.
    fn is_scope_found(&self) -> bool {
        self.signals.process_keys_found > 0 || !self.signals.departed.is_empty() || self.name != "empty-redis"
    }

    pub(crate) fn state(&self) -> SystemState {
        self.tick().0
    }
}

fn gateway(env: &Value, signals: &Facts) -> GatewayConfig {
    let forced = env["GATEWAY_CONFIG_FORCE_ENV_ON_STARTUP"] == "1";
    let instance_id = env["INSTANCE_ID"].as_str().unwrap();
    let context = GatewayContext { component: Component::Proc, instance_id, tenant: None, project: None, forced };
    let own = GatewayConfig::from_env_json(env["GATEWAY_CONFIG_JSON"].as_str().unwrap(), &context).unwrap();
    match signals.saved_gateway_config.text() {
        Some(saved) if !forced => own.with_saved_json(saved).unwrap(),
        _ => own,
    }
}

fn points(series: &Value, now: f64) -> Vec<(String, f64)> {
    let mut points = Vec::new();
    for (key, members) in series.as_object().unwrap() {
        for member in members.as_array().unwrap().iter().filter(|member| member[1] == now) {
            let value = member[0].as_str().unwrap().rsplit_once(':').unwrap().1.parse().unwrap();
            points.push((key.clone(), value));
        }
    }
    points.sort_by(|left, right| left.0.cmp(&right.0));
    points
}

pub(super) fn key_of(series: RollingSeries) -> String {
    let name = match series {
        RollingSeries::SseConnections => "sse_connections:ingress".to_owned(),
        RollingSeries::QueuePressure => "queue_pressure:proc".to_owned(),
        RollingSeries::QueueDepth => "queue_depth:proc".to_owned(),
        RollingSeries::PoolUtilization(component, pool) => {
            format!("pool_utilization:{}:{}", component.as_str(), pool.as_str())
        }
        RollingSeries::PoolInUse(component, pool) => {
            format!("pool_in_use:{}:{}", pool.as_str(), component.as_str())
        }
    };
    format!("{PREFIX}metrics:{name}")
}

/// What the commands leave behind.
#[derive(Default)]
struct Store {
    texts: BTreeMap<String, String>,
    lists: BTreeMap<String, i64>,
    sorted: BTreeMap<String, BTreeMap<String, f64>>,
    hashes: BTreeMap<String, BTreeMap<String, String>>,
}

impl Store {
    fn new(commands: &[Value]) -> Self {
        let mut store = Self::default();
        for command in commands {
            let words: Vec<&str> = command.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
            let (key, rest) = (words[1].to_owned(), &words[2..]);
            match words[0] {
                "SET" => drop(store.texts.insert(key, rest[0].to_owned())),
                "RPUSH" => *store.lists.entry(key).or_default() += rest.len() as i64,
                "ZADD" => {
                    let pairs = rest.chunks(2).map(|pair| (pair[1].to_owned(), pair[0].parse().unwrap()));
                    store.sorted.entry(key).or_default().extend(pairs);
                }
                "HSET" => {
                    let pairs = rest.chunks(2).map(|pair| (pair[0].to_owned(), pair[1].to_owned()));
                    store.hashes.entry(key).or_default().extend(pairs);
                }
                other => panic!("command {other}"),
            }
        }
        store
    }

    fn text(&self, key: &str) -> Option<&[u8]> {
        self.texts.get(&format!("{PREFIX}{key}")).map(String::as_bytes)
    }

    fn members(&self, key: &str) -> impl Iterator<Item = (&[u8], f64)> {
        let members = self.sorted.get(&format!("{PREFIX}{key}")).into_iter().flatten();
        members.map(|(member, score)| (member.as_bytes(), *score))
    }

    fn points(&self, key: &str) -> Vec<Point> {
        self.members(key).filter_map(|(member, score)| parse::series_member(member, score).ok()).collect()
    }

    fn signals(&self) -> Facts {
        let mut signals = Facts {
            saved_gateway_config: self
                .texts
                .get(&format!("{PREFIX}config:gateway:current"))
                .cloned()
                .map_or(SavedGatewayConfig::Missing, SavedGatewayConfig::Text),
            throttling_events: self
                .members("throttling:events")
                .map(|(member, score)| parse::throttling_event(member, score))
                .collect(),
            hourly_requests: self
                .hashes
                .get(&format!("{PREFIX}throttling:requests:hourly"))
                .into_iter()
                .flatten()
                .filter_map(|(hour, count)| Some((hour.clone(), parse::counter(count.as_bytes()).ok()?)))
                .collect(),
            circuits: Circuit::ALL.into_iter().map(|circuit| (circuit, self.circuit(circuit))).collect(),
            ..Facts::default()
        };
        self.processes(&mut signals);
        self.queues(&mut signals);
        let latency = [
            (LatencySeries::IngressRest, "metrics:ingress_rest_ms:ingress"),
            (LatencySeries::QueueWait, "metrics:task_queue_wait_ms:proc"),
            (LatencySeries::TaskExec, "metrics:task_exec_ms:proc"),
        ];
        signals.latency = latency.map(|(series, key)| (series, self.points(key))).into();
        let rolling = |series| (series, self.points(key_of(series).strip_prefix(PREFIX).unwrap()));
        signals.rolling = RollingSeries::all().map(rolling).collect();
        signals
    }

    fn processes(&self, signals: &mut Facts) {
        let heartbeats = format!("{PREFIX}heartbeat:process:");
        let index = format!("{PREFIX}system:capacity:process-index:");
        let indexed = self.sorted.iter().filter(|(key, _)| key.starts_with(&index)).flat_map(|(_, members)| members);
        let scores: BTreeMap<&String, f64> = indexed.map(|(key, score)| (key, *score)).collect();
        let scanned = self.texts.keys().filter(|key| key.starts_with(&heartbeats));
        for key in scanned.chain(scores.keys().copied()).collect::<BTreeSet<_>>() {
            match self.texts.get(key) {
                Some(text) => {
                    signals.process_keys_found += 1;
                    signals.heartbeats.extend(parse::heartbeat(text.as_bytes()));
                }
                None => signals.departed.push(departed(key.strip_prefix(&heartbeats).unwrap(), scores[key])),
            }
        }
        signals.heartbeats.sort_by_key(|beat| (beat.instance_id.clone(), beat.process_id));
        for beat in signals.heartbeats.iter().filter(|beat| &*beat.service_name == "rest") {
            let Some(process_id) = beat.process_id else { continue };
            let worker = WorkerId { instance_id: beat.instance_id.clone(), process_id };
            let key = format!("chat:sse:connections:{}:{process_id}", worker.instance_id);
            match self.text(&key).map(|text| parse::sse_sample(text, &worker)) {
                Some(Ok(sample)) => signals.sse.push(sample),
                Some(Err(error)) => signals.malformed.push(Malformed {
                    kind: InputKind::SseSample,
                    key: format!("{PREFIX}{key}"),
                    problem: error.to_string(),
                }),
                None => {}
            }
        }
    }

    fn queues(&self, signals: &mut Facts) {
        let length = |key: String| self.lists.get(&format!("{PREFIX}{key}")).copied().unwrap_or_default();
        for role in Role::ALL {
            let name = role.as_str();
            let count = self.text(&format!("chat:conversation:mailbox:count:{name}"));
            *signals.queues.get_mut(role) = Some(QueueDepth {
                ready: length(format!("chat:prompt:queue:{name}")),
                inflight: length(format!("chat:prompt:queue:inflight:{name}")),
                continuations: count.map_or(0, |text| parse::counter(text).unwrap()),
            });
            let analytics = self.text(&format!("chat:prompt:queue:analytics:{name}"));
            let analytics = analytics.map(parse::queue_analytics);
            if matches!(analytics, Some(Err(_))) {
                signals.unreadable.insert(Unreadable::MalformedAnalytics(role));
            }
            *signals.analytics.get_mut(role) = analytics.and_then(Result::ok);
        }
    }

    fn circuit(&self, circuit: Circuit) -> CircuitFacts {
        let key = |part: &str| format!("circuit_breaker:{}:{part}", circuit.as_str());
        CircuitFacts {
            state: self.text(&key("state")).and_then(|text| parse::circuit_state(text).ok()),
            stats: self.text(&key("stats")).and_then(|text| parse::circuit_stats(text).ok()),
            window_failures: self.members(&key("window")).count() as i64,
            half_open_calls: self.text(&key("half_open_calls")).and_then(|text| parse::counter(text).ok()),
        }
    }
}

fn departed(key: &str, last_seen: f64) -> Departed {
    let mut parts = key.rsplitn(4, ':');
    let mut part = || parts.next().unwrap().to_owned();
    let (pid, service_name, service_type, instance_id) = (part(), part(), part(), part());
    Departed {
        instance_id: instance_id.into(),
        service_type: service_type.into(),
        service_name: service_name.into(),
        process_id: pid.parse().ok(),
        last_seen,
    }
}
