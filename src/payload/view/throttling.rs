//! `throttling_*`: nothing of it where the events cannot be read.

use crate::analysis::state::{SystemState, ThrottledWindow, ThrottlingPeriod as PeriodState};
use crate::base::number::{count, float, round};
use crate::history::Window;
use crate::payload::shapes::{SystemPayload, ThrottlingPeriod, ThrottlingWindow, ThrottlingWindows};

/// Adds all sections of throttling.
pub(super) fn add(payload: &mut SystemPayload, state: &SystemState) {
    let Some(throttling) = state.throttling.known() else { return };
    let mut periods: std::collections::BTreeMap<String, ThrottlingPeriod> =
        throttling.periods.iter().map(|found| (format!("{}h", found.hours), period(found))).collect();
    if let Some(hour) = periods.get_mut("1h") {
        hour.recent_events_count = Some(count(throttling.recent.len()));
        payload.throttling_stats = Some(hour.clone());
    }
    payload.throttling_by_period = periods;
    let windows = &throttling.windows;
    payload.throttling_windows = ThrottlingWindows {
        one_minute: window(Window::OneMinute, &windows.one_minute),
        fifteen_minutes: window(Window::FifteenMinutes, &windows.fifteen_minutes),
        one_hour: window(Window::OneHour, &windows.one_hour),
    };
    payload.recent_throttling_events.clone_from(&throttling.recent);
}

fn period(found: &PeriodState) -> ThrottlingPeriod {
    ThrottlingPeriod {
        total_requests: found.requests.get(),
        total_throttled: found.throttled,
        rate_limit_429: found.rate_limit,
        backpressure_503: found.backpressure,
        throttled_by_reason: found.by_reason.clone(),
        hourly_stats: found.by_hour.clone(),
        top_throttled_sessions: found.top_sessions.clone(),
        throttle_rate: found.rate.get().map(|rate| round(rate * 100.0, 2)),
        total_attempted: found.attempted.get(),
        events_per_hour: float(found.throttled) / float(found.hours),
        recent_events_count: None,
    }
}

fn window(window: Window, found: &ThrottledWindow) -> Option<ThrottlingWindow> {
    let total = found.total.get()?;
    Some(ThrottlingWindow {
        total_throttled: total,
        rate_limit_429: found.rate_limit.get(),
        backpressure_503: found.backpressure.get(),
        events_per_min: round(float(total) / (window.seconds() / 60.0), 2),
    })
}
