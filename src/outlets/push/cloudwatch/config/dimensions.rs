//! The dimensions of every point, and CloudWatch's rules for dimensions.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::Include;
use crate::settings::FromSetting;

/// CloudWatch's limit per point, labels included.
const MAX_DIMENSIONS: usize = 30;

/// Names and values, each name once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dimensions(Vec<(String, String)>);

impl Dimensions {
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Checks that they leave room for the labels of every included metric, and share no name with them.
    pub(super) fn fit(&self, include: &Include) -> Result<(), String> {
        for metric in include.metrics() {
            if self.0.len() + metric.labels.len() > MAX_DIMENSIONS {
                let (own, labels, key) = (self.0.len(), metric.labels.len(), metric.key);
                return Err(format!(
                    "{own} dimensions leave no room for the {labels} labels of `{key}`; accepted: {MAX_DIMENSIONS} in all"
                ));
            }
            if let Some(name) = metric.labels.iter().find(|label| self.iter().any(|(name, _)| name == **label)) {
                return Err(format!(
                    "`{name}` is a label of `{}`, which METRICS_CLOUDWATCH_INCLUDE includes; accepted: another name",
                    metric.key
                ));
            }
        }
        Ok(())
    }
}

impl FromSetting for Dimensions {
    fn from_setting(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let Pairs(pairs) =
            serde_json::from_str(text).map_err(|error| format!("is not valid JSON of either form ({error})"))?;
        if pairs.len() > MAX_DIMENSIONS {
            return Err(format!("has {} dimensions, more than {MAX_DIMENSIONS}", pairs.len()));
        }
        for (index, (name, value)) in pairs.iter().enumerate() {
            if !is_valid_name(name) {
                return Err(format!("has a name that CloudWatch does not accept: {name:?}"));
            }
            if !is_valid_value(value) {
                return Err(format!("has a value that CloudWatch does not accept, that of `{name}`"));
            }
            if pairs.iter().skip(index + 1).any(|(other, _)| other == name) {
                return Err(format!("names `{name}` twice"));
            }
        }
        Ok(Self(pairs))
    }
}

fn is_valid_name(name: &str) -> bool {
    const LONGEST: usize = 255;
    is_text(name, LONGEST) && !name.starts_with(':')
}

/// Whether CloudWatch accepts this as the value of a dimension.
#[must_use]
pub fn is_valid_value(value: &str) -> bool {
    const LONGEST: usize = 1024;
    is_text(value, LONGEST)
}

fn is_text(text: &str, longest: usize) -> bool {
    let printable = text.chars().all(|c| c.is_ascii_graphic() || c == ' ');
    printable && text.len() <= longest && !text.trim().is_empty()
}

/// `{"name": "value"}` or `[{"Name": "name", "Value": "value"}]`. A map would hide a repeated name.
struct Pairs(Vec<(String, String)>);

#[derive(serde::Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Pair {
    name: String,
    value: String,
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings or a list of {\"Name\", \"Value\"}")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(Pair { name, value }) = list.next_element()? {
                    pairs.push((name, value));
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,200}") {
            let _ = Dimensions::from_setting(&text);
        }

        #[test]
        fn both_forms_are_equal_and_only_valid_dimensions_are_accepted(
            pairs in proptest::collection::vec((".{0,6}", ".{0,8}"), 0..33)
        ) {
            let list: Vec<Value> = pairs.iter().map(|(name, value)| json!({"Name": name, "Value": value})).collect();
            let read = Dimensions::from_setting(&Value::from(list).to_string());
            let twice = pairs.iter().enumerate().any(|(n, (name, _))| pairs.iter().skip(n + 1).any(|(other, _)| other == name));
            if !twice {
                let object: serde_json::Map<String, Value> =
                    pairs.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
                prop_assert_eq!(&Dimensions::from_setting(&Value::from(object).to_string()), &read);
            }
            let valid = pairs.iter().all(|(name, value)| is_valid_name(name) && is_valid_value(value));
            prop_assert_eq!(read.is_ok(), valid && !twice && pairs.len() <= MAX_DIMENSIONS);
            if let Ok(read) = read {
                let given = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
                prop_assert!(read.iter().eq(given));
            }
        }
    }
}
