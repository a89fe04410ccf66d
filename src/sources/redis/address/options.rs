//! The options in the query of a Redis address: those of redis-py, the platform's client, and of sentinels. Each is followed
//! or refused; one that only concerns redis-py's pools is listed.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use url::form_urlencoded;

use super::Credentials;
use crate::base::percent;
use crate::tls::stream_client::{ClientTls, NamedFile};
use crate::tls::verifier::Verification;

/// What the options say.
#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) database: Option<u32>,
    pub(super) user: Credentials,
    pub(super) client_name: Option<String>,
    pub(super) timeout: Option<Duration>,
    pub(super) connect_timeout: Option<Duration>,
    verification: Verification,
    authorities: Option<NamedFile>,
    certificate: Option<NamedFile>,
    key: Option<NamedFile>,
    /// The first option that needs TLS.
    pub(super) needs_tls: Option<String>,
    pub(super) sentinel_user: Credentials,
    pub(super) sentinel_tls: bool,
    /// The first option that needs sentinels.
    pub(super) needs_sentinels: Option<String>,
    pub(super) without_effect: Vec<String>,
}

impl Options {
    /// Parses a query. As in redis-py, the first of two options of one name counts, and one without a value is not given.
    ///
    /// # Errors
    /// The option's name and what is wrong with it. Values are never quoted.
    pub(super) fn parse(query: &str) -> Result<Self, String> {
        let mut options = Self::default();
        let mut names: Vec<String> = Vec::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()).filter(|(_, value)| !value.is_empty()) {
            if names.iter().any(|known| *known == name) {
                continue;
            }
            // redis-py decodes twice.
            let value = percent::decode(&value);
            options.apply(&name, &value).map_err(|problem| match problem {
                // After an unencoded ? in a password, this would be a part of it.
                Problem::Unknown if query.contains('@') => "has an unknown option after ?".to_owned(),
                Problem::Unknown => format!("has the unknown option {:?}", name.as_ref()),
                Problem::Invalid(problem) => format!("has the option {name}, which {problem}"),
            })?;
            names.push(name.into_owned());
        }
        Ok(options)
    }

    /// How the server is verified, and our certificate; its key may be in the same file.
    ///
    /// # Errors
    /// There is a key without a certificate.
    pub(super) fn tls(&self) -> Result<ClientTls, String> {
        let identity = match (self.certificate.clone(), self.key.clone()) {
            (None, Some(_)) => return Err("has the option ssl_keyfile, which needs ssl_certfile".to_owned()),
            (certificate, key) => certificate.map(|file| (file.clone(), key.unwrap_or(file))),
        };
        Ok(ClientTls { verification: self.verification, authorities: self.authorities.clone(), identity })
    }

    fn apply(&mut self, name: &str, value: &str) -> Result<(), Problem> {
        match name {
            "db" => self.database = Some(number(value)?),
            "username" | "user" => self.user.username = Some(value.to_owned()),
            "password" | "pass" => self.user.password = Some(SecretString::from(value)),
            "client_name" => self.client_name = Some(client_name(value)?),
            "socket_timeout" => self.timeout = Some(seconds(value)?),
            "socket_connect_timeout" => self.connect_timeout = Some(seconds(value)?),
            // What is read is the same in both.
            "protocol" if matches!(value, "2" | "3" | "resp2" | "resp3") => {}
            "protocol" => return Err(Problem::invalid("is neither 2 nor 3")),
            "encoding" if matches!(value.to_ascii_lowercase().as_str(), "utf-8" | "utf8" | "ascii") => {}
            "encoding" => return Err(Problem::invalid("is not utf-8, in which the platform's keys are written")),
            _ if name.starts_with("ssl_") => return self.apply_tls(name, value),
            _ if name.starts_with("sentinel_") => return self.apply_sentinel(name, value),
            _ => return self.apply_pool(name, value),
        }
        Ok(())
    }

    fn apply_tls(&mut self, name: &str, value: &str) -> Result<(), Problem> {
        let file = |named_by| Some(NamedFile { path: PathBuf::from(value), named_by });
        match name {
            "ssl_cert_reqs" => match value.to_ascii_lowercase().as_str() {
                "none" => self.verification = Verification::Nothing,
                "optional" | "required" => {}
                _ => return Err(Problem::invalid("is none of: none, optional, required")),
            },
            "ssl_check_hostname" if self.verification == Verification::Nothing => drop(boolean(value)?),
            "ssl_check_hostname" if !boolean(value)? => self.verification = Verification::Certificate,
            "ssl_check_hostname" => {}
            "ssl_ca_certs" => self.authorities = file("the option ssl_ca_certs of the Redis address"),
            "ssl_certfile" => self.certificate = file("the option ssl_certfile of the Redis address"),
            "ssl_keyfile" => self.key = file("the option ssl_keyfile of the Redis address"),
            "ssl_ca_path" | "ssl_ca_data" => {
                return Err(Problem::invalid("is not supported; give the authorities' certificates as ssl_ca_certs"));
            }
            "ssl_password" => return Err(Problem::invalid("is not supported: the key must not be encrypted")),
            "ssl_validate_ocsp" | "ssl_validate_ocsp_stapled" if !boolean(value)? => {}
            "ssl_min_version" | "ssl_ciphers" | "ssl_validate_ocsp" | "ssl_validate_ocsp_stapled" => {
                return Err(Problem::invalid(
                    "is not supported: TLS 1.2 and 1.3 are used, with rustls' ciphers and no OCSP",
                ));
            }
            _ => return Err(Problem::Unknown),
        }
        self.needs_tls.get_or_insert_with(|| name.to_owned());
        Ok(())
    }

    fn apply_sentinel(&mut self, name: &str, value: &str) -> Result<(), Problem> {
        match name {
            "sentinel_username" => self.sentinel_user.username = Some(value.to_owned()),
            "sentinel_password" => self.sentinel_user.password = Some(SecretString::from(value)),
            "sentinel_ssl" => self.sentinel_tls = boolean(value)?,
            _ => return Err(Problem::Unknown),
        }
        self.needs_sentinels.get_or_insert_with(|| name.to_owned());
        Ok(())
    }

    fn apply_pool(&mut self, name: &str, value: &str) -> Result<(), Problem> {
        match name {
            "decode_responses" | "socket_keepalive" | "retry_on_timeout" | "single_connection_client" => {
                boolean(value)?;
            }
            "max_connections" | "socket_read_size" => drop(number(value)?),
            "health_check_interval" | "timeout" if value == "0" => {}
            "health_check_interval" | "timeout" => drop(seconds(value)?),
            "encoding_errors" | "retry_on_error" | "lib_name" | "lib_version" => {}
            _ => return Err(Problem::Unknown),
        }
        self.without_effect.push(name.to_owned());
        Ok(())
    }
}

enum Problem {
    Unknown,
    Invalid(&'static str),
}

impl Problem {
    const fn invalid(problem: &'static str) -> Self {
        Self::Invalid(problem)
    }
}

fn number(value: &str) -> Result<u32, Problem> {
    value.trim().parse().map_err(|_| Problem::invalid("is not a whole number"))
}

fn seconds(value: &str) -> Result<Duration, Problem> {
    let seconds = value.trim().parse().ok().filter(|seconds: &f64| *seconds > 0.0);
    let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    duration.ok_or(Problem::invalid("is not a number of seconds above 0"))
}

/// redis-py takes any other word for true.
fn boolean(value: &str) -> Result<bool, Problem> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "t" | "true" | "y" | "yes" | "on" => Ok(true),
        "0" | "f" | "false" | "n" | "no" | "off" => Ok(false),
        _ => Err(Problem::invalid("is neither true nor false")),
    }
}

fn client_name(value: &str) -> Result<String, Problem> {
    if value.chars().all(|c| c.is_ascii_graphic()) {
        Ok(value.to_owned())
    } else {
        Err(Problem::invalid("has characters that Redis refuses in a client's name"))
    }
}
