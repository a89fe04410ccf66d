//! Parses the address of Redis.

use std::path::PathBuf;

use secrecy::SecretString;
use url::Url;

use super::options::Options;
use super::{Credentials, HostPort, Place, RedisAddress, SentinelGroup};
use crate::base::percent;

const REDIS_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

pub(super) fn address(url: &str) -> Result<RedisAddress, String> {
    // A URL parser would drop line breaks and tabs without a word.
    if let Some(position) = url.chars().position(char::is_control) {
        return Err(format!("has a control character, such as a line break, as its character {}", position + 1));
    }
    let (scheme, rest) = url.split_once(':').ok_or("has no scheme")?;
    if rest.contains('#') {
        return Err("has a #".to_owned());
    }
    let tls = scheme.starts_with("rediss");
    match scheme {
        "redis" | "rediss" => with_host(url, tls),
        "unix" | "redis+unix" => unix(rest),
        "redis+sentinel" | "rediss+sentinel" => sentinels(rest.strip_prefix("//").ok_or("has no //")?, tls),
        // Not quoted: the text before a colon may be anything, even a password.
        _ => Err("has an unknown scheme".to_owned()),
    }
}

/// `redis://[user:password@]host[:port][/db][?options]`.
fn with_host(url: &str, tls: bool) -> Result<RedisAddress, String> {
    let url = Url::parse(url).map_err(|error| format!("is not a Redis address ({error})"))?;
    let place = Place::Tcp(host_port(&url, REDIS_PORT).ok_or("names no host")?);
    let options = Options::parse(url.query().unwrap_or_default())?;
    assemble(place, user(&url), database(url.path())?, tls, options)
}

/// `unix:[//[user:password@]]/path[?options]`.
fn unix(rest: &str) -> Result<RedisAddress, String> {
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let (authority, path) = rest.split_at(rest.find('/').ok_or("names no socket")?);
    let user = match authority.rsplit_once('@') {
        Some((user, "")) => credentials(user)?,
        None if authority.is_empty() => Credentials::default(),
        _ => return Err("names a host, and a Unix socket has none".to_owned()),
    };
    let path = Place::Unix(PathBuf::from(text(path, "the path of its socket")?));
    assemble(path, user, None, false, Options::parse(query)?)
}

/// `redis+sentinel://[user:password@]host[:port],host[:port]/primary[/db][?options]`; user and password are Redis'.
fn sentinels(rest: &str, tls: bool) -> Result<RedisAddress, String> {
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (user, place) = place.rsplit_once('@').map_or((None, place), |(user, place)| (Some(user), place));
    let (hosts, path) = place.split_once('/').ok_or("names no primary")?;
    let (primary, path) = path.split_once('/').unwrap_or((path, ""));
    let primary = text(primary, "the name of its primary")?;
    if primary.is_empty() {
        return Err("names no primary".to_owned());
    }
    let sentinels = hosts.split(',').map(sentinel).collect::<Result<Vec<_>, _>>()?;
    let options = Options::parse(query)?;
    let sentinel_tls = options.sentinel_tls.then(|| options.tls()).transpose()?;
    let group = SentinelGroup { sentinels, primary, user: options.sentinel_user.clone(), tls: sentinel_tls };
    let user = user.map(credentials).transpose()?.unwrap_or_default();
    assemble(Place::Sentinels(group), user, database(path)?, tls, options)
}

fn sentinel(text: &str) -> Result<HostPort, String> {
    let url = Url::parse(&format!("redis://{text}")).map_err(|_| "has a sentinel that is not host:port")?;
    host_port(&url, SENTINEL_PORT).ok_or_else(|| "has a sentinel without a host".to_owned())
}

/// Puts the parts together. As in redis-py, the database of the query comes before that of the path, and the user of the
/// URL before that of the query.
fn assemble(
    place: Place,
    user: Credentials,
    database: Option<u32>,
    tls: bool,
    options: Options,
) -> Result<RedisAddress, String> {
    let encrypts = tls || options.sentinel_tls;
    if let Some(option) = options.needs_tls.as_ref().filter(|_| !encrypts) {
        return Err(format!("has the option {option}, which needs rediss://"));
    }
    if let Some(option) = options.needs_sentinels.as_ref().filter(|_| !matches!(place, Place::Sentinels(_))) {
        return Err(format!("has the option {option}, which needs redis+sentinel://"));
    }
    let tls = if tls { Some(options.tls()?) } else { None };
    Ok(RedisAddress {
        place,
        database: options.database.or(database).unwrap_or(0),
        user: Credentials {
            username: user.username.or(options.user.username),
            password: user.password.or(options.user.password),
        },
        tls,
        client_name: options.client_name,
        timeout: options.timeout,
        connect_timeout: options.connect_timeout,
        without_effect: options.without_effect,
    })
}

fn host_port(url: &Url, default: u16) -> Option<HostPort> {
    let host = percent::decode(url.host_str()?);
    let host = host.trim_matches(['[', ']']).to_owned();
    let is_usable = !host.is_empty() && !host.contains(char::is_control);
    is_usable.then(|| HostPort { host, port: url.port().unwrap_or(default) })
}

/// `/2` and `/2/` name a database, `/` none.
fn database(path: &str) -> Result<Option<u32>, String> {
    let path = path.trim_matches('/');
    if path.is_empty() {
        return Ok(None);
    }
    path.parse().map(Some).map_err(|_| "has a database that is not a number".to_owned())
}

fn credentials(text: &str) -> Result<Credentials, String> {
    // Any URL works: only the percent encoding is undone.
    let url = Url::parse(&format!("redis://{text}@host"));
    url.map(|url| user(&url)).map_err(|_| "has user information that is not user:password".to_owned())
}

fn user(url: &Url) -> Credentials {
    let given = |text: &str| Some(percent::decode(text)).filter(|text| !text.is_empty());
    Credentials { username: given(url.username()), password: url.password().and_then(given).map(SecretString::from) }
}

/// The decoded text of a part of the address.
fn text(encoded: &str, what: &str) -> Result<String, String> {
    let text = percent::decode(encoded);
    if text.contains(char::is_control) { Err(format!("has a control character in {what}")) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::tls::verifier::Verification;

    fn parse(url: &str) -> RedisAddress {
        address(url).unwrap_or_else(|problem| panic!("{url} {problem}"))
    }

    #[test]
    fn addresses_of_every_kind_are_read_and_shown_without_credentials() {
        for (url, shown) in [
            ("redis://127.0.0.1", "redis://127.0.0.1:6379/0"),
            ("redis://u:hunter2@my_redis.internal:1/3", "redis://my_redis.internal:1/3"),
            ("redis://:hun@ter2@h:1/0", "redis://h:1/0"),
            ("rediss://u@[::1]:6380/3/", "rediss://[::1]:6380/3"),
            ("unix:/run/redis.sock", "unix:///run/redis.sock"),
            ("unix:///run/redis.sock?db=2", "unix:///run/redis.sock?db=2"),
            ("redis+unix://u:hunter2@/run/redis.sock?pass=hunter2", "unix:///run/redis.sock"),
            (
                "redis+sentinel://:p%40ss@a:26379,b,[::1]:3/mymaster/2",
                "redis+sentinel://a:26379,b:26379,[::1]:3/mymaster/2",
            ),
            ("redis+sentinel://a/mymaster/0/", "redis+sentinel://a:26379/mymaster/0"),
            ("redis+sentinel://a/mymaster/", "redis+sentinel://a:26379/mymaster/0"),
            ("rediss+sentinel://a/mymaster?db=4&sentinel_password=hunter2", "rediss+sentinel://a:26379/mymaster/4"),
        ] {
            let address = parse(url);
            assert_eq!(address.to_string(), shown, "{url}");
            assert!(!format!("{address:?}").contains("ter2"), "{address:?}");
        }
    }

    #[test]
    fn the_database_of_the_query_comes_first() {
        for (url, database) in [
            ("redis://h:1?db=2", 2),
            ("redis://h:1/?db=2", 2),
            ("redis://h:1/0?db=2", 2),
            ("redis://h:1/5?db=2&db=3", 2),
            ("redis://h:1/5?db=", 5),
            ("redis://h:1/5", 5),
            ("redis://h:1/", 0),
        ] {
            assert_eq!(parse(url).database, database, "{url}");
        }
    }

    #[test]
    fn credentials_are_decoded_and_those_of_the_query_come_last() {
        for (url, username, password) in [
            ("redis://app:p%40s+s@h", Some("app"), "p@s+s"),
            ("redis://h?username=app&password=p%2540%26", Some("app"), "p@&"),
            ("redis://:a@h?password=b", None, "a"),
            ("unix://app:a%2Fb@/s", Some("app"), "a/b"),
            ("redis+sentinel://app:p%40s+s@a/m", Some("app"), "p@s+s"),
            ("redis://h", None, ""),
        ] {
            let user = parse(url).user;
            assert_eq!((user.username.as_deref(), user.password()), (username, password), "{url}");
        }
    }

    #[test]
    fn options_of_time_and_name_are_followed_and_those_of_pools_are_listed() {
        let address = parse(
            "redis://h?socket_timeout=1.5&socket_connect_timeout=2&client_name=me&protocol=3&encoding=UTF-8\
             &decode_responses=true&max_connections=10&health_check_interval=30&retry_on_timeout=yes",
        );
        assert_eq!(address.timeout, Some(Duration::from_millis(1500)));
        assert_eq!(address.connect_timeout, Some(Duration::from_secs(2)));
        assert_eq!(address.client_name.as_deref(), Some("me"));
        let listed = ["decode_responses", "max_connections", "health_check_interval", "retry_on_timeout"];
        assert_eq!(address.without_effect, listed);
    }

    #[test]
    fn options_of_tls_and_sentinels_are_followed() {
        let address =
            parse("rediss://h?ssl_ca_certs=ca.pem&ssl_certfile=c.pem&ssl_keyfile=c.key&ssl_check_hostname=false");
        let tls = address.tls.unwrap();
        let (certificate, key) = tls.identity.unwrap();
        let files = [tls.authorities.unwrap(), certificate, key].map(|file| file.path.to_str().unwrap().to_owned());
        assert_eq!(
            (tls.verification, files),
            (Verification::Certificate, ["ca.pem", "c.pem", "c.key"].map(str::to_owned))
        );
        for url in ["rediss://h?ssl_cert_reqs=none", "rediss://h?ssl_cert_reqs=NONE&ssl_check_hostname=0"] {
            assert_eq!(parse(url).tls.unwrap().verification, Verification::Nothing, "{url}");
        }
        assert_eq!(parse("rediss://h").tls.unwrap().verification, Verification::CertificateAndName);
        assert_eq!(parse("redis://h").tls, None);
        let address = parse("rediss+sentinel://a/m?sentinel_username=s&sentinel_password=p&sentinel_ssl=true");
        let Place::Sentinels(group) = address.place else { panic!("{address:?}") };
        assert_eq!(
            (group.user.username.as_deref(), group.user.password(), group.tls.is_some()),
            (Some("s"), "p", true)
        );
    }

    /// Addresses, and the beginning of what is wrong with each.
    const REFUSED: [(&str, &str); 30] = [
        ("hunter2", "has no scheme"),
        ("http://u:hunter2@x", "has an unknown scheme"),
        ("redis://u:hunter2@:x/notadb", "is not a Redis address"),
        ("redis://", "names no host"),
        ("redis://:hunter2@h/notadb", "has a database that is not a number"),
        ("redis://h?db=hunter2", "has the option db, which is not a whole number"),
        ("redis://h?max_conections=1", "has the unknown option \"max_conections\""),
        ("redis://u:1?hunter2=@h", "has an unknown option after ?"),
        ("redis://u:1?hunter2=1@h", "has an unknown option after ?"),
        ("redis://h?encoding=utf-16", "has the option encoding, which is not utf-8"),
        ("redis://h?decode_responses=perhaps", "has the option decode_responses, which is neither true nor false"),
        ("redis://h?socket_timeout=0", "has the option socket_timeout, which is not a number of seconds above 0"),
        ("redis://h?protocol=4", "has the option protocol, which is neither 2 nor 3"),
        ("redis://h?client_name=a%20b", "has the option client_name, which has characters that Redis refuses"),
        ("redis://h?ssl_ca_certs=x", "has the option ssl_ca_certs, which needs rediss://"),
        ("rediss://h?ssl_keyfile=x", "has the option ssl_keyfile, which needs ssl_certfile"),
        (
            "rediss://h?ssl_cert_reqs=hunter2",
            "has the option ssl_cert_reqs, which is none of: none, optional, required",
        ),
        ("rediss://h?ssl_ca_path=/x", "has the option ssl_ca_path, which is not supported; give"),
        ("rediss://h?ssl_password=hunter2", "has the option ssl_password, which is not supported: the key"),
        ("rediss://h?ssl_validate_ocsp=true", "has the option ssl_validate_ocsp, which is not supported"),
        ("redis://h?sentinel_password=hunter2", "has the option sentinel_password, which needs redis+sentinel://"),
        ("redis+sentinel://u:hunter2@x", "names no primary"),
        ("redis+sentinel://u:hunter2@x//0", "names no primary"),
        ("redis+sentinel://a:hunter2/m", "has a sentinel that is not host:port"),
        ("unix://host/s", "names a host, and a Unix socket has none"),
        ("unix:", "names no socket"),
        ("redis://h/0#hunter2", "has a #"),
        ("redis://h\r/0", "has a control character, such as a line break, as its character 10"),
        ("redis+sentinel://a/m%0Ax", "has a control character in the name of its primary"),
        ("unix:/a%0d", "has a control character in the path of its socket"),
    ];

    #[test]
    fn what_cannot_be_followed_is_named_and_nothing_is_quoted() {
        for (url, problem) in REFUSED {
            let found = address(url).map(|address| address.to_string()).unwrap_err();
            assert!(found.starts_with(problem), "{url}: {found}");
            assert!(!found.contains("hunter2"), "{url}: {found}");
        }
    }
}
