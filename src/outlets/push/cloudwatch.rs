//! Amazon CloudWatch. The settings are validated in every build; the sink needs the cargo feature `cloudwatch`.

pub mod config;
#[cfg(feature = "cloudwatch")]
pub mod sink;

use std::sync::Arc;

use self::config::CloudWatchConfig;
use super::config::{SinkConfig, SinkContext, SinkKind};
use super::sink::{Sink, SinkError};

pub(super) const KIND: SinkKind = SinkKind {
    enabled_by: config::ENABLED,
    read: |settings, interval| config::read(settings, interval).map(|config| Arc::new(config) as _),
};

impl SinkConfig for CloudWatchConfig {
    #[cfg(feature = "cloudwatch")]
    fn build(&self, context: &SinkContext) -> Result<Box<dyn Sink>, SinkError> {
        Ok(Box::new(sink::CloudWatchSink::new(self.clone(), Arc::clone(&context.mapping))))
    }

    #[cfg(not(feature = "cloudwatch"))]
    fn build(&self, _: &SinkContext) -> Result<Box<dyn Sink>, SinkError> {
        Err(SinkError::Setup(config::NOT_BUILT.to_owned()))
    }
}
