//! The letters of the text formats: HELP, TYPE, UNIT, escaping, numbers.

use std::fmt::Write as _;

use crate::catalog::{Kind, Unit};

/// The two text formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextFormat {
    /// Prometheus text 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl TextFormat {
    /// The `Content-Type` of an answer in it.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// What stands above a family's samples.
#[derive(Debug, Clone, Copy)]
pub(super) struct Declared<'a> {
    pub(super) name: &'a str,
    /// `None`: untyped.
    pub(super) kind: Option<Kind>,
    pub(super) help: &'a str,
    pub(super) unit: Unit,
}

/// Writes one text. Writing to a `String` cannot fail, so results of `write!` are dropped.
#[derive(Debug)]
pub(super) struct Encoder {
    format: TextFormat,
    out: String,
}

impl Encoder {
    pub(super) fn new(format: TextFormat) -> Self {
        Self { format, out: String::with_capacity(16 * 1024) }
    }

    pub(super) fn into_text(self) -> String {
        self.out
    }

    pub(super) fn declare(&mut self, declared: Declared<'_>) {
        let open = self.format == TextFormat::OpenMetrics;
        let counter = declared.kind == Some(Kind::Counter);
        // OpenMetrics names the family without the suffix that its samples carry.
        let family = if open && counter { declared.name.trim_end_matches("_total") } else { declared.name };
        let kind = declared.kind.map_or(if open { "unknown" } else { "untyped" }, Kind::as_str);
        let _ = write!(self.out, "# HELP {family} ");
        escape(&mut self.out, declared.help, open);
        let _ = writeln!(self.out, "\n# TYPE {family} {kind}");
        if open {
            // A unit must end the name; where it does not, it is declared empty.
            let unit = declared.unit.openmetrics();
            let fits = family.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_'));
            let _ = writeln!(self.out, "# UNIT {family} {}", if fits { unit } else { "" });
        }
    }

    pub(super) fn sample(&mut self, name: &str, suffix: &str, labels: &[(&str, String)], value: f64) {
        self.out.push_str(name);
        self.out.push_str(suffix);
        for (place, (label, text)) in labels.iter().enumerate() {
            let _ = write!(self.out, "{}{label}=\"", if place == 0 { '{' } else { ',' });
            escape(&mut self.out, text, true);
            self.out.push('"');
        }
        self.out.push_str(if labels.is_empty() { " " } else { "} " });
        number(&mut self.out, value);
        self.out.push('\n');
    }
}

/// Backslashes and line feeds always; quotes in label values and, in OpenMetrics, in HELP.
fn escape(out: &mut String, text: &str, quotes: bool) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quotes => out.push_str("\\\""),
            c => out.push(c),
        }
    }
}

/// The shortest text that reads back to the same number.
fn number(out: &mut String, value: f64) {
    let _ = if value.is_nan() {
        out.write_str("NaN")
    } else if value.is_infinite() {
        out.write_str(if value > 0.0 { "+Inf" } else { "-Inf" })
    } else if value != 0.0 && !(1e-5..1e17).contains(&value.abs()) {
        write!(out, "{value:e}")
    } else {
        write!(out, "{value}")
    };
}
