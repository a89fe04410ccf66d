//! Writes facts to Redis, byte for byte as the platform's workers do. [`crate::sources::redis`] reads the same facts back.

use std::iter::once;

use redis::Pipeline;
use serde_json::{Map, Value, json};

use crate::base::clock::UnixSeconds;
use crate::base::number;
use crate::platform::facts::{
    Circuit, CircuitFacts, Departed, Facts, HealthWord, Heartbeat, Point, PoolUse, Pools, QueueAnalytics, QueueDepth,
    Role, SseSample, ThrottlingDetail, ThrottlingEvent,
};
use crate::platform::keys::Keys;
use crate::platform::python::{python_float, python_json, sse_json};

/// Expiry of what the platform's workers write.
const HEARTBEAT_SECONDS: u64 = 30;
const INDEX_SECONDS: u64 = 75;
const SSE_SECONDS: u64 = 60;
const SERIES_SECONDS: f64 = 3600.0;
const SERIES_EXPIRE: u64 = 3660;
const DAY_SECONDS: u64 = 86_400;
const DAY: f64 = 86_400.0;

/// Collects the commands of one scope.
#[derive(Debug)]
pub struct Writer<'a> {
    keys: &'a Keys,
    now: UnixSeconds,
    pipeline: Pipeline,
}

/// The commands that write `signals` as of `now`. An unknown queue is left as it is.
#[must_use]
pub fn commands(keys: &Keys, signals: &Facts, now: UnixSeconds) -> Pipeline {
    let mut writer = Writer { keys, now, pipeline: Pipeline::new() };
    signals.heartbeats.iter().for_each(|heartbeat| writer.heartbeat(heartbeat));
    signals.departed.iter().for_each(|departed| writer.departed(departed));
    signals.sse.iter().for_each(|sample| writer.sse(sample));
    for role in Role::ALL {
        signals.queues.get(role).iter().for_each(|depth| writer.queue(role, *depth));
        signals.analytics.get(role).iter().for_each(|analytics| writer.analytics(role, *analytics));
    }
    signals.latency.iter().for_each(|(series, points)| writer.series(&keys.latency(*series), points));
    signals.rolling.iter().for_each(|(series, points)| writer.series(&keys.rolling(*series), points));
    signals.throttling_events.iter().for_each(|event| writer.throttled(event));
    for (hour, requests) in &signals.hourly_requests {
        writer.pipeline.hset(keys.hourly_requests(), hour, *requests).ignore();
        writer.pipeline.cmd("EXPIRE").arg(keys.hourly_requests()).arg(2 * DAY_SECONDS).ignore();
    }
    signals.circuits.iter().for_each(|(circuit, facts)| writer.circuit(*circuit, facts));
    if let Some(config) = signals.saved_gateway_config.text() {
        writer.pipeline.set(keys.gateway_config(), config).ignore();
    }
    writer.pipeline
}

impl Writer<'_> {
    fn heartbeat(&mut self, beat: &Heartbeat) {
        let Heartbeat { instance_id, service_type, service_name, .. } = beat;
        let process = beat.process_id.map_or_else(|| "None".to_owned(), |id| id.to_string());
        let key = self.keys.heartbeat(instance_id, service_type, service_name, &process);
        self.pipeline.set_ex(&key, python_json(&heartbeat_json(beat)), HEARTBEAT_SECONDS).ignore();
        self.indexed(&self.keys.process_index(service_type, service_name), &key, beat.last_heartbeat);
        let instance = self.keys.instance_heartbeat(instance_id, service_type, service_name);
        let summary = json!({
            "instance_id": instance_id, "service_type": service_type, "service_name": service_name,
            "last_heartbeat": beat.last_heartbeat,
        });
        self.pipeline.set_ex(&instance, python_json(&summary), HEARTBEAT_SECONDS).ignore();
        self.indexed(&self.keys.instance_index(), &instance, beat.last_heartbeat);
    }

    fn indexed(&mut self, index: &str, member: &str, at: UnixSeconds) {
        self.pipeline.cmd("ZADD").arg(index).arg(python_float(at)).arg(member).ignore();
        self.pipeline.cmd("EXPIRE").arg(index).arg(INDEX_SECONDS).ignore();
    }

    /// Only in the index: its key has expired.
    fn departed(&mut self, departed: &Departed) {
        let Departed { instance_id, service_type, service_name, process_id, last_seen } = departed;
        let process = process_id.map_or_else(|| "None".to_owned(), |id| id.to_string());
        let key = self.keys.heartbeat(instance_id, service_type, service_name, &process);
        self.indexed(&self.keys.process_index(service_type, service_name), &key, *last_seen);
        let instance = self.keys.instance_heartbeat(instance_id, service_type, service_name);
        self.indexed(&self.keys.instance_index(), &instance, *last_seen);
    }

    fn sse(&mut self, sample: &SseSample) {
        self.pipeline.set_ex(self.keys.sse(&sample.worker), sse_json(sample), SSE_SECONDS).ignore();
    }

    fn queue(&mut self, role: Role, depth: QueueDepth) {
        self.list(&self.keys.queue(role), role, depth.ready);
        self.list(&self.keys.inflight(role), role, depth.inflight);
        self.pipeline.set(self.keys.continuations(role), depth.continuations).ignore();
    }

    /// Replaces a list by one of this many tasks.
    fn list(&mut self, key: &str, role: Role, length: i64) {
        self.pipeline.del(key).ignore();
        if length > 0 {
            let task =
                |number: i64| python_json(&json!({"task_id": format!("t-{number}"), "user_type": role.as_str()}));
            self.pipeline.rpush(key, (0..length).map(task).collect::<Vec<_>>()).ignore();
        }
    }

    fn analytics(&mut self, role: Role, analytics: QueueAnalytics) {
        let json = json!({
            "avg_wait_time": analytics.avg_wait_seconds, "processed_today": analytics.throughput_last_hour,
            "peak_size_today": 0, "last_updated": self.now,
            "throughput_last_hour": analytics.throughput_last_hour, "total_processed": analytics.throughput_last_hour,
        });
        self.pipeline.set_ex(self.keys.analytics(role), python_json(&json), DAY_SECONDS).ignore();
    }

    fn series(&mut self, key: &str, points: &[Point]) {
        if points.is_empty() {
            return;
        }
        let command = self.pipeline.cmd("ZADD").arg(key);
        for Point { at, value } in points {
            let at = python_float(*at);
            command.arg(&at).arg(format!("{at}:{}", python_float(*value)));
        }
        command.ignore();
        self.trim(key, SERIES_SECONDS);
        self.pipeline.cmd("EXPIRE").arg(key).arg(SERIES_EXPIRE).ignore();
    }

    /// Removes entries older than `seconds`, as the platform's workers do after each addition.
    fn trim(&mut self, key: &str, seconds: f64) {
        let oldest = python_float(self.now - seconds);
        self.pipeline.cmd("ZREMRANGEBYSCORE").arg(key).arg(0).arg(oldest).ignore();
    }

    fn throttled(&mut self, event: &ThrottlingEvent) {
        let member = match &event.detail {
            Some(ThrottlingDetail { shown: Some(shown), .. }) => python_json(shown),
            Some(ThrottlingDetail { reason, http_status, session_id, shown: None }) => python_json(&json!({
                "timestamp": event.at, "reason": reason, "http_status": http_status, "session_id": session_id,
            })),
            // A member that is not JSON counts too; it only has to be unique.
            None => format!("event at {}", event.at),
        };
        let key = self.keys.throttling_events();
        self.pipeline.cmd("ZADD").arg(&key).arg(python_float(event.at)).arg(member).ignore();
        self.trim(&key, DAY);
    }

    fn circuit(&mut self, circuit: Circuit, facts: &CircuitFacts) {
        let key = |part| self.keys.circuit(circuit, part);
        if let Some(state) = facts.state {
            self.pipeline.set(key("state"), state.as_str()).ignore();
        }
        if let Some(stats) = &facts.stats {
            self.pipeline.set(key("stats"), python_json(&Value::Object(stats.clone()))).ignore();
        }
        if let Some(calls) = facts.half_open_calls {
            self.pipeline.set(key("half_open_calls"), calls).ignore();
        }
        for failure in 0..facts.window_failures {
            self.pipeline.zadd(key("window"), format!("failure-{failure}"), self.now).ignore();
        }
    }
}

fn heartbeat_json(beat: &Heartbeat) -> Value {
    json!({
        "instance_id": beat.instance_id,
        "service_type": beat.service_type,
        "service_name": beat.service_name,
        "process_id": beat.process_id,
        "port": beat.port,
        "current_load": beat.load,
        "max_capacity": beat.capacity,
        "last_heartbeat": beat.last_heartbeat,
        "health_status": health(beat.health),
        "metadata": {"pools": pools(&beat.pools)},
    })
}

const fn health(word: HealthWord) -> Option<&'static str> {
    match word {
        HealthWord::Healthy => Some("ServiceHealth.HEALTHY"),
        HealthWord::Degraded => Some("ServiceHealth.DEGRADED"),
        HealthWord::Unhealthy => Some("ServiceHealth.UNHEALTHY"),
        HealthWord::Unknown => Some("ServiceHealth.UNKNOWN"),
        HealthWord::Null => None,
    }
}

fn pools(pools: &Pools) -> Value {
    let redis = |pool: Option<PoolUse>| {
        pool.map(|pool| {
            object([
                ("max_connections", pool.max),
                ("in_use", pool.in_use),
                ("available", pool.available),
                ("total", pool.size),
            ])
        })
    };
    let postgres = |pool: PoolUse| {
        let fields =
            [("max_size", pool.max), ("size", pool.size), ("available", pool.available), ("in_use", pool.in_use)];
        object(once(("min_size", Some(0.0))).chain(fields))
    };
    json!({
        "postgres": pools.postgres.map(postgres),
        "redis": {
            "async": redis(pools.redis_async),
            "async_decode": redis(pools.redis_async_decode),
            "sync": redis(pools.redis_sync),
        },
    })
}

/// Counts are whole in Python, and so in its JSON.
fn object(fields: impl IntoIterator<Item = (&'static str, Option<f64>)>) -> Map<String, Value> {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value.map_or(Value::Null, number::json))).collect()
}
