//! `settings`: every setting as Markdown. `docs/configuration.md` is this output, and a test keeps them equal.

use std::fmt::Write;

use super::{CommandError, Exit, print};
use crate::settings::{Setting, table};

const HEAD: &str = "\
# Configuration

<!-- Generated: `kdcube-metrics settings > docs/configuration.md` -->

Every setting is an environment variable and a flag. Precedence: flag, then environment variable, then `--env-file`. An
empty value counts as unset. Any variable can be read from a file by appending `_FILE`
(`REDIS_URL_FILE=/run/secrets/redis`); the file must not be empty. All settings are validated before anything starts: a
configuration error stops the start with exit code 78, and all errors are reported together, one line each.
`kdcube-metrics check` validates the configuration, shows where each value comes from, connects to every dependency and says
what is wrong with the data.

The platform's descriptor files give settings as well, with the platform's own precedence:
- `platform.services.metrics.*` of assembly.yaml (log, service, proxy, export) wins over the environment; a flag wins over it.
  `gateway_config_force_env_on_startup: true`, there or in the section of GATEWAY_COMPONENT, wins too; `false` does not.
- `ports.metrics`, `context.*`, `infra.redis.*`, `infra.postgres.*` and `aws.*` of assembly.yaml, and the passwords in
  secrets.yaml (`infra.redis.password`, `infra.postgres.password`), count where nothing else gives a value.

Null and blank values are absent. A file or value that cannot be used is a warning at the start. A change of a descriptor file
takes effect with the next start; until then the server logs the problem `restart_required` with the settings concerned.
";

pub(super) fn run() -> Result<Exit, CommandError> {
    print(&markdown())?;
    Ok(Exit::Success)
}

fn markdown() -> String {
    let mut page = HEAD.to_owned();
    let mut group = None;
    for setting in table::all() {
        if group.replace(setting.group()) != Some(setting.group()) {
            let heading = setting.group().heading();
            // Writing to a String cannot fail.
            let _ = write!(
                page,
                "\n## {heading}\n\n| variable | flag | default | accepted | meaning |\n|---|---|---|---|---|\n"
            );
        }
        page.push_str(&row(setting));
    }
    page
}

fn row(setting: &Setting) -> String {
    let default = if setting.default().is_empty() { "–".to_owned() } else { format!("`{}`", setting.default()) };
    let secret = if setting.is_secret() { " Treated as secret." } else { "" };
    format!(
        "| `{}` | `--{}` | {default} | {} | {}{secret} |\n",
        setting.variable(),
        setting.flag(),
        setting.accepts(),
        setting.help()
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
