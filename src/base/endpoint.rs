//! A URL of another server, with who to be there kept apart, so that no error shows both.

use secrecy::SecretString;
use url::Url;

/// Where, and as whom.
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
        let user =
            named.then(|| (decoded(url.username()), SecretString::from(decoded(url.password().unwrap_or_default()))));
        // Only URLs without a host refuse, and those are turned away above.
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

fn decoded(text: &str) -> String {
    let pair = format!("x={}", text.replace('+', "%2B"));
    url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, text)| text.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn user_and_password_are_taken_out_of_the_url() {
        let endpoint = Endpoint::parse("https://me:hun%40ter2@gateway:9091/base/?q#f").unwrap();
        assert_eq!(endpoint.url.as_str(), "https://gateway:9091/base/");
        let (user, password) = endpoint.user.clone().unwrap();
        assert_eq!((user.as_str(), password.expose_secret()), ("me", "hun@ter2"));
        assert!(!format!("{endpoint:?}").contains("ter2"));
    }

    #[test]
    fn what_is_wrong_is_told_without_the_url() {
        for url in ["hunter2", "ftp://u:hunter2@x", "http://", ""] {
            assert!(Endpoint::parse(url).is_err_and(|problem| !problem.contains("hunter2")), "{url}");
        }
    }

    #[test]
    fn segments_come_behind_the_path() {
        for base in ["http://h:1", "http://h:1/"] {
            assert_eq!(Endpoint::parse(base).unwrap().join(&["a", "b"]).as_str(), "http://h:1/a/b");
        }
        assert_eq!(Endpoint::parse("http://h/p/").unwrap().join(&["a"]).as_str(), "http://h/p/a");
    }
}
