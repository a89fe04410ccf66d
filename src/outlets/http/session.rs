//! Sessions of browsers, which cannot send a bearer token: a signed cookie that says until when it holds.
//!
//! The signature's key follows from a token: every replica accepts the cookie of every other, nothing is stored, and a token
//! that is withdrawn ends its sessions.

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use secrecy::{ExposeSecret, SecretString};

use crate::base::clock::UnixSeconds;
use crate::base::number::whole;

/// The name of the cookie.
pub(in crate::outlets) const NAME: &str = "kdcube_metrics_session";
/// How long a session lasts, seconds: a shift.
const LASTS: i64 = 12 * 3600;
/// What else a token signs has another purpose in front.
const PURPOSE: &[u8] = b"kdcube-metrics session v1 until ";

fn key(token: &SecretString) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, token.expose_secret().as_bytes())
}

fn signed(until: &str) -> Vec<u8> {
    [PURPOSE, until.as_bytes()].concat()
}

/// The `Set-Cookie` of a new session of somebody who has this token.
pub(in crate::outlets) fn cookie(token: &SecretString, now: UnixSeconds, is_tls: bool) -> String {
    let until = (whole(now.floor()).unwrap_or_default() + LASTS).to_string();
    let tag = URL_SAFE_NO_PAD.encode(hmac::sign(&key(token), &signed(&until)));
    let secure = if is_tls { "; Secure" } else { "" };
    format!("{NAME}={until}.{tag}; Path=/; Max-Age={LASTS}; HttpOnly; SameSite=Strict{secure}")
}

/// Whether the headers carry a session that one of the tokens signed and that is not over.
pub(super) fn holds(tokens: &[SecretString], headers: &HeaderMap, now: UnixSeconds) -> bool {
    let cookies = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut ours = cookies.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    ours.any(|(name, value)| name == NAME && is_valid(tokens, value, now))
}

fn is_valid(tokens: &[SecretString], value: &str, now: UnixSeconds) -> bool {
    let Some((until, tag)) = value.split_once('.') else { return false };
    let Ok(tag) = URL_SAFE_NO_PAD.decode(tag) else { return false };
    let is_over = until.parse().ok().and_then(whole).is_none_or(|until| crate::base::number::float(until) <= now);
    // `verify` compares in constant time.
    !is_over && tokens.iter().any(|token| hmac::verify(&key(token), &signed(until), &tag).is_ok())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const NOW: f64 = 1_767_225_600.5;

    fn tokens(all: &[&str]) -> Vec<SecretString> {
        all.iter().map(|token| (*token).into()).collect()
    }

    fn headers(cookie: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::COOKIE, HeaderValue::from_str(cookie).unwrap())])
    }

    fn issued(token: &str) -> String {
        let cookie = cookie(&token.into(), NOW, false);
        cookie.split(';').next().unwrap().to_owned()
    }

    #[test]
    fn a_session_holds_for_a_shift_and_as_long_as_its_token() {
        let (cookie, both) = (headers(&format!("a=b; {}", issued("hunter2"))), tokens(&["hunter1", "hunter2"]));
        for (now, valid) in [(NOW, true), (NOW + 43_199.0, true), (NOW + 43_200.0, false)] {
            assert_eq!(holds(&both, &cookie, now), valid, "{now}");
        }
        assert!(!holds(&tokens(&["hunter1"]), &cookie, NOW) && !holds(&[], &cookie, NOW));
    }

    #[test]
    fn a_cookie_is_for_this_site_and_no_script_and_under_tls_for_tls_only() {
        let plain = cookie(&"hunter2".into(), NOW, false);
        assert!(plain.ends_with("; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict") && !plain.contains("hunter2"));
        assert!(cookie(&"hunter2".into(), NOW, true).ends_with("; SameSite=Strict; Secure"));
    }

    proptest! {
        #[test]
        fn nothing_else_is_a_session(text in "[ -~]{0,80}", flip in 0..60_usize) {
            let cookie = headers(&format!("{NAME}={text}"));
            prop_assert!(!holds(&tokens(&["hunter2"]), &cookie, NOW));
            let mut bytes = issued("hunter2").into_bytes();
            let place = NAME.len() + 1 + flip % (bytes.len() - NAME.len() - 2);
            // The last letter of the signature has two spare bits; all others count.
            bytes[place] = if bytes[place] == b'1' { b'2' } else { b'1' };
            prop_assert!(!holds(&tokens(&["hunter2"]), &headers(&String::from_utf8(bytes).unwrap()), NOW));
        }
    }
}
