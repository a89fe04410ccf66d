//! Typed reading of one section: each known field is checked, its default filled in, its problem noted.
//!
//! Also finds the slice of a section that a component reads. Null counts as not given.

use serde_json::{Map, Number, Value};

use super::Amount;
use super::problems::GatewayErrors;
use crate::base::number;
use crate::platform::facts::Component;

/// Keys that mark a section as sliced by component.
const SLICES: [&str; 4] = ["ingress", "proc", "processor", "worker"];

/// One section, or the slice of it that a component reads.
pub(super) struct Section<'a> {
    path: String,
    fields: Option<&'a Map<String, Value>>,
    problems: &'a GatewayErrors,
}

impl<'a> Section<'a> {
    /// A section that is the same for all components.
    pub(super) fn flat(root: &'a Map<String, Value>, name: &str, problems: &'a GatewayErrors) -> Self {
        Self::of(name.to_owned(), root.get(name), problems)
    }

    /// The slice that `component` reads of a section that may be sliced.
    pub(super) fn sliced(
        root: &'a Map<String, Value>,
        name: &str,
        component: Component,
        problems: &'a GatewayErrors,
    ) -> Self {
        // Those that another alias wins over are checked too: somebody wrote them to be read.
        for key in SLICES {
            let value = root.get(name).and_then(|section| section.get(key));
            if let Some(other) = value.filter(|value| !value.is_object() && !value.is_null()) {
                problems.wrong_type(&format!("{name}.{key}"), "an object", other);
            }
        }
        let (path, value) = slice(root, name, component);
        Self::of(path, value, problems)
    }

    fn of(path: String, value: Option<&'a Value>, problems: &'a GatewayErrors) -> Self {
        let fields = match value {
            None | Some(Value::Null) => None,
            Some(Value::Object(fields)) => Some(fields),
            Some(other) => {
                problems.wrong_type(&path, "an object", other);
                None
            }
        };
        Self { path, fields, problems }
    }

    /// The section inside this one, if it is there.
    pub(super) fn inner(&self, name: &str) -> Option<Self> {
        let value = self.get(name)?;
        Some(Self::of(self.path_of(name), Some(value), self.problems))
    }

    /// The sections inside this one, by name; fields of other types are unknown fields.
    pub(super) fn inners(&self) -> impl Iterator<Item = (&'a String, Self)> {
        self.fields
            .into_iter()
            .flatten()
            .filter(|(_, value)| value.is_object())
            .map(|(name, value)| (name, Self::of(self.path_of(name), Some(value), self.problems)))
    }

    /// A whole number of at least `min`.
    pub(super) fn whole(&self, name: &str, default: i64, min: i64) -> Amount {
        self.optional_whole(name, min).unwrap_or_else(|| default.into())
    }

    /// A whole number of at least `min`, if given.
    pub(super) fn optional_whole(&self, name: &str, min: i64) -> Option<Amount> {
        let Value::Number(number) = self.get(name)? else {
            return self.wrong(name, "a whole number");
        };
        self.check_whole(name, number, min)
    }

    /// The same where the platform's own tools may have written digits as text, or an empty text for none. Another text
    /// counts as not given, with a warning: the platform starts with it.
    pub(super) fn optional_whole_or_text(&self, name: &str, min: i64) -> Option<Amount> {
        match self.get(name)? {
            Value::String(text) if text.trim().is_empty() => None,
            Value::String(text) => match text.trim().parse::<i64>() {
                Ok(whole) => self.check_whole(name, &whole.into(), min),
                Err(_) => {
                    self.problems.warn(&self.path_of(name), "expected a whole number, got a text: counts as not set");
                    None
                }
            },
            _ => self.optional_whole(name, min),
        }
    }

    /// A number within `min..=max`.
    pub(super) fn number(&self, name: &str, default: f64, (min, max): (f64, f64)) -> Amount {
        self.optional_number(name, (min, max)).unwrap_or_else(|| default.into())
    }

    fn optional_number(&self, name: &str, (min, max): (f64, f64)) -> Option<Amount> {
        let value = self.get(name)?;
        let Value::Number(number) = value else { return self.wrong(name, "a number") };
        let float = number.as_f64().filter(|float| float.is_finite());
        match float {
            Some(float) if float >= min && float <= max => Some(number.clone().into()),
            _ if max.is_finite() => self.refuse(name, &format!("expected a number from {min} to {max}, got {number}")),
            _ => self.refuse(name, &format!("expected a number of at least {min}, got {number}")),
        }
    }

    /// A number above 0.
    pub(super) fn positive(&self, name: &str, default: f64) -> Amount {
        let given = self.optional_number(name, (0.0, f64::INFINITY));
        match given {
            Some(amount) if amount.as_f64() <= 0.0 => {
                self.problems.add(&self.path_of(name), "expected a number above 0, got 0");
                default.into()
            }
            Some(amount) => amount,
            None => default.into(),
        }
    }

    /// True or false.
    pub(super) fn flag(&self, name: &str, default: bool) -> bool {
        match self.get(name) {
            None => default,
            Some(Value::Bool(flag)) => *flag,
            Some(_) => self.wrong(name, "true or false").unwrap_or(default),
        }
    }

    /// A text that is not empty.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        match self.get(name)? {
            Value::String(text) => Some(text.as_str()).filter(|text| !text.trim().is_empty()),
            _ => self.wrong(name, "a text"),
        }
    }

    fn check_whole(&self, name: &str, number: &Number, min: i64) -> Option<Amount> {
        let whole = number.is_i64() || number.as_f64().is_some_and(|float| number::whole(float).is_some());
        if !whole {
            return self.refuse(name, &format!("expected a whole number, got {number}"));
        }
        let amount = Amount::from(number.clone());
        if amount.whole() < min {
            return self.refuse(name, &format!("expected a whole number of at least {min}, got {number}"));
        }
        Some(amount)
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        self.fields?.get(name).filter(|value| !value.is_null())
    }

    fn path_of(&self, name: &str) -> String {
        format!("{}.{name}", self.path)
    }

    fn wrong<T>(&self, name: &str, expected: &str) -> Option<T> {
        if let Some(value) = self.get(name) {
            self.problems.wrong_type(&self.path_of(name), expected, value);
        }
        None
    }

    fn refuse<T>(&self, name: &str, problem: &str) -> Option<T> {
        self.problems.add(&self.path_of(name), problem);
        None
    }
}

/// The part of `root[name]` that `component` reads, with its path: its own slice, else the ingress
/// slice, else the first; the whole where the section is flat.
pub(super) fn slice<'a>(root: &'a Map<String, Value>, name: &str, component: Component) -> (String, Option<&'a Value>) {
    let value = root.get(name);
    let Some(Value::Object(fields)) = value else { return (name.to_owned(), value) };
    if !SLICES.iter().any(|key| fields.contains_key(*key)) {
        return (name.to_owned(), value);
    }
    let own: &[&str] = match component {
        Component::Proc => &["proc", "processor", "worker", "ingress"],
        Component::Ingress => &["ingress"],
    };
    let found = own
        .iter()
        .find_map(|key| fields.get_key_value(*key))
        .or_else(|| fields.iter().find(|(_, value)| value.is_object()));
    match found {
        Some((key, value)) => (format!("{name}.{key}"), Some(value)),
        None => (name.to_owned(), None),
    }
}
