//! Counts of requests to upstreams, and the problem of one that fails.

use super::{Telemetry, locked};
use crate::base::clock::UnixSeconds;
use crate::platform::facts::Component;
use crate::problems::ProblemCode;
use crate::problems::code::code;

const UPSTREAM_FAILED: ProblemCode = code("upstream_failed");

/// What happened to requests to one upstream since the start.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UpstreamCounts {
    pub ok: u64,
    pub failed: u64,
    /// Whether the last request succeeded; `None` before the first.
    pub up: Option<bool>,
    /// Age of the newest payload by its own timestamp; `None` if it has none.
    pub payload_age_seconds: Option<f64>,
}

impl UpstreamCounts {
    const fn count(&mut self, ok: bool) {
        *if ok { &mut self.ok } else { &mut self.failed } += 1;
        self.up = Some(ok);
    }
}

impl Telemetry {
    /// A request to an upstream ended, with an error or without.
    pub fn upstream_asked(&self, component: Component, error: Option<String>, now: UnixSeconds) {
        let upstream = component.as_str();
        locked(&self.upstreams).entry(upstream).or_default().count(error.is_none());
        self.problems.set(UPSTREAM_FAILED, upstream, error, now);
    }

    /// The age of an upstream's payload in seconds; `None` if it has no timestamp.
    pub fn upstream_age(&self, component: Component, age: Option<f64>) {
        locked(&self.upstreams).entry(component.as_str()).or_default().payload_age_seconds = age;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Observed;

    #[test]
    fn each_upstream_has_its_results_and_the_last_one() {
        let telemetry = Telemetry::default();
        telemetry.upstream_asked(Component::Proc, None, 1.0);
        telemetry.upstream_asked(Component::Proc, Some("refused".to_owned()), 1.0);
        telemetry.upstream_age(Component::Proc, Some(0.5));
        telemetry.upstream_asked(Component::Ingress, None, 1.0);
        let upstreams = telemetry.own_state(Observed::default()).upstreams;
        let proc = UpstreamCounts { ok: 1, failed: 1, up: Some(false), payload_age_seconds: Some(0.5) };
        let ingress = UpstreamCounts { ok: 1, failed: 0, up: Some(true), payload_age_seconds: None };
        assert_eq!((&upstreams["proc"], &upstreams["ingress"]), (&proc, &ingress));
    }

    #[test]
    fn a_payload_without_a_timestamp_has_no_age() {
        let telemetry = Telemetry::default();
        telemetry.upstream_age(Component::Proc, Some(0.5));
        telemetry.upstream_age(Component::Proc, None);
        assert_eq!(telemetry.own_state(Observed::default()).upstreams["proc"].payload_age_seconds, None);
    }
}
