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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{find, own};

    fn declared(format: TextFormat, name: &str, kind: Option<Kind>, help: &str, unit: Unit) -> String {
        let mut encoder = Encoder::new(format);
        encoder.declare(Declared { name, kind, help, unit });
        encoder.out
    }

    #[test]
    fn numbers_are_short_and_read_back_to_the_same() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-2.5, "-2.5"),
            (0.1, "0.1"),
            (1e-5, "0.00001"),
            (9.9e-6, "9.9e-6"),
            (-9.9e-6, "-9.9e-6"),
            (1e16, "10000000000000000"),
            (1e17, "1e17"),
            (-1e17, "-1e17"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ] {
            let text = number(value);
            assert_eq!(text, expected);
            assert!(value.is_nan() || text.parse::<f64>() == Ok(value), "{text}");
        }
    }

    #[test]
    fn quotes_in_help_are_escaped_in_openmetrics_alone() {
        let help = "a \"b\" \\ c\nd";
        for (format, expected) in
            [(TextFormat::Text, r#"# HELP x a "b" \\ c\nd"#), (TextFormat::OpenMetrics, r#"# HELP x a \"b\" \\ c\nd"#)]
        {
            let text = declared(format, "x", Some(Kind::Gauge), help, Unit::Count);
            assert_eq!(text.lines().next(), Some(expected));
        }
    }

    #[test]
    fn a_family_without_a_type_has_each_formats_word_for_it() {
        for (format, word) in [(TextFormat::Text, "untyped"), (TextFormat::OpenMetrics, "unknown")] {
            let text = declared(format, "x_total", None, "h", Unit::Count);
            assert!(text.contains(&format!("# TYPE x_total {word}\n")), "{text}");
        }
    }

    #[test]
    fn a_counter_keeps_its_suffix_in_the_older_format() {
        let text = declared(TextFormat::Text, "x_seconds_total", Some(Kind::Counter), "h", Unit::Seconds);
        assert_eq!(text, "# HELP x_seconds_total h\n# TYPE x_seconds_total counter\n");
    }

    #[test]
    fn a_unit_is_declared_where_it_ends_the_name_as_a_word() {
        for (name, unit, expected) in [
            ("wait_seconds", Unit::Seconds, "seconds"),
            ("wait_milliseconds", Unit::Seconds, ""),
            ("wait_seconds_1m", Unit::Seconds, ""),
            ("seconds", Unit::Seconds, ""),
            ("filled_ratio", Unit::Ratio, "ratio"),
            ("tasks", Unit::Count, ""),
            ("tasks_", Unit::Count, ""),
            ("body_bytes", Unit::Bytes, "bytes"),
        ] {
            let text = declared(TextFormat::OpenMetrics, name, Some(Kind::Gauge), "h", unit);
            assert_eq!(text.lines().nth(2), Some(format!("# UNIT {name} {expected}").as_str()));
        }
    }

    #[test]
    fn a_line_has_braces_exactly_where_it_has_labels() {
        let line = |part, labels: Vec<(&'static str, String)>| {
            let metric = find("proc_queue_wait_seconds").or_else(|| own::all().next()).expect("a row");
            let mut encoder = Encoder::new(TextFormat::Text);
            encoder.sample("x", &Sample { metric, labels, part, value: 2.0, scope: None });
            encoder.finish()
        };
        let sink = || vec![("sink", "a".to_owned()), ("result", "b".to_owned())];
        for (part, labels, expected) in [
            (Part::Whole, Vec::new(), "x 2\n"),
            (Part::Whole, sink(), "x{sink=\"a\",result=\"b\"} 2\n"),
            (Part::Bucket { le: 0.5 }, Vec::new(), "x_bucket{le=\"0.5\"} 2\n"),
            (Part::Bucket { le: f64::INFINITY }, sink(), "x_bucket{sink=\"a\",result=\"b\",le=\"+Inf\"} 2\n"),
            (Part::Sum, Vec::new(), "x_sum 2\n"),
            (Part::Count, sink(), "x_count{sink=\"a\",result=\"b\"} 2\n"),
        ] {
            assert_eq!(line(part, labels), expected);
        }
    }

    #[test]
    fn only_openmetrics_ends_with_a_mark() {
        let empty = [TextFormat::Text, TextFormat::OpenMetrics].map(|format| Encoder::new(format).finish());
        assert_eq!(empty, ["", "# EOF\n"]);
    }
}
