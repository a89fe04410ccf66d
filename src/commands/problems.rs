//! `problems`: every code of a problem as Markdown. `docs/problems.md` is this output, and a test keeps them equal.

use std::fmt::Write;

use super::{CommandError, Exit, print};
use crate::problems::code;

const HEAD: &str = "\
# Problems

<!-- Generated: `kdcube-metrics problems > docs/problems.md` -->

The server keeps one list of what is wrong now, each problem once for each subject: a Redis key, a process, a sink, a file, a
setting, a peer. The list is the same everywhere:

- `GET /api/v1/problems` shows it: code, severity, scope, subject, since when (Unix time), how often it was seen, detail and
  remedy, and the quality of the newest snapshot (`ok`, `partial` or `scope_not_found`; `null` while there is no fresh one).
- The log has `problem code=\u{2026} subject=\u{2026}` when one begins and `problem ended` with its duration when it is over, both at most
  once in ten minutes for one that comes and goes. Those of severity `info` are logged where they happen.
- `kdcube_metrics_problem{code=\"\u{2026}\"}` counts those of a code, for [alerts](integrations/prometheus.md).
- `kdcube-metrics snapshot --format problems` prints what one tick finds, and exits.

`critical`: signals are absent or cannot be trusted. `warning`: some values are absent, flagged, or about to be. `info`: nothing
is missing. Something that happens rather than lasts, such as a rejected request, stays in the list for 15 minutes.

| code | severity | meaning | remedy |
|---|---|---|---|
";

pub(super) fn run() -> Result<Exit, CommandError> {
    print(&markdown())?;
    Ok(Exit::Success)
}

fn markdown() -> String {
    let mut page = HEAD.to_owned();
    for code in code::all() {
        let (name, severity) = (code.as_str(), code.severity().as_str());
        // Writing to a String cannot fail.
        let _ = writeln!(page, "| `{name}` | {severity} | {} | {} |", code.meaning(), code.remedy());
    }
    page
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_page_of_problems_is_this_output() {
        let page =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/problems.md")).unwrap_or_default();
        assert_eq!(page, super::markdown(), "run: cargo run -- problems > docs/problems.md");
    }
}
