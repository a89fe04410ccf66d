//! The commands: what they print, and their exit codes, which automation relies on.

use std::process::{Command, Output, Stdio};

use crate::support::{GATEWAY, RedisServer, free_port, program};

fn run(variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    program(variables, arguments).output().unwrap()
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn answer(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn every_problem_of_the_configuration_is_told_at_once() {
    let output = run(
        &[
            ("METRICS_PORT", "many"),
            ("METRICS_SAMPLE_INTERVAL_SEC", "1e-10"),
            ("REDIS_URL", "redis//:hunter2@x"),
            ("RUST_LOG", "foo=bar=baz"),
        ],
        &["--log-format", "xml", "serve"],
    );
    assert_eq!(output.status.code(), Some(78));
    let errors = errors(&output);
    for part in [
        "METRICS_PORT \"many\"",
        "METRICS_SAMPLE_INTERVAL_SEC \"1e-10\"",
        "RUST_LOG",
        "REDIS_URL",
        "METRICS_LOG_FORMAT \"xml\"",
        "GATEWAY_CONFIG_JSON",
    ] {
        assert_eq!(errors.lines().filter(|line| line.contains(part)).count(), 1, "{part} in\n{errors}");
    }
    assert!(!errors.contains("hunter2"), "{errors}");
}

#[test]
fn wrong_usage_has_its_own_code() {
    assert_eq!(run(&[], &["--no-such-flag"]).status.code(), Some(64));
    assert_eq!(run(&[], &["snapshot", "--at", "noon"]).status.code(), Some(64));
    let help = run(&[], &["--help"]);
    assert_eq!(help.status.code(), Some(0));
    for part in ["demo", "simulate", "--redis-url", "METRICS_STALE_AFTER_SEC", "Exit codes", "_FILE"] {
        assert!(answer(&help).contains(part), "{part}");
    }
    assert!(answer(&run(&[], &["--version"])).starts_with("kdcube-metrics "));
}

#[test]
fn an_env_file_and_a_secret_file_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let (env, url) = (folder.path().join("env"), folder.path().join("url"));
    let redis = RedisServer::start().with_deployment();
    std::fs::write(&url, format!("{}\n", redis.url())).unwrap();
    std::fs::write(&env, format!("GATEWAY_CONFIG_JSON='{}'\nREDIS_URL_FILE={}\n", GATEWAY.1, url.display())).unwrap();
    let output = run(&[], &["snapshot", "--env-file", env.to_str().unwrap(), "--format", "scalars"]);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    assert_eq!(serde_json::from_str::<serde_json::Value>(&answer(&output)).unwrap()["proc.queue.total"], 0);
}

#[test]
fn nothing_collected_is_exit_2() {
    let url = format!("redis://:hunter2@127.0.0.1:{}/0", free_port());
    let output = run(&[GATEWAY, ("REDIS_URL", &url)], &["snapshot"]);
    assert_eq!((output.status.code(), answer(&output).as_str()), (Some(2), ""));
    assert!(errors(&output).contains("REDIS_URL") && !errors(&output).contains("hunter2"), "{}", errors(&output));
}

#[test]
fn a_snapshot_writes_nothing_unless_told_to() {
    let redis = RedisServer::start().with_deployment();
    let keys = || redis::cmd("DBSIZE").query::<i64>(&mut redis.connection()).unwrap();
    for format in ["system", "combined", "scalars", "prometheus"] {
        let output = run(&[GATEWAY, ("REDIS_URL", &redis.url())], &["snapshot", "--format", format]);
        assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
        assert!(!answer(&output).is_empty());
    }
    assert_eq!(keys(), 1);
    run(&[GATEWAY, ("REDIS_URL", &redis.url())], &["snapshot", "--record"]);
    assert!(keys() > 1);
}

#[test]
fn a_snapshot_is_of_the_time_it_is_asked_for() {
    let redis = RedisServer::start();
    let at = 1_767_225_600.0;
    let _: i64 = redis::cmd("ZADD")
        .arg("acme:chat:kdcube:metrics:task_exec_ms:proc")
        .arg(at)
        .arg("1767225600.0:7.0")
        .query(&mut redis.connection())
        .unwrap();
    let hour = |seconds: f64| {
        let time = (at + seconds).to_string();
        let output = run(&[GATEWAY, ("REDIS_URL", &redis.url())], &["snapshot", "--format", "combined", "--at", &time]);
        let combined: serde_json::Value = serde_json::from_str(&answer(&output)).unwrap();
        assert_eq!((combined["timestamp"].as_f64(), combined["mode"].as_str()), (Some(at + seconds), Some("redis")));
        combined["system"]["components"]["proc"]["latency"]["exec_ms"]["1h"]["count"].as_i64().unwrap()
    };
    assert_eq!([-10.0, 0.0, 3600.0, 3601.0, 1e9].map(hour), [0, 1, 1, 0, 0]);
    for odd in ["-1", "nan", "inf"] {
        let output = run(&[GATEWAY, ("REDIS_URL", &redis.url())], &["snapshot", &format!("--at={odd}")]);
        assert_eq!(output.status.code(), Some(64), "{odd}");
        assert!(errors(&output).contains("--at"), "{}", errors(&output));
    }
}

#[test]
fn a_check_says_what_it_found() {
    let redis = RedisServer::start();
    let port = free_port().to_string();
    let with =
        |url: &str| run(&[GATEWAY, ("REDIS_URL", url), ("METRICS_PORT", &port), ("METRICS_TYPO", "1")], &["check"]);
    let good = with(&redis.url());
    assert_eq!(good.status.code(), Some(0), "{}", answer(&good));
    for part in ["tenant acme, project chat", "redis", "7.", "METRICS_TYPO"] {
        assert!(answer(&good).contains(part), "{part} in\n{}", answer(&good));
    }
    let bad = with(&format!("redis://:hunter2@127.0.0.1:{}/0", free_port()));
    assert_eq!(bad.status.code(), Some(1));
    assert!(answer(&bad).contains("FAILED") && !answer(&bad).contains("hunter2"), "{}", answer(&bad));
    let broken = run(&[("METRICS_PORT", "many")], &["check"]);
    assert_eq!(broken.status.code(), Some(78));
    assert!(answer(&broken).contains("METRICS_PORT"));
}

#[test]
fn a_simulated_deployment_is_there_to_be_measured() {
    let redis = RedisServer::start();
    let arguments =
        ["simulate", "--redis-url", &redis.url(), "--for", "2s", "--ingress", "3", "--proc", "2", "--rate", "20"];
    let output = run(&[], &[&arguments[..], &["--history", "1000", "--unrelated-keys", "10"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    let gateway = ("GATEWAY_CONFIG_JSON", r#"{"tenant": "demo", "project": "demo"}"#);
    let output = run(&[gateway, ("REDIS_URL", &redis.url())], &["snapshot"]);
    let system: serde_json::Value = serde_json::from_str(&answer(&output)).unwrap();
    assert_eq!(system["components"]["ingress"]["actual_processes"], 3);
    assert_eq!(system["components"]["proc"]["actual_processes"], 2);
    assert!(system["components"]["proc"]["latency"]["exec_ms"]["1h"]["count"].as_i64().unwrap() > 900);
    let refused = run(&[], &["simulate", "--redis-url", &format!("redis://127.0.0.1:{}", free_port()), "--for", "1s"]);
    assert_eq!(refused.status.code(), Some(1));
}

#[test]
fn a_simulation_is_of_the_tenant_and_project_that_a_server_would_read() {
    let redis = RedisServer::start();
    let url = redis.url();
    let simulate = |variables: &[(&str, &str)], flags: &[&str]| {
        let variables = [variables, &[("REDIS_URL", &url)]].concat();
        answer(&run(&variables, &[&["simulate", "--for", "1s"], flags].concat()))
    };
    let gateway = [("GATEWAY_CONFIG_JSON", r#"{"tenant": "acme", "project": "chat"}"#)];
    assert!(simulate(&gateway, &[]).contains(" of acme/chat live in "));
    assert!(simulate(&gateway, &["--project", "other"]).contains(" of acme/other live in "));
    assert!(simulate(&[("TENANT_ID", "a"), ("PROJECT_ID", "b")], &[]).contains(" of a/b live in "));
    assert!(simulate(&[], &[]).contains(" of demo/demo live in "));
    assert!(
        simulate(&[("GATEWAY_CONFIG_JSON", "{")], &["--tenant", "a", "--project", "b"]).contains(" of a/b live in ")
    );
}

#[test]
fn the_demo_tells_where_to_look() {
    let output = run(&[("METRICS_PORT", "0")], &["demo", "--for", "1s"]);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    assert!(answer(&output).contains("/api/v1/signals"), "{}", answer(&output));
}

#[test]
fn catalog_and_dashboard_use_the_names_in_force_and_refuse_a_mapping_that_the_server_would() {
    let mapping = [("METRICS_MAPPING_JSON", r#"{"proc.queue.total": "my.queue"}"#)];
    for command in ["catalog", "dashboard"] {
        assert!(answer(&run(&mapping, &[command])).contains("my_queue"), "{command}");
        let refused = run(&[("METRICS_MAPPING_JSON", r#"{"proc.queue.totl": "q"}"#)], &[command]);
        assert_eq!(refused.status.code(), Some(78), "{command}: {}", errors(&refused));
    }
}

#[test]
fn completions_and_manual_pages_know_each_command_and_only_the_flags_that_it_uses() {
    for (shell, part) in
        [("bash", "complete -F"), ("zsh", "#compdef kdcube-metrics"), ("fish", "complete -c kdcube-metrics")]
    {
        let script = answer(&run(&[], &["completions", shell]));
        assert!(script.contains(part) && script.contains("redis-url") && script.contains("whatif"), "{shell}");
    }
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man");
    assert!(run(&[], &["man", pages.to_str().unwrap()]).status.success());
    let page = |name: &str| std::fs::read_to_string(pages.join(name)).unwrap();
    assert!(page("kdcube-metrics.1").contains("redis\\-url") && page("kdcube-metrics-check.1").contains("redis\\-url"));
    assert!(!page("kdcube-metrics-healthcheck.1").contains("redis\\-url"));
    let refused = run(&[], &["man", "/proc/nowhere"]);
    assert!(refused.status.code() == Some(1) && errors(&refused).contains("/proc/nowhere"), "{}", errors(&refused));
}

/// `kdcube-metrics catalog | head -1`: more is printed than a pipe holds, or read by nobody.
#[test]
fn a_reader_that_leaves_is_no_error() {
    for arguments in
        [&["catalog"][..], &["settings"], &["problems"], &["dashboard"], &["completions", "bash"], &["--help"]]
    {
        let mut child = program(&[], arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), errors(&output).as_str()), (Some(0), ""), "{arguments:?}");
    }
}

/// Standard error is a terminal there, which `script` makes.
#[test]
fn logs_are_coloured_on_a_terminal_and_not_where_nobody_wants_it() {
    let log = |no_color: &str| {
        let command = format!("{} demo --for 1s", env!("CARGO_BIN_EXE_kdcube-metrics"));
        let mut script = Command::new("script");
        script.args(["--quiet", "--return", "--command", &command, "/dev/null"]).env("METRICS_PORT", "0");
        let output = script.env("NO_COLOR", no_color).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success());
        answer(&output)
    };
    let (coloured, plain) = (log(""), log("1"));
    assert!(coloured.contains("gateway configuration in force") && coloured.contains("\u{1b}[32m"), "{coloured:?}");
    assert!(plain.contains("gateway configuration in force") && !plain.contains("\u{1b}[32m"), "{plain:?}");
}

#[test]
fn the_documents_are_what_the_program_prints() {
    for (command, document) in [
        ("catalog", "docs/metrics.md"),
        ("settings", "docs/configuration.md"),
        ("problems", "docs/problems.md"),
        ("dashboard", "deployment/grafana/kdcube-metrics.json"),
    ] {
        let path = format!("{}/{document}", env!("CARGO_MANIFEST_DIR"));
        let printed = answer(&run(&[], &[command]));
        assert!(std::fs::read_to_string(path).unwrap() == printed, "run: cargo run -- {command} > {document}");
    }
    let json: serde_json::Value = serde_json::from_str(&answer(&run(&[], &["catalog", "--format", "json"]))).unwrap();
    assert!(json["metrics"].as_array().unwrap().len() > 40);
}
