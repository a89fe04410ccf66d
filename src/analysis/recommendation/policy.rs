//! What an operator wants of the replicas: targets and bounds.

/// The whole policy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScalePolicy {
    /// Its target is the share of slots that are busy.
    pub proc: ComponentPolicy,
    /// Seconds that a task may wait.
    pub target_wait_seconds: f64,
    /// Its target is the share of accepted SSE connections that are open.
    pub ingress: ComponentPolicy,
    /// Seconds for which the greatest need holds; 0 = none.
    pub stabilization_seconds: f64,
}

/// Target and bounds of one component.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ComponentPolicy {
    pub target: Fraction,
    pub bounds: Bounds,
}

/// A share above 0 and up to 1.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Fraction(f64);

/// The fewest and the most replicas; the most are no fewer than the fewest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    min: i64,
    max: Option<i64>,
}

impl Fraction {
    /// `None` for a value that is not above 0 and up to 1.
    #[must_use]
    pub fn new(value: f64) -> Option<Self> {
        (value > 0.0 && value <= 1.0).then_some(Self(value))
    }

    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl Bounds {
    /// `max` 0 = none. `None` where the most are fewer than the fewest.
    #[must_use]
    pub fn new(min: u32, max: u32) -> Option<Self> {
        let bounds = Self { min: min.into(), max: (max > 0).then_some(max.into()) };
        bounds.max.is_none_or(|max| max >= bounds.min).then_some(bounds)
    }

    #[must_use]
    pub const fn min(self) -> i64 {
        self.min
    }

    #[must_use]
    pub const fn max(self) -> Option<i64> {
        self.max
    }

    pub(super) fn clamp(self, replicas: i64) -> i64 {
        replicas.clamp(self.min, self.max.unwrap_or(i64::MAX))
    }
}

/// The defaults of the settings.
impl Default for ScalePolicy {
    fn default() -> Self {
        let bounds = Bounds { min: 1, max: None };
        Self {
            proc: ComponentPolicy { target: Fraction(0.8), bounds },
            target_wait_seconds: 30.0,
            ingress: ComponentPolicy { target: Fraction(0.7), bounds },
            stabilization_seconds: 300.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_share_and_the_most_are_no_fewer_than_the_fewest() {
        for bad in [0.0, -0.1, 1.000_1, f64::NAN, f64::INFINITY] {
            assert_eq!(Fraction::new(bad), None, "{bad}");
        }
        assert_eq!([0.001, 1.0].map(|good| Fraction::new(good).map(Fraction::get)), [Some(0.001), Some(1.0)]);
        assert_eq!(Bounds::new(3, 2), None);
        for (min, max, replicas, clamped) in [(0, 0, 0, 0), (1, 0, 0, 1), (1, 0, 99, 99), (2, 2, 9, 2), (2, 5, 1, 2)] {
            assert_eq!(Bounds::new(min, max).unwrap().clamp(replicas), clamped, "{min} {max} {replicas}");
        }
    }
}
