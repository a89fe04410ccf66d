//! `catalog`: every exported metric, from the one table.

use super::{Exit, print};
use crate::catalog::document;
use crate::cli::{CatalogArgs, CatalogFormat};

pub(super) fn run(arguments: &CatalogArgs) -> Exit {
    match arguments.format {
        CatalogFormat::Md => print(&document::markdown()),
        CatalogFormat::Json => print(&document::json()),
    }
}
