//! Sends gauges to a StatsD server or a Datadog agent.
//!
//! A datagram is not acknowledged: delivered means sent. Nothing is kept for later, because a late gauge would pass for a
//! current one; without a fresh snapshot nothing is sent.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use async_trait::async_trait;
use tokio::net::{UdpSocket, lookup_host};

use super::config::StatsdConfig;
use super::packet;
use crate::base::number::count_u64;
use crate::outlets::push::batch::ExportBatch;
use crate::outlets::push::sink::{Preview, Sink, SinkError};
use crate::telemetry::PointCounts;

/// Sends to one address.
pub struct StatsdSink {
    config: StatsdConfig,
    delivered: AtomicU64,
    dropped: AtomicU64,
}

impl StatsdSink {
    /// A sink that looks its address up with every push.
    #[must_use]
    pub const fn new(config: StatsdConfig) -> Self {
        Self { config, delivered: AtomicU64::new(0), dropped: AtomicU64::new(0) }
    }

    /// The lines, and how many samples have none.
    fn lines(&self, batch: &ExportBatch) -> (Vec<String>, usize) {
        let samples = batch.snapshot.as_ref().map(|snapshot| &snapshot.samples[..]).unwrap_or_default();
        let lines: Vec<String> = samples.iter().filter_map(|sample| packet::line(sample, &self.config)).collect();
        let without = samples.len() - lines.len();
        (lines, without)
    }

    async fn connect(&self) -> Result<UdpSocket, SinkError> {
        let address = lookup_host(&self.config.address).await.map_err(|error| self.failed(&error))?.next();
        let address = address.ok_or_else(|| self.failed(&"the name has no address"))?;
        let any = match address {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        let socket = UdpSocket::bind(any).await.map_err(|error| self.failed(&error))?;
        socket.connect(address).await.map_err(|error| self.failed(&error))?;
        Ok(socket)
    }

    fn failed(&self, cause: &dyn std::fmt::Display) -> SinkError {
        let address = &self.config.address;
        SinkError::Retry(format!("StatsD at {address}: cannot be sent to ({cause}); check METRICS_STATSD_ADDRESS"))
    }
}

#[async_trait]
impl Sink for StatsdSink {
    fn name(&self) -> &'static str {
        "statsd"
    }

    async fn export(&self, batch: &ExportBatch) -> Result<(), SinkError> {
        let (lines, without) = self.lines(batch);
        if lines.is_empty() {
            return Ok(());
        }
        let socket = self.connect().await?;
        let points = count_u64(lines.len());
        for datagram in packet::datagrams(lines) {
            // Where nothing listens on this machine, the second datagram fails.
            socket.send(datagram.as_bytes()).await.map_err(|error| self.failed(&error))?;
        }
        self.delivered.fetch_add(points, Relaxed);
        self.dropped.fetch_add(count_u64(without), Relaxed);
        Ok(())
    }

    fn preview(&self, batch: &ExportBatch) -> Preview {
        let (lines, _) = self.lines(batch);
        let text = std::iter::once(format!("StatsD to {}", self.config.address)).chain(lines.iter().cloned());
        let text = text.collect::<Vec<_>>().join("\n");
        Preview { text, billed_metrics: None, requests: packet::datagrams(lines).len() }
    }

    /// Looks the address up; whether anybody listens there no datagram tells.
    async fn check(&self) -> Result<String, SinkError> {
        let socket = self.connect().await?;
        let peer = socket.peer_addr().map_err(|error| self.failed(&error))?;
        Ok(format!("sends to {peer}; nothing says whether it arrives"))
    }

    fn point_counts(&self) -> PointCounts {
        PointCounts { delivered: self.delivered.load(Relaxed), waiting: 0, dropped: self.dropped.load(Relaxed) }
    }
}
