//! `settings`: every setting, as `docs/configuration.md`.

use super::settings_page;
use super::{Exit, print};

pub(super) fn run() -> Exit {
    print(&settings_page::markdown())
}
