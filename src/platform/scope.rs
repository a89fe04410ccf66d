//! The scope of everything: one deployment's tenant and project.

use serde::{Deserialize, Serialize};

/// The tenant and project that every key, snapshot and sample belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Scope {
    pub tenant: String,
    pub project: String,
}
