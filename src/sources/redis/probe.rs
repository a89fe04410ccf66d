//! Probes a Redis for `check`: its version and role, and whether the scope can be read.

use std::fmt;

use redis::{Pipeline, Value};

use super::errors::error_text;
use super::{Prepared, RedisSource, node};
use crate::base::clock::UnixSeconds;
use crate::base::lease::LeaseRecord;
use crate::sources::{Source, SourceError};

#[derive(Debug, Clone, PartialEq)]
pub struct ProbeReport {
    /// The server's version, if it reports one.
    pub version: Option<String>,
    /// `master` or `slave`, if it reports one.
    pub role: Option<String>,
    /// Processes of the scope that heartbeat.
    pub processes: usize,
    /// Inputs of the scope that cannot be read.
    pub malformed: usize,
    pub lease: LeaseReading,
}

/// What the key of the lease holds.
#[derive(Debug, Clone, PartialEq)]
pub enum LeaseReading {
    /// Nobody has held it for a week.
    Nobody,
    /// The last holder.
    Held(LeaseRecord),
    /// Why it cannot be read.
    Unreadable(String),
}

impl LeaseReading {
    fn of(reply: Option<Value>) -> Self {
        match reply {
            Some(Value::ServerError(error)) => Self::Unreadable(error_text(&error)),
            // What cannot be parsed was not written by a replica: the next holder overwrites it.
            Some(Value::BulkString(bytes)) => serde_json::from_slice(&bytes).map_or(Self::Nobody, Self::Held),
            _ => Self::Nobody,
        }
    }
}

impl fmt::Display for ProbeReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.version.as_deref().unwrap_or("of unknown version");
        write!(f, "Redis {version} ({}), ", self.role.as_deref().unwrap_or("role unknown"))?;
        write!(f, "{} processes heartbeat", self.processes)?;
        if self.malformed > 0 {
            write!(f, ", {} inputs cannot be read", self.malformed)?;
        }
        Ok(())
    }
}

impl RedisSource {
    /// Connects and reads the scope once.
    ///
    /// # Errors
    /// Redis cannot be reached, or refuses the commands.
    pub async fn probe(&mut self, now: UnixSeconds) -> Result<ProbeReport, SourceError> {
        // Skips the history, but not the scan for processes that no index names.
        self.prepared = Prepared::Series;
        let signals = self.collect(now).await?;
        let mut pipeline = Pipeline::new();
        pipeline.cmd("INFO");
        pipeline.cmd("GET").arg(self.keys.lease());
        let mut replies = self.link.read(&pipeline).await?;
        let lease = LeaseReading::of(replies.pop());
        // A user may lack this permission and still have all that the server needs.
        let info = replies.pop().and_then(node::text).unwrap_or_default();
        let field = |name: &str| node::field(&info, name).map(str::to_owned);
        Ok(ProbeReport {
            version: field("redis_version"),
            role: field("role"),
            processes: signals.heartbeats.len(),
            malformed: signals.malformed.len(),
            lease,
        })
    }
}
