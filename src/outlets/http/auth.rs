//! Bearer tokens.

use std::fmt;
use std::sync::Arc;

use axum::http::{HeaderMap, header};
use secrecy::{ExposeSecret, SecretString};
use subtle::{Choice, ConstantTimeEq};
use tokio::sync::watch;

use super::session;
use crate::base::clock::UnixSeconds;

/// The accepted tokens, several during a rotation; none = no token is needed.
#[derive(Clone)]
pub struct Tokens(watch::Receiver<Arc<[SecretString]>>);

impl From<Vec<SecretString>> for Tokens {
    fn from(tokens: Vec<SecretString>) -> Self {
        Self::channel(tokens).1
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({})", self.0.borrow().len())
    }
}

/// Replaces the tokens of a running server.
pub(super) struct TokenSender(watch::Sender<Arc<[SecretString]>>);

impl TokenSender {
    /// From now on only these are accepted.
    pub(super) fn replace(&self, tokens: Vec<SecretString>) {
        self.0.send_replace(tokens.into());
    }
}

impl Tokens {
    /// These tokens, and the sender that replaces them.
    pub(super) fn channel(tokens: Vec<SecretString>) -> (TokenSender, Self) {
        let (sender, tokens) = watch::channel(tokens.into());
        (TokenSender(sender), Self(tokens))
    }

    /// Whether a request with these headers is authorized.
    pub(super) fn admit(&self, headers: &HeaderMap) -> bool {
        let known = Arc::clone(&self.0.borrow());
        known.is_empty() || bearer(headers).is_some_and(|token| holds(&known, token))
    }
}

impl Tokens {
    /// The cookie of a session for somebody who has one of the tokens; `None` for anybody else.
    pub(super) fn session(&self, token: &str, now: UnixSeconds, is_tls: bool) -> Option<String> {
        let known = Arc::clone(&self.0.borrow());
        let own = known.iter().find(|own| bool::from(own.expose_secret().as_bytes().ct_eq(token.as_bytes())))?;
        Some(session::cookie(own, now, is_tls))
    }

    /// Whether these headers carry a session of one of the tokens.
    pub(super) fn admit_session(&self, headers: &HeaderMap, now: UnixSeconds) -> bool {
        session::holds(&self.0.borrow(), headers, now)
    }
}

/// Compares every token, each in constant time: the duration reveals nothing but a length.
fn holds(known: &[SecretString], token: &[u8]) -> bool {
    let compare = |known: &SecretString| known.expose_secret().as_bytes().ct_eq(token);
    known.iter().map(compare).fold(Choice::from(0), |any, one| any | one).into()
}

/// The token of the one `Authorization` header. Of several, a proxy may have checked another one than we would.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut all = headers.get_all(header::AUTHORIZATION).into_iter();
    let (Some(only), None) = (all.next(), all.next()) else { return None };
    let (scheme, token) = only.as_bytes().split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(values: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    #[test]
    fn one_header_with_one_of_the_tokens_is_admitted() {
        let (sender, tokens) = Tokens::channel(vec!["hunter2".into(), "hunter3".into()]);
        for good in [&b"Bearer hunter2"[..], b"bearer hunter3", b"BEARER   hunter2  "] {
            assert!(tokens.admit(&headers(&[good])), "{good:?}");
        }
        let bad: [&[&[u8]]; 11] = [
            &[],
            &[b""],
            &[b"Bearer"],
            &[b"Bearer "],
            &[b"Bearer hunter"],
            &[b"Bearer hunter22"],
            &[b"Bearer hunter2,hunter3"],
            &[b"Bearer hunter\xff"],
            &[b"Basic hunter2"],
            &[b"hunter2"],
            &[b"Bearer nobody", b"Bearer hunter2"],
        ];
        for bad in bad {
            assert!(!tokens.admit(&headers(bad)), "{bad:?}");
        }
        sender.replace(vec!["hunter4".into()]);
        assert!(tokens.admit(&headers(&[b"Bearer hunter4"])) && !tokens.admit(&headers(&[b"Bearer hunter2"])));
        assert_eq!(format!("{tokens:?}"), "Tokens(1)");
    }

    #[test]
    fn without_tokens_every_request_is_admitted() {
        assert!(Tokens::from(Vec::new()).admit(&HeaderMap::new()));
    }
}
