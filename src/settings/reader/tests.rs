//! The reader: precedence, defaults, files, and errors that never show a secret.

use proptest::prelude::*;
use secrecy::ExposeSecret;

use super::*;
use crate::settings::{EnvFile, Variables, setting, table};

const PORT: &Setting = setting("METRICS_PORT");
const BIND: &Setting = setting("METRICS_BIND");
const INSTANCE: &Setting = setting("INSTANCE_ID");
const TOKEN: &Setting = setting("METRICS_AUTH_TOKEN");
const JOB: &Setting = setting("METRICS_PROM_JOB_NAME");

fn one(name: &str, value: &str) -> Variables {
    Variables::from([(name.to_owned(), value.to_owned())])
}

/// Settings with this text in the setting's file.
fn from_file(setting: &Setting, text: &str) -> (Settings, tempfile::NamedTempFile) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let name = setting.file_variable();
    (Settings::from_environment([(name.as_str(), file.path().to_str().unwrap())]), file)
}

fn lines(settings: Settings) -> Vec<String> {
    settings.into_errors().iter().map(ToString::to_string).collect()
}

#[test]
fn flags_win_over_the_environment_over_files_over_the_env_file_over_the_default() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "3\n").unwrap();
    let path = file.path().to_str().unwrap();
    let read = |layers: usize| {
        let (mut flags, mut environment, mut env_file) = (Variables::new(), Variables::new(), EnvFile::default());
        if layers > 3 {
            flags = one("METRICS_PORT", "1");
        }
        if layers > 2 {
            environment = one("METRICS_PORT", "2");
        }
        if layers > 1 {
            environment.extend(one("METRICS_PORT_FILE", path));
        }
        if layers > 0 {
            env_file.variables = one("METRICS_PORT", "4");
        }
        Settings::new(Layers::new(&flags, &environment, &env_file)).get::<u16>(PORT)
    };
    assert_eq!([4, 3, 2, 1, 0].map(read), [Some(1), Some(2), Some(3), Some(4), Some(8090)]);
}

#[test]
fn a_bad_value_is_reported_with_what_is_accepted_and_reading_goes_on() {
    let mut settings = Settings::from_environment([("METRICS_PORT", " http "), ("METRICS_BIND", "here")]);
    assert_eq!(settings.get::<u16>(PORT), Some(8090));
    assert_eq!(settings.get::<std::net::IpAddr>(BIND), Some(std::net::Ipv4Addr::UNSPECIFIED.into()));
    assert_eq!(
        lines(settings),
        [
            "METRICS_PORT \" http \": is not a port; accepted: a port, 0 to 65535 (0 = any free one); from the environment",
            "METRICS_BIND \"here\": is not an IP address; accepted: an IPv4 or IPv6 address; from the environment",
        ]
    );
}

#[test]
fn text_has_no_whitespace_around_it_and_a_secret_is_exactly_as_given() {
    let variables = [("INSTANCE_ID", " a b "), ("METRICS_AUTH_TOKEN", " a b ")];
    let mut settings = Settings::from_environment(variables);
    assert_eq!(settings.text(INSTANCE).as_deref(), Some("a b"));
    assert_eq!(settings.secret(TOKEN).unwrap().expose_secret(), " a b ");
    let mut unset = Settings::from_environment([("INSTANCE_ID", " "), ("METRICS_AUTH_TOKEN", " ")]);
    assert!(unset.text(INSTANCE).is_none() && unset.secret(TOKEN).is_none() && unset.errors().is_empty());
    assert_eq!(unset.text(JOB).as_deref(), Some("kdcube_metrics"));
}

#[test]
fn the_end_of_the_last_line_of_a_file_is_not_part_of_its_value() {
    let (mut settings, file) = from_file(TOKEN, " a b \r\n");
    assert_eq!(settings.secret(TOKEN).unwrap().expose_secret(), " a b ");
    assert_eq!(settings.file_of(TOKEN).as_deref(), Some(file.path()));
    let (mut settings, _file) = from_file(PORT, "8123\n");
    assert_eq!((settings.get::<u16>(PORT), settings.file_of(TOKEN)), (Some(8123), None));
}

#[test]
fn an_empty_file_is_an_error_and_not_an_unset_variable() {
    for text in ["", " \n"] {
        let (mut settings, _file) = from_file(BIND, text);
        settings.get::<std::net::IpAddr>(BIND);
        let line = lines(settings).remove(0);
        assert!(line.starts_with("METRICS_BIND: is empty; accepted: an IPv4 or IPv6 address; from the file"), "{line}");
        let (mut settings, _file) = from_file(TOKEN, text);
        assert_eq!(settings.secret(TOKEN).unwrap().expose_secret().trim(), "");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_and_one_that_holds_a_bad_value_is_named_but_not_quoted() {
    let mut settings = Settings::from_environment([("METRICS_PORT_FILE", "/nowhere/port")]);
    assert_eq!(settings.get::<u16>(PORT), Some(8090));
    assert!(lines(settings)[0].starts_with("METRICS_PORT_FILE \"/nowhere/port\": cannot be read"));
    let (mut settings, file) = from_file(PORT, "hunter2");
    settings.get::<u16>(PORT);
    let line = lines(settings).remove(0);
    assert!(line.contains(file.path().to_str().unwrap()) && !line.contains("hunter2"), "{line}");
}

#[test]
fn lines_that_name_a_setting_get_the_origin_of_its_value() {
    let mut settings = Settings::from_environment([("METRICS_PORT", "1")]);
    let found = ["METRICS_PORT \"1\": is taken", "METRICS_BIND: is odd", "METRICS_PORTS: no such"].map(str::to_owned);
    assert_eq!(settings.ok_or_record::<()>(Err(found.to_vec()), &[PORT, BIND]), None);
    assert_eq!(
        lines(settings),
        [
            "METRICS_PORT \"1\": is taken; from the environment",
            "METRICS_BIND: is odd; from the default",
            "METRICS_PORTS: no such"
        ]
    );
}

proptest! {
    #[test]
    fn no_error_of_a_secret_setting_shows_its_value(problem in "[a-z ]{1,20}", value in "hunter[0-9]{4,60}") {
        for row in table::all().iter().filter(|row| row.is_secret()) {
            let mut settings = Settings::from_environment([(row.variable(), value.as_str())]);
            settings.get::<u16>(row);
            settings.get::<std::time::Duration>(row);
            settings.reject(row, &problem);
            settings.reject_part(row, &problem);
            settings.missing(row, problem.as_str());
            let text = format!("{:?} ", settings.errors()) + &lines(settings).join("\n");
            prop_assert!(!text.contains("hunter") && text.contains(row.variable()), "{}", text);
        }
    }
}
