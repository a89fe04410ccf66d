//! Reads a recording line by line, and says in one line what is wrong with one.

use std::io::{BufRead, Read};

use serde::de::DeserializeOwned;

use super::{FORMAT, Header, RecordedTick};
use crate::base::clock::UnixSeconds;
use crate::base::text::one_line;

/// Longest line: the first tick of a deployment with millions of samples.
const LONGEST_LINE: u64 = 512 * 1024 * 1024;

/// A recording that is being read: an iterator over its ticks, which ends with the first error.
#[derive(Debug)]
pub struct Recording<R> {
    input: R,
    header: Header,
    line: usize,
    last: UnixSeconds,
    has_ended: bool,
}

/// What is wrong with a recording. Never quotes it.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
    #[error("line 1 is not the header of a recording: {0}; expected the output of `kdcube-metrics record`")]
    NoHeader(String),
    #[error("line 1: is a recording of format {0}; this version reads format {FORMAT}")]
    OtherFormat(u32),
    #[error("line {line}: {problem}")]
    Line { line: usize, problem: String },
}

impl<R: BufRead> Recording<R> {
    /// Reads the header.
    ///
    /// # Errors
    /// The input cannot be read, or does not begin with a header that this version reads.
    pub fn open(mut input: R) -> Result<Self, RecordingError> {
        let text = next_line(&mut input)?.ok_or_else(|| RecordingError::NoHeader("it is empty".to_owned()))?;
        let header: Header = parsed(&text).map_err(RecordingError::NoHeader)?;
        if header.recording != FORMAT {
            return Err(RecordingError::OtherFormat(header.recording));
        }
        Ok(Self { input, header, line: 1, last: f64::NEG_INFINITY, has_ended: false })
    }

    pub const fn header(&self) -> &Header {
        &self.header
    }

    fn read(&mut self) -> Result<Option<RecordedTick>, RecordingError> {
        let Some(text) = next_line(&mut self.input)? else { return Ok(None) };
        self.line += 1;
        let line = self.line;
        let tick: RecordedTick = parsed(&text).map_err(|problem| RecordingError::Line { line, problem })?;
        if !tick.at.is_finite() || tick.at < self.last {
            let problem = "at: is dated before the line above it".to_owned();
            return Err(RecordingError::Line { line, problem });
        }
        self.last = tick.at;
        Ok(Some(tick))
    }
}

impl<R: BufRead> Iterator for Recording<R> {
    type Item = Result<RecordedTick, RecordingError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_ended {
            return None;
        }
        let tick = self.read().transpose();
        self.has_ended = !matches!(tick, Some(Ok(_)));
        tick
    }
}

/// The next line that is not blank.
fn next_line(input: &mut impl BufRead) -> Result<Option<Vec<u8>>, RecordingError> {
    loop {
        let mut text = Vec::new();
        input.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut text)?;
        match text.trim_ascii() {
            [] if text.is_empty() => return Ok(None),
            [] => {}
            trimmed => return Ok(Some(trimmed.to_vec())),
        }
    }
}

/// Where it is wrong and what was expected; serde's own text quotes what was there.
fn parsed<T: DeserializeOwned>(text: &[u8]) -> Result<T, String> {
    let mut json = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let (path, inner) = (error.path().to_string(), error.into_inner());
        if !inner.is_data() {
            return format!("is not JSON (column {})", inner.column());
        }
        let text = inner.to_string();
        let expected = text.rsplit_once(", expected ").map(|(_, expected)| format!("is not {expected}"));
        let problem = expected.unwrap_or(text);
        // The names in it may hold anything.
        one_line(&format!("{path}: {}", problem.split(" at line ").next().unwrap_or_default()))
    })?;
    json.end().map_err(|error| format!("is not JSON (column {})", error.column()))?;
    Ok(value)
}
