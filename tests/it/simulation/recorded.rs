//! What the servers record in the world, and the rule that an interval has one point of a series, whoever writes it.

use kdcube_metrics::base::lease::{self, Contender};
use kdcube_metrics::platform::facts::RollingSeries;
use kdcube_metrics::sources::{Recorded, SaveState, SourceError};

use super::world::{HOUR, World};

/// A point of a rolling series.
#[derive(Debug, Clone)]
pub(super) struct RecordedPoint {
    /// Grows with each point.
    pub(super) number: u64,
    pub(super) at: f64,
    pub(super) series: RollingSeries,
    pub(super) value: f64,
    /// The life of the server that wrote it.
    pub(super) run: String,
}

impl World {
    /// What becomes of a tick's points, by the lease, as in Redis.
    pub(super) fn claim(&mut self, contender: &Contender, save_state: SaveState) -> Result<Recorded, SourceError> {
        let now = self.now();
        let Some(record) = lease::claim(self.lease.as_ref(), contender, now) else { return Ok(Recorded::ByLeader) };
        self.accept_writes()?;
        let is_written = lease::is_interval_written(self.lease.as_ref(), contender, now);
        self.lease = Some(record);
        if is_written {
            return Ok(Recorded::ByLeader);
        }
        if save_state == SaveState::Yes {
            self.counts_saved = now;
        }
        Ok(Recorded::Written)
    }

    fn accept_writes(&self) -> Result<(), SourceError> {
        if self.now() >= self.read_only_until {
            return Ok(());
        }
        let (server, message) = ("the simulated Redis".to_owned(), "read only".to_owned());
        Err(SourceError::Refused { server, code: "READONLY".to_owned(), message, advice: "" })
    }

    /// A tick's points were written by this life of a server.
    pub(super) fn push(&mut self, contender: &Contender, points: &[(f64, RollingSeries, f64)]) {
        for &(at, series, value) in points {
            let last = self.points.iter().rev().find(|point| point.series == series);
            if let Some(last) = last {
                let apart = contender.interval * if last.run == contender.run { 0.5 } else { 1.0 };
                assert!(
                    at - last.at >= apart - 1e-6,
                    "{series:?} has two points, at {} by {} and at {at} by {}",
                    last.at,
                    last.run,
                    contender.run
                );
            }
            self.points_written += 1;
            let (number, run) = (self.points_written, contender.run.clone());
            self.points.push(RecordedPoint { number, at, series, value, run });
        }
        let oldest = self.now() - HOUR;
        self.points.retain(|point| point.at > oldest);
    }
}
