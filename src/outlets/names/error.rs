//! What can be wrong with a mapping. Messages quote at most the beginning of a foreign text, on one line.

use thiserror::Error;

use crate::base::text::{nearest, quoted};
use crate::catalog::all;

/// One error of `METRICS_MAPPING_JSON`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MappingError {
    #[error("not a JSON object of metric keys: {0}")]
    NotAnObject(String),
    #[error("unknown metric key `{}`{}", quoted(.key), hint(.similar))]
    UnknownKey { key: String, similar: Option<&'static str> },
    #[error("`{first}` and `{second}` are the same metric")]
    SameMetric { first: String, second: String },
    #[error("`{key}`: expected a name or an object with `name` and `unit`")]
    WrongType { key: String },
    #[error("`{key}`: `name`, `metric` and `cloudwatch_name` mean the same; give one")]
    SeveralNames { key: String },
    #[error("`{key}`: `{}` is not a CloudWatch unit (such as Count, Percent, Seconds, Milliseconds, None)", quoted(.unit))]
    UnknownUnit { key: String, unit: String },
    #[error("`{key}`: `{field}` must be text")]
    NotText { key: String, field: String },
    #[error("`{key}`: unknown field `{}`; known: name, unit", quoted(.field))]
    UnknownField { key: String, field: String },
    #[error("`{key}`: the name `{}` {reason}", quoted(.name))]
    Name { key: String, name: String, reason: NameError },
    #[error("`{first}` and `{second}` have the same {outlet} name, `{name}`")]
    SameName { outlet: &'static str, name: String, first: String, second: String },
}

/// Why an outlet would not accept a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NameError {
    #[error("is blank")]
    Blank,
    #[error("has more than {0} characters")]
    TooLong(usize),
    #[error("must be printable ASCII and not begin with `:`")]
    Characters,
    #[error("is reserved for this server's own metrics or a Pushgateway's")]
    Reserved,
}

impl MappingError {
    pub(super) fn unknown_key(key: &str) -> Self {
        let last = key.rsplit('.').next().unwrap_or(key);
        let by_its_end = all().map(|metric| metric.key).find(|known| !last.is_empty() && known.contains(last));
        let similar = by_its_end.or_else(|| nearest(key, all().map(|metric| metric.key)));
        Self::UnknownKey { key: key.to_owned(), similar }
    }
}

fn hint(similar: &Option<&'static str>) -> String {
    similar.map(|key| format!("; did you mean `{key}`?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_comes_with_a_similar_one() {
        assert_eq!(
            MappingError::unknown_key("proc.saturation_ratio").to_string(),
            "unknown metric key `proc.saturation_ratio`; did you mean `ingress.sse.saturation_ratio`?"
        );
        assert_eq!(
            MappingError::unknown_key("proc.queue.totl").to_string(),
            "unknown metric key `proc.queue.totl`; did you mean `proc.queue.total`?"
        );
        assert_eq!(MappingError::unknown_key("zzz").to_string(), "unknown metric key `zzz`");
    }

    #[test]
    fn long_and_multiline_texts_are_truncated_to_a_line() {
        let message = MappingError::unknown_key(&format!("a\nb{}", "x".repeat(100))).to_string();
        assert!(message.starts_with("unknown metric key `a?bxxx") && message.len() < 90, "{message}");
    }
}
