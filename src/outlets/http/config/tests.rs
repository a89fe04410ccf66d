//! Which tokens and TLS files are accepted, and what is reported of the others.

use secrecy::ExposeSecret;

use super::*;

fn read_all(variables: &[(&str, &str)]) -> Result<AccessConfig, Vec<String>> {
    let mut settings = Settings::from_environment(variables.iter().copied());
    AccessConfig::read(&mut settings)
        .ok_or_else(|| settings.into_errors().into_iter().map(|error| error.to_string()).collect())
}

fn exposed(tokens: &[SecretString]) -> Vec<&str> {
    tokens.iter().map(ExposeSecret::expose_secret).collect()
}

#[test]
fn tokens_are_a_list_and_are_not_shown() {
    for list in [" hunter2, hunter3 ,", "hunter2\r\nhunter3\n", ",,hunter2,\n,hunter3"] {
        let config = read_all(&[("METRICS_AUTH_TOKEN", list)]).unwrap();
        assert_eq!(exposed(&config.tokens), ["hunter2", "hunter3"], "{list:?}");
        assert!(!format!("{config:?}").contains("hunter") && !config.is_open());
    }
    assert!(read_all(&[]).unwrap().is_open());
    assert!(read_all(&[("METRICS_AUTH_TOKEN", "")]).unwrap().is_open());
}

#[test]
fn a_list_without_a_token_does_not_allow_access_without_one() {
    for list in [",", " , ,", ",\n"] {
        let problems = read_all(&[("METRICS_AUTH_TOKEN", list)]).unwrap_err();
        assert!(problems[0].starts_with("METRICS_AUTH_TOKEN: holds no token; accepted"), "{problems:?}");
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    let problems = read_all(&[("METRICS_AUTH_TOKEN_FILE", file.path().to_str().unwrap())]).unwrap_err();
    assert!(problems[0].contains("holds no token"), "{problems:?}");
}

#[test]
fn a_token_that_is_illegal_in_a_header_is_reported_by_its_position() {
    for list in ["good,hunter 2", "good,hünter2", "good,hunter\t2", "good,hunter2\u{7f}"] {
        let problems = read_all(&[("METRICS_AUTH_TOKEN", list)]).unwrap_err();
        assert!(problems[0].contains("its token 2") && !problems[0].contains("nter"), "{problems:?}");
    }
}

#[test]
fn the_file_of_tokens_is_kept() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "hunter2\n").unwrap();
    let path = ("METRICS_AUTH_TOKEN_FILE", file.path().to_str().unwrap());
    assert_eq!(read_all(&[path]).unwrap().token_file.as_deref(), Some(file.path()));
    // The variable itself takes precedence, and the file is not used.
    assert_eq!(read_all(&[path, ("METRICS_AUTH_TOKEN", "x")]).unwrap().token_file, None);
}

#[test]
fn tls_needs_both_files() {
    for (set, absent) in [
        ("METRICS_TLS_CERT_FILE", &["METRICS_TLS_KEY_FILE is not set"][..]),
        ("METRICS_TLS_KEY_FILE", &["METRICS_TLS_CERT_FILE is not set"]),
        ("METRICS_TLS_CLIENT_CA_FILE", &["METRICS_TLS_CERT_FILE is not set", "METRICS_TLS_KEY_FILE is not set"]),
    ] {
        let problems = read_all(&[(set, "/x")]).unwrap_err();
        assert_eq!(problems.len(), absent.len(), "{problems:?}");
        for (problem, absent) in problems.iter().zip(absent) {
            assert!(problem.starts_with(absent), "{problem}");
        }
    }
}

#[test]
fn every_file_that_cannot_be_read_is_reported() {
    let problems = read_all(&[
        ("METRICS_TLS_CERT_FILE", "/nowhere/cert.pem"),
        ("METRICS_TLS_KEY_FILE", "/nowhere/key.pem"),
        ("METRICS_TLS_CLIENT_CA_FILE", "/"),
    ])
    .unwrap_err();
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert!(problems[0].starts_with("METRICS_TLS_CERT_FILE \"/nowhere/cert.pem\": cannot be read: "));
    assert!(problems[1].starts_with("METRICS_TLS_KEY_FILE \"/nowhere/key.pem\": cannot be read: "));
    assert!(problems[2].starts_with("METRICS_TLS_CLIENT_CA_FILE \"/\": is not a regular file"));
}
