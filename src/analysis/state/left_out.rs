//! What a tick left out of its numbers.

use super::Reason;
use crate::platform::facts::InputKind;

/// Inputs that did not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    pub kind: InputKind,
    /// How many.
    pub times: u64,
    pub reason: Reason,
}
