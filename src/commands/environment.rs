//! Blank variables that libraries read by themselves.
//!
//! Compose files and charts pass variables on that are empty where nothing is set. To this program an empty value counts as
//! unset, but the AWS SDK takes an empty endpoint for an endpoint, and TLS an empty path for a path.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::process::Command;

const OF_LIBRARIES: [&str; 10] = [
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
];

/// Starts the program again without such variables, if there are any: under the same process id, with the same arguments.
/// Nothing but a new start can take a variable out of the environment safely. Returns if there are none, or if it fails.
pub fn without_blank_variables(
    mut arguments: impl Iterator<Item = OsString>,
    environment: impl Iterator<Item = (OsString, OsString)>,
) {
    let blank: Vec<OsString> =
        environment.filter(|(name, value)| is_blank(name, value)).map(|(name, _)| name).collect();
    let Ok(program) = std::env::current_exe() else { return };
    if blank.is_empty() {
        return;
    }
    let mut command = Command::new(program);
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    command.args(arguments);
    for name in &blank {
        command.env_remove(name);
    }
    // Only returns on failure: then the variables stay as they are.
    drop(command.exec());
}

fn is_blank(name: &OsStr, value: &OsStr) -> bool {
    let (Some(name), Some(value)) = (name.to_str(), value.to_str()) else { return false };
    value.trim().is_empty() && (name.starts_with("AWS_") || OF_LIBRARIES.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_variables_of_libraries_are_found_and_no_others() {
        for (name, value, expected) in [
            ("AWS_ENDPOINT_URL", "", true),
            ("AWS_ENDPOINT_URL_CLOUDWATCH", " \n", true),
            ("SSL_CERT_FILE", "", true),
            ("https_proxy", "", true),
            ("AWS_ENDPOINT_URL", "http://x", false),
            ("PATH", "", false),
            ("METRICS_PORT", "", false),
        ] {
            assert_eq!(is_blank(OsStr::new(name), OsStr::new(value)), expected, "{name}={value}");
        }
    }
}
