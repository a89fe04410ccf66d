//! Pauses before somebody is asked again.

use std::time::Duration;

/// Half of it by chance, so that replicas do not ask in step.
pub(crate) fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + fastrand::f64() / 2.0)
}
