//! Throttled requests.

use super::Sides;
use crate::analysis::state::{PerWindow, Reading, ThrottledWindow, Throttling, ThrottlingPeriod};
use crate::payload::shapes::{SystemPayload, ThrottlingPeriod as SentPeriod, ThrottlingWindow};

/// All of it; what is not sent is absent by itself.
pub(super) fn throttling(system: &SystemPayload, sides: &Sides<'_>) -> Reading<Throttling> {
    let sent = &system.throttling_windows;
    let mut periods: Vec<_> =
        system.throttling_by_period.iter().filter_map(|(name, sent)| period(name, sent, sides)).collect();
    periods.sort_by_key(|period| period.hours);
    Reading::Value(Throttling {
        periods,
        windows: PerWindow {
            one_minute: window("1m", sent.one_minute, sides),
            fifteen_minutes: window("15m", sent.fifteen_minutes, sides),
            one_hour: window("1h", sent.one_hour, sides),
        },
        recent: system.recent_throttling_events.clone(),
    })
}

fn window(name: &str, sent: Option<ThrottlingWindow>, sides: &Sides<'_>) -> ThrottledWindow {
    let side = sides.of_shared_facts();
    let count = |field: &str, value| sides.count(side, &format!("throttling_windows.{name}.{field}"), value);
    ThrottledWindow {
        total: count("total_throttled", sent.map(|sent| sent.total_throttled)),
        rate_limit: count("rate_limit_429", sent.and_then(|sent| sent.rate_limit_429)),
        backpressure: count("backpressure_503", sent.and_then(|sent| sent.backpressure_503)),
    }
}

/// A period by its name, such as `24h`.
fn period(name: &str, sent: &SentPeriod, sides: &Sides<'_>) -> Option<ThrottlingPeriod> {
    let hours = name.strip_suffix('h')?.parse().ok().filter(|hours| *hours > 0)?;
    let side = sides.of_shared_facts();
    let path = |field: &str| format!("throttling_by_period.{name}.{field}");
    let rate = sides.reading(side, &path("throttle_rate"), sent.throttle_rate);
    Some(ThrottlingPeriod {
        hours,
        requests: sides.count(side, &path("total_requests"), sent.total_requests),
        throttled: sent.total_throttled,
        rate_limit: sent.rate_limit_429,
        backpressure: sent.backpressure_503,
        by_reason: sent.throttled_by_reason.clone(),
        by_hour: sent.hourly_stats.clone(),
        top_sessions: sent.top_throttled_sessions.clone(),
        attempted: sides.count(side, &path("total_attempted"), sent.total_attempted),
        rate: rate.map(|percent| percent / 100.0),
    })
}
