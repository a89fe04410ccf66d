//! Descriptor files in a folder, and what is read from them.

mod files;
mod precedence;

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;
use serde_json::json;

use super::*;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/platform/descriptors");

/// The descriptors of a folder, with these variables besides.
fn load(folder: &Path, variables: &[(&str, &str)]) -> Descriptors {
    Descriptors::load(|name| match name {
        "PLATFORM_DESCRIPTORS_DIR" => folder.to_str().map(str::to_owned),
        name => variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned()),
    })
}

fn load_files(files: &[(&str, &str)], variables: &[(&str, &str)]) -> Descriptors {
    let folder = tempfile::tempdir().unwrap();
    files.iter().for_each(|(name, text)| std::fs::write(folder.path().join(name), text).unwrap());
    load(folder.path(), variables)
}

fn load_assembly(text: &str) -> Descriptors {
    load_files(&[("assembly.yaml", text)], &[])
}

/// `variable text`, `origin` of each value.
fn listed_values<'a>(values: impl Iterator<Item = &'a DescriptorValue>) -> Vec<(String, &'a str)> {
    values.map(|value| (format!("{} {}", value.variable, value.text.expose_secret()), value.origin.as_str())).collect()
}

fn warnings(descriptors: &Descriptors) -> Vec<&str> {
    descriptors.warnings().iter().map(|warning| warning.detail.as_str()).collect()
}

/// A document with one value at a path.
fn document(path: &str, value: &Value) -> String {
    path.rsplit('.').fold(value.clone(), |inner, key| json!({ key: inner })).to_string()
}

#[test]
fn a_deployment_of_the_platforms_cli_gives_every_setting() {
    let folder = Path::new(DATA).join("compose-cli");
    let descriptors = load(&folder, &[("GATEWAY_COMPONENT", "proc")]);
    assert_eq!(descriptors.warnings(), []);
    assert_eq!(descriptors.topology_error(), None);
    let expected = std::fs::read_to_string(folder.join("values")).unwrap();
    let listed = |title: &str, values: Vec<(String, &str)>| {
        let lines: String = values.iter().map(|(value, origin)| format!("{value}\n    {origin}\n")).collect();
        format!("# {title}\n{lines}")
    };
    let over = listed("Over the environment", listed_values(descriptors.over_environment()));
    let under = listed("Under the environment", listed_values(descriptors.under_environment()));
    assert_eq!(format!("{over}\n{under}"), expected);
}

#[test]
fn the_gateways_configuration_is_handed_on_as_text() {
    let folder = Path::new(DATA).join("compose-cli");
    let descriptors = load(&folder, &[]);
    let gateway = descriptors.gateway().unwrap();
    assert_eq!(
        (gateway.named_by.variable(), &gateway.path),
        ("PLATFORM_DESCRIPTORS_DIR", &folder.join("gateway.yaml"))
    );
    let text = gateway.text.as_ref().unwrap().as_ref().unwrap();
    assert!(text.expose_secret().starts_with("gateway:\n  tenant: \"TENANT_ID\""));
}

#[test]
fn rows_of_one_variable_stand_together_and_have_one_precedence() {
    let groups: Vec<_> = ROWS.chunk_by(|one, other| one.variable == other.variable).collect();
    let variables: std::collections::BTreeSet<_> = groups.iter().map(|rows| rows[0].variable).collect();
    assert_eq!(variables.len(), groups.len());
    assert!(groups.iter().all(|rows| rows.iter().all(|row| row.precedence == rows[0].precedence)));
}

#[test]
fn the_charts_descriptors_are_found_beside_its_bundles() {
    let bundles = format!("{DATA}/chart/bundles.yaml");
    let environment =
        BTreeMap::from([("BUNDLES_YAML_DESCRIPTOR_PATH", bundles), ("PLATFORM_DESCRIPTORS_DIR", String::new())]);
    let descriptors = Descriptors::load(|name| environment.get(name).cloned());
    assert_eq!(descriptors.warnings(), []);
    assert_eq!(listed_values(descriptors.over_environment()), []);
    let under = listed_values(descriptors.under_environment());
    assert!(under.contains(&("AWS_REGION eu-west-1".to_owned(), "assembly.yaml, aws.region")));
    assert!(under.contains(&("METRICS_PORT 8090".to_owned(), "assembly.yaml, ports.metrics")));
    assert_eq!(descriptors.gateway().unwrap().named_by.variable(), "BUNDLES_YAML_DESCRIPTOR_PATH");
}

#[test]
fn every_row_is_read_alone_from_its_own_path() {
    for row in ROWS {
        let value = match row.kind {
            value::Kind::Bool => json!(true),
            value::Kind::Number => json!("7"),
            value::Kind::Text | value::Kind::Secret => json!("word"),
            value::Kind::Json => json!({"a": "b"}),
        };
        let path = row.path.replace(COMPONENT, "ingress");
        let descriptors =
            load_files(&[(row.file.name(), &document(&path, &value))], &[("GATEWAY_COMPONENT", "ingress")]);
        let values: Vec<_> = descriptors.over_environment().chain(descriptors.under_environment()).collect();
        let [read] = values[..] else { panic!("{path}: {values:?}") };
        assert_eq!((read.variable, read.origin.as_str()), (row.variable, &*format!("{}, {path}", row.file.name())));
        assert_eq!(read.precedence, row.precedence);
        assert_eq!(descriptors.warnings(), [], "{path}");
    }
}

#[test]
fn every_row_gives_a_warning_and_no_value_where_the_type_is_wrong() {
    for row in ROWS {
        let value = if row.kind == value::Kind::Json { json!(7) } else { json!([{"hunter2": "hunter2"}]) };
        let path = row.path.replace(COMPONENT, "proc");
        let descriptors = load_files(&[(row.file.name(), &document(&path, &value))], &[]);
        assert_eq!(descriptors.values.len(), 0, "{path}");
        let [warning] = warnings(&descriptors)[..] else { panic!("{path}: {:?}", descriptors.warnings()) };
        assert!(warning.starts_with(&format!("{path}: expected ")), "{warning}");
        assert!(!warning.contains("hunter2"), "{warning}");
    }
}

#[test]
fn only_a_standalone_redis_can_be_declared() {
    for (word, expected) in [
        ("standalone", None),
        ("\" Standalone \"", None),
        ("\"\"", None),
        ("null", None),
        ("cluster", Some(TopologyError::Cluster)),
        ("sentinel", Some(TopologyError::Unknown)),
        ("[cluster]", Some(TopologyError::Unknown)),
        ("true", Some(TopologyError::Unknown)),
    ] {
        let descriptors = load_assembly(&format!("infra: {{redis: {{topology: {word}}}}}"));
        assert_eq!(descriptors.topology_error(), expected, "{word}");
    }
    assert_eq!(
        TopologyError::Cluster.to_string(),
        "assembly.yaml, infra.redis.topology: Redis Cluster is not supported; accepted: standalone"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any value at any row, and anything above it, is used, absent or warned about.
    #[test]
    fn no_document_panics_or_shows_a_value(
        row in 0..ROWS.len(),
        cut in 0..5_usize,
        value in prop_oneof![
            Just(json!(null)), any::<bool>().prop_map(|value| json!(value)), any::<f64>().prop_map(|value| json!(value)),
            Just(json!(["hunter2"])), Just(json!({"hunter2": "hunter2"})), "(hunter2)?[a-z$ {}\n]{0,9}".prop_map(|text| json!(text)),
        ],
    ) {
        let row = &ROWS[row];
        let segments: Vec<_> = row.path.split('.').collect();
        let path = segments[..segments.len().saturating_sub(cut).max(1)].join(".");
        let descriptors = load_files(&[(row.file.name(), &document(&path, &value))], &[("GATEWAY_COMPONENT", "<component>")]);
        let shown = format!("{descriptors:?}");
        prop_assert!(!shown.contains("hunter2"), "{}", shown);
        prop_assert!(descriptors.values.len() + descriptors.warnings().len() <= 60);
    }
}
