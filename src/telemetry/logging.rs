//! Logging: one subscriber, and a queue with a thread for each output, so that a reader that is stuck or gone costs log
//! lines and nothing else.

mod config;
mod queue;
mod rotating_file;

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::panic::{self, PanicHookInfo};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

pub use self::config::{LogConfig, LogFormat};
use self::queue::LogQueue;
pub use self::rotating_file::LogFileConfig;
use self::rotating_file::RotatingFile;

/// Libraries that log credentials: whole requests below the level `info`, access key ids at it. Only their warnings are logged,
/// whatever the filter says.
const CREDENTIAL_LOGGING_TARGETS: [&str; 5] =
    ["aws_config", "aws_runtime", "aws_sigv4", "aws_smithy_runtime", "aws_smithy_http_client"];

/// How long the end of the program waits for lines that are still queued.
const FLUSH: Duration = Duration::from_secs(1);

/// The queues of all outputs, standard error first. Global as the subscriber is.
static QUEUES: OnceLock<Vec<LogQueue>> = OnceLock::new();

/// Installs the global logger. It writes to standard error, because standard output is for a command's result, and to the
/// log file if there is one.
///
/// # Errors
/// The text is not a filter, or a logger is already installed.
pub fn init(config: &LogConfig, colour: bool) -> Result<(), String> {
    let failed = |error: &dyn std::fmt::Display| format!("cannot set up logging: {error}");
    let console = LogQueue::start("log-stderr", standard_error()).map_err(|error| failed(&error))?;
    let (file, problem) = match config.file.clone().map(open).transpose() {
        Ok(file) => (file, None),
        Err(problem) => (None, Some(problem)),
    };
    let in_file = file.as_ref().map(|queue| layer(config.format, false, queue));
    let subscriber =
        tracing_subscriber::registry().with(config::filter(&config.filter)?).with(filter_fn(may_be_logged));
    let subscriber = subscriber.with(layer(config.format, colour, &console)).with(in_file);
    subscriber.try_init().map_err(|error| failed(&error))?;
    let _ = QUEUES.set(std::iter::once(console).chain(file).collect());
    // The default hook writes to standard error and would wait for a reader that is stuck.
    panic::set_hook(Box::new(log_panic));
    if let Some(problem) = problem {
        tracing::warn!("{problem}");
    }
    Ok(())
}

/// Log lines that were dropped since the start, because their reader is slow, stuck or gone, or a disk is full.
#[must_use]
pub fn dropped_lines() -> u64 {
    queues().iter().map(LogQueue::dropped).sum()
}

/// Waits until all lines are written, for a second at most. For the end of the program.
pub fn flush() {
    let deadline = Instant::now() + FLUSH;
    queues().iter().for_each(|queue| queue.flush(deadline));
}

/// Prints a text on standard error: through its queue once there is one.
pub fn print_error(text: &[u8]) {
    match queues().first() {
        Some(queue) => queue.push(text),
        // If standard error is closed, there is no place left to report to.
        None => drop(io::stderr().lock().write_all(text)),
    }
}

fn queues() -> &'static [LogQueue] {
    QUEUES.get().map_or(&[], Vec::as_slice)
}

/// A file handle of its own: the lock of `io::stderr` would be held while a write blocks.
fn standard_error() -> Box<dyn Write + Send> {
    match io::stderr().as_fd().try_clone_to_owned() {
        Ok(descriptor) => Box::new(File::from(descriptor)),
        Err(_) => Box::new(io::stderr()),
    }
}

/// The queue of the log file, or why there is none.
fn open(config: LogFileConfig) -> Result<LogQueue, String> {
    let path = config.path();
    RotatingFile::open(config).and_then(|file| LogQueue::start("log-file", file)).map_err(|error| {
        format!("LOG_DIR: {} cannot be written: {error}; log lines go to standard error only", path.display())
    })
}

/// Whether a line from there may be logged at all.
fn may_be_logged(line: &Metadata<'_>) -> bool {
    let root = line.target().split("::").next().unwrap_or_default();
    *line.level() <= Level::WARN || !CREDENTIAL_LOGGING_TARGETS.contains(&root)
}

fn layer<S>(format: LogFormat, colour: bool, queue: &LogQueue) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let queue = queue.clone();
    // Internal errors would be printed on standard error.
    let layer = fmt::layer().log_internal_errors(false).with_writer(move || queue.clone());
    match format {
        LogFormat::Text => layer.with_ansi(colour).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).with_current_span(false).boxed(),
    }
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string);
    tracing::error!(location, "panicked: {}", panic.payload_as_str().unwrap_or("no message"));
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Counts the lines that the filters before it let pass.
    #[derive(Clone, Default)]
    struct Passed(Arc<Mutex<Vec<String>>>);

    impl<S: Subscriber> Layer<S> for Passed {
        fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
            let metadata = event.metadata();
            self.0.lock().unwrap().push(format!("{} {}", metadata.level(), metadata.target()));
        }
    }

    #[test]
    fn libraries_that_log_credentials_may_warn_and_nothing_else_whatever_the_filter_says() {
        let passed = Passed::default();
        let filter = config::filter("trace").unwrap();
        let subscriber =
            tracing_subscriber::registry().with(filter).with(filter_fn(may_be_logged)).with(passed.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::error!(target: "aws_config", "a");
            tracing::warn!(target: "aws_smithy_runtime::client", "b");
            tracing::info!(target: "aws_config::profile::credentials", "c");
            tracing::debug!(target: "aws_sigv4::http_request", "d");
            tracing::trace!(target: "aws_smithy_http_client::x", "e");
            tracing::debug!(target: "aws_runtime", "f");
            tracing::debug!(target: "aws_configuration", "another crate");
            tracing::trace!(target: "kdcube_metrics::aws_config", "ours");
        });
        let expected = [
            "ERROR aws_config",
            "WARN aws_smithy_runtime::client",
            "DEBUG aws_configuration",
            "TRACE kdcube_metrics::aws_config",
        ];
        assert_eq!(*passed.0.lock().unwrap(), expected);
    }

    /// What a layer of this format writes of one line.
    fn written(format: LogFormat) -> String {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let queue = LogQueue::start("test", Box::new(writer) as Box<dyn Write + Send>).unwrap();
        let subscriber = tracing_subscriber::registry().with(layer(format, false, &queue));
        tracing::subscriber::with_default(subscriber, || tracing::warn!(sink = "fake", tasks = 3, "a \"line\""));
        queue.flush(Instant::now() + FLUSH);
        let mut bytes = [0; 1000];
        let length = reader.read(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }

    #[test]
    fn a_line_of_json_has_its_fields_at_the_top_and_one_of_text_no_colour() {
        let line = written(LogFormat::Json);
        let json: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&json["level"], &json["message"]), (&"WARN".into(), &"a \"line\"".into()));
        assert_eq!((&json["sink"], &json["tasks"]), (&"fake".into(), &3.into()));
        assert!(json["timestamp"].is_string() && line.ends_with("}\n"), "{line}");
        let line = written(LogFormat::Text);
        assert!(line.contains("WARN") && line.contains("a \"line\" sink=\"fake\" tasks=3\n"), "{line}");
        assert!(!line.contains('\u{1b}'), "{line:?}");
    }

    #[test]
    fn a_log_file_that_cannot_be_opened_names_setting_and_path() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let at = |directory| LogFileConfig { directory, prefix: "metrics".to_owned(), max_bytes: 1000, backups: 1 };
        let problem = open(at(file.join("below"))).err().unwrap();
        assert!(problem.starts_with("LOG_DIR: ") && problem.contains("below"), "{problem}");
        assert!(problem.ends_with("log lines go to standard error only"), "{problem}");
        assert!(open(at(folder.path().to_owned())).is_ok());
    }
}
