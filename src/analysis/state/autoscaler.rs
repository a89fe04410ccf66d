//! The built-in scaling hints.

/// What a hint says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Decision {
    ScaleUp,
    ScaleDown,
    Hold,
}

impl Decision {
    pub const ALL: [Self; 3] = [Self::ScaleUp, Self::ScaleDown, Self::Hold];

    /// The word in labels and payloads.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ScaleUp => "scale_up",
            Self::ScaleDown => "scale_down",
            Self::Hold => "hold",
        }
    }

    /// The decision that a word names.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|decision| decision.as_str() == word)
    }
}

/// One component's hint.
#[derive(Debug, Clone, PartialEq)]
pub struct Hint {
    pub decision: Decision,
    pub reasons: Vec<HintReason>,
}

/// Why a hint is not to hold.
#[derive(Debug, Clone, PartialEq)]
pub enum HintReason {
    /// Queue pressure, a ratio, is at its bound or above.
    QueuePressure(f64),
    /// Something is queued and the processors work at this utilization, percent.
    BusyWithQueue(f64),
    /// Nothing is queued and the processors are hardly used.
    IdleQueue,
    /// SSE connections, percent of their limit, are at the bound or above.
    SseSaturation(f64),
    /// Few SSE connections and little load.
    IdleSse,
    /// An upstream's own words.
    Upstream(String),
}
