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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::analysis::state::{PerWindow, Reading, Throttling};

    #[test]
    fn rates_are_per_minute_of_their_window_and_a_window_that_is_unknown_is_not_shown() {
        let seen = |total| ThrottledWindow { total: Reading::Value(total), ..ThrottledWindow::default() };
        for (window_of, total, per_minute) in [
            (Window::OneMinute, 7, 7.0),
            (Window::FifteenMinutes, 7, 0.47),
            (Window::OneHour, 7, 0.12),
            (Window::OneHour, 0, 0.0),
        ] {
            let shown = window(window_of, &seen(total)).expect("is known");
            assert_eq!((shown.total_throttled, shown.events_per_min), (total, per_minute), "{window_of:?}");
        }
        assert_eq!(window(Window::OneMinute, &ThrottledWindow::default()), None);
    }

    #[test]
    fn the_last_hour_alone_says_how_many_events_are_listed() {
        let period = |hours| PeriodState {
            hours,
            throttled: 9,
            rate: Reading::Value(0.123_456),
            rate_limit: 4,
            backpressure: 5,
            ..PeriodState::default()
        };
        let throttling = Throttling {
            periods: vec![period(1), period(3), period(24)],
            windows: PerWindow::default(),
            recent: vec![json!("a"), json!("b")],
        };
        let mut payload = SystemPayload::default();
        add(&mut payload, &SystemState { throttling: Reading::Value(throttling), ..SystemState::default() });
        let listed = |name: &str| payload.throttling_by_period[name].recent_events_count;
        assert_eq!((listed("1h"), listed("3h"), listed("24h")), (Some(2), None, None));
        assert_eq!(payload.throttling_stats.as_ref(), payload.throttling_by_period.get("1h"));
        let three = &payload.throttling_by_period["3h"];
        assert_eq!((three.throttle_rate, three.events_per_hour, three.total_attempted), (Some(12.35), 3.0, None));
        assert_eq!((three.rate_limit_429, three.backpressure_503), (4, 5));
        assert_eq!(payload.recent_throttling_events, [json!("a"), json!("b")]);
    }
}
