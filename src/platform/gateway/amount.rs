//! A number of the configuration that is shown as it was written: whole stays whole.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Number;
use utoipa::ToSchema;

/// A JSON number; 0 by default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = f64)]
pub struct Amount(Number);

impl Amount {
    /// Its value.
    #[must_use]
    pub fn as_f64(&self) -> f64 {
        self.0.as_f64().unwrap_or_default()
    }

    /// Its whole part, as near as an `i64` comes.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "truncating and saturating is what is wanted")]
    pub fn whole(&self) -> i64 {
        self.0.as_i64().unwrap_or_else(|| self.as_f64() as i64)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Default for Amount {
    fn default() -> Self {
        0.into()
    }
}

impl From<i64> for Amount {
    fn from(value: i64) -> Self {
        Self(value.into())
    }
}

impl From<f64> for Amount {
    /// What is not finite becomes 0: JSON has no word for it.
    fn from(value: f64) -> Self {
        Self(Number::from_f64(value).unwrap_or_else(|| 0.into()))
    }
}

impl From<Number> for Amount {
    fn from(value: Number) -> Self {
        Self(value)
    }
}
