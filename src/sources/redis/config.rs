//! How the source reaches Redis, from the settings. `address` parses the address; `sources::redis` connects.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::address::{Place, RedisAddress};
use super::parts::{self, Address};
use crate::settings::{Setting, Settings, setting};
use crate::tls::stream_client::{ClientTls, NamedFile, StreamClient};
use crate::tls::verifier::Verification;

const URL: &Setting = setting("REDIS_URL");
const CA_FILE: &Setting = setting("METRICS_REDIS_CA_FILE");
const CERT_FILE: &Setting = setting("METRICS_REDIS_CLIENT_CERT_FILE");
const KEY_FILE: &Setting = setting("METRICS_REDIS_CLIENT_KEY_FILE");
const SENTINEL_USERNAME: &Setting = setting("METRICS_REDIS_SENTINEL_USERNAME");
const SENTINEL_PASSWORD: &Setting = setting("METRICS_REDIS_SENTINEL_PASSWORD");
const OF_GATEWAY: &str = "redis_url of the gateway configuration";

/// How the source reaches Redis.
#[derive(Debug, Clone)]
pub struct RedisConfig {
    pub address: RedisAddress,
    /// The name in `CLIENT LIST`.
    pub client_name: String,
    /// Timeout of one command or pipeline.
    pub timeout: Duration,
    /// Timeout of one connection attempt.
    pub connect_timeout: Duration,
    /// `None` = plain text.
    pub(super) tls: Option<StreamClient>,
    pub(super) sentinel_tls: Option<StreamClient>,
}

impl RedisConfig {
    /// Reads `REDIS_URL` or its parts; an error is recorded. `instance_id` becomes part of the client name.
    pub fn read(settings: &mut Settings, instance_id: &str, timeout: Option<Duration>) -> Option<Self> {
        Self::read_or(settings, None, instance_id, timeout)
    }

    /// The same with `of_gateway`, the `redis_url` of the gateway configuration: used where neither `REDIS_URL` nor
    /// `REDIS_HOST` is set; a warning is recorded where it leads to another place than these.
    pub fn read_or(
        settings: &mut Settings,
        of_gateway: Option<&str>,
        instance_id: &str,
        timeout: Option<Duration>,
    ) -> Option<Self> {
        let client_name = format!("kdcube-metrics:{}", instance_id.replace(|c: char| !c.is_ascii_graphic(), "_"));
        let mut address = read_address(settings, of_gateway)?;
        read_sentinel_user(settings, &mut address);
        read_tls(settings, &mut address)?;
        let config = Self::of(address, client_name, timeout?);
        let config = config.map_err(|lines| lines.into_iter().for_each(|line| settings.error(line))).ok()?;
        config.warn(settings);
        Some(config)
    }

    /// Checks the address and reads its TLS files.
    ///
    /// # Errors
    /// What is wrong with the address, which is not quoted: it may hold a password.
    pub fn new(url: &str, client_name: String, timeout: Duration) -> Result<Self, String> {
        Self::of(RedisAddress::parse(url)?, client_name, timeout).map_err(|lines| lines.join("; "))
    }

    fn of(address: RedisAddress, client_name: String, timeout: Duration) -> Result<Self, Vec<String>> {
        let limit = address.timeout.map_or(timeout, |own| own.min(timeout));
        let of_sentinels = match &address.place {
            Place::Sentinels(group) => group.tls.clone(),
            Place::Tcp(_) | Place::Unix(_) => None,
        };
        Ok(Self {
            client_name: address.client_name.clone().unwrap_or(client_name),
            timeout: limit,
            connect_timeout: address.connect_timeout.map_or(limit, |own| own.min(timeout)),
            tls: address.tls.clone().map(StreamClient::new).transpose()?,
            sentinel_tls: of_sentinels.map(StreamClient::new).transpose()?,
            address,
        })
    }

    fn warn(&self, settings: &mut Settings) {
        if !self.address.without_effect.is_empty() {
            settings.warn(format!(
                "the Redis address has options that concern redis-py's pools and have no effect here: {}",
                self.address.without_effect.join(", ")
            ));
        }
        if self.address.tls.as_ref().is_some_and(|tls| tls.verification == Verification::Nothing) {
            settings.warn(
                "the Redis address has ssl_cert_reqs=none: the connection is encrypted but nothing verifies the server; set \
                 METRICS_REDIS_CA_FILE or ssl_ca_certs instead",
            );
        }
    }

    pub(super) fn stream_clients(&self) -> impl Iterator<Item = &StreamClient> {
        self.tls.iter().chain(&self.sentinel_tls)
    }

    /// Whether it is reached with files that can change.
    #[must_use]
    pub fn has_tls_files(&self) -> bool {
        self.stream_clients().any(|client| client.paths().next().is_some())
    }

    /// The address without user and password.
    #[must_use]
    pub fn redacted(&self) -> String {
        self.address.to_string()
    }
}

/// The address from `REDIS_URL` or its parts, or from the gateway configuration.
fn read_address(settings: &mut Settings, of_gateway: Option<&str>) -> Option<RedisAddress> {
    let is_usable = |url: &str| RedisAddress::parse(url.trim()).is_ok();
    let url: SecretString = match parts::address(settings, of_gateway, is_usable)? {
        Address::Own(url) => url,
        Address::OfGateway(url) => {
            let address = RedisAddress::parse(url);
            return address.map_err(|problem| settings.error(format!("{OF_GATEWAY} {problem}"))).ok();
        }
    };
    let hint = parts::hint(url.expose_secret());
    let address = RedisAddress::parse(url.expose_secret().trim());
    let address = address.map_err(|problem| settings.reject(URL, &format!("{problem}{hint}"))).ok()?;
    if let Some(other) = of_gateway {
        warn_of_other(&address, other, settings);
    }
    Some(address)
}

/// The platform's gateway reads queues, throttling and circuit breakers from its own `redis_url`.
fn warn_of_other(own: &RedisAddress, other: &str, settings: &mut Settings) {
    let own = own.to_string();
    let other = RedisAddress::parse(other.trim()).map_or("cannot be parsed".to_owned(), |other| other.to_string());
    if own != other {
        settings.warn(format!(
            "{OF_GATEWAY} ({other}) is not REDIS_URL ({own}): the platform's gateway uses the former, this server reads the \
             latter"
        ));
    }
}

fn read_sentinel_user(settings: &mut Settings, address: &mut RedisAddress) {
    let (username, password) = (settings.text(SENTINEL_USERNAME), settings.secret(SENTINEL_PASSWORD));
    let Place::Sentinels(group) = &mut address.place else { return };
    group.user.username = username.or(group.user.username.take());
    group.user.password = password.or(group.user.password.take());
}

/// Adds the TLS files of the settings to those of the address. `None`: one of them has no use; errors are recorded.
fn read_tls(settings: &mut Settings, address: &mut RedisAddress) -> Option<()> {
    let file = |settings: &mut Settings, setting: &'static Setting| {
        settings.text(setting).map(|path| NamedFile { path: path.into(), named_by: setting.variable() })
    };
    let (authorities, certificate) = (file(settings, CA_FILE), file(settings, CERT_FILE));
    let key = file(settings, KEY_FILE);
    if certificate.is_some() != key.is_some() {
        settings.error(
            "METRICS_REDIS_CLIENT_CERT_FILE and METRICS_REDIS_CLIENT_KEY_FILE belong together; accepted: both or neither",
        );
        return None;
    }
    let of_sentinels = match &mut address.place {
        Place::Sentinels(group) => group.tls.as_mut(),
        Place::Tcp(_) | Place::Unix(_) => None,
    };
    let mut clients: Vec<&mut ClientTls> = address.tls.iter_mut().chain(of_sentinels).collect();
    let identity = certificate.zip(key);
    for (setting, is_given) in [(CA_FILE, authorities.is_some()), (CERT_FILE, identity.is_some())] {
        if is_given && clients.is_empty() {
            settings.reject(setting, "has no effect: the Redis address does not begin with rediss://");
            return None;
        }
    }
    for client in &mut clients {
        if authorities.is_some() && client.verification == Verification::Nothing {
            settings.reject(CA_FILE, "has no effect: the Redis address has ssl_cert_reqs=none");
            return None;
        }
        client.authorities = authorities.clone().or(client.authorities.take());
        client.identity = identity.clone().or(client.identity.take());
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_name_holds_no_character_that_redis_rejects() {
        let config = RedisConfig::read(&mut Settings::default(), "a b\u{e9}", Some(Duration::from_secs(1))).unwrap();
        assert_eq!(config.client_name, "kdcube-metrics:a_b_");
    }

    #[test]
    fn a_bad_address_is_not_quoted() {
        for url in ["hunter2", "http://u:hunter2@x", "redis+sentinel://u:hunter2@x", "redis://u:hunter2@:x/notadb"] {
            let mut settings = Settings::from_environment([("REDIS_URL", url)]);
            assert!(RedisConfig::read(&mut settings, "m", Some(Duration::from_secs(1))).is_none());
            let line = settings.into_errors()[0].to_string();
            assert!(line.starts_with("REDIS_URL: ") && line.contains("accepted: redis://"), "{line}");
            assert!(!line.contains("hunter2"), "{line}");
        }
    }

    fn read_or(redis_url: &str, of_gateway: Option<&str>) -> (Option<String>, Vec<String>, Vec<String>) {
        let mut settings = Settings::from_environment([("REDIS_URL", redis_url)]);
        let config = RedisConfig::read_or(&mut settings, of_gateway, "m", Some(Duration::from_secs(1)));
        let url = config.map(|config| config.redacted());
        let warnings = settings.warnings().to_vec();
        (url, warnings, settings.into_errors().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn the_gateways_redis_is_used_where_redis_url_is_not_set_and_else_compared() {
        let (own, other) = ("redis://:hunter2@a:1/0", "redis://u:hunter3@b:1/0");
        let (shown, other_shown) = ("redis://a:1/0", "redis://b:1/0");
        for (redis_url, of_gateway, used, warned) in [
            ("", None, "redis://127.0.0.1:6379/0", false),
            ("", Some(other), other_shown, false),
            (own, None, shown, false),
            (own, Some(other), shown, true),
            (own, Some("redis://a:1/0"), shown, false),
            (own, Some("redis://a:1/3"), shown, true),
            (own, Some("nonsense hunter2"), shown, true),
        ] {
            let (url, warnings, errors) = read_or(redis_url, of_gateway);
            assert_eq!(
                (url.as_deref(), errors.len(), warnings.len()),
                (Some(used), 0, usize::from(warned)),
                "{redis_url}"
            );
            assert!(!warnings.concat().contains("hunter"), "{warnings:?}");
        }
        let (_, warnings, _) = read_or(own, Some(other));
        assert!(warnings[0].contains("(redis://b:1/0) is not REDIS_URL (redis://a:1/0)"), "{warnings:?}");
    }

    #[test]
    fn a_bad_redis_of_the_gateway_is_an_error_only_where_it_is_needed() {
        let (url, _, errors) = read_or("", Some("hunter2"));
        assert_eq!((url, errors), (None, vec!["redis_url of the gateway configuration has no scheme".to_owned()]));
    }

    /// What is wrong, or the warnings.
    fn read(variables: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let mut settings = Settings::from_environment(variables.iter().copied());
        let config = RedisConfig::read(&mut settings, "m", Some(Duration::from_secs(1)));
        let warnings = settings.warnings().to_vec();
        let errors: Vec<String> = settings.into_errors().iter().map(ToString::to_string).collect();
        config.map(|_| warnings).ok_or_else(|| errors.join("; "))
    }

    #[test]
    fn an_option_of_redis_pys_pools_and_an_unverified_server_are_warnings() {
        for (url, words) in [
            ("redis://h?max_connections=5&decode_responses=1", "no effect here: max_connections, decode_responses"),
            ("rediss://h?ssl_cert_reqs=none", "ssl_cert_reqs=none: the connection is encrypted but nothing verifies"),
        ] {
            let warnings = read(&[("REDIS_URL", url)]).unwrap();
            assert!(warnings.len() == 1 && warnings[0].contains(words), "{warnings:?}");
        }
        assert_eq!(read(&[("REDIS_URL", "redis://h?socket_timeout=5&db=3")]), Ok(vec![]));
    }

    #[test]
    fn tls_files_that_cannot_be_used_or_have_no_use_are_errors() {
        let plain = ("REDIS_URL", "redis://h");
        let tls = ("REDIS_URL", "rediss://h");
        for (variables, problem) in [
            (&[plain, ("METRICS_REDIS_CA_FILE", "/x")][..], "METRICS_REDIS_CA_FILE \"/x\": has no effect"),
            (&[tls, ("METRICS_REDIS_CA_FILE", "/x")], "METRICS_REDIS_CA_FILE \"/x\": cannot be read"),
            (&[tls, ("METRICS_REDIS_CLIENT_CERT_FILE", "/x")], "METRICS_REDIS_CLIENT_CERT_FILE and"),
            (
                &[("REDIS_URL", "rediss://h?ssl_cert_reqs=none"), ("METRICS_REDIS_CA_FILE", "/x")],
                "METRICS_REDIS_CA_FILE \"/x\": has no effect: the Redis address has ssl_cert_reqs=none",
            ),
            (
                &[("REDIS_URL", "rediss://h?ssl_ca_certs=/x")],
                "the option ssl_ca_certs of the Redis address \"/x\": cannot be read",
            ),
        ] {
            let error = read(variables).unwrap_err();
            assert!(error.starts_with(problem), "{error}");
        }
    }

    #[test]
    fn the_shorter_of_two_timeouts_counts() {
        let limits = |url: &str| {
            let config = RedisConfig::new(url, String::new(), Duration::from_secs(5)).unwrap();
            (config.timeout.as_secs_f64(), config.connect_timeout.as_secs_f64())
        };
        assert_eq!(limits("redis://h"), (5.0, 5.0));
        assert_eq!(limits("redis://h?socket_timeout=2"), (2.0, 2.0));
        assert_eq!(limits("redis://h?socket_timeout=9&socket_connect_timeout=1"), (5.0, 1.0));
    }
}
