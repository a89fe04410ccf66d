//! `whatif`: the pictures and tables of docs/scaling.md are its output, the policies are those that are deployed, and what is
//! wrong with a file is one line.

use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::support::program;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const POLICIES: [&str; 6] = [
    "ecs-target-tracking-utilization",
    "ecs-target-tracking-and-steps",
    "ecs-steps-replicas-missing",
    "hpa-pressure-and-wait",
    "hpa-replicas-desired",
    "keda-replicas-desired",
];
/// Those of the pictures.
const SHOWN: [&str; 4] =
    ["ecs-target-tracking-utilization", "ecs-steps-replicas-missing", "hpa-pressure-and-wait", "hpa-replicas-desired"];

fn path(name: &str) -> String {
    format!("{ROOT}/deployment/policies/{name}.yaml")
}

fn whatif(arguments: &[&str], policies: &[&str]) -> Output {
    let policies: Vec<String> = policies.iter().map(|name| path(name)).collect();
    let policies: Vec<&str> = std::iter::once("--policy").chain(policies.iter().map(String::as_str)).collect();
    program(&[], &[&["whatif"], arguments, &policies].concat()).output().unwrap()
}

fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn document(name: &str) -> Value {
    let text = std::fs::read_to_string(Path::new(ROOT).join("deployment").join(name)).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

#[test]
fn the_pictures_of_the_page_are_its_output() {
    for shape in ["burst", "long-tasks", "night-idle"] {
        let picture = printed(&whatif(&["--shape", shape, "--format", "svg"], &SHOWN));
        let file = format!("docs/scaling/{shape}.svg");
        let kept = std::fs::read_to_string(format!("{ROOT}/{file}")).unwrap();
        let policies = SHOWN.map(|name| format!("deployment/policies/{name}.yaml")).join(" ");
        assert!(kept == picture, "run: cargo run -- whatif --shape {shape} --format svg --policy {policies} > {file}");
    }
}

#[test]
fn the_table_of_long_tasks_on_the_page_is_its_output() {
    let page = std::fs::read_to_string(format!("{ROOT}/docs/scaling.md")).unwrap();
    // The others are made with it, and take longer.
    let table = printed(&whatif(&["--shape", "long-tasks", "--seeds", "6"], &POLICIES));
    assert!(page.contains(&table), "run: cargo run -- whatif --shape all --seeds 6 --policy …\n{table}");
}

#[test]
fn the_policies_of_before_are_the_documents_that_are_deployed() {
    assert_eq!(document("policies/hpa-pressure-and-wait.yaml")["spec"], document("kubernetes/hpa/proc.yaml")["spec"]);
    let ingress = document("kubernetes/hpa/ingress.yaml");
    assert_eq!(document("policies/ingress-hpa-saturation.yaml")["spec"], ingress["spec"]);
    let deployed = |name: &str| document(&format!("ecs/metrics/{name}.json"));
    let (target, tracking) = (deployed("autoscaling/proc-target"), deployed("autoscaling/proc-utilization-policy"));
    let (stepping, alarm) = (deployed("autoscaling/proc-pressure-policy"), deployed("alarms/proc-pressure"));
    for name in ["ecs-target-tracking-utilization", "ecs-target-tracking-and-steps"] {
        let policy = document(&format!("policies/{name}.yaml"));
        contained(&policy["ScalableTarget"], &target);
        contained(&policy["ScalingPolicies"][0], &tracking);
    }
    let both = document("policies/ecs-target-tracking-and-steps.yaml");
    let step = &both["ScalingPolicies"][1];
    contained(&step["StepScalingPolicyConfiguration"], &stepping["StepScalingPolicyConfiguration"]);
    contained(&step["Alarm"], &alarm);
}

/// Every value of `part` stands in `whole` too.
fn contained(part: &Value, whole: &Value) {
    match part {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| contained(value, &whole[name])),
        Value::Number(number) => assert_eq!(number.as_f64(), whole.as_f64(), "{part} {whole}"),
        _ => assert_eq!(part, whole),
    }
}

#[test]
fn a_recorded_load_is_compared_as_json() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("load.jsonl");
    let lines: String = (0..200).map(|n| format!("{{\"at\": {}, \"seconds\": 4}}\n", 1000 + n)).collect();
    std::fs::write(&file, lines).unwrap();
    let load = file.to_str().unwrap();
    let outcomes: Value =
        serde_json::from_str(&printed(&whatif(&["--load", load, "--format", "json"], &POLICIES))).unwrap();
    let outcomes = outcomes.as_array().unwrap();
    assert_eq!(outcomes.len(), POLICIES.len());
    for outcome in outcomes {
        assert_eq!((outcome["users"].as_u64(), outcome["wait_seconds"]["p95"].as_f64()), (Some(200), Some(0.0)));
    }
    let again = printed(&whatif(&["--load", load, "--format", "json"], &POLICIES));
    assert_eq!(serde_json::from_str::<Value>(&again).unwrap(), Value::Array(outcomes.clone()));
}

#[test]
fn policies_of_the_ingress_scale_streams() {
    let policies = ["ingress-hpa-saturation", "ingress-hpa-replicas-desired"];
    let text = printed(&whatif(&["--shape", "long-tasks", "--scale", "10", "--format", "json"], &policies));
    let outcomes: Value = serde_json::from_str(&text).unwrap();
    for outcome in outcomes.as_array().unwrap() {
        // 10 · 0.06 · (1200 + 300) streams at the peak, 200 of them in a replica.
        let (actions, hours) = (outcome["actions"].as_u64().unwrap(), outcome["replica_hours"].as_f64().unwrap());
        assert!(actions >= 2 && (14.0..70.0).contains(&hours), "{outcome}");
    }
}

#[test]
fn what_is_wrong_is_one_line_and_an_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &[u8]| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let (broken, binary) = (file("broken.yaml", b"kind: Job"), file("binary", b"\xff\xfe"));
    let load = file("load.jsonl", b"{\"at\": 1, \"seconds\": 1}\n{\"at\": 2}\n");
    let other = file("other.jsonl", b"{\"recording\": 1}\n");
    let good = path(POLICIES[0]);
    let none = folder.path().join("none").to_str().unwrap().to_owned();
    for (arguments, code, expected) in [
        (
            vec!["--shape", "burst", "--policy", &broken],
            1,
            format!("{broken}: kind: is not that of a policy; accepted: kind: "),
        ),
        (vec!["--shape", "burst", "--policy", &binary], 1, format!("{binary}: is not UTF-8 (byte 0)")),
        (vec!["--shape", "burst", "--policy", &none], 1, format!("{none}: cannot be read: ")),
        (
            vec!["--load", &load, "--policy", &good],
            1,
            format!("{load}: line 2: missing field `seconds`; accepted: the output of "),
        ),
        (vec!["--load", &other, "--policy", &good], 1, format!("{other}: line 1: unknown field `recording`")),
        (
            vec!["--shape", "wave", "--policy", &good],
            1,
            "--shape wave: no such shape; accepted: all, ramp, ".to_owned(),
        ),
        (
            vec!["--shape", "all", "--format", "svg", "--policy", &good],
            1,
            "--format svg: shows one load, got 7; ".to_owned(),
        ),
    ] {
        let output = program(&[], &[vec!["whatif"], arguments].concat()).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{errors}");
        assert!(errors.starts_with(&format!("kdcube-metrics: {expected}")) && errors.lines().count() == 1, "{errors}");
    }
    for arguments in
        [vec!["--shape", "burst"], vec!["--policy", &good], vec!["--shape", "burst", "--policy", &good, "--scale", "0"]]
    {
        let output = program(&[], &[vec!["whatif"], arguments].concat()).output().unwrap();
        assert_eq!(output.status.code(), Some(64));
    }
}
