//! The syntax of the text formats: HELP, TYPE, UNIT, sample lines, escaping, numbers.

use std::fmt::Write as _;

use crate::catalog::{Kind, Part, Sample, Unit};

/// The two text formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextFormat {
    /// Prometheus text 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

impl TextFormat {
    /// The `Content-Type` of a response in it.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The metadata above a family's samples.
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

    /// The complete text.
    pub(super) fn finish(mut self) -> String {
        if self.format == TextFormat::OpenMetrics {
            self.out.push_str("# EOF\n");
        }
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

    /// One line: a part of a histogram has a suffix behind the name, and a bucket the label `le`.
    pub(super) fn sample(&mut self, name: &str, sample: &Sample) {
        let Sample { labels, part, value, .. } = sample;
        self.out.push_str(name);
        self.out.push_str(suffix(*part));
        let mut separator = '{';
        for (label, text) in labels {
            self.label(separator, label, text);
            separator = ',';
        }
        if let Part::Bucket { le } = *part {
            self.label(separator, "le", &number(le));
            separator = ',';
        }
        let _ = writeln!(self.out, "{} {}", if separator == ',' { "}" } else { "" }, number(*value));
    }

    fn label(&mut self, separator: char, label: &str, text: &str) {
        let _ = write!(self.out, "{separator}{label}=\"");
        escape(&mut self.out, text, true);
        self.out.push('"');
    }
}

const fn suffix(part: Part) -> &'static str {
    match part {
        Part::Whole => "",
        Part::Bucket { .. } => "_bucket",
        Part::Sum => "_sum",
        Part::Count => "_count",
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
fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        (if value > 0.0 { "+Inf" } else { "-Inf" }).to_owned()
    } else if value != 0.0 && !(1e-5..1e17).contains(&value.abs()) {
        format!("{value:e}")
    } else {
        value.to_string()
    }
}
