//! Throttled requests over hours and over short windows.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{PerWindow, Reading};

/// All that is known of throttled requests.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Throttling {
    /// By their length, shortest first.
    pub periods: Vec<ThrottlingPeriod>,
    pub windows: PerWindow<ThrottledWindow>,
    /// The newest 20 of the last hour, newest first, as their writer wrote them.
    pub recent: Vec<Value>,
}

/// One period that ends now.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ThrottlingPeriod {
    pub hours: i64,
    /// Hourly counters of the period's clock hours, the current one included.
    pub requests: Reading<i64>,
    /// All events of the period, unreadable ones too.
    pub throttled: i64,
    pub rate_limit: i64,
    pub backpressure: i64,
    pub by_reason: BTreeMap<String, i64>,
    /// Events by UTC hour, `%Y-%m-%d_%H`.
    pub by_hour: BTreeMap<String, i64>,
    /// Ten at most, most events first, then the first seen.
    pub top_sessions: Vec<(String, i64)>,
    pub attempted: Reading<i64>,
    /// Throttled / attempted; 0 where nothing was attempted.
    pub rate: Reading<f64>,
}

/// Events of one window.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ThrottledWindow {
    pub total: Reading<i64>,
    /// Of status 429.
    pub rate_limit: Reading<i64>,
    /// Of status 503.
    pub backpressure: Reading<i64>,
}
