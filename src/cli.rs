//! The command line: subcommands, their own options, and one flag for every setting.
//!
//! Settings' flags are made from `config::table`, so that a setting is declared once. What a
//! command does is its file's matter in `commands`.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, Args, Command, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::settings::Layer;
use crate::settings::table;

const ABOUT: &str = "The autoscaling source of truth of a KDCube deployment.";

const LONG_ABOUT: &str = "\
The autoscaling source of truth of a KDCube deployment: reads what ingress and processor workers leave \
in Redis, computes rolling windows and exact percentiles, and serves them to whatever scales the fleet.

Without a command it serves. To look around without a deployment:

  kdcube-metrics demo";

const AFTER_HELP: &str = "\
Every setting is an environment variable and a flag of the same meaning (flags win); `--help` lists them. \
Any variable can be read from a file by appending _FILE: REDIS_URL_FILE=/run/secrets/redis.

Examples:
  kdcube-metrics demo
  kdcube-metrics --redis-url redis://10.0.0.5/0 --gateway-config-json '{\"tenant\":\"acme\",\"project\":\"chat\"}'
  kdcube-metrics check --env-file /etc/kdcube-metrics.env
  kdcube-metrics snapshot --format scalars

Exit codes: 0 fine, 1 failed, 2 nothing could be collected, 3 a sink failed, 64 wrong usage, 78 bad configuration.";

/// What was typed.
#[derive(Debug, Parser)]
#[command(name = "kdcube-metrics", version, about = ABOUT, long_about = LONG_ABOUT, after_help = AFTER_HELP)]
pub struct Cli {
    /// Reads settings from a file of NAME=value lines (blanks and $ in single quotes, JSON as it is); the environment
    /// and flags win over it.
    #[arg(long, global = true, value_name = "FILE")]
    pub env_file: Option<PathBuf>,
    #[command(subcommand)]
    pub command: Option<Action>,
    /// The settings that were given as flags.
    #[arg(skip)]
    pub flags: Layer,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Action {
    /// Serves metrics until it is told to stop (the default).
    Serve,
    /// Serves a simulated deployment that lives in memory: no Redis needed.
    Demo(DemoArgs),
    /// Takes one tick and prints what it found; writes nothing unless told to.
    Snapshot(SnapshotArgs),
    /// Takes one tick, pushes it once to every enabled sink, prints one line of JSON, and ends.
    Once(OnceArgs),
    /// Validates the configuration and reaches every dependency; non-zero when something fails.
    Check,
    /// Asks the server on this machine whether it is alive; exit code 0 or 1.
    Healthcheck,
    /// Prints every exported metric.
    Catalog(CatalogArgs),
    /// Prints every setting, as docs/configuration.md.
    Settings,
    /// Writes a simulated deployment to a Redis, live, as the platform's workers would.
    Simulate(SimulateArgs),
}

/// Options of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Stops by itself after this time, such as 60s or 5m.
    #[arg(long = "for", value_name = "TIME", value_parser = parse_time)]
    pub duration: Option<std::time::Duration>,
}

/// Options of `snapshot`.
#[derive(Debug, Args)]
pub struct SnapshotArgs {
    /// Takes the tick as if it were this time; now by default.
    #[arg(long, value_name = "UNIX_SECONDS", value_parser = parse_unix_seconds, allow_negative_numbers = true)]
    pub at: Option<f64>,
    /// Appends the tick's points to the rolling series first, as the server would.
    #[arg(long)]
    pub record: bool,
    /// What to print.
    #[arg(long, value_enum, default_value_t = SnapshotFormat::System)]
    pub format: SnapshotFormat,
}

/// Options of `once`.
#[derive(Debug, Args)]
pub struct OnceArgs {
    /// Prints what each sink would be sent and what it would cost; writes and sends nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Price of a CloudWatch metric a month, in USD.
    #[arg(long, value_name = "USD", default_value_t = PRICE_PER_METRIC, value_parser = parse_price)]
    pub price_per_metric: f64,
    /// Price of a thousand PutMetricData requests, in USD.
    #[arg(long, value_name = "USD", default_value_t = PRICE_PER_1000_REQUESTS, value_parser = parse_price)]
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

/// What `snapshot` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SnapshotFormat {
    /// The system payload.
    System,
    /// The same with timestamp and mode around it.
    Combined,
    /// One flat JSON object, key to number; absent values are left out.
    Scalars,
    /// Prometheus text.
    Prometheus,
}

/// Options of `catalog`.
#[derive(Debug, Args)]
pub struct CatalogArgs {
    #[arg(long, value_enum, default_value_t = CatalogFormat::Md)]
    pub format: CatalogFormat,
}

/// What `catalog` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CatalogFormat {
    /// Markdown, as docs/metrics.md.
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
    /// Tasks that arrive in a second, on average.
    #[arg(long, default_value_t = 4.0)]
    pub rate: f64,
    /// Tenant to write for.
    #[arg(long, default_value = "demo")]
    pub tenant: String,
    /// Project to write for.
    #[arg(long, default_value = "demo")]
    pub project: String,
    /// Seed of everything random.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Stops by itself after this time, such as 60s or 5m.
    #[arg(long = "for", value_name = "TIME", value_parser = parse_time)]
    pub duration: Option<std::time::Duration>,
    /// Samples of each latency series to spread over the last hour first.
    #[arg(long, default_value_t = 0, hide_short_help = true)]
    pub history: usize,
    /// Keys of no concern to write first, to see what they cost.
    #[arg(long, default_value_t = 0, hide_short_help = true)]
    pub unrelated_keys: usize,
}

impl Cli {
    /// Parses the words of a command line.
    ///
    /// # Errors
    /// Wrong usage, or a request for help or version: clap's error knows what to print.
    pub fn parse_from_words<I, T>(words: I) -> Result<Self, clap::Error>
    where
        I: IntoIterator<Item = T>,
        T: Into<std::ffi::OsString> + Clone,
    {
        let matches = command().try_get_matches_from(words)?;
        let mut cli = Self::from_arg_matches(&matches)?;
        cli.flags = setting_flags(&matches);
        Ok(cli)
    }
}

/// The whole command line with the settings' flags.
fn command() -> Command {
    let flags = table::ALL.iter().map(|setting| {
        let help = format!("{} [{}]", setting.help, setting.variable);
        let long = if setting.default.is_empty() { help } else { format!("{help} [default: {}]", setting.default) };
        Arg::new(setting.variable)
            .long(setting.flag())
            .value_name("VALUE")
            .help(long)
            .help_heading(setting.group)
            .hide_short_help(true)
            .global(true)
    });
    Cli::command().args(flags)
}

/// The settings given as flags; a global flag stands in the deepest command's matches.
fn setting_flags(matches: &ArgMatches) -> Layer {
    let mut deepest = matches;
    while let Some((_, inner)) = deepest.subcommand() {
        deepest = inner;
    }
    let given = |variable: &str| deepest.get_one::<String>(variable).cloned();
    table::ALL
        .iter()
        .filter_map(|setting| given(setting.variable).map(|value| (setting.variable.to_owned(), value)))
        .collect()
}

/// A moment, such as 1767225600.5.
fn parse_unix_seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "expected Unix seconds".to_owned())?;
    let sound = seconds.is_finite() && seconds >= 0.0;
    sound.then_some(seconds).ok_or_else(|| "expected Unix seconds, at least 0".to_owned())
}

fn parse_price(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(price) if price >= 0.0 && price.is_finite() => Ok(price),
        _ => Err("expected a price of 0 or more, such as 0.30".to_owned()),
    }
}

/// `60s`, `5m`, `1h`, or a bare number of seconds.
fn parse_time(text: &str) -> Result<std::time::Duration, String> {
    let (number, unit) = match text.strip_suffix(['s', 'm', 'h']) {
        Some(number) => (number, text.chars().last().unwrap_or('s')),
        None => (text, 's'),
    };
    let factor = match unit {
        'm' => 60.0,
        'h' => 3600.0,
        _ => 1.0,
    };
    match number.parse::<f64>() {
        Ok(value) if value > 0.0 && value <= 1e6 => Ok(std::time::Duration::from_secs_f64(value * factor)),
        _ => Err("expected a time such as 60s, 5m or 1h".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn a_setting_is_a_flag_before_and_after_the_command() {
        for words in [["x", "--port", "1", "check"], ["x", "check", "--port", "1"]] {
            let cli = Cli::parse_from_words(words).unwrap();
            assert_eq!(cli.flags.get("METRICS_PORT").map(String::as_str), Some("1"), "{words:?}");
        }
    }

    #[test]
    fn every_setting_has_its_own_flag() {
        let flags: std::collections::BTreeSet<String> = table::ALL.iter().map(|setting| setting.flag()).collect();
        assert_eq!(flags.len(), table::ALL.len());
    }

    #[test]
    fn times_have_units() {
        assert_eq!(parse_time("60s").unwrap().as_secs(), 60);
        assert_eq!(parse_time("5m").unwrap().as_secs(), 300);
        assert_eq!(parse_time("1.5").unwrap().as_millis(), 1500);
        assert!(parse_time("soon").is_err() && parse_time("-1s").is_err() && parse_time("").is_err());
    }
}
