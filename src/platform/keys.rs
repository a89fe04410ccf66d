//! The name of every Redis key of one scope.

use std::sync::Arc;

use crate::platform::facts::{Circuit, LatencySeries, Role, RollingSeries, Scope, WorkerId};

/// Makes key names with the scope's prefix `{tenant}:{project}:`.
#[derive(Debug, Clone)]
pub struct Keys {
    prefix: String,
}

/// The parts of a process heartbeat's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessName {
    pub instance_id: Arc<str>,
    pub service_type: Arc<str>,
    pub service_name: Arc<str>,
    pub process_id: Option<i64>,
}

impl Keys {
    #[must_use]
    pub fn new(scope: &Scope) -> Self {
        Self { prefix: format!("{}:{}:kdcube:", scope.tenant, scope.project) }
    }

    fn key(&self, rest: &str) -> String {
        format!("{}{rest}", self.prefix)
    }

    /// The heartbeat of one process.
    #[must_use]
    pub fn heartbeat(&self, instance: &str, service_type: &str, service_name: &str, process_id: &str) -> String {
        self.key(&format!("heartbeat:process:{instance}:{service_type}:{service_name}:{process_id}"))
    }

    /// A pattern for all process heartbeats; glob characters of the scope are escaped.
    #[must_use]
    pub fn heartbeat_pattern(&self) -> String {
        let mut pattern = String::new();
        for character in self.key("heartbeat:process:").chars() {
            if matches!(character, '*' | '?' | '[' | ']' | '\\' | '^') {
                pattern.push('\\');
            }
            pattern.push(character);
        }
        pattern + "*"
    }

    /// Whether it is a heartbeat's key.
    #[must_use]
    pub fn names_process(&self, key: &str) -> bool {
        let rest = key.strip_prefix(&self.prefix).and_then(|rest| rest.strip_prefix("heartbeat:process:"));
        rest.is_some_and(|rest| rest.bytes().filter(|byte| *byte == b':').count() >= 3)
    }

    /// Splits a heartbeat's key from the right: instance ids may hold colons.
    #[must_use]
    pub fn process_name(&self, key: &str) -> Option<ProcessName> {
        let rest = key.strip_prefix(&self.prefix)?.strip_prefix("heartbeat:process:")?;
        let mut parts = rest.rsplitn(4, ':');
        let process_id = parts.next()?.parse().ok();
        let (service_name, service_type, instance_id) = (parts.next()?, parts.next()?, parts.next()?);
        Some(ProcessName {
            instance_id: instance_id.into(),
            service_type: service_type.into(),
            service_name: service_name.into(),
            process_id,
        })
    }

    /// The index of one service's processes.
    #[must_use]
    pub fn process_index(&self, service_type: &str, service_name: &str) -> String {
        self.key(&format!("system:capacity:process-index:{service_type}:{service_name}"))
    }

    /// The index of instances.
    #[must_use]
    pub fn instance_index(&self) -> String {
        self.key("heartbeat:instance:index")
    }

    /// The heartbeat of one instance's service, as the instance index names it.
    #[must_use]
    pub fn instance_heartbeat(&self, instance: &str, service_type: &str, service_name: &str) -> String {
        self.key(&format!("heartbeat:instance:{instance}:{service_type}:{service_name}"))
    }

    /// Service type and name of a member of the instance index.
    #[must_use]
    pub fn service_of_instance<'a>(&self, key: &'a str) -> Option<(&'a str, &'a str)> {
        let rest = key.strip_prefix(&self.prefix)?.strip_prefix("heartbeat:instance:")?;
        let mut parts = rest.rsplitn(3, ':');
        let (service_name, service_type) = (parts.next()?, parts.next()?);
        parts.next()?;
        Some((service_type, service_name))
    }

    /// An ingress worker's sample of its SSE connections.
    #[must_use]
    pub fn sse(&self, worker: &WorkerId) -> String {
        self.key(&format!("chat:sse:connections:{}:{}", worker.instance_id, worker.process_id))
    }

    /// The keys of all ingress workers' SSE connections, as a person would search for them.
    #[must_use]
    pub fn sse_of_all_workers(&self) -> String {
        self.key("chat:sse:connections:*")
    }

    /// Ready tasks.
    #[must_use]
    pub fn queue(&self, role: Role) -> String {
        self.key(&format!("chat:prompt:queue:{}", role.as_str()))
    }

    /// Claimed tasks.
    #[must_use]
    pub fn inflight(&self, role: Role) -> String {
        self.key(&format!("chat:prompt:queue:inflight:{}", role.as_str()))
    }

    /// Continuations, a counter.
    #[must_use]
    pub fn continuations(&self, role: Role) -> String {
        self.key(&format!("chat:conversation:mailbox:count:{}", role.as_str()))
    }

    /// Background jobs, a stream.
    #[must_use]
    pub fn jobs(&self, role: Role) -> String {
        self.key(&format!("background:jobs:{}", role.as_str()))
    }

    /// The platform's statistics of a queue.
    #[must_use]
    pub fn analytics(&self, role: Role) -> String {
        self.key(&format!("chat:prompt:queue:analytics:{}", role.as_str()))
    }

    /// A latency series.
    #[must_use]
    pub fn latency(&self, series: LatencySeries) -> String {
        self.key(match series {
            LatencySeries::IngressRest => "metrics:ingress_rest_ms:ingress",
            LatencySeries::QueueWait => "metrics:task_queue_wait_ms:proc",
            LatencySeries::TaskExec => "metrics:task_exec_ms:proc",
        })
    }

    /// A series of this server. The order of pool and component differs between the two pool series.
    #[must_use]
    pub fn rolling(&self, series: RollingSeries) -> String {
        self.key(&match series {
            RollingSeries::SseConnections => "metrics:sse_connections:ingress".to_owned(),
            RollingSeries::QueuePressure => "metrics:queue_pressure:proc".to_owned(),
            RollingSeries::QueueDepth => "metrics:queue_depth:proc".to_owned(),
            RollingSeries::PoolUtilization(component, pool) => {
                format!("metrics:pool_utilization:{}:{}", component.as_str(), pool.as_str())
            }
            RollingSeries::PoolInUse(component, pool) => {
                format!("metrics:pool_in_use:{}:{}", pool.as_str(), component.as_str())
            }
        })
    }

    /// The last SSE sample of each ingress worker, saved by this server.
    #[must_use]
    pub fn sse_count_cache(&self) -> String {
        self.key("metrics:sse:last")
    }

    /// Which replica of this server writes and pushes.
    #[must_use]
    pub fn lease(&self) -> String {
        self.key("metrics:lease")
    }

    /// Throttled requests.
    #[must_use]
    pub fn throttling_events(&self) -> String {
        self.key("throttling:events")
    }

    /// Requests by hour.
    #[must_use]
    pub fn hourly_requests(&self) -> String {
        self.key("throttling:requests:hourly")
    }

    /// One part (`state`, `stats`, `window`, `half_open_calls`) of a circuit breaker.
    #[must_use]
    pub fn circuit(&self, circuit: Circuit, part: &str) -> String {
        self.key(&format!("circuit_breaker:{}:{part}", circuit.as_str()))
    }

    /// The saved gateway configuration.
    #[must_use]
    pub fn gateway_config(&self) -> String {
        self.key("config:gateway:current")
    }

    /// The channel on which a new gateway configuration is published.
    #[must_use]
    pub fn gateway_updates(&self) -> String {
        self.key("config:gateway:update")
    }
}

#[cfg(test)]
impl Keys {
    /// Of the deployment `a`/`b`, for tests.
    pub(crate) fn sample() -> Self {
        Self::new(&Scope { tenant: "a".to_owned(), project: "b".to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::facts::{Component, Pool};

    fn keys() -> Keys {
        Keys::new(&Scope { tenant: "acme".into(), project: "chat".into() })
    }

    #[test]
    fn an_instance_id_may_hold_colons() {
        let key = keys().heartbeat("a:b:c", "chat", "rest", "41");
        let name = keys().process_name(&key).unwrap();
        assert_eq!((&*name.instance_id, &*name.service_name, name.process_id), ("a:b:c", "rest", Some(41)));
        let instance = keys().instance_heartbeat("a:b", "chat", "proc");
        assert_eq!(keys().service_of_instance(&instance), Some(("chat", "proc")));
    }

    #[test]
    fn keys_of_another_scope_or_form_have_no_process() {
        for key in ["", "acme:chat:kdcube:heartbeat:process:x", "other:chat:kdcube:heartbeat:process:a:b:c:1"] {
            assert_eq!(keys().process_name(key), None, "{key}");
        }
    }

    #[test]
    fn the_pool_series_order_their_parts_differently() {
        let (component, pool) = (Component::Proc, Pool::RedisAsync);
        assert_eq!(
            keys().rolling(RollingSeries::PoolUtilization(component, pool)),
            "acme:chat:kdcube:metrics:pool_utilization:proc:redis_async"
        );
        assert_eq!(
            keys().rolling(RollingSeries::PoolInUse(component, pool)),
            "acme:chat:kdcube:metrics:pool_in_use:redis_async:proc"
        );
    }

    #[test]
    fn glob_characters_of_the_scope_are_escaped() {
        let keys = Keys::new(&Scope { tenant: "a*".into(), project: "[b]".into() });
        assert_eq!(keys.heartbeat_pattern(), "a\\*:\\[b\\]:kdcube:heartbeat:process:*");
    }
}
