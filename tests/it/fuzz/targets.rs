//! The parsers, and what must hold of whatever they accept.

use kdcube_metrics::outlets::names::{Mapping, Naming};
use kdcube_metrics::payload::upstream;
use kdcube_metrics::platform::facts::{Component, WorkerId};
use kdcube_metrics::platform::gateway::{GatewayConfig, GatewayContext};
use kdcube_metrics::platform::parse;
use kdcube_metrics::record::Recording;
use kdcube_metrics::settings::read_env_file;
use kdcube_metrics::sources::redis::address::RedisAddress;
use kdcube_metrics::{catalog, payload};

use super::corpus::Kind;
use super::tree;
use kdcube_metrics::whatif::load::Load;
use kdcube_metrics::whatif::policy::Policy;

/// Whether the input was accepted, or what is wrong with what came out.
type Outcome = Result<bool, String>;

pub(crate) struct Target {
    pub(crate) name: &'static str,
    pub(crate) corpus: Kind,
    pub(crate) parse: fn(&[u8]) -> Outcome,
}

pub(crate) const TARGETS: &[Target] = &[
    Target { name: "heartbeat", corpus: Kind::Heartbeat, parse: heartbeat },
    Target { name: "sse sample", corpus: Kind::SseSample, parse: sse_sample },
    Target { name: "queue analytics", corpus: Kind::Analytics, parse: analytics },
    Target { name: "series member", corpus: Kind::SeriesMember, parse: series_member },
    Target { name: "throttling event", corpus: Kind::ThrottlingEvent, parse: throttling_event },
    Target {
        name: "circuit state",
        corpus: Kind::CircuitState,
        parse: |bytes| Ok(parse::circuit_state(bytes).is_ok()),
    },
    Target {
        name: "circuit statistics",
        corpus: Kind::CircuitStats,
        parse: |bytes| Ok(parse::circuit_stats(bytes).is_ok()),
    },
    Target { name: "hourly counter", corpus: Kind::Counter, parse: |bytes| Ok(parse::counter(bytes).is_ok()) },
    Target { name: "gateway configuration", corpus: Kind::GatewayConfig, parse: gateway_json },
    Target { name: "gateway.yaml", corpus: Kind::GatewayYaml, parse: gateway_yaml },
    Target { name: "upstream payload", corpus: Kind::Payload, parse: upstream_payload },
    Target { name: "mapping", corpus: Kind::Mapping, parse: mapping },
    Target { name: "Redis address", corpus: Kind::RedisUrl, parse: redis_address },
    Target { name: "environment file", corpus: Kind::EnvFile, parse: env_file },
    Target { name: "queued task", corpus: Kind::QueuedTask, parse: queued_task },
    Target { name: "recording", corpus: Kind::Recording, parse: recording },
    Target { name: "load", corpus: Kind::Load, parse: load },
    Target { name: "policy", corpus: Kind::Policy, parse: policy },
];

fn must(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

fn heartbeat(bytes: &[u8]) -> Outcome {
    let read = parse::heartbeat(bytes).ok();
    must(read == tree::heartbeat(bytes), "a heartbeat that a whole tree reads otherwise")?;
    let Some(beat) = read else { return Ok(false) };
    must(beat.last_heartbeat.is_finite(), "a heartbeat without a time")?;
    must(!beat.instance_id.is_empty(), "a heartbeat without an instance")?;
    let pools = [&beat.pools.postgres, &beat.pools.redis_async, &beat.pools.redis_async_decode, &beat.pools.redis_sync];
    let numbers = pools.into_iter().flatten().flat_map(|pool| [pool.max, pool.size, pool.available, pool.in_use]);
    must(numbers.flatten().all(f64::is_finite), "a pool's number is none")?;
    Ok(true)
}

fn sse_sample(bytes: &[u8]) -> Outcome {
    let worker = WorkerId { instance_id: "ingress-1".into(), process_id: 41 };
    let Ok(sample) = parse::sse_sample(bytes, &worker) else { return Ok(false) };
    let counts = [sample.count, sample.sessions, sample.max];
    must(counts.into_iter().all(|count| (0..=1 << 53).contains(&count)), "a count that cannot be")?;
    must(sample.at.is_none_or(f64::is_finite), "a time that is none")?;
    Ok(true)
}

fn analytics(bytes: &[u8]) -> Outcome {
    let Ok(kept) = parse::queue_analytics(bytes) else { return Ok(false) };
    must(kept.avg_wait_seconds.is_finite(), "a wait that is none")?;
    Ok(true)
}

fn series_member(bytes: &[u8]) -> Outcome {
    let Ok(point) = parse::series_member(bytes, 1_767_225_600.0) else { return Ok(false) };
    must(point.at.is_finite() && point.value.is_finite(), "a point that is none")?;
    Ok(true)
}

/// Accepts everything: an event counts whatever it says.
fn throttling_event(bytes: &[u8]) -> Outcome {
    let event = parse::throttling_event(bytes, 1_767_225_600.0);
    must((event.at - 1_767_225_600.0).abs() < f64::EPSILON, "the time is the score")?;
    Ok(true)
}

fn context() -> GatewayContext<'static> {
    GatewayContext { component: Component::Proc, instance_id: "m", tenant: None, project: None, forced: false }
}

fn possible(config: &GatewayConfig) -> Result<(), String> {
    let capacity = config.settings().capacity(3);
    must(capacity.total >= 0 && capacity.effective >= 0, "a capacity below zero")?;
    let limits = config.settings().limits_of(capacity.total);
    must(limits.hard >= 0, "a limit below zero")?;
    must(!config.scope().tenant.is_empty() && !config.scope().project.is_empty(), "a configuration of no one")
}

fn gateway_json(bytes: &[u8]) -> Outcome {
    let text = String::from_utf8_lossy(bytes);
    let Ok(config) = GatewayConfig::from_env_json(&text, &context()) else { return Ok(false) };
    possible(&config)?;
    // What is published while the server runs, and what is saved, go through the same.
    let _ = config.with_update_message(&format!(r#"{{"tenant": "acme", "project": "chat", "config": {text}}}"#));
    if let Ok(saved) = config.with_saved_json(&text) {
        possible(&saved)?;
    }
    Ok(true)
}

fn gateway_yaml(bytes: &[u8]) -> Outcome {
    let text = String::from_utf8_lossy(bytes);
    let Ok(config) = GatewayConfig::from_yaml(&text, "gateway.yaml", &context()) else { return Ok(false) };
    possible(&config)?;
    Ok(true)
}

/// What can be read of a payload becomes metrics, and a payload again.
fn upstream_payload(bytes: &[u8]) -> Outcome {
    let Ok(parsed) = upstream::read(bytes, "proc") else { return Ok(false) };
    must(serde_json::to_string(&parsed.system).is_ok(), "a payload that cannot be written")?;
    let merged = upstream::merge(None, Some(parsed.system), 1_767_225_600.0);
    let sides = upstream::Sides { ingress: None, proc: None, malformed: &parsed.malformed };
    let state = upstream::state(&merged, sides);
    let samples = catalog::samples(&state);
    let wrong = samples.iter().find(|sample| !sample.value.is_finite());
    must(wrong.is_none(), &format!("a metric that is no number: {wrong:?}"))?;
    let _ = payload::system(&state);
    Ok(true)
}

fn mapping(bytes: &[u8]) -> Outcome {
    let text = String::from_utf8_lossy(bytes);
    let Ok(mapping) = Mapping::parse(&text, Naming::Both) else { return Ok(false) };
    let is_legal = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
    for metric in catalog::all() {
        must(mapping.prometheus_names(metric).all(|name| !name.is_empty() && is_legal(name)), "an illegal name")?;
        must(!mapping.cloudwatch(metric).0.is_empty(), "an empty name")?;
    }
    Ok(true)
}

/// What is wrong with an address is one line, without its password.
fn redis_address(bytes: &[u8]) -> Outcome {
    let text = String::from_utf8_lossy(bytes);
    match RedisAddress::parse(&text) {
        Ok(_) => Ok(true),
        Err(problem) => {
            must(!problem.chars().any(char::is_control), "a problem of more than one line")?;
            must(!problem.contains("p%40ss") && !problem.contains("secret@"), "a problem that shows the password")?;
            Ok(false)
        }
    }
}

fn env_file(bytes: &[u8]) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("env");
    std::fs::write(&path, bytes).unwrap();
    Ok(read_env_file(&path, &std::collections::BTreeMap::default()).is_ok())
}

fn queued_task(bytes: &[u8]) -> Outcome {
    let Ok(created) = parse::queued_task(bytes) else { return Ok(false) };
    must(created.is_finite() && created > 0.0, "a time that is none")?;
    Ok(true)
}

fn one_line(problem: &impl ToString) -> Result<(), String> {
    must(!problem.to_string().chars().any(char::is_control), "a problem of more than one line")
}

/// Ticks up to the first that is damaged.
fn recording(bytes: &[u8]) -> Outcome {
    let ticks = match Recording::open(bytes) {
        Ok(ticks) => ticks,
        Err(problem) => return one_line(&problem).map(|()| false),
    };
    let mut last = f64::NEG_INFINITY;
    for tick in ticks {
        let tick = match tick {
            Ok(tick) => tick,
            Err(problem) => return one_line(&problem).map(|()| true),
        };
        must(tick.at.is_finite() && tick.at >= last, "a tick before the one above it")?;
        last = tick.at;
    }
    Ok(true)
}

fn load(bytes: &[u8]) -> Outcome {
    let load = match Load::from_jsonl(&String::from_utf8_lossy(bytes), "f") {
        Ok(load) => load,
        Err(problem) => return one_line(&problem).map(|()| false),
    };
    let arrivals: Vec<_> = load.arrivals(1).collect();
    must(arrivals.first().is_some_and(|first| first.at == 0.0), "the first does not arrive at the beginning")?;
    must(arrivals.is_sorted_by_key(|arrival| arrival.at), "an arrival before the one above it")?;
    must(arrivals.iter().all(|arrival| arrival.seconds.is_finite() && arrival.seconds >= 0.0), "a time that is none")?;
    must(load.initial_concurrency(1.0).is_finite(), "a load that is none")?;
    Ok(true)
}

fn policy(bytes: &[u8]) -> Outcome {
    match Policy::parse(&String::from_utf8_lossy(bytes), "f", "p") {
        Ok(policy) => {
            let (min, max) = policy.bounds();
            must(min <= max, "bounds that nothing is between")?;
            Ok(true)
        }
        Err(problem) => one_line(&problem).map(|()| false),
    }
}
