//! `settings`: every setting, as `docs/configuration.md`.

use super::{Exit, print};
use crate::config::document;

pub(super) fn run() -> Exit {
    print(&document::markdown())
}
