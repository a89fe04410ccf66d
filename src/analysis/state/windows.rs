//! Values over windows.

use super::Reading;
use crate::history::Window;

/// One value for each window.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PerWindow<T> {
    pub one_minute: T,
    pub fifteen_minutes: T,
    pub one_hour: T,
}

/// A latency series over one window, milliseconds. An empty window has a count and nothing else.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LatencyWindow {
    pub count: Reading<i64>,
    pub p50: Reading<f64>,
    pub p95: Reading<f64>,
    pub p99: Reading<f64>,
    pub max: Reading<f64>,
    pub mean: Reading<f64>,
}

/// Means and maxima of a rolling series over the windows, in the series' unit.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RollingWindows {
    pub one_minute: Reading<f64>,
    pub fifteen_minutes: Reading<f64>,
    pub one_hour: Reading<f64>,
    pub max_one_minute: Reading<f64>,
    pub max_fifteen_minutes: Reading<f64>,
    /// Maximum over one hour.
    pub max: Reading<f64>,
}

impl<T> PerWindow<T> {
    /// One value for each window, made from it.
    pub fn from_fn(mut make: impl FnMut(Window) -> T) -> Self {
        Self {
            one_minute: make(Window::OneMinute),
            fifteen_minutes: make(Window::FifteenMinutes),
            one_hour: make(Window::OneHour),
        }
    }

    /// Windows with their values, shortest first.
    pub fn iter(&self) -> impl Iterator<Item = (Window, &T)> {
        [
            (Window::OneMinute, &self.one_minute),
            (Window::FifteenMinutes, &self.fifteen_minutes),
            (Window::OneHour, &self.one_hour),
        ]
        .into_iter()
    }
}
