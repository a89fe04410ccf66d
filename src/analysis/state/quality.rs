//! How far a tick's numbers can be trusted.

/// Whether a tick read all that its numbers follow from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Quality {
    #[default]
    Ok,
    /// Something that autoscaling rests on could not be read; what would be wrong without it is absent or held.
    Partial,
    /// Nothing of the tenant and project is in the source: nothing is known of the deployment.
    ScopeNotFound,
}

impl Quality {
    /// The word in logs and payloads.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Partial => "partial",
            Self::ScopeNotFound => "scope_not_found",
        }
    }
}
