//! Numbers and JSON as the platform's workers (Python) write them to Redis.

use std::io;

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};
use serde_json::{Value, json};

use super::facts::SseSample;

/// A float as Python's `repr` writes it: the shortest text that reads back the same, with `.0` for
/// whole numbers and an exponent from 1e16 up and below 1e-4.
#[must_use]
pub fn python_float(value: f64) -> String {
    if !value.is_finite() {
        return if value.is_nan() {
            "nan".to_owned()
        } else if value > 0.0 {
            "inf".to_owned()
        } else {
            "-inf".to_owned()
        };
    }
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-4..1e16).contains(&magnitude) {
        return with_exponent(value);
    }
    let text = format!("{value}");
    if text.contains('.') { text } else { format!("{text}.0") }
}

/// Rust writes `1e16` and `1.5e-5`; Python `1e+16` and `1.5e-05`.
fn with_exponent(value: f64) -> String {
    let text = format!("{value:e}");
    let Some((mantissa, exponent)) = text.split_once('e') else { return text };
    match exponent.strip_prefix('-') {
        Some(digits) => format!("{mantissa}e-{digits:0>2}"),
        None => format!("{mantissa}e+{exponent:0>2}"),
    }
}

/// JSON as Python's `json.dumps` writes it: a space after `:` and `,`, ASCII only, floats by `repr`.
#[must_use]
pub fn python_json(value: &Value) -> String {
    let mut out = Vec::new();
    // Writing to memory cannot fail, and the formatter writes nothing but ASCII.
    let _ = value.serialize(&mut Serializer::with_formatter(&mut out, PythonFormatter));
    String::from_utf8(out).unwrap_or_default()
}

/// An ingress worker's sample of its SSE connections, as JSON.
#[must_use]
pub fn sse_json(sample: &SseSample) -> String {
    python_json(&json!({
        "count": sample.count, "sessions": sample.sessions, "max": sample.max, "ts": sample.at,
        "instance_id": &*sample.worker.instance_id, "process_id": sample.worker.process_id,
    }))
}

struct PythonFormatter;

impl Formatter for PythonFormatter {
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        writer.write_all(python_float(value).as_bytes())
    }

    fn begin_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }

    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, text: &str) -> io::Result<()> {
        for character in text.chars() {
            if character.is_ascii() {
                write!(writer, "{character}")?;
                continue;
            }
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn floats_are_written_as_by_python() {
        let cases = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (3.0, "3.0"),
            (0.1, "0.1"),
            (0.214_285_714_285_714_27, "0.21428571428571427"),
            (1_767_225_600.5, "1767225600.5"),
            (1_767_225_590.123_456, "1767225590.123456"),
            (123_456_789_012_345_680.0, "1.2345678901234568e+17"),
            (1e16, "1e+16"),
            (9_999_999_999_999_998.0, "9999999999999998.0"),
            (1e22, "1e+22"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (-1.5e-7, "-1.5e-07"),
            (1e300, "1e+300"),
        ];
        for (value, expected) in cases {
            assert_eq!(python_float(value), expected);
        }
    }

    #[test]
    fn json_is_written_as_by_pythons_dumps() {
        let value = json!({"a": [1, 2.0, 1e16, null, true], "ü": "é\u{1F600}\"\n/", "e": {}, "l": []});
        let expected = r#"{"a": [1, 2.0, 1e+16, null, true], "\u00fc": "\u00e9\ud83d\ude00\"\n/", "e": {}, "l": []}"#;
        assert_eq!(python_json(&value), expected);
    }

    proptest! {
        #[test]
        fn the_text_reads_back_the_same(value in any::<f64>().prop_filter("finite", |v| v.is_finite())) {
            prop_assert_eq!(python_float(value).parse::<f64>().unwrap().to_bits(), value.to_bits());
        }
    }
}
