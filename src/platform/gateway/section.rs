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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What `read` makes of the section `s`, with its problems and warnings.
    fn reading<T>(fields: Value, read: impl FnOnce(&Section<'_>) -> T) -> (T, Vec<String>) {
        let problems = GatewayErrors::default();
        let root = Map::from_iter([("s".to_owned(), fields)]);
        let value = read(&Section::flat(&root, "s", &problems));
        let mut lines = problems.take_warnings("warning");
        lines.extend(problems.into_result("error", ()).err().into_iter().flat_map(|error| error.problems));
        (value, lines)
    }

    #[test]
    fn a_whole_number_is_one_that_a_counter_can_hold() {
        for (given, value, problem) in [
            (json!(7), Some("7"), ""),
            (json!(7.0), Some("7.0"), ""),
            (json!(2), Some("2"), ""),
            (json!(null), None, ""),
            (json!(1), None, "error: s.n: expected a whole number of at least 2, got 1"),
            (json!(7.5), None, "error: s.n: expected a whole number, got 7.5"),
            (json!(1e300), None, "error: s.n: expected a whole number, got 1e+300"),
            (json!("7"), None, "error: s.n: expected a whole number, got a text"),
            (json!([7]), None, "error: s.n: expected a whole number, got a list"),
        ] {
            let (read, problems) = reading(json!({"n": given}), |section| section.optional_whole("n", 2));
            let shown = read.map(|amount| amount.to_string());
            assert_eq!((shown.as_deref(), problems.join("\n").as_str()), (value, problem), "{given}");
        }
    }

    #[test]
    fn digits_in_a_text_are_a_number_and_other_texts_count_as_unset_with_a_warning() {
        const WARNING: &str = "warning: s.n: expected a whole number, got a text: counts as not set";
        for (given, value, problem) in [
            (json!("7"), Some(7), ""),
            (json!(" 7 "), Some(7), ""),
            (json!(7), Some(7), ""),
            (json!("0"), Some(0), ""),
            (json!(""), None, ""),
            (json!("  "), None, ""),
            (json!("7.0"), None, WARNING),
            (json!("S3CRET"), None, WARNING),
            (json!("-1"), None, "error: s.n: expected a whole number of at least 0, got -1"),
            (json!(true), None, "error: s.n: expected a whole number, got true or false"),
        ] {
            let (read, problems) = reading(json!({"n": given}), |section| section.optional_whole_or_text("n", 0));
            assert_eq!((read.map(|n| n.whole()), problems.join("\n").as_str()), (value, problem), "{given}");
        }
    }

    #[test]
    fn bounds_of_a_number_belong_to_its_range() {
        let share = |value: Value| reading(json!({"n": value}), |section| section.number("n", 0.5, (0.0, 1.0)));
        for inside in [json!(0), json!(1), json!(0.25)] {
            let (amount, problems) = share(inside.clone());
            assert_eq!((amount.as_f64(), problems.len()), (inside.as_f64().unwrap(), 0));
        }
        let (default, problems) = share(json!(1.5));
        assert_eq!(
            (default.as_f64(), problems),
            (0.5, vec!["error: s.n: expected a number from 0 to 1, got 1.5".to_owned()])
        );
        let any = |value: Value| reading(json!({"n": value}), |section| section.number("n", 2.0, (0.0, f64::INFINITY)));
        assert_eq!(any(json!(1e9)).0.as_f64(), 1e9);
        assert_eq!(any(json!(-1)).1, ["error: s.n: expected a number of at least 0, got -1"]);
        assert_eq!(any(json!("1")).1, ["error: s.n: expected a number, got a text"]);
        assert_eq!(any(json!(null)), (2.0.into(), Vec::new()));
    }

    #[test]
    fn a_time_that_is_divided_by_is_above_0() {
        let positive = |value: Value| reading(json!({"n": value}), |section| section.positive("n", 25.0));
        assert_eq!(positive(json!(0.001)), (0.001.into(), Vec::new()));
        assert_eq!(positive(json!(null)), (25.0.into(), Vec::new()));
        for zero in [json!(0), json!(0.0), json!(-0.0)] {
            assert_eq!(positive(zero), (25.0.into(), vec!["error: s.n: expected a number above 0, got 0".to_owned()]));
        }
        let below = (25.0.into(), vec!["error: s.n: expected a number of at least 0, got -2".to_owned()]);
        assert_eq!(positive(json!(-2)), below);
    }

    #[test]
    fn a_flag_is_true_or_false_and_nothing_that_looks_like_it() {
        for default in [true, false] {
            let flag = |value: Value| reading(json!({"f": value}), |section| section.flag("f", default));
            assert_eq!(flag(json!(true)), (true, Vec::new()));
            assert_eq!(flag(json!(false)), (false, Vec::new()));
            assert_eq!(flag(json!(null)), (default, Vec::new()));
            for (other, name) in [(json!("false"), "a text"), (json!(0), "a number")] {
                assert_eq!(flag(other), (default, vec![format!("error: s.f: expected true or false, got {name}")]));
            }
        }
    }

    #[test]
    fn a_text_has_more_than_spaces() {
        let text = |value: Value| reading(json!({"t": value}), |section| section.text("t").map(str::to_owned));
        assert_eq!(text(json!(" a ")), (Some(" a ".to_owned()), Vec::new()));
        for none in [json!(""), json!("  "), json!(null)] {
            assert_eq!(text(none), (None, Vec::new()));
        }
        assert_eq!(text(json!(5)), (None, vec!["error: s.t: expected a text, got a number".to_owned()]));
    }

    #[test]
    fn sections_inside_a_section_have_its_path() {
        let fields = json!({"a": {"n": "x"}, "b": 5, "c": null, "d": {"n": 3}});
        let read = |section: &Section<'_>| {
            let inner = section.inner("b").is_some_and(|inner| inner.fields.is_none());
            let numbers = section.inners().map(|(name, inner)| (name.clone(), inner.whole("n", 9, 0).whole()));
            (inner, section.inner("c").is_none(), section.inner("x").is_none(), numbers.collect::<Vec<_>>())
        };
        let ((wrong, null, missing, numbers), problems) = reading(fields, read);
        assert!(wrong && null && missing);
        assert_eq!(numbers, [("a".to_owned(), 9), ("d".to_owned(), 3)]);
        let expected =
            ["error: s.b: expected an object, got a number", "error: s.a.n: expected a whole number, got a text"];
        assert_eq!(problems, expected);
    }

    #[test]
    fn a_component_reads_the_slice_that_is_nearest_to_it() {
        for (section, ingress, proc) in [
            (json!({"x": 1}), "s", "s"),
            (json!({"ingress": {}, "proc": {}, "processor": {}, "worker": {}}), "s.ingress", "s.proc"),
            (json!({"worker": {}, "processor": {}, "ingress": {}}), "s.ingress", "s.processor"),
            (json!({"ingress": {}, "worker": {}}), "s.ingress", "s.worker"),
            (json!({"ingress": {}}), "s.ingress", "s.ingress"),
            // Ingress has no slice: the first that is one.
            (json!({"x": 1, "worker": {}, "proc": {}}), "s.worker", "s.proc"),
            (json!([1]), "s", "s"),
        ] {
            let root = Map::from_iter([("s".to_owned(), section.clone())]);
            let path = |component| slice(&root, "s", component).0;
            assert_eq!(
                (path(Component::Ingress).as_str(), path(Component::Proc).as_str()),
                (ingress, proc),
                "{section}"
            );
        }
        assert_eq!(slice(&Map::new(), "s", Component::Proc), ("s".to_owned(), None));
        let nothing = Map::from_iter([("s".to_owned(), json!({"proc": null}))]);
        assert_eq!(slice(&nothing, "s", Component::Ingress), ("s".to_owned(), None));
    }
}
