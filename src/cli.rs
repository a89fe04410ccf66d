//! The command line: subcommands, their own options, and the flags of settings.
//!
//! `commands` has a file for each subcommand.

mod setting_flags;
mod uses;
mod values;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Command, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use secrecy::SecretString;

use crate::settings::Variables;

const ABOUT: &str = "The autoscaling source of truth of a KDCube deployment.";

const LONG_ABOUT: &str = "\
The autoscaling source of truth of a KDCube deployment: reads what ingress and processor workers leave \
in Redis, computes rolling windows and exact percentiles, and serves them to autoscalers.

Without a command it serves. To try it without a deployment:

  kdcube-metrics demo";

const AFTER_HELP: &str = "\
Every setting is an environment variable and a flag; `--help` lists them. Precedence: flag, then environment variable, \
then `--env-file`. Any variable can be read from a file by appending _FILE: REDIS_URL_FILE=/run/secrets/redis.

Examples:
  kdcube-metrics demo
  kdcube-metrics --redis-url redis://10.0.0.5/0 --gateway-config-json '{\"tenant\":\"acme\",\"project\":\"chat\"}'
  kdcube-metrics check --env-file /etc/kdcube-metrics.env
  kdcube-metrics snapshot --format scalars

Exit codes: 0 success, 1 failure, 2 nothing could be collected, 3 a sink failed, 4 another replica holds the lease (once), 64 usage error, 78 configuration error.";

/// The parsed command line.
#[derive(Debug, Parser)]
#[command(name = "kdcube-metrics", version, about = ABOUT, long_about = LONG_ABOUT, after_help = AFTER_HELP)]
pub struct Cli {
    /// Reads settings from a file of NAME=value lines (values with spaces or $ in single quotes, JSON without quotes);
    /// flags and environment variables take precedence.
    #[arg(long, global = true, value_name = "FILE")]
    pub env_file: Option<PathBuf>,
    #[command(subcommand)]
    pub command: Option<Action>,
    /// The settings that were given as flags.
    #[arg(skip)]
    pub flags: Variables,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Serves metrics until SIGTERM or SIGINT (the default).
    Serve,
    /// Serves a deployment simulated in memory; needs no Redis.
    Demo(DemoArgs),
    /// Runs one tick and prints the result; writes nothing without --record.
    Snapshot(SnapshotArgs),
    /// Runs one tick, pushes once to every enabled sink, prints one line of JSON, and exits.
    Once(OnceArgs),
    /// Validates the configuration and connects to every dependency; exits non-zero if anything fails.
    Check,
    /// Checks that the server on this machine is alive; exit code 0 or 1.
    Healthcheck,
    /// Compares this server with the Python service on the same Redis; exit code 0 if nothing differs, else 1.
    Compare(CompareArgs),
    /// Explains a metric as the running server sees it: formula, sources, what was left out, names; with --at as it was.
    Explain(ExplainArgs),
    /// Shows what the page shows in the terminal, until q is pressed; as text where standard output is no terminal.
    Top(TopArgs),
    /// Prints every exported metric, under the names that the settings give.
    Catalog(CatalogArgs),
    /// Prints a Grafana dashboard, with the names that the settings give: deployment/grafana/kdcube-metrics.json.
    Dashboard,
    /// Prints a completion script for a shell.
    Completions(CompletionsArgs),
    /// Writes the manual pages, one of the program and one of each command.
    Man(ManArgs),
    /// Prints every setting as Markdown: docs/configuration.md.
    Settings,
    /// Prints every code of a problem with its meaning and remedy as Markdown: docs/problems.md.
    Problems,
    /// Writes the facts of each tick to standard output, one line of JSON a tick; see docs/recordings.md.
    Record(RecordArgs),
    /// Prints what would have been shown at each tick of a recording.
    Replay(ReplayArgs),
    /// Writes a simulated deployment to Redis, live, as the platform's workers do.
    Simulate(SimulateArgs),
    /// Simulates a load under scaling policies and compares what users and the bill would see.
    Whatif(WhatifArgs),
}

/// Options of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Stops after this time, such as 60s or 5m.
    #[arg(long = "for", value_name = "TIME", value_parser = values::duration)]
    pub duration: Option<Duration>,
}

/// Options of `snapshot`.
#[derive(Debug, Args)]
pub struct SnapshotArgs {
    /// Runs the tick as of this time; now by default.
    #[arg(long, value_name = "UNIX_SECONDS", value_parser = values::unix_seconds, allow_negative_numbers = true)]
    pub at: Option<f64>,
    /// Appends the tick's points to the rolling series first, as the server does.
    #[arg(long)]
    pub record: bool,
    /// What to print.
    #[arg(long, value_enum, default_value_t = SnapshotFormat::System)]
    pub format: SnapshotFormat,
}

/// Options of `once`.
#[derive(Debug, Args)]
pub struct OnceArgs {
    /// Prints what would be sent to each sink and its cost; writes and sends nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Price of one CloudWatch metric per month, in USD.
    #[arg(long, value_name = "USD", default_value_t = PRICE_PER_METRIC, value_parser = values::price)]
    pub price_per_metric: f64,
    /// Price of 1000 PutMetricData requests, in USD.
    #[arg(long, value_name = "USD", default_value_t = PRICE_PER_1000_REQUESTS, value_parser = values::price)]
    pub price_per_1000_requests: f64,
}

/// List prices of us-east-1, November 2026.
const PRICE_PER_METRIC: f64 = 0.30;
const PRICE_PER_1000_REQUESTS: f64 = 0.01;

impl Default for OnceArgs {
    fn default() -> Self {
        Self { dry_run: false, price_per_metric: PRICE_PER_METRIC, price_per_1000_requests: PRICE_PER_1000_REQUESTS }
    }
}

/// Options of `compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// Base URL of the Python service, with user and password where it needs them. It must be in redis mode.
    #[arg(long, value_name = "URL")]
    pub with: String,
    /// Base URL of this server; by default the one on this machine.
    #[arg(long, value_name = "URL")]
    pub own: Option<String>,
    /// Polls both for this time, such as 30s or 10m; what differs in most polls counts.
    #[arg(long = "for", value_name = "TIME", value_parser = values::duration, default_value = "30s")]
    pub duration: Duration,
    /// Relative distance up to which measured numbers are equal, in percent.
    #[arg(long, value_name = "PERCENT", default_value_t = 5.0, value_parser = values::percent)]
    pub tolerance: f64,
    /// Bearer token for this server; by default the first that it accepts.
    #[arg(long, value_name = "TOKEN", value_parser = values::secret)]
    pub token: Option<SecretString>,
    /// Bearer token for the other server.
    #[arg(long, value_name = "TOKEN", value_parser = values::secret)]
    pub with_token: Option<SecretString>,
    /// Exits with 0 if every difference is a known deviation.
    #[arg(long)]
    pub accept_known: bool,
}

/// Which running server a command asks.
#[derive(Debug, Args)]
pub struct ServerArgs {
    /// Base URL of the server; by default the one on this machine.
    #[arg(long, value_name = "URL")]
    pub server: Option<String>,
    /// Bearer token; by default the first that the server on this machine accepts.
    #[arg(long, value_name = "TOKEN", value_parser = values::secret)]
    pub token: Option<SecretString>,
}

/// Options of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// A metric's key, alias, or name in Prometheus or CloudWatch.
    pub key: String,
    /// What was shown at this time of the last hour, and what changed since.
    #[arg(long, value_name = "UNIX_SECONDS", value_parser = values::unix_seconds, allow_negative_numbers = true)]
    pub at: Option<f64>,
    /// Prints JSON, as `/api/v1/explain/{key}` answers it.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub server: ServerArgs,
}

/// Options of `top`.
#[derive(Debug, Args)]
pub struct TopArgs {
    /// Prints it once, as text.
    #[arg(long)]
    pub once: bool,
    #[command(flatten)]
    pub server: ServerArgs,
}

/// What `snapshot` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SnapshotFormat {
    /// The system payload.
    System,
    /// The system payload with timestamp and mode.
    Combined,
    /// One flat JSON object of keys and numbers; absent values are omitted.
    Scalars,
    /// Prometheus text.
    Prometheus,
    /// What the tick found wrong, as `/api/v1/problems` shows it.
    Problems,
}

/// Options of `record`.
#[derive(Debug, Args)]
pub struct RecordArgs {
    /// Stops after this time, such as 10m or 1h.
    #[arg(long = "for", value_name = "TIME", value_parser = values::duration)]
    pub duration: Option<Duration>,
}

/// Options of `replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// The recording; - reads standard input.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// What to print of each tick: JSON on one line, or text below a comment with its time.
    #[arg(long, value_enum, default_value_t = SnapshotFormat::Scalars)]
    pub format: SnapshotFormat,
}

/// Options of `catalog`.
#[derive(Debug, Args)]
pub struct CatalogArgs {
    #[arg(long, value_enum, default_value_t = CatalogFormat::Md)]
    pub format: CatalogFormat,
}

/// Options of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    pub shell: CompletionShell,
}

/// The shells that completions are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CompletionShell {
    Bash,
    Zsh,
    Fish,
}

/// Options of `man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Where the pages go; made if it is missing.
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
}

/// What `catalog` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CatalogFormat {
    /// Markdown: docs/metrics.md.
    Md,
    Json,
}

/// Options of `simulate`.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// Ingress instances.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub ingress: u32,
    /// Processor instances.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub proc: u32,
    /// Tasks that arrive per second, on average.
    #[arg(long, default_value_t = 4.0, value_parser = values::rate)]
    pub rate: f64,
    /// Tenant to write for; by default that of the gateway configuration, or demo without one.
    #[arg(long)]
    pub tenant: Option<String>,
    /// Project to write for; by default that of the gateway configuration, or demo without one.
    #[arg(long)]
    pub project: Option<String>,
    /// Seed of the random numbers.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Stops after this time, such as 60s or 5m.
    #[arg(long = "for", value_name = "TIME", value_parser = values::duration)]
    pub duration: Option<Duration>,
    /// Samples per latency series to write first, spread over the last hour.
    #[arg(long, default_value_t = 0, hide_short_help = true)]
    pub history: usize,
    /// Unrelated keys to write first, to measure their cost.
    #[arg(long, default_value_t = 0, hide_short_help = true)]
    pub unrelated_keys: usize,
}

/// Options of `whatif`.
#[derive(Debug, Args)]
pub struct WhatifArgs {
    /// A load that comes with the program, or all of them; docs/scaling.md describes them. May be repeated.
    #[arg(long, value_name = "NAME", required_unless_present = "load")]
    pub shape: Vec<String>,
    /// A load of the past: what `record` wrote, or a JSON object a line, {"at": SECONDS, "seconds": RUN TIME, "role": "registered"}.
    #[arg(long, value_name = "FILE", conflicts_with = "shape")]
    pub load: Option<PathBuf>,
    /// Policies to compare: a HorizontalPodAutoscaler, a ScaledObject, or documents of Application Auto Scaling (see
    /// deployment/policies).
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    pub policy: Vec<PathBuf>,
    /// Seed of the random numbers; every policy gets the same users.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Number of seeds, from --seed on; the mean of their outcomes is shown, pictures are of the first.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub seeds: u32,
    /// Times as many users as the shapes have.
    #[arg(long, value_name = "FACTOR", value_parser = values::factor, default_value_t = 1.0, conflicts_with = "load")]
    pub scale: f64,
    /// Tasks that a processor runs at once (5 by default), or streams that an ingress accepts (200).
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub slots: Option<u32>,
    /// From the decision to start a replica until it takes work.
    #[arg(long, value_name = "TIME", value_parser = values::duration, default_value = "60s")]
    pub startup: Duration,
    /// What to print.
    #[arg(long, value_enum, default_value_t = WhatifFormat::Table)]
    pub format: WhatifFormat,
}

/// What `whatif` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WhatifFormat {
    /// A Markdown table a load.
    Table,
    Json,
    /// A picture of one load.
    Svg,
}

impl Cli {
    /// Parses a command line.
    ///
    /// # Errors
    /// A usage error, or a request for help or version: clap's error has the text to print.
    pub fn parse_arguments<I, T>(arguments: I) -> Result<Self, clap::Error>
    where
        I: IntoIterator<Item = T>,
        T: Into<std::ffi::OsString> + Clone,
    {
        let mut command = command();
        let matches = command.try_get_matches_from_mut(arguments)?;
        let flags = setting_flags::given(&mut command, &matches)?;
        Ok(Self { flags, ..Self::from_arg_matches(&matches)? })
    }
}

/// The command line with the flags of settings.
fn command() -> Command {
    setting_flags::add_to(Cli::command())
}

/// The same without what is hidden, for manuals and completions.
pub(crate) fn documented() -> Command {
    setting_flags::add_used_to(Cli::command())
}

#[cfg(test)]
mod tests;
