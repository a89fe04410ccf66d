//! Writes facts to Redis, byte for byte as the platform's workers do. [`crate::sources::redis`] reads the same facts back.

use redis::Pipeline;
use serde_json::{Value, json};

use super::heartbeat::heartbeat_json;
use crate::base::clock::UnixSeconds;
use crate::base::number::float;
use crate::platform::facts::{
    Circuit, CircuitFacts, Departed, Facts, Heartbeat, JobBacklog, Point, QueueAnalytics, QueueDepth, QueueFront, Role,
    SseSample, ThrottlingDetail, ThrottlingEvent,
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
/// The platform's group of a stream of jobs.
const JOB_GROUP: &str = "kdcube-background-jobs.v1";

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
        let front = *signals.queue_fronts.get(role);
        signals.queues.get(role).iter().for_each(|depth| writer.queue(role, *depth, front));
        signals.analytics.get(role).iter().for_each(|analytics| writer.analytics(role, *analytics));
    }
    signals.jobs.iter().for_each(|(role, backlog)| writer.jobs(*role, *backlog));
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
            "instance_id": &**instance_id, "service_type": &**service_type, "service_name": &**service_name,
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

    fn queue(&mut self, role: Role, depth: QueueDepth, front: Option<QueueFront>) {
        self.list(&self.keys.queue(role), role, depth.ready, front);
        self.list(&self.keys.inflight(role), role, depth.inflight, None);
        self.pipeline.set(self.keys.continuations(role), depth.continuations).ignore();
    }

    /// Replaces a list by one of this many tasks, the oldest last: that is where tasks are claimed.
    fn list(&mut self, key: &str, role: Role, length: i64, front: Option<QueueFront>) {
        self.pipeline.del(key).ignore();
        if length > 0 {
            let task = |number: i64| task_json(role, number, self.created_at(front, length - 1 - number));
            self.pipeline.rpush(key, (0..length).map(task).collect::<Vec<_>>()).ignore();
        }
    }

    /// When the task was created that so many are claimed before: a little later than the oldest.
    fn created_at(&self, front: Option<QueueFront>, before: i64) -> Option<UnixSeconds> {
        match front {
            Some(QueueFront::Created(oldest)) => Some((oldest + 0.01 * float(before)).min(self.now.max(oldest))),
            _ => None,
        }
    }

    /// Replaces a stream by one whose group has not got, or not finished, so many jobs.
    fn jobs(&mut self, role: Role, backlog: JobBacklog) {
        let key = self.keys.jobs(role);
        self.pipeline.del(&key).ignore();
        self.pipeline.cmd("XGROUP").arg("CREATE").arg(&key).arg(JOB_GROUP).arg(0).arg("MKSTREAM").ignore();
        for job in 0..backlog.lag.unwrap_or_default().saturating_add(backlog.pending) {
            self.pipeline.cmd("XADD").arg(&key).arg("*").arg("job_id").arg(job).ignore();
        }
        if backlog.pending > 0 {
            let command = self.pipeline.cmd("XREADGROUP").arg("GROUP").arg(JOB_GROUP).arg("proc-1");
            command.arg("COUNT").arg(backlog.pending).arg("STREAMS").arg(&key).arg(">").ignore();
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

/// A task as the platform queues it; of its other parts only their names.
fn task_json(role: Role, number: i64, created_at: Option<UnixSeconds>) -> String {
    python_json(&json!({
        "meta": {"task_id": format!("t-{number}"), "created_at": created_at, "instance_id": "ingress-1"},
        "routing": {}, "actor": {}, "user": {"user_type": role.as_str()},
    }))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use redis::Arg;

    use super::*;
    use crate::platform::facts::{CircuitState, HealthWord, LatencySeries, Scope, WorkerId};
    use crate::platform::gateway::SavedGatewayConfig;

    const NOW: UnixSeconds = 100_000.0;

    /// The commands that write these facts, one a line; keys without the scope's prefix.
    fn lines(facts: &Facts) -> Vec<String> {
        let keys = Keys::new(&Scope { tenant: "acme".into(), project: "chat".into() });
        let text = |arg: Arg<&[u8]>| match arg {
            Arg::Simple(bytes) => String::from_utf8_lossy(bytes).replace("acme:chat:kdcube:", ""),
            _ => "?".to_owned(),
        };
        let commands = commands(&keys, facts, NOW);
        commands.cmd_iter().map(|command| command.args_iter().map(text).collect::<Vec<_>>().join(" ")).collect()
    }

    fn beat(process_id: Option<i64>) -> Heartbeat {
        Heartbeat {
            instance_id: "i".into(),
            service_type: "chat".into(),
            service_name: "proc".into(),
            process_id,
            port: None,
            load: 1,
            capacity: 5,
            last_heartbeat: 99_999.5,
            health: HealthWord::Healthy,
            draining: false,
            processor: None,
            pools: Arc::default(),
        }
    }

    #[test]
    fn a_heartbeat_expires_in_half_a_minute_and_its_index_later() {
        let lines = lines(&Facts { heartbeats: vec![beat(Some(7))], ..Facts::default() });
        let [process, index, index_ttl, instance, instances, instances_ttl] = &lines[..] else { panic!("{lines:#?}") };
        assert!(process.starts_with("SETEX heartbeat:process:i:chat:proc:7 30 {\"instance_id\": \"i\", "), "{process}");
        assert_eq!(index, "ZADD system:capacity:process-index:chat:proc 99999.5 heartbeat:process:i:chat:proc:7");
        assert_eq!(index_ttl, "EXPIRE system:capacity:process-index:chat:proc 75");
        assert!(instance.starts_with("SETEX heartbeat:instance:i:chat:proc 30 {"), "{instance}");
        assert_eq!(instances, "ZADD heartbeat:instance:index 99999.5 heartbeat:instance:i:chat:proc");
        assert_eq!(instances_ttl, "EXPIRE heartbeat:instance:index 75");
        let lines = self::lines(&Facts { heartbeats: vec![beat(None)], ..Facts::default() });
        assert!(lines[0].starts_with("SETEX heartbeat:process:i:chat:proc:None 30 "), "{}", lines[0]);
    }

    #[test]
    fn a_process_that_is_gone_is_only_in_the_indexes() {
        let departed = Departed {
            instance_id: "i".into(),
            service_type: "chat".into(),
            service_name: "rest".into(),
            process_id: Some(9),
            last_seen: 99_950.0,
        };
        let expected = [
            "ZADD system:capacity:process-index:chat:rest 99950.0 heartbeat:process:i:chat:rest:9",
            "EXPIRE system:capacity:process-index:chat:rest 75",
            "ZADD heartbeat:instance:index 99950.0 heartbeat:instance:i:chat:rest",
            "EXPIRE heartbeat:instance:index 75",
        ];
        assert_eq!(lines(&Facts { departed: vec![departed], ..Facts::default() }), expected);
    }

    #[test]
    fn a_queue_is_replaced_and_an_unknown_one_left_as_it_is() {
        let mut facts = Facts::default();
        assert_eq!(lines(&facts), [""; 0]);
        facts.queues.paid = Some(QueueDepth { ready: 2, inflight: 0, continuations: -3 });
        facts.queue_fronts.paid = Some(QueueFront::Created(99_990.5));
        let keys = Keys::new(&Scope { tenant: "acme".into(), project: "chat".into() });
        let key = |key: String| key.replace("acme:chat:kdcube:", "");
        let ready = key(keys.queue(Role::Paid));
        let task = |(number, created_at)| {
            let meta =
                format!(r#"{{"task_id": "t-{number}", "created_at": {created_at}, "instance_id": "ingress-1"}}"#);
            format!(r#"{{"meta": {meta}, "routing": {{}}, "actor": {{}}, "user": {{"user_type": "paid"}}}}"#)
        };
        let tasks = [(0, "99990.51"), (1, "99990.5")].map(task).join(" ");
        let expected = [
            format!("DEL {ready}"),
            format!("RPUSH {ready} {tasks}"),
            format!("DEL {}", key(keys.inflight(Role::Paid))),
            format!("SET {} -3", key(keys.continuations(Role::Paid))),
        ];
        assert_eq!(lines(&facts), expected);
    }

    #[test]
    fn a_stream_of_jobs_has_the_platforms_group() {
        let jobs = [(Role::Paid, JobBacklog { lag: Some(1), pending: 2 })].into();
        let lines = lines(&Facts { jobs, ..Facts::default() });
        let (key, group) = ("background:jobs:paid", JOB_GROUP);
        let mut expected = vec![format!("DEL {key}"), format!("XGROUP CREATE {key} {group} 0 MKSTREAM")];
        expected.extend((0..3).map(|job| format!("XADD {key} * job_id {job}")));
        expected.push(format!("XREADGROUP GROUP {group} proc-1 COUNT 2 STREAMS {key} >"));
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_series_is_trimmed_to_an_hour_and_events_to_a_day() {
        let points = vec![Point { at: 99_999.0, value: 12.0 }, Point { at: 99_999.5, value: 0.25 }];
        let latency = [(LatencySeries::TaskExec, points), (LatencySeries::QueueWait, Vec::new())].into();
        let found = lines(&Facts { latency, ..Facts::default() });
        let [added, trimmed, expires] = &found[..] else { panic!("{found:#?}") };
        assert!(added.ends_with(" 99999.0 99999.0:12.0 99999.5 99999.5:0.25"), "{added}");
        assert!(trimmed.starts_with("ZREMRANGEBYSCORE ") && trimmed.ends_with(" 0 96400.0"), "{trimmed}");
        assert!(expires.starts_with("EXPIRE ") && expires.ends_with(" 3660"), "{expires}");

        let event = ThrottlingEvent { at: 99_990.0, detail: None };
        let found = lines(&Facts { throttling_events: vec![event], ..Facts::default() });
        let [added, trimmed] = &found[..] else { panic!("{found:#?}") };
        assert!(added.ends_with(" 99990.0 event at 99990"), "{added}");
        assert!(trimmed.ends_with(" 0 13600.0"), "{trimmed}");
    }

    #[test]
    fn counters_samples_and_bookkeeping_live_as_long_as_the_platforms() {
        let worker = WorkerId { instance_id: "i".into(), process_id: 41 };
        let mut facts = Facts {
            sse: vec![SseSample { worker, count: 5, sessions: 4, max: 200, at: Some(99_000.0) }],
            hourly_requests: [("2026-01-01_00".to_owned(), 7)].into(),
            ..Facts::default()
        };
        facts.analytics.paid = Some(QueueAnalytics { avg_wait_seconds: 1.5, throughput_last_hour: 3 });
        let found = lines(&facts);
        let [sse, analytics, hourly, expires] = &found[..] else { panic!("{found:#?}") };
        assert!(sse.starts_with("SETEX ") && sse.contains(r#" 60 {"count": 5, "#), "{sse}");
        assert!(analytics.contains(r#" 86400 {"avg_wait_time": 1.5, "#), "{analytics}");
        assert!(hourly.starts_with("HSET ") && hourly.ends_with(" 2026-01-01_00 7"), "{hourly}");
        assert!(expires.ends_with(" 172800"), "{expires}");
    }

    #[test]
    fn a_circuit_and_a_configuration_leave_what_they_have() {
        let facts = CircuitFacts {
            state: Some(CircuitState::HalfOpen),
            stats: None,
            window_failures: 2,
            half_open_calls: Some(1),
        };
        let found = lines(&Facts {
            circuits: [(Circuit::Authentication, facts), (Circuit::RateLimiter, CircuitFacts::default())].into(),
            saved_gateway_config: SavedGatewayConfig::Text("{\"a\": 1}".to_owned()),
            ..Facts::default()
        });
        let words: Vec<String> = found
            .iter()
            .filter_map(|line| Some(format!("{} {}", line.split_once(' ')?.0, line.rsplit_once(' ')?.1)))
            .collect();
        assert_eq!(words, ["SET half_open", "SET 1", "ZADD failure-0", "ZADD failure-1", "SET 1}"]);
    }
}
