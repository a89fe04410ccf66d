//! A system payload as leaves: one value a path, with the lists of processes and instances keyed by what they are of.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

/// The keys from the root to a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Path(Vec<String>);

impl Path {
    pub(super) const ROOT: Self = Self(Vec::new());

    #[cfg(test)]
    pub(super) fn of(text: &str) -> Self {
        Self(text.split('.').map(str::to_owned).collect())
    }

    fn join(&self, key: &str) -> Self {
        Self(self.0.iter().map(String::as_str).chain([key]).map(str::to_owned).collect())
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.0.iter().any(|own| own == key)
    }

    pub(super) fn first(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }

    pub(super) fn key(&self, index: usize) -> &str {
        self.0.get(index).map_or("", String::as_str)
    }

    pub(super) fn last(&self) -> &str {
        self.0.last().map_or("", String::as_str)
    }

    pub(super) fn starts_with(&self, keys: &[&str]) -> bool {
        self.0.len() >= keys.len() && self.0.iter().zip(keys).all(|(own, key)| own == key)
    }
}

/// With control characters escaped: keys come from another server and are printed on a terminal.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, key) in self.0.iter().enumerate() {
            let dot = if index == 0 { "" } else { "." };
            write!(f, "{dot}{}", key.escape_debug())?;
        }
        Ok(())
    }
}

pub(super) type Leaves = BTreeMap<Path, Value>;

/// The name that each server's own instance gets, which it shows while no process runs.
const OWN_INSTANCE: &str = "(this server)";
/// Lists of a service, one entry a process, in the order of `pids`.
const PER_PROCESS: [&str; 3] = ["loads", "heartbeats", "health_statuses"];
/// What names the members of a list, so that an additional member does not shift the others.
const NAMES: [&str; 2] = ["instance_id", "event_id"];

/// The leaves of a payload.
pub(super) fn of(system: &Value) -> Leaves {
    let own = system.pointer("/gateway_configuration/instance_id").and_then(Value::as_str);
    let mut leaves = Leaves::new();
    collect(&Path::ROOT, system, own, &mut leaves);
    leaves
}

fn collect(path: &Path, value: &Value, own: Option<&str>, leaves: &mut Leaves) {
    let fields = match value {
        Value::Object(fields) if path.last() == "instances" => by_instance(fields, own),
        Value::Object(fields) if fields.contains_key("pids") => by_process(fields),
        Value::Object(fields) => fields.clone(),
        Value::Array(items) if path.last() == "statuses" => counted(items),
        Value::Array(items) => named(items).unwrap_or_default(),
        _ => Map::new(),
    };
    if fields.is_empty() {
        leaves.insert(path.clone(), value.clone());
    }
    for (key, field) in &fields {
        collect(&path.join(key), field, own, leaves);
    }
}

fn by_instance(instances: &Map<String, Value>, own: Option<&str>) -> Map<String, Value> {
    let name = |id: &String| if Some(id.as_str()) == own { OWN_INSTANCE.to_owned() } else { id.clone() };
    instances.iter().map(|(id, services)| (name(id), services.clone())).collect()
}

/// The service with `by_pid` in place of the parallel lists; `pids` goes with them. Lists of different lengths stay.
fn by_process(service: &Map<String, Value>) -> Map<String, Value> {
    let list = |key: &str| service.get(key).and_then(Value::as_array);
    let pids = list("pids").map(Vec::as_slice).unwrap_or_default();
    let parallel = |key: &&str| list(key).is_some_and(|values| values.len() == pids.len());
    let lists: Vec<&str> = PER_PROCESS.into_iter().filter(|key| parallel(key)).collect();
    let of_process = |index: usize| {
        let values = lists.iter().filter_map(|key| Some(((*key).to_owned(), list(key)?.get(index)?.clone())));
        Value::Object(values.collect())
    };
    let by_pid: Map<String, Value> =
        pids.iter().enumerate().map(|(index, pid)| (pid.to_string(), of_process(index))).collect();
    let rest = service.iter().filter(|(key, _)| *key != "pids" && !lists.contains(&key.as_str()));
    rest.map(|(key, value)| (key.clone(), value.clone()))
        .chain([("by_pid".to_owned(), Value::Object(by_pid))])
        .collect()
}

/// How often each status is in a list, whose order means nothing.
fn counted(statuses: &[Value]) -> Map<String, Value> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for status in statuses.iter().filter_map(Value::as_str) {
        *counts.entry(status).or_default() += 1;
    }
    counts.into_iter().map(|(status, count)| (status.to_owned(), count.into())).collect()
}

/// The members by name; `None` where one has none.
fn named(items: &[Value]) -> Option<Map<String, Value>> {
    let name = |item: &Value| NAMES.iter().find_map(|key| Some(item.get(key)?.as_str()?.to_owned()));
    items.iter().map(|item| Some((name(item)?, item.clone()))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn paths(value: &Value) -> Vec<String> {
        of(value).iter().map(|(path, value)| format!("{path}={value}")).collect()
    }

    #[test]
    fn lists_are_keyed_by_what_their_members_are_of() {
        let table = [
            (json!({"a": {"b": 1, "c": null}}), vec!["a.b=1", "a.c=null"]),
            (json!({"a": [], "b": {}, "c": [1, 2]}), vec!["a=[]", "b={}", "c=[1,2]"]),
            (json!({"x": [{"instance_id": "p", "n": 1}]}), vec!["x.p.instance_id=\"p\"", "x.p.n=1"]),
            (json!({"x": [{"instance_id": "p"}, {}]}), vec!["x=[{\"instance_id\":\"p\"},{}]"]),
            (json!({"statuses": ["stale", "healthy", "stale"]}), vec!["statuses.healthy=1", "statuses.stale=2"]),
            (
                json!({"pids": [7, null], "loads": [1, 2], "health_statuses": ["a"]}),
                vec!["by_pid.7.loads=1", "by_pid.null.loads=2", "health_statuses=[\"a\"]"],
            ),
        ];
        for (value, expected) in table {
            assert_eq!(paths(&value), expected, "{value}");
        }
    }

    #[test]
    fn the_servers_own_instance_has_the_same_name_on_both_sides() {
        let system = |id: &str| json!({"gateway_configuration": {"instance_id": id}, "instances": {id: {"s": 1}}});
        let instances = |id| of(&system(id)).into_keys().filter(|path| path.first() == "instances").collect::<Vec<_>>();
        assert_eq!(instances("a"), instances("b"));
        assert_eq!(instances("a"), [Path::of("instances.(this server).s")]);
    }

    #[test]
    fn a_key_cannot_write_control_characters_to_a_terminal() {
        assert_eq!(Path::ROOT.join("a\u{1b}[2J").to_string(), "a\\u{1b}[2J");
    }

    #[test]
    fn a_path_knows_its_keys() {
        let path = Path::of("components.proc.queue");
        assert!(path.has("proc") && !path.has("pro") && path.starts_with(&["components", "proc"]));
        assert!(!path.starts_with(&["components", "proc", "queue", "total"]));
        assert_eq!((path.first(), path.key(1), path.last(), path.key(9)), ("components", "proc", "queue", ""));
        assert_eq!((Path::ROOT.first(), Path::ROOT.last()), ("", ""));
    }
}
