//! Every setting that a descriptor file can give: variable, file, path, kind and precedence.

use super::value::Kind;

/// A file whose values are settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum File {
    Assembly,
    Secrets,
}

impl File {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Assembly => "assembly.yaml",
            Self::Secrets => "secrets.yaml",
        }
    }
}

/// Which of the descriptor and the environment counts where both give a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Precedence {
    /// The descriptor.
    Wins,
    /// The descriptor if it says `true`, otherwise the environment.
    WinsIfTrue,
    /// The environment.
    Fallback,
}

/// One place that a setting's value can come from. Of several rows of one variable the first with a value counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) variable: &'static str,
    pub(crate) file: File,
    /// Segments separated by dots; [`COMPONENT`] is replaced by the component's name.
    pub(crate) path: &'static str,
    pub(crate) kind: Kind,
    pub(crate) precedence: Precedence,
}

/// The segment of a path that the component of `GATEWAY_COMPONENT` replaces.
pub(crate) const COMPONENT: &str = "<component>";

const fn over(variable: &'static str, path: &'static str, kind: Kind) -> Row {
    Row { variable, file: File::Assembly, path, kind, precedence: Precedence::Wins }
}

const fn force(variable: &'static str, path: &'static str) -> Row {
    Row { variable, file: File::Assembly, path, kind: Kind::Bool, precedence: Precedence::WinsIfTrue }
}

const fn under(variable: &'static str, path: &'static str, kind: Kind) -> Row {
    Row { variable, file: File::Assembly, path, kind, precedence: Precedence::Fallback }
}

const fn password(variable: &'static str, file: File, path: &'static str) -> Row {
    Row { variable, file, path, kind: Kind::Secret, precedence: Precedence::Fallback }
}

/// All rows.
#[rustfmt::skip]
pub(crate) static ROWS: &[Row] = &[
    over("LOG_LEVEL", "platform.services.metrics.log.log_level", Kind::Text),
    over("LOG_MAX_MB", "platform.services.metrics.log.log_max_mb", Kind::Number),
    over("LOG_BACKUP_COUNT", "platform.services.metrics.log.log_backup_count", Kind::Number),
    over("LOG_DIR", "platform.services.metrics.log.log_dir", Kind::Text),
    over("LOG_FILE_PREFIX", "platform.services.metrics.log.log_file_prefix", Kind::Text),
    over("METRICS_MODE", "platform.services.metrics.service.metrics_mode", Kind::Text),
    over("METRICS_REQUEST_TIMEOUT_SEC", "platform.services.metrics.service.metrics_request_timeout_sec", Kind::Number),
    over("METRICS_ENABLE_PG_POOL", "platform.services.metrics.service.metrics_enable_pg_pool", Kind::Bool),
    over("METRICS_INGRESS_BASE_URL", "platform.services.metrics.proxy.metrics_ingress_base_url", Kind::Secret),
    over("METRICS_PROC_BASE_URL", "platform.services.metrics.proxy.metrics_proc_base_url", Kind::Secret),
    over("METRICS_AUTH_HEADER_NAME", "platform.services.metrics.proxy.metrics_auth_header_name", Kind::Text),
    over("METRICS_AUTH_HEADER_VALUE", "platform.services.metrics.proxy.metrics_auth_header_value", Kind::Secret),
    over("METRICS_HEADERS_JSON", "platform.services.metrics.proxy.metrics_headers_json", Kind::Json),
    over("METRICS_SCHEDULER_ENABLED", "platform.services.metrics.export.scheduler_enabled", Kind::Bool),
    over("METRICS_EXPORT_INTERVAL_SEC", "platform.services.metrics.export.export_interval_sec", Kind::Number),
    over("METRICS_EXPORT_ON_START", "platform.services.metrics.export.export_on_start", Kind::Bool),
    over("METRICS_RUN_ONCE", "platform.services.metrics.export.run_once", Kind::Bool),
    over("METRICS_MAPPING_JSON", "platform.services.metrics.export.mapping_json", Kind::Json),
    over("METRICS_EXPORT_CLOUDWATCH", "platform.services.metrics.export.cloudwatch.enabled", Kind::Bool),
    over("METRICS_CLOUDWATCH_NAMESPACE", "platform.services.metrics.export.cloudwatch.namespace", Kind::Text),
    over("METRICS_CLOUDWATCH_REGION", "platform.services.metrics.export.cloudwatch.region", Kind::Text),
    over("METRICS_CLOUDWATCH_DIMENSIONS_JSON", "platform.services.metrics.export.cloudwatch.dimensions_json", Kind::Json),
    over("METRICS_EXPORT_PROMETHEUS_PUSH", "platform.services.metrics.export.prometheus.push_enabled", Kind::Bool),
    over("METRICS_PROM_PUSHGATEWAY_URL", "platform.services.metrics.export.prometheus.pushgateway_url", Kind::Secret),
    over("METRICS_PROM_JOB_NAME", "platform.services.metrics.export.prometheus.job_name", Kind::Text),
    over("METRICS_PROM_GROUPING_LABELS_JSON", "platform.services.metrics.export.prometheus.grouping_labels_json", Kind::Json),
    over("METRICS_PROM_SCRAPE_TTL_SEC", "platform.services.metrics.export.prometheus.scrape_ttl_sec", Kind::Number),
    force("GATEWAY_CONFIG_FORCE_ENV_ON_STARTUP", "platform.services.<component>.service.gateway_config_force_env_on_startup"),
    force("GATEWAY_CONFIG_FORCE_ENV_ON_STARTUP", "platform.services.metrics.service.gateway_config_force_env_on_startup"),
    under("METRICS_PORT", "ports.metrics", Kind::Number),
    under("TENANT_ID", "context.tenant", Kind::Text),
    under("PROJECT_ID", "context.project", Kind::Text),
    under("REDIS_HOST", "infra.redis.host", Kind::Text),
    under("REDIS_PORT", "infra.redis.port", Kind::Number),
    password("REDIS_PASSWORD", File::Secrets, "infra.redis.password"),
    password("REDIS_PASSWORD", File::Assembly, "infra.redis.password"),
    under("POSTGRES_HOST", "infra.postgres.host", Kind::Text),
    under("POSTGRES_PORT", "infra.postgres.port", Kind::Number),
    under("POSTGRES_USER", "infra.postgres.user", Kind::Text),
    under("POSTGRES_DATABASE", "infra.postgres.database", Kind::Text),
    password("POSTGRES_PASSWORD", File::Secrets, "infra.postgres.password"),
    password("POSTGRES_PASSWORD", File::Assembly, "infra.postgres.password"),
    under("POSTGRES_SSL", "infra.postgres.postgres_ssl", Kind::Bool),
    under("POSTGRES_SSL_MODE", "infra.postgres.postgres_ssl_mode", Kind::Text),
    under("POSTGRES_SSL_ROOT_CERT", "infra.postgres.postgres_ssl_root_cert", Kind::Text),
    under("AWS_REGION", "aws.aws_region", Kind::Text),
    under("AWS_REGION", "aws.region", Kind::Text),
    under("AWS_PROFILE", "aws.aws_profile", Kind::Text),
];
