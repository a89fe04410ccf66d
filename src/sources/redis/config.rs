//! The address of Redis and the timeout of a command. `sources::redis` connects.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::parts::{self, Address};
use crate::base::percent;
use crate::settings::{Setting, Settings, setting};

const URL: &Setting = setting("REDIS_URL");
const OF_GATEWAY: &str = "redis_url of the gateway configuration";

/// How the source reaches Redis.
#[derive(Debug, Clone)]
pub struct RedisConfig {
    /// `redis://`, `rediss://`, `unix:` or `redis+sentinel://`; may hold a password.
    pub url: SecretString,
    /// The name in `CLIENT LIST`.
    pub client_name: String,
    /// Timeout of one command or pipeline, and of one connection attempt.
    pub timeout: Duration,
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
        let is_usable = |url: &str| Self::new(url.trim(), String::new(), Duration::ZERO).is_ok();
        let url = match parts::address(settings, of_gateway, is_usable)? {
            Address::Own(url) => url,
            Address::OfGateway(url) => {
                let config = Self::new(url, client_name, timeout?);
                return config.map_err(|problem| settings.error(format!("{OF_GATEWAY} {problem}"))).ok();
            }
        };
        let config = Self::new(url.expose_secret().trim(), client_name, timeout?);
        let hint = parts::hint(url.expose_secret());
        let config = config.map_err(|problem| settings.reject(URL, &format!("{problem}{hint}"))).ok()?;
        if let Some(other) = of_gateway {
            config.warn_of_other(other, settings);
        }
        Some(config)
    }

    /// The platform's gateway reads queues, throttling and circuit breakers from its own `redis_url`.
    fn warn_of_other(&self, other: &str, settings: &mut Settings) {
        let (own, other) = (self.redacted(), redacted(other));
        if own != other {
            settings.warn(format!(
                "{OF_GATEWAY} ({other}) is not REDIS_URL ({own}): the platform's gateway uses the former, this server reads the \
                 latter"
            ));
        }
    }

    /// Checks the address.
    ///
    /// # Errors
    /// What is wrong with the address, which is not quoted: it may hold a password.
    pub fn new(url: &str, client_name: String, timeout: Duration) -> Result<Self, String> {
        let checked = match scheme(url) {
            "redis+sentinel" | "rediss+sentinel" => SentinelAddress::parse(url).map(|_| ()),
            "redis" | "rediss" | "unix" | "redis+unix" => redis::Client::open(url)
                .map(|_| ())
                .map_err(|error| format!("is not a Redis address ({})", error.category())),
            "" => Err("has no scheme".to_owned()),
            // Not quoted: the text before a colon may be anything, even a password.
            _ => Err("has an unknown scheme".to_owned()),
        };
        checked.map(|()| Self { url: SecretString::from(url), client_name, timeout })
    }

    /// The address without user and password.
    #[must_use]
    pub fn redacted(&self) -> String {
        redacted(self.url.expose_secret())
    }

    /// The sentinels to query, if the address names some.
    #[must_use]
    pub fn sentinel(&self) -> Option<SentinelAddress> {
        let url = self.url.expose_secret();
        scheme(url).ends_with("+sentinel").then(|| SentinelAddress::parse(url).ok()).flatten()
    }
}

fn redacted(url: &str) -> String {
    let (scheme, rest) = url.split_once(':').unwrap_or(("redis", ""));
    let rest = rest.trim_start_matches("//");
    // The last @ ends the user information, which may hold others; a query may hold a password too.
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    let place = place.split_once('?').map_or(place, |(place, _)| place);
    format!("{scheme}://{place}")
}

fn scheme(url: &str) -> &str {
    url.split_once(':').map_or("", |(scheme, _)| scheme)
}

/// `redis+sentinel://[user:password@]host:port,host:port/master[/db]`; user and password are Redis'.
#[derive(Debug, Clone)]
pub struct SentinelAddress {
    pub sentinels: Vec<(String, u16)>,
    pub master: String,
    pub database: i64,
    pub username: Option<String>,
    pub password: Option<SecretString>,
    /// TLS to the master (`rediss+sentinel`).
    pub tls: bool,
}

impl SentinelAddress {
    const DEFAULT_PORT: u16 = 26379;

    fn parse(url: &str) -> Result<Self, String> {
        let (scheme, rest) = url.split_once("://").ok_or("has no //")?;
        let (user, place) = rest.rsplit_once('@').map_or((None, rest), |(user, place)| (Some(user), place));
        let (hosts, path) = place.split_once('/').ok_or("names no master")?;
        let (master, database) = path.split_once('/').unwrap_or((path, "0"));
        if master.is_empty() {
            return Err("names no master".to_owned());
        }
        let database = database.parse().map_err(|_| "has a database that is not a number".to_owned())?;
        let sentinels = hosts.split(',').map(Self::host).collect::<Result<Vec<_>, _>>()?;
        let (username, password) = Self::user(user)?;
        Ok(Self {
            sentinels,
            master: master.to_owned(),
            database,
            username,
            password,
            tls: scheme.starts_with("rediss"),
        })
    }

    fn host(text: &str) -> Result<(String, u16), String> {
        let url =
            Url::parse(&format!("redis://{text}")).map_err(|_| "has a sentinel that is not host:port".to_owned())?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or("has a sentinel without a host")?;
        Ok((host.trim_matches(['[', ']']).to_owned(), url.port().unwrap_or(Self::DEFAULT_PORT)))
    }

    fn user(text: Option<&str>) -> Result<(Option<String>, Option<SecretString>), String> {
        let Some(text) = text else { return Ok((None, None)) };
        // Any URL works: only the percent encoding is undone.
        let url = Url::parse(&format!("redis://{text}@host"))
            .map_err(|_| "has user information that is not user:password".to_owned())?;
        let username = Some(url.username()).filter(|name| !name.is_empty()).map(percent::decode);
        Ok((username, url.password().map(percent::decode).map(SecretString::from)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_name_holds_no_character_that_redis_rejects() {
        let config = RedisConfig::read(&mut Settings::default(), "a b\u{e9}", Some(Duration::from_secs(1))).unwrap();
        assert_eq!(config.client_name, "kdcube-metrics:a_b_");
    }

    fn config(url: &str) -> Result<RedisConfig, String> {
        RedisConfig::new(url, "test".to_owned(), Duration::from_secs(1))
    }

    #[test]
    fn addresses_of_every_kind_are_accepted() {
        for url in [
            "redis://127.0.0.1",
            "rediss://user:pass@redis.example:6380/3",
            "unix:///run/redis.sock?db=2",
            "redis+unix:///run/redis.sock",
            "redis+sentinel://:p%40ss@a:26379,b,[::1]:3/mymaster/2",
        ] {
            assert!(config(url).is_ok(), "{url}: {:?}", config(url));
        }
    }

    #[test]
    fn a_bad_address_is_not_quoted() {
        for url in ["hunter2", "http://u:hunter2@x", "redis+sentinel://u:hunter2@x", "redis://u:hunter2@:x/notadb"] {
            let problem = config(url).unwrap_err();
            assert!(!problem.contains("hunter2"), "{url}: {problem}");
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
        let url = config.map(|config| config.url.expose_secret().to_owned());
        let warnings = settings.warnings().to_vec();
        (url, warnings, settings.into_errors().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn the_gateways_redis_is_used_where_redis_url_is_not_set_and_else_compared() {
        let (own, other) = ("redis://:hunter2@a:1/0", "redis://u:hunter3@b:1/0");
        for (redis_url, of_gateway, used, warned) in [
            ("", None, "redis://127.0.0.1:6379/0", false),
            ("", Some(other), other, false),
            (own, None, own, false),
            (own, Some(other), own, true),
            (own, Some("redis://a:1/0"), own, false),
            (own, Some("redis://a:1/3"), own, true),
            (own, Some("nonsense hunter2"), own, true),
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

    #[test]
    fn nothing_shows_the_password() {
        for url in [
            "redis://u:hunter2@h:1/0",
            "redis://:hun@ter2@h:1/0",
            "redis+sentinel://u:hunter2@a,b/m",
            "unix:///s?pass=hunter2",
        ] {
            let config =
                RedisConfig { url: SecretString::from(url), client_name: String::new(), timeout: Duration::ZERO };
            let shown = format!("{} {config:?}", config.redacted());
            assert!(!shown.contains("ter2"), "{shown}");
        }
    }

    #[test]
    fn a_sentinel_address_is_parsed() {
        let address = config("rediss+sentinel://app:p%40s+s@a:1,[::1]/mymaster/2").unwrap().sentinel().unwrap();
        assert_eq!(address.sentinels, [("a".to_owned(), 1), ("::1".to_owned(), 26379)]);
        assert_eq!((address.master.as_str(), address.database, address.tls), ("mymaster", 2, true));
        assert_eq!(address.username.as_deref(), Some("app"));
        assert_eq!(address.password.unwrap().expose_secret(), "p@s+s");
    }
}
