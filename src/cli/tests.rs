//! Flags of settings: where they may stand, which command offers them, and what their help says.

use super::setting_flags;
use super::uses::{self, COMMANDS};
use super::*;
use crate::settings::{Setting, setting, table};

fn text(arguments: &[&str]) -> String {
    Cli::parse_arguments([&["kdcube-metrics"], arguments].concat()).unwrap_err().to_string()
}

/// The variables of the settings that a command's `--help` lists.
fn listed(command: &str) -> Vec<&'static str> {
    let help = text(&[command, "--help"]);
    let offers = |setting: &&Setting| help.lines().any(|line| line.trim() == format!("--{} <VALUE>", setting.flag()));
    table::all().iter().filter(offers).map(Setting::variable).collect()
}

#[test]
fn the_command_line_is_valid_and_every_command_declares_what_it_uses() {
    command().debug_assert();
    let mut names: Vec<&str> = COMMANDS.iter().map(|(name, _)| *name).collect();
    let cli = command();
    let mut commands: Vec<&str> = cli.get_subcommands().map(Command::get_name).collect();
    names.sort_unstable();
    commands.sort_unstable();
    assert_eq!(names, commands);
}

#[test]
fn a_setting_is_a_flag_before_and_after_the_command_and_the_one_after_it_wins() {
    for arguments in [&["x", "--port", "1", "check"][..], &["x", "check", "--port", "1"], &["x", "--port=1"]] {
        let cli = Cli::parse_arguments(arguments).unwrap();
        assert_eq!(cli.flags.get("METRICS_PORT").map(String::as_str), Some("1"), "{arguments:?}");
    }
    let cli = Cli::parse_arguments(["x", "--port", "1", "check", "--port", "2"]).unwrap();
    assert_eq!(cli.flags["METRICS_PORT"], "2");
    let cli = Cli::parse_arguments(["x", "--env-file", "a", "check"]).unwrap();
    assert_eq!(cli.env_file.as_deref(), Some(std::path::Path::new("a")));
}

#[test]
fn help_of_a_command_lists_the_settings_that_it_uses_and_no_others() {
    for (name, uses) in COMMANDS {
        let expected: Vec<&str> =
            table::all().iter().filter(|setting| uses.contains(setting)).map(Setting::variable).collect();
        assert_eq!(listed(name), expected, "{name}");
    }
    let of_simulate = [table::Group::Descriptors, table::Group::Redis, table::Group::Gateway];
    let rows = table::all().iter().filter(|setting| of_simulate.contains(&setting.group())).map(Setting::variable);
    assert_eq!(listed("simulate"), rows.collect::<Vec<_>>());
    assert_eq!(listed("healthcheck"), ["METRICS_PORT", "METRICS_BIND", "METRICS_TLS_CERT_FILE"]);
    assert_eq!((listed("settings").len(), listed("serve").len()), (0, table::all().len()));
    for (command, absent) in [("once", "METRICS_PORT"), ("snapshot", "METRICS_AUTH_TOKEN"), ("demo", "METRICS_MODE")] {
        assert!(!listed(command).contains(&absent), "{command}");
    }
}

#[test]
fn long_help_says_what_a_setting_accepts_and_short_help_stays_short() {
    let words = |text: String| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for arguments in [&["--help"][..], &["check", "--help"]] {
        let help = words(text(arguments));
        for part in [
            "Port of the HTTP server. [accepted: a port, 0 to 65535 (0 = any free one)] [default: 8090] [env: METRICS_PORT]",
            "HTTP server: --port <VALUE>",
            "Access and TLS: --auth-token <VALUE>",
        ] {
            assert!(help.contains(part), "{part} is not in {help}");
        }
    }
    for (name, _) in COMMANDS {
        let short = text(&[name, "-h"]);
        assert!(short.lines().count() < 40 && !short.contains("METRICS_"), "{short}");
    }
}

#[test]
fn a_flag_that_a_command_does_not_use_is_a_usage_error_that_says_so() {
    for (name, uses) in COMMANDS {
        for setting in table::all().iter().filter(|setting| !uses.contains(setting)) {
            let flag = format!("--{}", setting.flag());
            for arguments in [[name, &flag, "1"], [&flag, "1", name]] {
                // What a command requires is checked first.
                let required: &[&str] = match name {
                    "compare" => &["--with", "http://x"],
                    "completions" => &["bash"],
                    "explain" => &["key"],
                    "man" => &["folder"],
                    "replay" => &["file"],
                    "whatif" => &["--shape", "x", "--policy", "x"],
                    _ => &[],
                };
                let error = text(&[&arguments, required].concat());
                let expected = format!("`{name}` does not use {flag}; `kdcube-metrics {name} --help`");
                assert!(error.contains(&expected), "{error}");
            }
        }
    }
    assert!(!uses::of(Some("no-such")).contains(setting("METRICS_PORT")));
    let _ = setting_flags::add_to(Cli::command());
}
