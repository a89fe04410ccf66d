//! One latency series: an hour of samples and exact percentiles over three windows.

use super::Window;
use crate::signals::{Point, UnixSeconds};

/// Count and percentiles of one series over one window, in the series' unit (milliseconds).
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LatencyStats {
    pub count: usize,
    pub p50: Option<f64>,
    pub p95: Option<f64>,
    pub p99: Option<f64>,
    pub max: Option<f64>,
}

#[derive(Debug)]
pub(super) struct Series {}

impl Series {
    pub(super) fn new(_max_samples: usize) -> Self {
        Self {}
    }
    pub(super) fn extend(&mut self, _points: &[Point]) {}
    pub(super) fn advance(&mut self, _now: UnixSeconds) {}
    pub(super) fn stats(&self, _window: Window) -> LatencyStats {
        LatencyStats::default()
    }
    pub(super) fn dropped(&self) -> u64 {
        0
    }
}
