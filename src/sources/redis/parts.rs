//! The address of Redis from its parts, as the platform joins them: `REDIS_HOST`, `REDIS_PORT`, `REDIS_DB` and
//! `REDIS_PASSWORD`.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};

use crate::settings::{Descriptors, Origin, Setting, Settings, setting};

const URL: &Setting = setting("REDIS_URL");
const HOST: &Setting = setting("REDIS_HOST");
const PORT: &Setting = setting("REDIS_PORT");
const DATABASE: &Setting = setting("REDIS_DB");
const PASSWORD: &Setting = setting("REDIS_PASSWORD");

/// The host where another part is given.
const DEFAULT_HOST: &str = "localhost";

/// Where the address comes from.
#[derive(Debug)]
pub(super) enum Address<'a> {
    /// `REDIS_URL`, its parts or its default.
    Own(SecretString),
    /// `redis_url` of the gateway configuration.
    OfGateway(&'a str),
}

/// The address to use: `REDIS_URL`, else the parts if there is a host, else `of_gateway`, else the default. `is_usable` says whether an address can
/// be parsed: the platform's own charts put a password with `/`, `?` or `#` into `REDIS_URL` as it is, beside its parts.
/// `None`: there is no address; errors are recorded.
pub(super) fn address<'a>(
    settings: &mut Settings,
    of_gateway: Option<&'a str>,
    is_usable: impl Fn(&str) -> bool,
) -> Option<Address<'a>> {
    if let Some(error) = settings.descriptors().and_then(Descriptors::topology_error) {
        settings.error(error.to_string());
        return None;
    }
    if is_given(settings, URL) {
        return own_url(settings, is_usable).map(Address::Own);
    }
    match of_gateway {
        _ if is_given(settings, HOST) => join(settings).map(Address::Own),
        Some(url) => Some(Address::OfGateway(url)),
        None => without_host(settings).map(Address::Own),
    }
}

/// `REDIS_URL`, or its parts if it cannot be parsed and they are enough.
fn own_url(settings: &mut Settings, is_usable: impl Fn(&str) -> bool) -> Option<SecretString> {
    let url = settings.secret(URL)?;
    if is_usable(url.expose_secret()) || !is_given(settings, HOST) || !is_given(settings, PASSWORD) {
        return Some(url);
    }
    settings.warn("REDIS_URL cannot be parsed; REDIS_HOST and REDIS_PASSWORD are used instead");
    join(settings)
}

/// The default host with the parts that are given, or the default address. Where the deployment has descriptors, they should
/// name its Redis: nothing is assumed.
fn without_host(settings: &mut Settings) -> Option<SecretString> {
    let assembly = settings.descriptors().filter(|descriptors| descriptors.is_given());
    let Some(assembly) = assembly.and_then(|descriptors| descriptors.paths().first()) else {
        let is_any_given = [PORT, DATABASE, PASSWORD].into_iter().any(|part| is_given(settings, part));
        return if is_any_given { join(settings) } else { settings.secret(URL) };
    };
    let problem = format!(
        "REDIS_URL is not set, nor REDIS_HOST, and {} gives no infra.redis.host; accepted: any of them",
        assembly.display()
    );
    settings.error(problem);
    None
}

/// What to do about an address that cannot be parsed, behind what is wrong with it.
pub(super) fn hint(url: &str) -> &'static str {
    if url.contains('@') {
        "; in a password, percent-encode / ? # @ and % (/ is %2F), or set REDIS_HOST and REDIS_PASSWORD instead"
    } else {
        ""
    }
}

fn is_given(settings: &Settings, setting: &Setting) -> bool {
    settings.origin(setting) != Origin::Default
}

/// The parts as one address, in which any character of the password is safe. `None`: a part is wrong; errors are recorded.
fn join(settings: &mut Settings) -> Option<SecretString> {
    let host = read_host(settings);
    let port = settings.get::<u16>(PORT).filter(|port| *port != 0);
    if port.is_none() {
        settings.reject(PORT, "is no port to connect to");
    }
    let database = settings.get::<usize>(DATABASE)?;
    let password = settings.secret(PASSWORD);
    let user = password.map_or_else(String::new, |password| format!(":{}@", encoded(password.expose_secret())));
    Some(format!("redis://{user}{}:{}/{database}", host?, port?).into())
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn read_host(settings: &mut Settings) -> Option<String> {
    let text = settings.text(HOST).unwrap_or_else(|| DEFAULT_HOST.to_owned());
    let address = text.trim_matches(['[', ']']);
    if address.parse::<std::net::Ipv6Addr>().is_ok() {
        return Some(format!("[{address}]"));
    }
    // Not the host of an http URL: underscores are fine, and so are the names of containers.
    match url::Host::parse_opaque(&text) {
        Ok(_) if !text.contains(['%', ',']) => Some(text),
        _ => {
            settings.reject(HOST, "is not a host; the port is REDIS_PORT");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn joined(variables: &[(&str, &str)]) -> Result<String, String> {
        let mut settings = Settings::from_environment(variables.iter().copied());
        let url = join(&mut settings);
        let errors: Vec<String> = settings.into_errors().iter().map(ToString::to_string).collect();
        url.map(|url| url.expose_secret().to_owned()).filter(|_| errors.is_empty()).ok_or_else(|| errors.join("\n"))
    }

    #[test]
    fn parts_are_joined_with_the_platforms_defaults() {
        for (variables, expected) in [
            (&[("REDIS_HOST", "redis")][..], "redis://redis:6379/0"),
            (&[("REDIS_PORT", "1"), ("REDIS_DB", "3")], "redis://localhost:1/3"),
            (
                &[("REDIS_HOST", "my_redis.internal"), ("REDIS_PASSWORD", "p/a?s#s@%:")],
                "redis://:p%2Fa%3Fs%23s%40%25%3A@my_redis.internal:6379/0",
            ),
            (&[("REDIS_HOST", "::1")], "redis://[::1]:6379/0"),
            (&[("REDIS_HOST", "[::1]")], "redis://[::1]:6379/0"),
            (&[("REDIS_HOST", "10.0.0.1"), ("REDIS_PASSWORD", " ")], "redis://10.0.0.1:6379/0"),
        ] {
            assert_eq!(joined(variables).as_deref(), Ok(expected), "{variables:?}");
        }
    }

    /// Stands for the gateway configuration's address among the variables.
    const OF_GATEWAY: &str = "redis_url";

    /// The address, and the warnings or errors.
    fn chosen(assembly: Option<&str>, variables: &[(&str, &str)]) -> (Option<String>, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().to_str().unwrap();
        if let Some(text) = assembly {
            std::fs::write(folder.path().join("assembly.yaml"), text).unwrap();
        }
        let named = assembly.map(|_| ("PLATFORM_DESCRIPTORS_DIR", directory));
        let mut settings = Settings::from_environment(variables.iter().copied().chain(named));
        let of_gateway = variables.iter().find(|(name, _)| *name == OF_GATEWAY).map(|(_, url)| *url);
        let url = match address(&mut settings, of_gateway, |url| !url.contains('?')) {
            Some(Address::Own(url)) => Some(url.expose_secret().to_owned()),
            Some(Address::OfGateway(url)) => Some(format!("{url} of the gateway")),
            None => None,
        };
        let said = settings.warnings().iter().cloned().chain(settings.errors().iter().map(ToString::to_string));
        let said = said.map(|line| line.replace(directory, "…")).collect();
        (url, said)
    }

    #[test]
    fn redis_url_wins_over_the_parts_and_these_over_the_default() {
        let (url, bad) = (("REDIS_URL", "redis://a:1/2"), ("REDIS_URL", "redis://:hunter?2@a:1/2"));
        let (host, password) = (("REDIS_HOST", "b"), ("REDIS_PASSWORD", "hunter?2"));
        let assembly = "infra: {redis: {host: c, port: \"7\", password: p/w}}";
        let replaced = "REDIS_URL cannot be parsed; REDIS_HOST and REDIS_PASSWORD are used instead";
        for (assembly, variables, expected, warning) in [
            (None, &[][..], "redis://127.0.0.1:6379/0", None),
            (None, &[url, host, password], "redis://a:1/2", None),
            (None, &[host], "redis://b:6379/0", None),
            (None, &[bad, host, password], "redis://:hunter%3F2@b:6379/0", Some(replaced)),
            // Its caller rejects it.
            (None, &[bad, host], bad.1, None),
            (Some(assembly), &[], "redis://:p%2Fw@c:7/0", None),
            (Some(assembly), &[host], "redis://:p%2Fw@b:7/0", None),
            (Some(assembly), &[url], "redis://a:1/2", None),
            (Some("ports: {metrics: 1}"), &[url], "redis://a:1/2", None),
            (Some("infra.redis.password: x"), &[(OF_GATEWAY, "g")], "g of the gateway", None),
            (None, &[(OF_GATEWAY, "g")], "g of the gateway", None),
            (None, &[(OF_GATEWAY, "g"), url], "redis://a:1/2", None),
            (None, &[(OF_GATEWAY, "g"), host], "redis://b:6379/0", None),
            (Some("infra: {redis: {topology: standalone}}"), &[host], "redis://b:6379/0", None),
        ] {
            let (url, said) = chosen(assembly, variables);
            let said: Vec<&str> = said.iter().map(String::as_str).collect();
            assert_eq!((url.as_deref(), said), (Some(expected), Vec::from_iter(warning)), "{assembly:?} {variables:?}");
        }
    }

    #[test]
    fn descriptors_without_a_redis_or_with_a_cluster_are_errors() {
        for variables in [&[][..], &[("REDIS_PASSWORD", "x"), ("REDIS_PORT", "1")]] {
            let (url, errors) = chosen(Some("infra.redis.password: x"), variables);
            assert_eq!(url, None);
            let start = "REDIS_URL is not set, nor REDIS_HOST, and …/assembly.yaml gives no infra.redis.host";
            assert!(errors[0].starts_with(start), "{errors:?}");
        }
        for topology in ["cluster", "ring"] {
            let assembly = format!("infra: {{redis: {{host: a, topology: {topology}}}}}");
            let (url, errors) = chosen(Some(&assembly), &[("REDIS_URL", "redis://a")]);
            assert_eq!((url, errors.len()), (None, 1));
            assert!(errors[0].starts_with("assembly.yaml, infra.redis.topology: "), "{errors:?}");
        }
    }

    #[test]
    fn a_part_that_is_wrong_is_named() {
        for (name, value) in [
            ("REDIS_HOST", "redis:6379"),
            ("REDIS_HOST", "redis://redis"),
            ("REDIS_HOST", "a,b"),
            ("REDIS_HOST", "me@redis"),
            ("REDIS_PORT", "0"),
            ("REDIS_PORT", "many"),
            ("REDIS_DB", "-1"),
        ] {
            let error = joined(&[(name, value)]).unwrap_err();
            assert!(error.starts_with(&format!("{name} {value:?}: ")), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_password_arrives_as_it_is(password in "[^\0]{1,40}") {
            // Quotes around a value are taken for those that docker keeps.
            prop_assume!(!password.trim().is_empty() && !password.trim().starts_with(['"', '\'']));
            let url = joined(&[("REDIS_HOST", "h"), ("REDIS_PASSWORD", &password)]).unwrap();
            let address = super::super::address::RedisAddress::parse(&url).unwrap();
            prop_assert_eq!(address.user.password(), password.as_str());
        }
    }
}
