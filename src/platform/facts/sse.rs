//! SSE connections, as each ingress worker publishes them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::base::clock::UnixSeconds;

/// Identifies one ingress worker.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WorkerId {
    #[serde(with = "super::shared")]
    pub instance_id: Arc<str>,
    pub process_id: i64,
}

/// The SSE connections that one ingress worker published last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SseSample {
    /// The worker whose key it was read from.
    pub worker: WorkerId,
    pub count: i64,
    pub sessions: i64,
    /// Configured limit; 0 = none.
    pub max: i64,
    /// When it was published; missing in samples of some writers.
    pub at: Option<UnixSeconds>,
}
