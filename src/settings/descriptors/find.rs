//! Dotted look-up in a document, by the platform's rule.

use serde_json::{Map, Value};

/// What stands at a path.
#[derive(Debug, PartialEq)]
pub(super) enum Found<'a> {
    Value(&'a Value),
    Absent,
    /// A value that is no mapping stands where the path goes on; with the path to it.
    NotMapping(String, &'a Value),
}

/// Walks the mappings along `path`. Where a segment is missing, several segments joined by dots may be one key, the
/// longest first: `"infra.redis.password": x` is found as well.
pub(super) fn find<'a>(document: &'a Map<String, Value>, path: &str) -> Found<'a> {
    let Some((value, rest)) = step(document, path) else { return Found::Absent };
    match (rest, value) {
        ("", value) => Found::Value(value),
        (rest, Value::Object(inner)) => match find(inner, rest) {
            Found::NotMapping(below, value) => Found::NotMapping(format!("{}.{below}", before(path, rest)), value),
            found => found,
        },
        // An empty section, as templates have them.
        (_, Value::Null) => Found::Absent,
        (rest, value) => Found::NotMapping(before(path, rest).to_owned(), value),
    }
}

/// The part of `path` that leads to `rest`.
fn before<'p>(path: &'p str, rest: &str) -> &'p str {
    path.strip_suffix(rest).unwrap_or(path).trim_end_matches('.')
}

/// The value of the path's first key, and the rest of the path.
fn step<'a, 'p>(document: &'a Map<String, Value>, path: &'p str) -> Option<(&'a Value, &'p str)> {
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    if let Some(value) = document.get(first) {
        return Some((value, rest));
    }
    let shorter = path.rmatch_indices('.').map(|(dot, _)| dot);
    let mut splits = std::iter::once((path, "")).chain(shorter.filter_map(|dot| path.split_at_checked(dot)));
    splits.find_map(|(key, rest)| Some((document.get(key)?, rest.trim_start_matches('.'))))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_is_walked_or_stands_as_one_key() {
        let value = json!(1);
        for (document, expected) in [
            (json!({"infra": {"redis": {"password": 1}}}), Found::Value(&value)),
            (json!({"infra.redis.password": 1}), Found::Value(&value)),
            (json!({"infra": {"redis.password": 1}}), Found::Value(&value)),
            (json!({"infra.redis": {"password": 1}}), Found::Value(&value)),
            (json!({"infra.redis.password": 1, "infra.redis": {"password": 2}}), Found::Value(&value)),
            (json!({"infra": {"redis": null}}), Found::Absent),
            (json!({"infra": null}), Found::Absent),
            (json!({}), Found::Absent),
            // The platform does not turn back either, once a segment is there.
            (json!({"infra": {}, "infra.redis.password": 1}), Found::Absent),
            (json!({"infra": {"redis": 1}}), Found::NotMapping("infra.redis".to_owned(), &value)),
            (json!({"infra": 1}), Found::NotMapping("infra".to_owned(), &value)),
            (json!({"infra.redis": 1}), Found::NotMapping("infra.redis".to_owned(), &value)),
        ] {
            let Value::Object(document) = document else { panic!("a mapping") };
            assert_eq!(find(&document, "infra.redis.password"), expected, "{document:?}");
        }
    }
}
