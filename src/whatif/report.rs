//! Outcomes side by side: as a table, as JSON, and as a picture.

mod json;
mod svg;
mod table;

pub use json::json;
pub use svg::svg;
pub use table::table;
