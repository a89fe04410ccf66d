//! The headings that settings are listed under, in the order of `--help` and the documentation.

/// A heading and its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    Core,
    Descriptors,
    Server,
    Access,
    Autoscalers,
    Redis,
    Gateway,
    Scaling,
    Proxy,
    Scheduler,
    Prometheus,
    CloudWatch,
    Otlp,
    Statsd,
    Postgres,
}

impl Group {
    /// The heading.
    #[must_use]
    pub const fn heading(self) -> &'static str {
        match self {
            Self::Core => "Core",
            Self::Descriptors => "Platform descriptors",
            Self::Server => "HTTP server",
            Self::Access => "Access and TLS",
            Self::Autoscalers => "Autoscalers",
            Self::Redis => "Redis mode",
            Self::Gateway => "Gateway configuration",
            Self::Scaling => "Number of replicas",
            Self::Proxy => "Proxy mode",
            Self::Scheduler => "Scheduler",
            Self::Prometheus => "Prometheus and names",
            Self::CloudWatch => "CloudWatch",
            Self::Otlp => "OpenTelemetry (OTLP)",
            Self::Statsd => "StatsD",
            Self::Postgres => "PostgreSQL",
        }
    }
}
