//! `catalog`: prints the table of all metrics.

use super::catalog_page;
use super::{Exit, print};
use crate::cli::{CatalogArgs, CatalogFormat};

pub(super) fn run(arguments: &CatalogArgs) -> Exit {
    match arguments.format {
        CatalogFormat::Md => print(&catalog_page::markdown()),
        CatalogFormat::Json => print(&catalog_page::json()),
    }
}
