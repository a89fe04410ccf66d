//! StatsD and DogStatsD: gauges in UDP datagrams.

pub mod config;
mod packet;
pub mod sink;

use std::sync::Arc;

use self::config::StatsdConfig;
use self::sink::StatsdSink;
use super::config::{SinkConfig, SinkContext, SinkKind};
use super::sink::{Sink, SinkError};

pub(super) const KIND: SinkKind = SinkKind {
    enabled_by: config::ENABLED,
    read: |settings, _| config::read(settings).map(|config| Arc::new(config) as _),
};

impl SinkConfig for StatsdConfig {
    fn build(&self, _: &SinkContext) -> Result<Box<dyn Sink>, SinkError> {
        Ok(Box::new(StatsdSink::new(self.clone())))
    }
}
