//! Bearer tokens: who may read.

use std::fmt;
use std::sync::Arc;

use axum::http::{HeaderMap, header};
use secrecy::{ExposeSecret, SecretString};
use subtle::{Choice, ConstantTimeEq};

/// The accepted tokens, several while they are rotated; none = everyone may read.
#[derive(Clone, Default)]
pub struct Tokens(Arc<[SecretString]>);

impl From<Vec<SecretString>> for Tokens {
    fn from(tokens: Vec<SecretString>) -> Self {
        Self(tokens.into())
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({})", self.0.len())
    }
}

impl Tokens {
    /// Whether a request with these headers may pass.
    pub(super) fn admit(&self, headers: &HeaderMap) -> bool {
        self.0.is_empty() || bearer(headers).is_some_and(|token| self.holds(token))
    }

    /// Every token is compared, each in constant time, so that the time tells nothing but a length.
    fn holds(&self, token: &[u8]) -> bool {
        let compare = |known: &SecretString| known.expose_secret().as_bytes().ct_eq(token);
        self.0.iter().map(compare).fold(Choice::from(0), |any, one| any | one).into()
    }
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.as_bytes().split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}
