//! Where two payloads differ: leaf by leaf, measured numbers within a tolerance, configuration exactly.

use serde_json::Value;

use super::leaves::{Leaves, Path};

/// One path with two values; `None` = the path is not there.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Difference {
    pub(super) path: Path,
    pub(super) theirs: Option<Value>,
    pub(super) own: Option<Value>,
}

/// Numbers that are both this close are equal: the platform rounds to two decimals.
const ROUNDING: f64 = 0.011;
/// Times of two polls, seconds: a snapshot may be this old on one side and new on the other.
const CLOCKS: f64 = 60.0;
/// Keys of moments and ages, which move on between two reads.
const MOMENTS: [&str; 7] = [
    "timestamp",
    "heartbeats",
    "max_age_seconds",
    "last_state_change",
    "last_failure_time",
    "last_success_time",
    "opened_at",
];

/// All differences. `own` is what this server showed around the time of theirs, the newest last: each side shows what it
/// read a few seconds ago, so a number that moves is compared with a range. `tolerance` is relative to the larger number.
pub(super) fn between(theirs: &Leaves, own: &[Leaves], tolerance: f64) -> Vec<Difference> {
    let Some(newest) = own.last() else { return Vec::new() };
    let differs = |path: &Path| {
        let theirs = theirs.get(path);
        let own: Vec<Option<&Value>> = own.iter().map(|leaves| leaves.get(path)).collect();
        let same = own.contains(&theirs) || same_at(path, theirs, &own, tolerance);
        (!same).then(|| Difference { path: path.clone(), theirs: theirs.cloned(), own: newest.get(path).cloned() })
    };
    let only_own = newest.keys().filter(|path| !theirs.contains_key(path));
    theirs.keys().chain(only_own).filter(|path| !names_the_server(path)).filter_map(differs).collect()
}

fn same_at(path: &Path, theirs: Option<&Value>, own: &[Option<&Value>], tolerance: f64) -> bool {
    let Some(theirs) = theirs.and_then(Value::as_f64) else { return false };
    let own: Vec<f64> = own.iter().flatten().filter_map(|own| own.as_f64()).collect();
    if MOMENTS.contains(&path.last()) {
        return own.iter().any(|own| (theirs - own).abs() <= CLOCKS);
    }
    let tolerance = if is_configuration(path) { 0.0 } else { tolerance };
    in_range(theirs, &own, tolerance)
}

/// Whether a number is one of ours, or between two of them.
pub(super) fn in_range(theirs: f64, own: &[f64], tolerance: f64) -> bool {
    let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
    for value in own {
        (least, most) = (least.min(*value), most.max(*value));
    }
    let within = tolerance > 0.0 && least <= theirs && theirs <= most;
    within || own.iter().any(|own| close(theirs, *own, tolerance))
}

/// Whether two measured numbers are the same.
fn close(theirs: f64, own: f64, tolerance: f64) -> bool {
    let distance = (theirs - own).abs();
    // Configured ratios differ in the second decimal; rounding concerns measured numbers only.
    let rounding = if tolerance > 0.0 { ROUNDING } else { 1e-9 };
    distance <= rounding || distance <= tolerance * theirs.abs().max(own.abs())
}

fn is_configuration(path: &Path) -> bool {
    path.first().starts_with("gateway_config") || path.has("configured") || path.has("configuration")
}

/// Each server shows its own name here.
fn names_the_server(path: &Path) -> bool {
    let own = ["instance_id", "display_name"].contains(&path.last());
    own && ["gateway_configuration", "gateway_config_components"].contains(&path.first())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::leaves;
    use super::*;

    fn paths(theirs: &Value, own: &Value) -> Vec<String> {
        let found = between(&leaves::of(theirs), &[leaves::of(own)], 0.05);
        found.iter().map(|difference| difference.path.to_string()).collect()
    }

    #[test]
    fn measured_numbers_have_a_tolerance_and_configured_ones_none() {
        let table = [
            ("load", json!(100), json!(105), true),
            ("load", json!(100), json!(106), false),
            ("load", json!(0), json!(0.01), true),
            ("load", json!(0), json!(1), false),
            ("load", json!(null), json!(0), false),
            ("load", json!("1"), json!(1), false),
            ("timestamp", json!(1000.0), json!(1060.0), true),
            ("timestamp", json!(1000.0), json!(1061.0), false),
            ("gateway_configuration", json!({"x": 100}), json!({"x": 101}), false),
            ("gateway_configuration", json!({"x": 0.81}), json!({"x": 0.82}), false),
            ("gateway_configuration", json!({"x": 1}), json!({"x": 1.0}), true),
            ("gateway_configuration", json!({"instance_id": "a"}), json!({"instance_id": "b"}), true),
            ("other", json!({"instance_id": "a"}), json!({"instance_id": "b"}), false),
            ("configured", json!({"x": 100}), json!({"x": 101}), false),
        ];
        for (key, theirs, own, same) in table {
            let found = paths(&json!({key: theirs}), &json!({key: own}));
            assert_eq!(found.is_empty(), same, "{key}: {theirs} and {own}");
        }
    }

    #[test]
    fn what_one_side_lacks_is_a_difference_on_either_side() {
        assert_eq!(paths(&json!({"a": 1, "b": 2}), &json!({"b": 2, "c": null})), ["a", "c"]);
        let found = between(&leaves::of(&json!({"a": 1})), &[leaves::of(&json!({"c": 2}))], 0.05);
        assert_eq!((found[0].theirs.clone(), found[0].own.clone()), (Some(json!(1)), None));
        assert_eq!((found[1].theirs.clone(), found[1].own.clone()), (None, Some(json!(2))));
    }

    #[test]
    fn a_value_that_moves_may_be_anywhere_between_two_snapshots() {
        let table = [
            ("load", json!(15), [json!(10), json!(20)], true),
            ("load", json!(15), [json!(20), json!(10)], true),
            ("load", json!(25), [json!(10), json!(20)], false),
            ("state", json!("open"), [json!("closed"), json!("open")], true),
            ("state", json!("half_open"), [json!("closed"), json!("open")], false),
            ("state", json!(null), [json!(1), json!(2)], false),
            ("configured", json!(15), [json!(10), json!(20)], false),
        ];
        for (key, theirs, [before, after], same) in table {
            let [theirs, before, after] = [theirs, before, after].map(|value| leaves::of(&json!({key: value})));
            assert_eq!(between(&theirs, &[before, after], 0.05).is_empty(), same, "{key}: {theirs:?}");
        }
        let (none, some) = (leaves::of(&json!({"b": 1})), leaves::of(&json!({"a": 1, "b": 1})));
        for (theirs, own) in [(&none, [&some, &none]), (&none, [&none, &some]), (&some, [&some, &none])] {
            assert_eq!(between(theirs, &own.map(Clone::clone), 0.05), [], "a path that comes or goes");
        }
    }
}
