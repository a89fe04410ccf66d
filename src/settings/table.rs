//! The one list of settings. Flags, the reader, `--help`, `check` and `docs/configuration.md` come from these rows, and
//! a setting without a row cannot be read: see [`setting`].

mod group;
mod row;

pub use self::group::Group;
pub use self::row::Setting;

const BOOLEAN: &str = "1/0, true/false, yes/no, on/off, y/n, t/f";
const SECONDS_OR_ZERO: &str = "seconds, 0 or 0.001 to 86400, fractions allowed";
const FRACTION: &str = "a number above 0, at most 1";
const REPLICAS: &str = "a whole number, 0 to 100000";
const SECONDS: &str = "seconds, 0.001 to 86400, fractions allowed";

/// The row of a variable, looked up while the program is compiled.
///
/// Each part declares the settings that it reads as constants:
///
/// ```
/// use kdcube_metrics::settings::{Setting, setting};
/// const PORT: &Setting = setting("METRICS_PORT");
/// assert_eq!(PORT.default(), "8090");
/// ```
///
/// A variable without a row does not compile:
///
/// ```compile_fail,E0080
/// use kdcube_metrics::settings::{Setting, setting};
/// const PORT: &Setting = setting("METRICS_PROT");
/// ```
///
/// # Panics
/// The table has no such row: a build error, because the callers are constants.
#[must_use]
#[expect(clippy::panic, reason = "stops the build, not the program")]
pub const fn setting(variable: &str) -> &'static Setting {
    let mut rows: &'static [Setting] = SETTINGS;
    while let Some((row, rest)) = rows.split_first() {
        if is_same(row.variable(), variable) {
            return row;
        }
        rows = rest;
    }
    panic!("settings::table has no such setting");
}

/// `==` of texts, which constants cannot use yet.
const fn is_same(one: &str, other: &str) -> bool {
    let (mut one, mut other) = (one.as_bytes(), other.as_bytes());
    while let (Some((a, rest)), Some((b, other_rest))) = (one.split_first(), other.split_first()) {
        if *a != *b {
            return false;
        }
        (one, other) = (rest, other_rest);
    }
    one.is_empty() && other.is_empty()
}

/// All settings, in the order of `--help` and the documentation.
#[must_use]
pub fn all() -> &'static [Setting] {
    SETTINGS
}

/// Whether a variable is a setting or the `_FILE` variable of one.
#[must_use]
pub fn is_known(variable: &str) -> bool {
    all().iter().any(|row| row.variable() == variable || row.file_variable() == variable)
}

/// A row whose value may be shown.
const fn open(
    group: Group,
    variable: &'static str,
    default: &'static str,
    accepts: &'static str,
    help: &'static str,
) -> Setting {
    Setting::new(group, variable, default, accepts, help, false)
}

/// A row whose value is never shown.
const fn secret(
    group: Group,
    variable: &'static str,
    default: &'static str,
    accepts: &'static str,
    help: &'static str,
) -> Setting {
    Setting::new(group, variable, default, accepts, help, true)
}

static SETTINGS: &[Setting] = &[
    open(
        Group::Core,
        "METRICS_MODE",
        "redis",
        "redis, proxy or embedded",
        "Data source: a deployment's Redis, the monitoring routes of its servers, or a deployment simulated in memory.",
    ),
    open(
        Group::Core,
        "INSTANCE_ID",
        "",
        "a name",
        "Name of this replica. By default `metrics-` and eight random hex digits.",
    ),
    open(
        Group::Core,
        "METRICS_SAMPLE_INTERVAL_SEC",
        "5",
        SECONDS,
        "Time between two ticks. Each tick reads the source once and writes one rolling point.",
    ),
    open(
        Group::Core,
        "METRICS_LEASE",
        "1",
        BOOLEAN,
        "Replicas take turns by a lease in Redis, which is valid for three sample intervals: its holder records and pushes, the others serve. Off: every replica records and pushes. Redis mode only.",
    ),
    open(
        Group::Core,
        "METRICS_STALE_AFTER_SEC",
        "30",
        SECONDS,
        "A snapshot older than this is no longer served, and readiness fails. Must be more than METRICS_SAMPLE_INTERVAL_SEC.",
    ),
    open(
        Group::Core,
        "METRICS_REQUEST_TIMEOUT_SEC",
        "5",
        SECONDS,
        "Timeout of one request to Redis or any other service.",
    ),
    open(
        Group::Core,
        "METRICS_HISTORY_MAX_SAMPLES",
        "2000000",
        "a whole number, at least 1",
        "Maximum samples kept per latency series (and throttling events). The oldest are dropped first; drops are counted in `kdcube_metrics_history_dropped_samples_total`.",
    ),
    open(
        Group::Core,
        "TZ",
        "UTC",
        "a time zone, such as Europe/Berlin",
        "Time zone of the deployment's workers, whose hourly counters of requests are named by their local time. Anything else means UTC, with a warning.",
    ),
    open(Group::Core, "METRICS_LOG_FORMAT", "text", "text or json", "Format of the log on standard error."),
    open(
        Group::Core,
        "RUST_LOG",
        "",
        "a level (error, warn, info, debug, trace) or tracing directives",
        "Log filter. By default the level of LOG_LEVEL.",
    ),
    open(
        Group::Core,
        "LOG_LEVEL",
        "INFO",
        "DEBUG, INFO, WARNING, ERROR or CRITICAL; anything else means INFO",
        "Log level, if RUST_LOG is not set. Libraries log nothing below INFO.",
    ),
    open(
        Group::Core,
        "LOG_DIR",
        "",
        "a directory",
        "Directory of a log file, written besides standard error. If it cannot be written, a warning says so.",
    ),
    open(Group::Core, "LOG_FILE_PREFIX", "metrics", "the name of a file", "Name of the log file, without `.log`."),
    open(
        Group::Core,
        "LOG_MAX_MB",
        "20",
        "a whole number, 1 to 1000000",
        "Size in MiB at which the log file is rotated.",
    ),
    open(
        Group::Core,
        "LOG_BACKUP_COUNT",
        "10",
        "a whole number, 0 to 1000",
        "Rotated log files that are kept, as `<prefix>.log.1` and so on.",
    ),
    open(
        Group::Descriptors,
        "PLATFORM_DESCRIPTORS_DIR",
        "",
        "a directory",
        "Directory of the platform's descriptor files: assembly.yaml and secrets.yaml give settings, gateway.yaml the gateway configuration if neither GATEWAY_CONFIG_JSON nor GATEWAY_YAML_PATH is set. By default the directory of the first file that a setting of this group names.",
    ),
    open(
        Group::Descriptors,
        "ASSEMBLY_YAML_DESCRIPTOR_PATH",
        "",
        "the path of a YAML file, or a file:// URL",
        "The assembly.yaml to read. By default the one in the directory of descriptors, or `/config/assembly.yaml`.",
    ),
    open(
        Group::Descriptors,
        "GLOBAL_SECRETS_YAML",
        "",
        "the path of a YAML file, or a file:// URL",
        "The secrets.yaml to read passwords from. By default the one in the directory of descriptors, or `/config/secrets.yaml`.",
    ),
    open(
        Group::Descriptors,
        "BUNDLES_YAML_DESCRIPTOR_PATH",
        "",
        "a path, or a file:// URL",
        "Not read; names the directory of descriptors if nothing else does.",
    ),
    open(
        Group::Descriptors,
        "BUNDLE_SECRETS_YAML",
        "",
        "a path, or a file:// URL",
        "Not read; names the directory of descriptors if nothing else does.",
    ),
    open(Group::Server, "METRICS_PORT", "8090", "a port, 0 to 65535 (0 = any free one)", "Port of the HTTP server."),
    open(
        Group::Server,
        "METRICS_BIND",
        "0.0.0.0",
        "an IPv4 or IPv6 address",
        "Listen address of the HTTP server. Expose it on the internal network only.",
    ),
    open(
        Group::Server,
        "METRICS_CLIENT_EVENTS",
        "1",
        BOOLEAN,
        "Receive log events of browsers on `POST /api/events/client` and write them to the log. The route needs neither a token nor a client certificate.",
    ),
    secret(
        Group::Access,
        "METRICS_AUTH_TOKEN",
        "",
        "one or more tokens of visible ASCII, separated by commas or line ends",
        "If set, every route except the health routes and client events requires `Authorization: Bearer <token>`. Several tokens allow rotation. A token file (`METRICS_AUTH_TOKEN_FILE`) is reloaded when it changes.",
    ),
    open(
        Group::Access,
        "METRICS_TLS_CERT_FILE",
        "",
        "a PEM file: the server's certificate, then its intermediates",
        "Serves HTTPS with this certificate. Reloaded when the certificate or the key changes.",
    ),
    open(
        Group::Access,
        "METRICS_TLS_KEY_FILE",
        "",
        "a PEM file: an unencrypted private key",
        "Private key of `METRICS_TLS_CERT_FILE`.",
    ),
    open(
        Group::Access,
        "METRICS_TLS_CLIENT_CA_FILE",
        "",
        "a PEM file: CA certificates",
        "If set, every route except the health routes and client events requires a client certificate issued by one of these CAs, in addition to a token if one is set.",
    ),
    open(
        Group::Autoscalers,
        "METRICS_KEDA_PORT",
        "",
        "a port, 0 to 65535 (0 = any free one); the guide uses 9666",
        "Port of KEDA's external scaler (gRPC), on the address of METRICS_BIND and with the TLS files of the HTTP server. Not set: off. KEDA sends no token: METRICS_TLS_CLIENT_CA_FILE restricts who may ask.",
    ),
    open(
        Group::Autoscalers,
        "METRICS_EXTERNAL_METRICS",
        "0",
        BOOLEAN,
        "Serve `external.metrics.k8s.io` to Kubernetes' API server, so that HPAs need no adapter. A cluster has one provider of it. Needs METRICS_TLS_CERT_FILE.",
    ),
    open(
        Group::Autoscalers,
        "METRICS_EXTERNAL_METRICS_PORT",
        "6443",
        "a port, 0 to 65535 (0 = any free one)",
        "Port of external metrics (HTTPS), on the address of METRICS_BIND.",
    ),
    open(
        Group::Autoscalers,
        "METRICS_EXTERNAL_METRICS_CLIENT_CA_FILE",
        "",
        "a PEM file: CA certificates",
        "CA of the API server's front proxy: only its certificates may ask. Unset: the CA and the names that the cluster publishes (ConfigMap `extension-apiserver-authentication`), read with the service account and followed.",
    ),
    open(
        Group::Autoscalers,
        "METRICS_EXTERNAL_METRICS_ALLOWED_NAMES",
        "",
        "common names, separated by commas",
        "Names that the front proxy's certificate may have. Unset: those that the cluster publishes, or any name with METRICS_EXTERNAL_METRICS_CLIENT_CA_FILE.",
    ),
    open(
        Group::Autoscalers,
        "METRICS_EXTERNAL_METRICS_AUTHORIZE",
        "0",
        BOOLEAN,
        "Ask the cluster for each request whether its user may (SubjectAccessReview), although the API server has done so. Needs a service account with `system:auth-delegator`.",
    ),
    open(
        Group::Autoscalers,
        "METRICS_EXTERNAL_METRICS_API_SERVER",
        "https://kubernetes.default.svc",
        "an https URL",
        "API server of the cluster, asked for the ConfigMap and for authorization.",
    ),
    open(
        Group::Autoscalers,
        "METRICS_EXTERNAL_METRICS_SERVICE_ACCOUNT_DIR",
        "/var/run/secrets/kubernetes.io/serviceaccount",
        "a folder with `token` and `ca.crt`",
        "The service account to ask it with, where a pod has it.",
    ),
    secret(
        Group::Redis,
        "REDIS_URL",
        "redis://127.0.0.1:6379/0",
        "redis://, rediss:// (TLS), unix:/path/to.sock or redis+sentinel://host:port,host:port/primary/db, with user and password, and the options of redis-py (?db=2)",
        "Redis that the deployment's workers write to. If it is not set, `redis_url` of the gateway configuration is used.",
    ),
    open(
        Group::Redis,
        "REDIS_HOST",
        "",
        "a host name or an address",
        "Host of Redis, if REDIS_URL is not set; then without it `localhost`, if another part of the address is set.",
    ),
    open(Group::Redis, "REDIS_PORT", "6379", "a port, 1 to 65535", "Port of Redis, if REDIS_URL is not set."),
    open(Group::Redis, "REDIS_DB", "0", "a whole number", "Number of the database, if REDIS_URL is not set."),
    secret(
        Group::Redis,
        "REDIS_PASSWORD",
        "",
        "a password, not percent-encoded",
        "Password of Redis, if REDIS_URL is not set, or if it cannot be parsed and REDIS_HOST is set too.",
    ),
    open(
        Group::Redis,
        "METRICS_REDIS_CA_FILE",
        "",
        "the path of a PEM file",
        "CA bundle for Redis' certificate (replaces the system trust store); as `ssl_ca_certs` in the address.",
    ),
    open(
        Group::Redis,
        "METRICS_REDIS_CLIENT_CERT_FILE",
        "",
        "the path of a PEM file",
        "Client certificate for a Redis that asks for one; as `ssl_certfile` in the address.",
    ),
    open(
        Group::Redis,
        "METRICS_REDIS_CLIENT_KEY_FILE",
        "",
        "the path of a PEM file",
        "Private key of `METRICS_REDIS_CLIENT_CERT_FILE`; as `ssl_keyfile` in the address.",
    ),
    open(
        Group::Redis,
        "METRICS_REDIS_SENTINEL_USERNAME",
        "",
        "a user name",
        "User for the sentinels, if they have users of their own; as `sentinel_username` in the address.",
    ),
    secret(
        Group::Redis,
        "METRICS_REDIS_SENTINEL_PASSWORD",
        "",
        "a password, not percent-encoded",
        "Password for the sentinels; as `sentinel_password` in the address. Without it, Redis' own is tried if they ask for one.",
    ),
    open(
        Group::Gateway,
        "GATEWAY_CONFIG_JSON",
        "",
        "a JSON object with tenant and project",
        "Gateway configuration: tenant, project and capacity settings, flat or by component. Required in redis mode unless a YAML file, or TENANT_ID and PROJECT_ID, are given.",
    ),
    open(
        Group::Gateway,
        "GATEWAY_YAML_PATH",
        "",
        "the path of a YAML file",
        "YAML file with the gateway configuration, at the top level or under `gateway:`. Ignored if GATEWAY_CONFIG_JSON is set.",
    ),
    open(
        Group::Gateway,
        "GATEWAY_CONFIG_FORCE_ENV_ON_STARTUP",
        "0",
        BOOLEAN,
        "Ignore a gateway configuration saved in Redis.",
    ),
    open(
        Group::Gateway,
        "GATEWAY_COMPONENT",
        "proc",
        "ingress or proc (also processor, worker); anything else means proc",
        "Which component's section of the gateway configuration is used for queue capacity and backpressure.",
    ),
    open(Group::Gateway, "TENANT_ID", "", "a name", "Tenant, if the gateway configuration has a placeholder or none."),
    open(
        Group::Gateway,
        "DEFAULT_PROJECT_NAME",
        "",
        "a name",
        "Project, if the gateway configuration has a placeholder or none.",
    ),
    open(Group::Gateway, "PROJECT_ID", "", "a name", "Project, if `DEFAULT_PROJECT_NAME` is not set either."),
    open(
        Group::Scaling,
        "METRICS_SCALE_PROC_TARGET_UTILIZATION",
        "0.8",
        FRACTION,
        "Share of the processors' slots that should be busy: `proc.replicas.desired` leaves the rest free.",
    ),
    open(
        Group::Scaling,
        "METRICS_SCALE_PROC_TARGET_WAIT_SEC",
        "30",
        SECONDS,
        "Time within which waiting tasks should be worked off.",
    ),
    open(
        Group::Scaling,
        "METRICS_SCALE_PROC_MIN",
        "1",
        REPLICAS,
        "Minimum of `proc.replicas.desired`. 0 lets an idle deployment scale to nothing.",
    ),
    open(Group::Scaling, "METRICS_SCALE_PROC_MAX", "0", REPLICAS, "Maximum of `proc.replicas.desired`. 0 = none."),
    open(
        Group::Scaling,
        "METRICS_SCALE_INGRESS_TARGET_SATURATION",
        "0.7",
        FRACTION,
        "Share of the accepted SSE connections that should be open: `ingress.replicas.desired` leaves room for the rest.",
    ),
    open(Group::Scaling, "METRICS_SCALE_INGRESS_MIN", "1", REPLICAS, "Minimum of `ingress.replicas.desired`."),
    open(
        Group::Scaling,
        "METRICS_SCALE_INGRESS_MAX",
        "0",
        REPLICAS,
        "Maximum of `ingress.replicas.desired`. 0 = none.",
    ),
    open(
        Group::Scaling,
        "METRICS_SCALE_STABILIZATION_SEC",
        "300",
        SECONDS_OR_ZERO,
        "The desired number of replicas decreases only to the greatest need of this time. 0 = at once.",
    ),
    secret(
        Group::Proxy,
        "METRICS_INGRESS_BASE_URL",
        "",
        "an http:// or https:// URL, with user and password where needed",
        "Base URL of ingress; `/monitoring/system` is appended. Proxy mode requires this or METRICS_PROC_BASE_URL.",
    ),
    secret(
        Group::Proxy,
        "METRICS_PROC_BASE_URL",
        "",
        "an http:// or https:// URL, with user and password where needed",
        "Base URL of the processor; `/monitoring/system` is appended.",
    ),
    open(
        Group::Proxy,
        "METRICS_AUTH_HEADER_NAME",
        "Authorization",
        "the name of a header",
        "Name of the header that authenticates requests to upstreams.",
    ),
    secret(
        Group::Proxy,
        "METRICS_AUTH_HEADER_VALUE",
        "",
        "the value of a header, such as Bearer <token>",
        "Value of that header. A file (`METRICS_AUTH_HEADER_VALUE_FILE`) is read again for every request, which allows short-lived tokens.",
    ),
    secret(
        Group::Proxy,
        "METRICS_HEADERS_JSON",
        "",
        "a JSON object of header names and values",
        "Additional headers of every request to an upstream.",
    ),
    open(
        Group::Proxy,
        "METRICS_PROXY_CA_FILE",
        "",
        "the path of a PEM file",
        "CA bundle for upstream certificates (replaces the system trust store).",
    ),
    open(
        Group::Proxy,
        "METRICS_PROXY_CLIENT_CERT_FILE",
        "",
        "the path of a PEM file",
        "Client certificate for upstreams that require mTLS.",
    ),
    open(
        Group::Proxy,
        "METRICS_PROXY_CLIENT_KEY_FILE",
        "",
        "the path of a PEM file",
        "Private key of `METRICS_PROXY_CLIENT_CERT_FILE`.",
    ),
    open(
        Group::Scheduler,
        "METRICS_SCHEDULER_ENABLED",
        "0",
        BOOLEAN,
        "Push to every enabled sink at a fixed interval. If off, sinks are pushed to on demand and by `once`.",
    ),
    open(
        Group::Scheduler,
        "METRICS_EXPORT_INTERVAL_SEC",
        "30",
        SECONDS,
        "Time between two scheduled pushes. The phase is random.",
    ),
    open(Group::Scheduler, "METRICS_EXPORT_ON_START", "1", BOOLEAN, "Push as soon as the first snapshot is available."),
    open(
        Group::Scheduler,
        "METRICS_RUN_ONCE",
        "0",
        BOOLEAN,
        "Run one tick and one push, then exit, as `kdcube-metrics once` does.",
    ),
    open(
        Group::Prometheus,
        "METRICS_PROM_SCRAPE_TTL_SEC",
        "10",
        SECONDS_OR_ZERO,
        "If the newest snapshot is older than this, a scrape waits for a new one. 0: every scrape does.",
    ),
    open(
        Group::Prometheus,
        "METRICS_PROM_NAMES",
        "default",
        "default, platform or both",
        "Prometheus names on `/metrics` and in pushes: the default ones, those of the platform's own metrics service, or both.",
    ),
    open(Group::Prometheus, "METRICS_EXPORT_PROMETHEUS_PUSH", "0", BOOLEAN, "Push metrics to a Pushgateway."),
    secret(
        Group::Prometheus,
        "METRICS_PROM_PUSHGATEWAY_URL",
        "",
        "an http:// or https:// URL, or host:port for http, with user and password where needed",
        "Base URL of the Pushgateway (no `/metrics/job/…`).",
    ),
    open(
        Group::Prometheus,
        "METRICS_PROM_PUSHGATEWAY_CA_FILE",
        "",
        "the path of a PEM file",
        "CA bundle for the Pushgateway's certificate (replaces the system trust store). Read at the start.",
    ),
    open(Group::Prometheus, "METRICS_PROM_JOB_NAME", "kdcube_metrics", "a name", "`job` label of the pushed group."),
    open(
        Group::Prometheus,
        "METRICS_PROM_GROUPING_LABELS_JSON",
        "",
        "a JSON object of label names and values",
        "Additional labels of the pushed group. Replicas that push need at least one that differs.",
    ),
    open(
        Group::Prometheus,
        "METRICS_PROM_PUSH_DELETE_ON_SHUTDOWN",
        "0",
        BOOLEAN,
        "Delete the pushed group when the server stops.",
    ),
    open(
        Group::Prometheus,
        "METRICS_MAPPING_JSON",
        "",
        "a JSON object, key to name or to {\"name\", \"unit\"}",
        "Renames metrics and overrides their CloudWatch units.",
    ),
    open(
        Group::CloudWatch,
        "METRICS_EXPORT_CLOUDWATCH",
        "0",
        BOOLEAN,
        "Push metrics to Amazon CloudWatch. Credentials come from the AWS default chain: environment, profile, web identity, container, instance.",
    ),
    open(
        Group::CloudWatch,
        "METRICS_CLOUDWATCH_REGION",
        "",
        "a region, such as eu-central-1",
        "Region to push to. By default AWS_REGION, AWS_DEFAULT_REGION, then the AWS chain: profile, instance.",
    ),
    open(
        Group::CloudWatch,
        "AWS_REGION",
        "",
        "a region, such as eu-central-1",
        "Region, if METRICS_CLOUDWATCH_REGION is not set.",
    ),
    open(
        Group::CloudWatch,
        "AWS_DEFAULT_REGION",
        "",
        "a region, such as eu-central-1",
        "Region, if AWS_REGION is not set either.",
    ),
    open(
        Group::CloudWatch,
        "AWS_PROFILE",
        "",
        "the name of a profile",
        "Profile of the AWS configuration and credentials files. By default the one of the AWS chain.",
    ),
    open(
        Group::CloudWatch,
        "METRICS_CLOUDWATCH_NAMESPACE",
        "KDCube/Metrics",
        "1 to 255 letters, digits and . - _ / # :, not beginning with AWS/ or a colon",
        "CloudWatch namespace to publish to.",
    ),
    open(
        Group::CloudWatch,
        "METRICS_CLOUDWATCH_DIMENSIONS_JSON",
        "",
        "{\"name\": \"value\"} or [{\"Name\": \"name\", \"Value\": \"value\"}], at most 30, printable ASCII",
        "Dimensions of every metric, such as tenant and project. Labels of families are added to them.",
    ),
    open(
        Group::CloudWatch,
        "METRICS_CLOUDWATCH_INCLUDE",
        "",
        "metric keys, aliases or sets (@default, @scaling), separated by commas; * matches anything",
        "Metrics to push. By default @default; `@default,@scaling` adds the desired replicas and the signals behind them. Every label value of a family is billed as one more metric.",
    ),
    open(
        Group::CloudWatch,
        "METRICS_CLOUDWATCH_HIGH_RESOLUTION",
        "0",
        "0, 1 or auto",
        "Store points at a resolution of one second instead of one minute. Alarms with a period below a minute need it, and they cost more. auto: on if pushes are less than a minute apart.",
    ),
    open(
        Group::CloudWatch,
        "METRICS_CLOUDWATCH_SPOOL_SEC",
        "900",
        SECONDS_OR_ZERO,
        "How long undelivered points are kept in memory, to be sent later with their original timestamps. 0 keeps none.",
    ),
    open(Group::Otlp, "METRICS_EXPORT_OTLP", "0", BOOLEAN, "Push to an OpenTelemetry receiver over OTLP."),
    secret(
        Group::Otlp,
        "METRICS_OTLP_ENDPOINT",
        "",
        "an http:// or https:// URL; without a scheme it is https://",
        "Receiver. By default `http://localhost:4317` for gRPC, and `http://localhost:4318` for HTTP, where `/v1/metrics` is appended.",
    ),
    open(
        Group::Otlp,
        "METRICS_OTLP_PROTOCOL",
        "",
        "grpc or http/protobuf",
        "How messages are carried. By default `grpc`.",
    ),
    secret(
        Group::Otlp,
        "METRICS_OTLP_HEADERS_JSON",
        "",
        "a JSON object of header names and values",
        "Headers of every request, such as the key of a service.",
    ),
    open(Group::Otlp, "METRICS_OTLP_TIMEOUT_SEC", "", SECONDS, "Timeout of one request. By default 10."),
    open(Group::Otlp, "METRICS_OTLP_INSECURE", "0", BOOLEAN, "Without TLS where the endpoint has no scheme."),
    open(Group::Otlp, "METRICS_OTLP_COMPRESSION", "", "gzip or none", "Compression of requests. By default `gzip`."),
    open(
        Group::Otlp,
        "METRICS_OTLP_CA_FILE",
        "",
        "the path of a PEM file",
        "CA bundle for the receiver's certificate (replaces the system trust store).",
    ),
    open(
        Group::Otlp,
        "METRICS_OTLP_RESOURCE_ATTRIBUTES_JSON",
        "",
        "a JSON object of strings",
        "Attributes of the resource, added to those of OTEL_RESOURCE_ATTRIBUTES and to the server's own (docs/integrations/otlp.md).",
    ),
    open(
        Group::Otlp,
        "METRICS_OTLP_SPOOL_SEC",
        "900",
        SECONDS_OR_ZERO,
        "How long undelivered points are kept in memory, to be sent later with their original timestamps. 0 keeps none.",
    ),
    secret(
        Group::Otlp,
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "",
        "an http:// or https:// URL",
        "Receiver, if METRICS_OTLP_ENDPOINT is not set.",
    ),
    open(
        Group::Otlp,
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        "",
        "grpc or http/protobuf",
        "Protocol, if METRICS_OTLP_PROTOCOL is not set.",
    ),
    secret(
        Group::Otlp,
        "OTEL_EXPORTER_OTLP_HEADERS",
        "",
        "key=value,key=value, percent-encoded",
        "Headers, if METRICS_OTLP_HEADERS_JSON is not set.",
    ),
    open(
        Group::Otlp,
        "OTEL_EXPORTER_OTLP_TIMEOUT",
        "",
        "a whole number of milliseconds, at least 1",
        "Timeout, if METRICS_OTLP_TIMEOUT_SEC is not set.",
    ),
    open(
        Group::Otlp,
        "OTEL_EXPORTER_OTLP_COMPRESSION",
        "",
        "gzip or none",
        "Compression, if METRICS_OTLP_COMPRESSION is not set.",
    ),
    open(
        Group::Otlp,
        "OTEL_EXPORTER_OTLP_CERTIFICATE",
        "",
        "the path of a PEM file",
        "CA bundle, if METRICS_OTLP_CA_FILE is not set.",
    ),
    open(
        Group::Otlp,
        "OTEL_RESOURCE_ATTRIBUTES",
        "",
        "key=value,key=value, percent-encoded",
        "Attributes of the resource.",
    ),
    open(Group::Statsd, "METRICS_EXPORT_STATSD", "0", BOOLEAN, "Send gauges to a StatsD server or a Datadog agent."),
    open(Group::Statsd, "METRICS_STATSD_ADDRESS", "127.0.0.1:8125", "host:port", "Receiver of the UDP datagrams."),
    open(
        Group::Statsd,
        "METRICS_STATSD_DIALECT",
        "dogstatsd",
        "dogstatsd or statsd",
        "How labels are written: as tags with tenant and project, or as the last parts of the name.",
    ),
    open(
        Group::Statsd,
        "METRICS_STATSD_PREFIX",
        "kdcube.",
        "letters, digits and ._-, at most 100",
        "What every name begins with.",
    ),
    open(
        Group::Postgres,
        "METRICS_ENABLE_PG_POOL",
        "0",
        BOOLEAN,
        "Read `max_connections` from PostgreSQL once a minute, independently of ticks. `pools.pg_max_connections` of the gateway configuration takes precedence.",
    ),
    open(
        Group::Postgres,
        "POSTGRES_HOST",
        "",
        "a host name, an address, or the directory of the server's socket",
        "Host of the database. Required if METRICS_ENABLE_PG_POOL=1.",
    ),
    open(Group::Postgres, "POSTGRES_PORT", "5432", "a port, 1 to 65535", "Port of the database."),
    open(
        Group::Postgres,
        "POSTGRES_DATABASE",
        "",
        "a name",
        "Database to connect to. Required if METRICS_ENABLE_PG_POOL=1.",
    ),
    open(
        Group::Postgres,
        "POSTGRES_USER",
        "",
        "a name",
        "Database user. Required if METRICS_ENABLE_PG_POOL=1. Needs CONNECT only.",
    ),
    secret(
        Group::Postgres,
        "POSTGRES_PASSWORD",
        "",
        "a password",
        "Password of that user, if the server requires one.",
    ),
    open(
        Group::Postgres,
        "POSTGRES_SSL",
        "0",
        "1/0, true/false, yes/no, on/off, y/n, t/f, or a mode as POSTGRES_SSL_MODE",
        "Connect with TLS, in the mode of POSTGRES_SSL_MODE.",
    ),
    open(
        Group::Postgres,
        "POSTGRES_SSL_MODE",
        "",
        "disable, allow, prefer, require, verify-ca or verify-full",
        "TLS mode if POSTGRES_SSL is on, as in libpq. `allow` (as `prefer`), `prefer` and `require` encrypt without verifying the server, with a warning at the start. By default `verify-full` if METRICS_POSTGRES_CA_FILE is set, otherwise `require`.",
    ),
    open(
        Group::Postgres,
        "METRICS_POSTGRES_CA_FILE",
        "",
        "the path of a PEM file of certificates",
        "CA bundle for the server's certificate (replaces the system trust store). With it, `require` verifies as `verify-ca` does.",
    ),
    open(
        Group::Postgres,
        "POSTGRES_SSL_ROOT_CERT",
        "",
        "the path of a PEM file of certificates",
        "CA bundle if METRICS_POSTGRES_CA_FILE is not set.",
    ),
    open(
        Group::Postgres,
        "PGSSLROOTCERT",
        "",
        "the path of a PEM file of certificates",
        "CA bundle if POSTGRES_SSL_ROOT_CERT is not set either.",
    ),
];

#[cfg(test)]
mod tests;
