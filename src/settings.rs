//! Settings: the table of all of them, the layers that give values, and the reader that collects every error.
//!
//! Each part reads its own settings into its own `Config`; `config` puts the parts together.

mod descriptors;
mod env_file;
mod error;
mod follow;
mod layers;
mod quotes;
mod reader;
pub mod table;
mod values;

pub(crate) use self::descriptors::{Descriptors, GatewayDescriptor};
pub use self::env_file::read_env_file;
pub use self::error::SettingError;
pub use self::follow::follow_descriptors;
pub use self::layers::{EnvFile, Layers, Origin, Sources, Variables};
pub use self::reader::Settings;
pub use self::table::{Group, Setting, setting};
pub use self::values::{FromSetting, SecondsOrZero};
