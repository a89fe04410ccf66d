//! OpenTelemetry: pushes over OTLP, by gRPC or HTTP. The settings are validated in every build; the sink needs the cargo
//! feature `otlp`.

pub mod config;
#[cfg(feature = "otlp")]
pub mod sink;

use std::sync::Arc;

use self::config::OtlpConfig;
use super::config::{SinkConfig, SinkContext, SinkKind};
use super::sink::{Sink, SinkError};

pub(super) const KIND: SinkKind = SinkKind {
    enabled_by: config::ENABLED,
    read: |settings, _| config::read(settings).map(|config| Arc::new(config) as _),
};

impl SinkConfig for OtlpConfig {
    #[cfg(feature = "otlp")]
    fn build(&self, context: &SinkContext) -> Result<Box<dyn Sink>, SinkError> {
        Ok(Box::new(sink::OtlpSink::new(self, context)?))
    }

    #[cfg(not(feature = "otlp"))]
    fn build(&self, _: &SinkContext) -> Result<Box<dyn Sink>, SinkError> {
        Err(SinkError::Setup(config::NOT_BUILT.to_owned()))
    }
}
