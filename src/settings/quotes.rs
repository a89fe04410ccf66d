//! Quotes around the values of environment variables: `docker run --env-file` keeps those that other readers remove.

use super::{Variables, table};

/// The variables with such quotes removed from settings, and a warning for each that has some. Other programs' variables
/// stay; those that the AWS SDK reads by itself cannot be changed for it.
pub(super) fn removed(environment: &Variables) -> (Variables, Vec<String>) {
    let (mut variables, mut warnings) = (environment.clone(), Vec::new());
    for (name, value) in &mut variables {
        let Some(inner) = inner(value) else { continue };
        if table::is_known(name) {
            warnings.push(format!("{name}: has quotes around its value, which are removed; `docker run --env-file` keeps quotes: write the value without them"));
            *value = inner.to_owned();
        } else if name.starts_with("AWS_") {
            warnings.push(format!("{name}: has quotes around its value, which the AWS SDK takes as a part of it; `docker run --env-file` keeps quotes"));
        }
    }
    (variables, warnings)
}

/// What stands between two equal quotes.
fn inner(value: &str) -> Option<&str> {
    let value = value.trim();
    ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_around_a_setting_are_removed_with_a_warning_that_shows_no_value() {
        for (name, value, expected, warns) in [
            ("METRICS_AUTH_TOKEN", "\"abc\"", "abc", true),
            ("REDIS_URL_FILE", "'/run/x' ", "/run/x", true),
            ("TENANT_ID", "'acme\"", "'acme\"", false),
            ("TENANT_ID", "\"", "\"", false),
            ("TENANT_ID", "ac\"me", "ac\"me", false),
            ("METRICS_MAPPING_JSON", "'{\"a\": \"b\"}'", "{\"a\": \"b\"}", true),
            ("AWS_ACCESS_KEY_ID", "\"AK\"", "\"AK\"", true),
            ("OTHER", "\"x\"", "\"x\"", false),
        ] {
            let (variables, warnings) = removed(&Variables::from([(name.to_owned(), value.to_owned())]));
            assert_eq!((variables[name].as_str(), warnings.len()), (expected, usize::from(warns)), "{name} {value}");
            assert!(warnings.iter().all(|line| line.starts_with(name) && !line.contains(expected)), "{warnings:?}");
        }
    }
}
