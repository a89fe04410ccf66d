//! Payload shapes of throttled requests, over hours and over short windows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One period that ends now.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ThrottlingPeriod {
    /// Hourly counters of the period's clock hours, the current one included; `None` where they cannot
    /// be read, as what follows from them.
    pub total_requests: Option<i64>,
    /// All events of the period, unreadable ones too.
    pub total_throttled: i64,
    pub rate_limit_429: i64,
    pub backpressure_503: i64,
    pub throttled_by_reason: BTreeMap<String, i64>,
    /// Events by UTC hour, `%Y-%m-%d_%H`.
    pub hourly_stats: BTreeMap<String, i64>,
    /// Ten at most, most events first, then the first seen.
    pub top_throttled_sessions: Vec<(String, i64)>,
    /// Percent of the attempted requests.
    pub throttle_rate: Option<f64>,
    pub total_attempted: Option<i64>,
    pub events_per_hour: f64,
    /// Of the last hour only: how many recent events are listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recent_events_count: Option<i64>,
}

/// The short windows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ThrottlingWindows {
    #[serde(rename = "1m")]
    pub one_minute: Option<ThrottlingWindow>,
    #[serde(rename = "15m")]
    pub fifteen_minutes: Option<ThrottlingWindow>,
    #[serde(rename = "1h")]
    pub one_hour: Option<ThrottlingWindow>,
}

/// Events of one window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ThrottlingWindow {
    pub total_throttled: i64,
    /// This and the next: `None` only in what an upstream did not send.
    pub rate_limit_429: Option<i64>,
    pub backpressure_503: Option<i64>,
    /// `round(total / minutes, 2)`.
    pub events_per_min: f64,
}
