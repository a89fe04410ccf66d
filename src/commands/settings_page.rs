//! The settings as a page: `docs/configuration.md` is this output, and a test keeps them equal.

use std::fmt::Write;

use crate::settings::Setting;
use crate::settings::table;

const HEAD: &str = "\
# Configuration

<!-- Generated: `kdcube-metrics settings > docs/configuration.md` -->

Every setting is an environment variable and a flag of the same meaning; a flag wins over the environment, and that
over an `--env-file`. An empty value counts as unset. Any variable can be read from a file by appending `_FILE`
(`REDIS_URL_FILE=/run/secrets/redis`). Everything is validated before anything starts: a bad value stops the start
with exit code 78 and one line for each problem, all of them at once. `kdcube-metrics check` validates the
configuration and reaches every dependency.
";

/// The page.
#[must_use]
pub(super) fn markdown() -> String {
    let mut page = HEAD.to_owned();
    let mut group = "";
    for setting in table::ALL {
        if setting.group != group {
            group = setting.group;
            // Writing to a String cannot fail.
            let _ = write!(
                page,
                "\n## {group}\n\n| variable | flag | default | accepted | meaning |\n|---|---|---|---|---|\n"
            );
        }
        page.push_str(&row(setting));
    }
    page
}

fn row(setting: &Setting) -> String {
    let default = if setting.default.is_empty() { "–".to_owned() } else { format!("`{}`", setting.default) };
    let secret = if setting.secret { " Never shown." } else { "" };
    format!(
        "| `{}` | `--{}` | {default} | {} | {}{secret} |\n",
        setting.variable,
        setting.flag(),
        setting.accepts,
        setting.help
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_in_the_repository_is_this_output() {
        let page =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/configuration.md")).unwrap_or_default();
        assert_eq!(page, super::markdown(), "run: cargo run -- settings > docs/configuration.md");
    }
}
