//! The scope of everything: one deployment's tenant and project.

use std::fmt::{self, Display, Formatter};

use serde::{Deserialize, Serialize};

/// The tenant and project that every key, snapshot and sample belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Scope {
    pub tenant: String,
    pub project: String,
}

/// As people write it: `acme/chat`.
impl Display for Scope {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tenant, self.project)
    }
}
