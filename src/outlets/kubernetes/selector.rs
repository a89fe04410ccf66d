//! Label selectors, as Kubernetes writes them: `a=b`, `a!=b`, `a in (b,c)`, `a notin (b,c)`, `a`, `!a`.

/// Requirements that a series must meet, all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Selector(Vec<Requirement>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    operator: Operator,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Operator {
    In(Vec<String>),
    /// A series without the label meets it, as in Kubernetes.
    NotIn(Vec<String>),
    Exists,
    Absent,
}

impl Selector {
    /// Parses the text; empty selects everything.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let parts = split(text).into_iter().map(str::trim).filter(|part| !part.is_empty());
        parts.map(Requirement::parse).collect::<Result<_, _>>().map(Self)
    }

    /// Whether labels meet it.
    pub(super) fn selects(&self, labels: &[(&str, &str)]) -> bool {
        self.0.iter().all(|requirement| requirement.is_met(labels))
    }
}

/// The text at its commas, but those in brackets.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    text.split(|c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    })
    .collect()
}

impl Requirement {
    fn parse(text: &str) -> Result<Self, String> {
        let invalid = || format!("the label selector {:?} cannot be parsed", crate::base::text::quoted(text));
        let list = |rest: &str| {
            let inner = rest.trim().strip_prefix('(')?.strip_suffix(')')?;
            Some(inner.split(',').map(|value| value.trim().to_owned()).collect::<Vec<_>>())
        };
        let one = |value: &str| vec![value.trim().to_owned()];
        let (key, operator) = if let Some((key, value)) = text.split_once("!=") {
            (key, Operator::NotIn(one(value)))
        } else if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
            (key, Operator::In(one(value)))
        } else if let Some((key, rest)) = text.split_once(" notin ").or_else(|| text.split_once(" notin")) {
            (key, Operator::NotIn(list(rest).ok_or_else(invalid)?))
        } else if let Some((key, rest)) = text.split_once(" in ").or_else(|| text.split_once(" in")) {
            (key, Operator::In(list(rest).ok_or_else(invalid)?))
        } else if let Some(key) = text.strip_prefix('!') {
            (key, Operator::Absent)
        } else {
            (text, Operator::Exists)
        };
        let key = key.trim();
        let legal = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        if key.is_empty() || !key.chars().all(legal) {
            return Err(invalid());
        }
        Ok(Self { key: key.to_owned(), operator })
    }

    fn is_met(&self, labels: &[(&str, &str)]) -> bool {
        let value = labels.iter().find(|(name, _)| *name == self.key).map(|(_, value)| *value);
        let is_one_of = |values: &[String]| value.is_some_and(|value| values.iter().any(|wanted| wanted == value));
        match &self.operator {
            Operator::In(values) => is_one_of(values),
            Operator::NotIn(values) => !is_one_of(values),
            Operator::Exists => value.is_some(),
            Operator::Absent => value.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_form_selects_as_in_kubernetes() {
        let labels = [("role", "paid"), ("window", "1m")];
        for (text, selects) in [
            ("", true),
            ("role=paid", true),
            ("role==paid,window=1m", true),
            ("role=paid,window=15m", false),
            ("role!=paid", false),
            ("zone!=a", true),
            ("role in (free, paid)", true),
            ("role in (free),window", false),
            ("role notin (free,x),window in (1m)", true),
            ("role", true),
            ("zone", false),
            ("!zone", true),
            ("!role", false),
        ] {
            assert_eq!(Selector::parse(text).unwrap().selects(&labels), selects, "{text}");
        }
    }

    #[test]
    fn what_is_none_is_an_error() {
        for text in ["=a", "a b", "a in b", "a in (b", "!", "ä=b", "a=b,=c"] {
            assert!(Selector::parse(text).is_err_and(|error| error.contains("cannot be parsed")), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,80}") {
            let _ = Selector::parse(&text);
        }
    }
}
