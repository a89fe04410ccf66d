//! Throttled requests.

use serde::{Deserialize, Serialize};

use crate::base::clock::UnixSeconds;

/// One throttled request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ThrottlingEvent {
    /// The sorted set's score.
    pub at: UnixSeconds,
    /// `None` for a member that is not a JSON object. It still was a throttled request, so it counts, without
    /// reason or status.
    pub detail: Option<ThrottlingDetail>,
}

/// What the platform recorded about a throttled request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ThrottlingDetail {
    pub reason: Option<String>,
    pub http_status: Option<i64>,
    pub session_id: Option<String>,
    /// The event as consoles show it; `None` for one that lacks a field they need, and for all but the newest of
    /// many.
    pub shown: Option<serde_json::Value>,
}
