//! A Prometheus Pushgateway.

pub mod config;
pub mod sink;

use std::sync::Arc;

use self::config::PushgatewayConfig;
use self::sink::PushgatewaySink;
use super::config::{SinkConfig, SinkContext, SinkKind};
use super::sink::{Sink, SinkError};

pub(super) const KIND: SinkKind = SinkKind {
    enabled_by: config::ENABLED,
    read: |settings, _| config::read(settings).map(|config| Arc::new(config) as _),
};

impl SinkConfig for PushgatewayConfig {
    fn build(&self, context: &SinkContext) -> Result<Box<dyn Sink>, SinkError> {
        Ok(Box::new(PushgatewaySink::new(self.clone(), Arc::clone(&context.mapping))?))
    }
}
