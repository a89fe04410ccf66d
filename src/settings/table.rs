//! Every setting, declared once: the flags, the reader, `--help`, `check` and
//! `docs/configuration.md` all come from these rows.

use crate::settings::Setting;

const CORE: &str = "Core";
const ACCESS: &str = "Access and TLS";
const REDIS: &str = "Redis mode";
const GATEWAY: &str = "Gateway configuration";
const PROXY: &str = "Proxy mode";
const SCHEDULER: &str = "Scheduler";
const PROMETHEUS: &str = "Prometheus and names";
const CLOUDWATCH: &str = "CloudWatch";
const POSTGRES: &str = "PostgreSQL";

const BOOLEAN: &str = "1/0, true/false, yes/no, on/off";
const SECONDS: &str = "seconds, 0.001 to 86400, fractions allowed";

/// A row whose value may be shown.
const fn open(
    variable: &'static str,
    default: &'static str,
    accepts: &'static str,
    group: &'static str,
    help: &'static str,
) -> Setting {
    Setting { variable, default, accepts, help, group, secret: false }
}

/// A row whose value is never shown.
const fn secret(
    variable: &'static str,
    default: &'static str,
    accepts: &'static str,
    group: &'static str,
    help: &'static str,
) -> Setting {
    Setting { variable, default, accepts, help, group, secret: true }
}

pub const MODE: Setting = open(
    "METRICS_MODE",
    "redis",
    "redis, proxy or embedded",
    CORE,
    "Where facts come from: a deployment's Redis, its own servers, or a deployment simulated in memory.",
);
pub const PORT: Setting =
    open("METRICS_PORT", "8090", "a port, 0 to 65535 (0 = any free one)", CORE, "Port of the HTTP server.");
pub const BIND: Setting = open(
    "METRICS_BIND",
    "0.0.0.0",
    "an IPv4 or IPv6 address",
    CORE,
    "Address of the HTTP server. It is meant for the internal network only.",
);
pub const INSTANCE_ID: Setting =
    open("INSTANCE_ID", "", "a name", CORE, "This replica's name. By default `metrics-` and eight random hex digits.");
pub const SAMPLE_INTERVAL: Setting = open(
    "METRICS_SAMPLE_INTERVAL_SEC",
    "5",
    SECONDS,
    CORE,
    "Time between two ticks: how often facts are read and a rolling point is written.",
);
pub const STALE_AFTER: Setting = open(
    "METRICS_STALE_AFTER_SEC",
    "30",
    SECONDS,
    CORE,
    "A snapshot older than this is no longer served as truth, and readiness turns false.",
);
pub const REQUEST_TIMEOUT: Setting =
    open("METRICS_REQUEST_TIMEOUT_SEC", "5", SECONDS, CORE, "Limit of one request to Redis or to any other service.");
pub const HISTORY_MAX_SAMPLES: Setting = open(
    "METRICS_HISTORY_MAX_SAMPLES",
    "2000000",
    "a whole number, at least 1",
    CORE,
    "Most samples kept of each latency series, and most throttling events; the oldest go first, and what goes is counted.",
);
pub const LOG_FORMAT: Setting =
    open("METRICS_LOG_FORMAT", "text", "text or json", CORE, "Form of the log on standard error.");
pub const RUST_LOG: Setting = open(
    "RUST_LOG",
    "info",
    "a level (error, warn, info, debug, trace) or tracing directives",
    CORE,
    "What is logged.",
);

pub const AUTH_TOKEN: Setting = secret(
    "METRICS_AUTH_TOKEN",
    "",
    "one or more tokens of visible ASCII, separated by commas or line ends",
    ACCESS,
    "If set, every route but the health routes needs `Authorization: Bearer <token>`; several tokens let you rotate them. From a file (`METRICS_AUTH_TOKEN_FILE`) they are read again when it changes.",
);
pub const TLS_CERT_FILE: Setting = open(
    "METRICS_TLS_CERT_FILE",
    "",
    "a PEM file: the server's certificate, then those between it and its authority",
    ACCESS,
    "Serves HTTPS with this certificate. It is read again when it or the key changes.",
);
pub const TLS_KEY_FILE: Setting = open(
    "METRICS_TLS_KEY_FILE",
    "",
    "a PEM file: the certificate's private key, not encrypted",
    ACCESS,
    "The key of `METRICS_TLS_CERT_FILE`.",
);
pub const TLS_CLIENT_CA_FILE: Setting = open(
    "METRICS_TLS_CLIENT_CA_FILE",
    "",
    "a PEM file: certificates of authorities",
    ACCESS,
    "If set, every route but the health routes needs a client certificate of one of them, besides a token if there is one.",
);

pub const REDIS_URL: Setting = secret(
    "REDIS_URL",
    "redis://127.0.0.1:6379/0",
    "redis://, rediss:// (TLS), unix:/path/to.sock or redis+sentinel://host:port,host:port/master/db, with user and password",
    REDIS,
    "The Redis that the deployment's workers write to.",
);

pub const GATEWAY_CONFIG_JSON: Setting = open(
    "GATEWAY_CONFIG_JSON",
    "",
    "a JSON object with tenant and project",
    GATEWAY,
    "Tenant, project and capacity settings, flat or by component. Needed in redis mode unless a YAML file is given.",
);
pub const GATEWAY_YAML_PATH: Setting = open(
    "GATEWAY_YAML_PATH",
    "",
    "the path of a YAML file",
    GATEWAY,
    "The same from a YAML file, from its `gateway:` section if it has one.",
);
pub const DESCRIPTORS_DIR: Setting = open(
    "PLATFORM_DESCRIPTORS_DIR",
    "",
    "a directory that holds gateway.yaml",
    GATEWAY,
    "The same from `gateway.yaml` in this directory.",
);
pub const FORCE_ENV: Setting = open(
    "GATEWAY_CONFIG_FORCE_ENV_ON_STARTUP",
    "0",
    BOOLEAN,
    GATEWAY,
    "Ignore a configuration that an admin saved in Redis.",
);
pub const GATEWAY_COMPONENT: Setting = open(
    "GATEWAY_COMPONENT",
    "proc",
    "ingress or proc (also processor, worker)",
    GATEWAY,
    "Whose slice of a component-aware configuration drives queue and backpressure math.",
);
pub const TENANT_ID: Setting =
    open("TENANT_ID", "", "a name", GATEWAY, "Tenant where the configuration has a placeholder.");
pub const DEFAULT_PROJECT_NAME: Setting =
    open("DEFAULT_PROJECT_NAME", "", "a name", GATEWAY, "Project where the configuration has a placeholder.");
pub const PROJECT_ID: Setting =
    open("PROJECT_ID", "", "a name", GATEWAY, "The same, where `DEFAULT_PROJECT_NAME` is not set.");

pub const INGRESS_BASE_URL: Setting = secret(
    "METRICS_INGRESS_BASE_URL",
    "",
    "an http:// or https:// URL, with user and password where needed",
    PROXY,
    "Where ingress is asked: `/monitoring/system` is put behind it. Proxy mode needs this or the next.",
);
pub const PROC_BASE_URL: Setting = secret(
    "METRICS_PROC_BASE_URL",
    "",
    "an http:// or https:// URL, with user and password where needed",
    PROXY,
    "The same for the processor.",
);
pub const AUTH_HEADER_NAME: Setting = open(
    "METRICS_AUTH_HEADER_NAME",
    "Authorization",
    "the name of a header",
    PROXY,
    "The header that lets this server in.",
);
pub const AUTH_HEADER_VALUE: Setting = secret(
    "METRICS_AUTH_HEADER_VALUE",
    "",
    "the value of a header, such as Bearer <token>",
    PROXY,
    "Its value. One from a file (`METRICS_AUTH_HEADER_VALUE_FILE`) is read again for every request, so that tokens \
     may be short-lived.",
);
pub const HEADERS_JSON: Setting = secret(
    "METRICS_HEADERS_JSON",
    "",
    "a JSON object of header names and values",
    PROXY,
    "More headers of every request to an upstream.",
);
pub const PROXY_CA_FILE: Setting = open(
    "METRICS_PROXY_CA_FILE",
    "",
    "the path of a PEM file",
    PROXY,
    "The authorities that an upstream's certificate must come from, instead of the system's.",
);
pub const PROXY_CLIENT_CERT_FILE: Setting = open(
    "METRICS_PROXY_CLIENT_CERT_FILE",
    "",
    "the path of a PEM file",
    PROXY,
    "This server's certificate, for upstreams that ask for one (mTLS).",
);
pub const PROXY_CLIENT_KEY_FILE: Setting =
    open("METRICS_PROXY_CLIENT_KEY_FILE", "", "the path of a PEM file", PROXY, "The key of that certificate.");

pub const SCHEDULER_ENABLED: Setting = open(
    "METRICS_SCHEDULER_ENABLED",
    "0",
    BOOLEAN,
    SCHEDULER,
    "Push to every enabled sink at a fixed interval. Without it sinks are pushed to on demand and by `once`.",
);
pub const EXPORT_INTERVAL: Setting =
    open("METRICS_EXPORT_INTERVAL_SEC", "30", SECONDS, SCHEDULER, "Time between two pushes; their phase is random.");
pub const EXPORT_ON_START: Setting =
    open("METRICS_EXPORT_ON_START", "1", BOOLEAN, SCHEDULER, "Push as soon as there is a first snapshot.");
pub const RUN_ONCE: Setting = open(
    "METRICS_RUN_ONCE",
    "0",
    BOOLEAN,
    SCHEDULER,
    "Instead of serving: one tick, one push, and the end, as `kdcube-metrics once`.",
);

pub const SCRAPE_TTL: Setting = open(
    "METRICS_PROM_SCRAPE_TTL_SEC",
    "10",
    SECONDS,
    PROMETHEUS,
    "A `/metrics` answer older than this is refreshed first.",
);
pub const EXPORT_PROMETHEUS_PUSH: Setting =
    open("METRICS_EXPORT_PROMETHEUS_PUSH", "0", BOOLEAN, PROMETHEUS, "Push to a Pushgateway.");
pub const PUSHGATEWAY_URL: Setting = secret(
    "METRICS_PROM_PUSHGATEWAY_URL",
    "",
    "an http:// or https:// URL, with user and password where needed",
    PROMETHEUS,
    "The Pushgateway, without `/metrics/job/…`.",
);
pub const JOB_NAME: Setting =
    open("METRICS_PROM_JOB_NAME", "kdcube_metrics", "a name", PROMETHEUS, "The pushed group's `job` label.");
pub const GROUPING_LABELS_JSON: Setting = open(
    "METRICS_PROM_GROUPING_LABELS_JSON",
    "",
    "a JSON object of label names and values",
    PROMETHEUS,
    "More labels of the pushed group. Replicas that push need one that tells them apart.",
);
pub const DELETE_ON_SHUTDOWN: Setting = open(
    "METRICS_PROM_PUSH_DELETE_ON_SHUTDOWN",
    "0",
    BOOLEAN,
    PROMETHEUS,
    "Delete the pushed group when the server stops.",
);
pub const MAPPING_JSON: Setting = open(
    "METRICS_MAPPING_JSON",
    "",
    "a JSON object, key to name or to {\"name\", \"unit\"}",
    PROMETHEUS,
    "Renames metrics, and gives them another CloudWatch unit.",
);

pub const EXPORT_CLOUDWATCH: Setting = open(
    "METRICS_EXPORT_CLOUDWATCH",
    "0",
    BOOLEAN,
    CLOUDWATCH,
    "Push metrics to Amazon CloudWatch. Credentials come from AWS' own chain: environment, profile, web identity, \
     container, instance.",
);
pub const CLOUDWATCH_REGION: Setting = open(
    "METRICS_CLOUDWATCH_REGION",
    "",
    "a region, such as eu-central-1",
    CLOUDWATCH,
    "Where to push. By default what AWS' own chain says: `AWS_REGION`, profile, instance.",
);
pub const CLOUDWATCH_NAMESPACE: Setting = open(
    "METRICS_CLOUDWATCH_NAMESPACE",
    "KDCube/Metrics",
    "1 to 255 letters, digits and . - _ / # :, not beginning with AWS/ or a colon",
    CLOUDWATCH,
    "The namespace that metrics stand in.",
);
pub const CLOUDWATCH_DIMENSIONS_JSON: Setting = open(
    "METRICS_CLOUDWATCH_DIMENSIONS_JSON",
    "",
    "{\"name\": \"value\"} or [{\"Name\": \"name\", \"Value\": \"value\"}], at most 30, printable ASCII",
    CLOUDWATCH,
    "Dimensions of every metric, such as tenant and project. Labels of families come in addition.",
);
pub const CLOUDWATCH_INCLUDE: Setting = open(
    "METRICS_CLOUDWATCH_INCLUDE",
    "",
    "metric keys or aliases, separated by commas; * stands for anything",
    CLOUDWATCH,
    "Which metrics are pushed. By default the scalars; every value of every label is one more metric on the bill.",
);
pub const CLOUDWATCH_HIGH_RESOLUTION: Setting = open(
    "METRICS_CLOUDWATCH_HIGH_RESOLUTION",
    "0",
    "0, 1 or auto",
    CLOUDWATCH,
    "Store points of one second rather than of a minute, which alarms with a period below a minute need, and which cost \
     more; auto: if pushes are less than a minute apart.",
);
pub const CLOUDWATCH_SPOOL_SEC: Setting = open(
    "METRICS_CLOUDWATCH_SPOOL_SEC",
    "900",
    "seconds, 0 or more, at most 86400",
    CLOUDWATCH,
    "How long points that could not be delivered are kept in memory, to be sent later with their own time; 0 keeps none.",
);

pub const ENABLE_PG_POOL: Setting = open(
    "METRICS_ENABLE_PG_POOL",
    "0",
    BOOLEAN,
    POSTGRES,
    "Ask PostgreSQL for `max_connections`, once a minute and beside the ticks. `pools.pg_max_connections` of the gateway \
     configuration wins over the answer.",
);
pub const POSTGRES_HOST: Setting = open(
    "POSTGRES_HOST",
    "",
    "a host name, an address, or the folder of the server's socket",
    POSTGRES,
    "Where PostgreSQL is; needed if it is asked.",
);
pub const POSTGRES_PORT: Setting = open("POSTGRES_PORT", "5432", "a port, 1 to 65535", POSTGRES, "Its port.");
pub const POSTGRES_DATABASE: Setting =
    open("POSTGRES_DATABASE", "", "a name", POSTGRES, "The database to connect to; needed if it is asked.");
pub const POSTGRES_USER: Setting = open(
    "POSTGRES_USER",
    "",
    "a name",
    POSTGRES,
    "Who asks; needed if it is asked. The right to connect is all that the user needs.",
);
pub const POSTGRES_PASSWORD: Setting =
    secret("POSTGRES_PASSWORD", "", "a password", POSTGRES, "The user's password, unless the server asks for none.");
pub const POSTGRES_SSL: Setting = open(
    "POSTGRES_SSL",
    "0",
    BOOLEAN,
    POSTGRES,
    "Connect with TLS only, and only to a server whose certificate and name can be verified.",
);
pub const POSTGRES_CA_FILE: Setting = open(
    "METRICS_POSTGRES_CA_FILE",
    "",
    "the path of a PEM file of certificates",
    POSTGRES,
    "Who signs the server's certificate, instead of the authorities that the system trusts.",
);

/// All settings, in the order of `--help` and the documentation.
pub const ALL: &[&Setting] = &[
    &MODE,
    &PORT,
    &BIND,
    &INSTANCE_ID,
    &SAMPLE_INTERVAL,
    &STALE_AFTER,
    &REQUEST_TIMEOUT,
    &HISTORY_MAX_SAMPLES,
    &LOG_FORMAT,
    &RUST_LOG,
    &AUTH_TOKEN,
    &TLS_CERT_FILE,
    &TLS_KEY_FILE,
    &TLS_CLIENT_CA_FILE,
    &REDIS_URL,
    &GATEWAY_CONFIG_JSON,
    &GATEWAY_YAML_PATH,
    &DESCRIPTORS_DIR,
    &FORCE_ENV,
    &GATEWAY_COMPONENT,
    &TENANT_ID,
    &DEFAULT_PROJECT_NAME,
    &PROJECT_ID,
    &INGRESS_BASE_URL,
    &PROC_BASE_URL,
    &AUTH_HEADER_NAME,
    &AUTH_HEADER_VALUE,
    &HEADERS_JSON,
    &PROXY_CA_FILE,
    &PROXY_CLIENT_CERT_FILE,
    &PROXY_CLIENT_KEY_FILE,
    &SCHEDULER_ENABLED,
    &EXPORT_INTERVAL,
    &EXPORT_ON_START,
    &RUN_ONCE,
    &SCRAPE_TTL,
    &EXPORT_PROMETHEUS_PUSH,
    &PUSHGATEWAY_URL,
    &JOB_NAME,
    &GROUPING_LABELS_JSON,
    &DELETE_ON_SHUTDOWN,
    &MAPPING_JSON,
    &EXPORT_CLOUDWATCH,
    &CLOUDWATCH_REGION,
    &CLOUDWATCH_NAMESPACE,
    &CLOUDWATCH_DIMENSIONS_JSON,
    &CLOUDWATCH_INCLUDE,
    &CLOUDWATCH_HIGH_RESOLUTION,
    &CLOUDWATCH_SPOOL_SEC,
    &ENABLE_PG_POOL,
    &POSTGRES_HOST,
    &POSTGRES_PORT,
    &POSTGRES_DATABASE,
    &POSTGRES_USER,
    &POSTGRES_PASSWORD,
    &POSTGRES_SSL,
    &POSTGRES_CA_FILE,
];
