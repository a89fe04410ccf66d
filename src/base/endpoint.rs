//! A URL of another server with its credentials kept separately, so that an error can quote the URL.

use secrecy::SecretString;
use url::Url;

use crate::base::percent;

/// A server and the credentials for it.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Without user, password, query and fragment.
    pub url: Url,
    pub user: Option<(String, SecretString)>,
}

impl Endpoint {
    /// Reads an `http://` or `https://` URL.
    ///
    /// # Errors
    /// What is wrong with it, as a short phrase that does not quote it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let mut url = Url::parse(text.trim()).map_err(|_| "is not a URL")?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
            return Err("is not the URL of an HTTP server");
        }
        let named = !url.username().is_empty() || url.password().is_some();
        let password = || SecretString::from(percent::decode(url.password().unwrap_or_default()));
        let user = named.then(|| (percent::decode(url.username()), password()));
        // Fails only for URLs without a host, which are rejected above.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.set_query(None);
        url.set_fragment(None);
        Ok(Self { url, user })
    }

    /// The URL with more segments behind its path.
    #[must_use]
    pub fn join(&self, segments: &[&str]) -> Url {
        let mut url = self.url.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn credentials_are_removed_from_the_url() {
        let endpoint = Endpoint::parse("https://me:hun%40ter2@gateway:9091/base/?q#f").unwrap();
        assert_eq!(endpoint.url.as_str(), "https://gateway:9091/base/");
        let (user, password) = endpoint.user.clone().unwrap();
        assert_eq!((user.as_str(), password.expose_secret()), ("me", "hun@ter2"));
        assert!(!format!("{endpoint:?}").contains("ter2"));
    }

    #[test]
    fn a_password_may_hold_any_character() {
        let endpoint = Endpoint::parse("https://me:a&b=c+d%25@gateway").unwrap();
        assert_eq!(endpoint.user.unwrap().1.expose_secret(), "a&b=c+d%");
    }

    #[test]
    fn errors_do_not_quote_the_url() {
        for url in ["hunter2", "ftp://u:hunter2@x", "http://", ""] {
            assert!(Endpoint::parse(url).is_err_and(|problem| !problem.contains("hunter2")), "{url}");
        }
    }

    #[test]
    fn join_appends_to_the_path() {
        for base in ["http://h:1", "http://h:1/"] {
            assert_eq!(Endpoint::parse(base).unwrap().join(&["a", "b"]).as_str(), "http://h:1/a/b");
        }
        assert_eq!(Endpoint::parse("http://h/p/").unwrap().join(&["a"]).as_str(), "http://h/p/a");
    }
}
