//! Some fields of a JSON object, read without building the object: texts are borrowed, and what nobody asks for is only
//! checked.
//!
//! Accepts what `serde_json::Value` accepts, and an error is at the same place. Of a field that is there twice the last counts.

use std::borrow::Cow;
use std::fmt::{Formatter, Result as Formatted};
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// The fields of an object that are read.
pub(super) trait Fields<'a>: Default {
    /// Takes the value of this field from `map`, or calls [`skip`].
    fn take<A: MapAccess<'a>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error>;
}

/// An object, as some of its fields; `None` for a value of another kind.
#[derive(Debug, Default)]
pub(super) struct Object<T>(pub(super) Option<T>);

/// A value without parts.
#[derive(Debug)]
pub(super) enum Scalar<'a> {
    Null,
    Bool(bool),
    /// `whole` is `None` for one that is written as a fraction or beyond an `i64`.
    Number {
        float: f64,
        whole: Option<i64>,
    },
    Text(Cow<'a, str>),
    /// A list or an object.
    Composite,
}

impl Scalar<'_> {
    pub(super) const fn float(&self) -> Option<f64> {
        if let Self::Number { float, .. } = self { Some(*float) } else { None }
    }

    pub(super) const fn whole(&self) -> Option<i64> {
        if let Self::Number { whole, .. } = self { *whole } else { None }
    }

    pub(super) const fn bool(&self) -> Option<bool> {
        if let Self::Bool(bool) = self { Some(*bool) } else { None }
    }
}

/// Takes the value of a field that is not read.
pub(super) fn skip<'a, A: MapAccess<'a>>(map: &mut A) -> Result<(), A::Error> {
    map.next_value::<Skipped>().map(drop)
}

/// A value of any kind, of which nothing is kept.
type Skipped = Object<Nothing>;

#[derive(Debug, Default)]
struct Nothing;

impl<'a> Fields<'a> for Nothing {
    fn take<A: MapAccess<'a>>(&mut self, _: &str, map: &mut A) -> Result<(), A::Error> {
        skip(map)
    }
}

impl<'a, T: Fields<'a>> Deserialize<'a> for Object<T> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ObjectVisitor(PhantomData))
    }
}

impl<'a> Deserialize<'a> for Scalar<'a> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'a, T: Fields<'a>> Visitor<'a> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut Formatter<'_>) -> Formatted {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Object<T>, E> {
        Ok(Object(None))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Object<T>, E> {
        Ok(Object(None))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Object<T>, E> {
        Ok(Object(None))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Object<T>, E> {
        Ok(Object(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Object<T>, E> {
        Ok(Object(None))
    }

    fn visit_str<E>(self, _: &str) -> Result<Object<T>, E> {
        Ok(Object(None))
    }

    fn visit_seq<A: SeqAccess<'a>>(self, list: A) -> Result<Object<T>, A::Error> {
        skip_list(list).map(|()| Object(None))
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Object<T>, A::Error> {
        let mut fields = T::default();
        while let Some(name) = map.next_key::<Scalar<'a>>()? {
            match name {
                Scalar::Text(name) => fields.take(&name, &mut map)?,
                _ => skip(&mut map)?,
            }
        }
        Ok(Object(Some(fields)))
    }
}

struct ScalarVisitor;

impl<'a> Visitor<'a> for ScalarVisitor {
    type Value = Scalar<'a>;

    fn expecting(&self, f: &mut Formatter<'_>) -> Formatted {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Bool(value))
    }

    #[expect(clippy::cast_precision_loss, reason = "as `serde_json::Value::as_f64`; `whole` is exact")]
    fn visit_i64<E>(self, value: i64) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Number { float: value as f64, whole: Some(value) })
    }

    #[expect(clippy::cast_precision_loss, reason = "as `serde_json::Value::as_f64`; `whole` is exact")]
    fn visit_u64<E>(self, value: u64) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Number { float: value as f64, whole: i64::try_from(value).ok() })
    }

    fn visit_f64<E>(self, value: f64) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Number { float: value, whole: None })
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar<'a>, E> {
        Ok(Scalar::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'a>>(self, list: A) -> Result<Scalar<'a>, A::Error> {
        skip_list(list).map(|()| Scalar::Composite)
    }

    fn visit_map<A: MapAccess<'a>>(self, map: A) -> Result<Scalar<'a>, A::Error> {
        ObjectVisitor::<Nothing>(PhantomData).visit_map(map).map(|_| Scalar::Composite)
    }
}

fn skip_list<'a, A: SeqAccess<'a>>(mut list: A) -> Result<(), A::Error> {
    while list.next_element::<Skipped>()?.is_some() {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// An object with one field that is read.
    #[derive(Debug, Default)]
    struct One<'a>(Option<Scalar<'a>>);

    impl<'a> Fields<'a> for One<'a> {
        fn take<A: MapAccess<'a>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
            if name != "a" {
                return skip(map);
            }
            self.0 = Some(map.next_value()?);
            Ok(())
        }
    }

    /// The same of a whole tree.
    fn as_scalar(value: &Value) -> String {
        let scalar = match value {
            Value::Null => Scalar::Null,
            Value::Bool(bool) => Scalar::Bool(*bool),
            Value::Number(number) => Scalar::Number { float: number.as_f64().unwrap(), whole: number.as_i64() },
            Value::String(text) => Scalar::Text(text.into()),
            Value::Array(_) | Value::Object(_) => Scalar::Composite,
        };
        format!("{scalar:?}")
    }

    /// What is found in a text, beside what a whole tree says.
    fn both(text: &str) -> [Result<Option<Option<String>>, String>; 2] {
        let read = serde_json::from_str::<Object<One<'_>>>(text).map_err(|error| error.to_string());
        let read = read.map(|object| object.0.map(|one| one.0.map(|scalar| format!("{scalar:?}"))));
        let tree = serde_json::from_str::<Value>(text).map_err(|error| error.to_string());
        [read, tree.map(|tree| tree.as_object().map(|object| object.get("a").map(as_scalar)))]
    }

    #[test]
    fn a_field_is_what_a_tree_says_it_is_and_errors_are_at_the_same_place() {
        for text in [
            r#"{"a": 1}"#,
            r#"{"a": -0, "b": {"a": 3}, "a": 2.5}"#,
            r#"{"a": 18446744073709551615, "b": [1, {"c": null}]}"#,
            r#"{"a": -9223372036854775808}"#,
            r#"{"\u0061": "x\n\u00e9\ud83d\ude00"}"#,
            r#"{"a": "\ud800"}"#,
            r#"{"b": "\ud800"}"#,
            r#"{"b": 1e999, "a": 1}"#,
            r#"{"b": [1, 2,], "a": 1}"#,
            r#"{"a": true} x"#,
            r#"{"a": tru"#,
            r#"{"a": [1], "a": null}"#,
            r#"{"b": [[[{"a": 1}]]], "a": {"b": []}}"#,
            "[1, 2]",
            "7",
            "\"a\"",
            "null",
            "",
        ] {
            let [read, tree] = both(text);
            assert_eq!(read, tree, "{text}");
        }
        let deep = format!(r#"{{"b": {}1{}}}"#, "[".repeat(200), "]".repeat(200));
        let [read, tree] = both(&deep);
        assert_eq!((&read, read.is_err()), (&tree, true));
    }

    proptest! {
        #[test]
        fn any_text_is_accepted_or_rejected_as_a_tree_is(text in r#"[{}\[\]",:0-9a\\ue.+ -]{0,40}"#) {
            let [read, tree] = both(&text);
            prop_assert_eq!(read, tree);
        }

        #[test]
        fn objects_that_are_cut_or_changed_are_read_as_a_tree_is(
            change in proptest::sample::select(vec!["", "\"", "}", "]", "\\", "9", "\u{1}"]), at in 0..90_usize, cut in 0..90_usize
        ) {
            let mut text = r#"{"b": [1, {"a": 2e3}, "x\\y"], "a": "t\u00e9", "c": {"a": -1.5}, "a": 7, "d": null, "e": false}"#.to_owned();
            text.insert_str(at, change);
            text.truncate(cut + 20);
            let [read, tree] = both(&text);
            prop_assert_eq!(read, tree);
        }
    }
}
