//! How far a long command is: a bar on standard error, where that is a terminal.

use indicatif::{ProgressBar, ProgressStyle};

const TEMPLATE: &str = "{msg} {wide_bar} {pos}/{len}, {eta} left";

/// A bar of so many steps; the library hides it where nobody looks. It is gone when it is dropped.
pub(super) fn bar(steps: usize, what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(steps as u64).with_style(style).with_message(what)
}

#[cfg(test)]
mod tests {
    use std::io::IsTerminal;

    use super::*;

    #[test]
    fn a_bar_has_its_steps_and_is_seen_on_a_terminal_only() {
        let bar = bar(7, "loads");
        assert_eq!((bar.length(), bar.position(), bar.message().as_str()), (Some(7), 0, "loads"));
        assert!(bar.is_hidden() || std::io::stderr().is_terminal());
        assert!(ProgressStyle::with_template(TEMPLATE).is_ok());
    }
}
