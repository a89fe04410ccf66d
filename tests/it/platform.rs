//! The platform's own deployments, each with the environment and the descriptor files that it gives to the metrics container
//! (tests/platform/descriptors): the server starts, reads a Redis with a password, answers probes and pushes.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use kdcube_metrics::settings::{Variables, read_env_file};
use tempfile::TempDir;

use crate::aws_server::{AwsServer, KEY, REGION, SECRET};
use crate::pushgateway::Pushgateway;
use crate::start::{beat, publish};
use crate::support::{Killed, RedisServer, eventually, free_port, get, program, value};

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/platform/descriptors");

const LIMIT: Duration = Duration::from_secs(20);

/// A deployment's environment and files in a folder of its own.
struct Deployment {
    folder: TempDir,
    environment: Variables,
}

impl Deployment {
    /// Copies the files of a form and replaces texts in all of them: the values there are made up.
    fn new(form: &str, replace: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (root, config) = (folder.path().to_str().unwrap(), folder.path().join("config"));
        std::fs::create_dir(&config).unwrap();
        for entry in std::fs::read_dir(Path::new(DATA).join(form)).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let text = replace.iter().fold(text, |text, (from, to)| text.replace(from, to));
            let text = text.replace("/config", config.to_str().unwrap()).replace("/logs", &format!("{root}/logs"));
            std::fs::write(config.join(path.file_name().unwrap()), text).unwrap();
        }
        let mut environment = read_env_file(&config.join("env"), &Variables::new()).unwrap().variables;
        environment.insert("HOME".to_owned(), root.to_owned());
        Self { folder, environment }
    }

    fn set(&mut self, name: &str, value: impl Into<String>) {
        self.environment.insert(name.to_owned(), value.into());
    }

    fn program(&self, arguments: &[&str]) -> Command {
        let variables: Vec<_> = self.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        program(&variables, arguments)
    }

    fn check(&self) -> Output {
        self.program(&["check"]).output().unwrap()
    }

    /// Serves until it is dropped.
    fn start(&self, port: u16) -> Killed {
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        let server = Killed(self.program(&[]).stderr(log).spawn().unwrap());
        eventually("the probe", LIMIT, || TcpStream::connect(("127.0.0.1", port)).is_ok());
        server
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A Redis with this password and one ingress worker that has 12 connections.
fn redis(password: &str) -> RedisServer {
    let server = RedisServer::start();
    beat(&server, 41);
    publish(&server, 41, 12);
    let () = redis::cmd("CONFIG").arg(&["SET", "requirepass", password]).query(&mut server.connection()).unwrap();
    server
}

/// The deployment's check passes, and a server of it is healthy and ready and has read Redis.
fn serves(form: &str, deployment: &Deployment, port: u16, secrets: &[&str]) -> Killed {
    let check = deployment.check();
    assert_eq!(check.status.code(), Some(0), "{form}: {}", text(&check));
    let server = deployment.start(port);
    let health = get(port, "/health");
    assert_eq!((health.status, health.json()["status"].as_str()), (200, Some("ok")), "{form}");
    eventually(form, LIMIT, || get(port, "/readyz").status == 200);
    let connections = get(port, "/api/v1/signals").json()["ingress"]["sse"]["total_connections"].clone();
    assert_eq!(connections, 12, "{form}");
    for secret in secrets {
        assert!(!text(&check).contains(secret) && !deployment.log().contains(secret), "{form}: {}", deployment.log());
    }
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn compose_of_the_cli_gives_two_variables_and_a_directory() {
    const PASSWORD: &str = "red?s/from#secrets";
    let (redis, cloudwatch, port) = (redis(PASSWORD), AwsServer::start().await, free_port().to_string());
    let redis_port = redis.port().to_string();
    let deployment = Deployment::new(
        "compose-cli",
        &[
            ("host: \"redis\"", "host: \"127.0.0.1\""),
            ("6380", &redis_port),
            ("redis-from-secrets", PASSWORD),
            ("8091", &port),
        ],
    );
    // The platform mounts the profile that assembly.yaml names.
    std::fs::create_dir(deployment.folder.path().join(".aws")).unwrap();
    let keys = format!("aws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n");
    let profile = format!("[profile kdcube]\nendpoint_url = {}\n{keys}", cloudwatch.url());
    std::fs::write(deployment.folder.path().join(".aws/config"), profile).unwrap();
    let _server = serves("compose-cli", &deployment, port.parse().unwrap(), &[PASSWORD, SECRET, "made-up"]);
    eventually("a push", LIMIT, || !cloudwatch.accepted().is_empty());
    assert_eq!(cloudwatch.accepted()[0].namespace, "kdcube/chat");
    let names: Vec<String> = cloudwatch.points().into_iter().map(|datum| datum.name).collect();
    assert!(names.iter().any(|name| name == "chat/ingress/sse/saturation"), "{names:?}");

    let check = text(&deployment.check());
    for (setting, place) in [
        ("METRICS_PORT", "assembly.yaml, ports.metrics"),
        ("METRICS_SCHEDULER_ENABLED", "assembly.yaml, platform.services.metrics.export.scheduler_enabled"),
        ("REDIS_PASSWORD", "secrets.yaml, secrets.infra.redis.password"),
        ("PLATFORM_DESCRIPTORS_DIR", "the environment"),
    ] {
        let line = check.lines().find(|line| line.starts_with(setting)).unwrap_or_default();
        assert!(line.ends_with(&format!("from {place}")), "{setting} in\n{check}");
    }
}

#[test]
fn a_hand_filled_environment_needs_no_descriptors() {
    const PASSWORD: &str = "made-up-and-long";
    let (redis, gateway, port) = (redis(PASSWORD), Pushgateway::start(), free_port().to_string());
    let place = format!("127.0.0.1:{}", redis.port());
    let url = gateway.url();
    let push = format!("PUSH=y\nMETRICS_PROM_PUSHGATEWAY_URL={}", url.trim_start_matches("http://"));
    let deployment = Deployment::new(
        "compose-env",
        &[("redis:6379", &place), ("made-up", PASSWORD), ("=8090", &format!("={port}")), ("PUSH=0", &push)],
    );
    let _server = serves("compose-env", &deployment, port.parse().unwrap(), &[PASSWORD]);
    eventually("a push", LIMIT, || !gateway.lines("kdcube_ingress_sse_total_connections").is_empty());
    let limit = value(&get(port.parse().unwrap(), "/metrics").text(), "kdcube_ingress_sse_capacity");
    assert!(limit.is_none_or(|limit| limit > 0.0), "{limit:?}");
}

#[test]
fn the_charts_password_is_in_its_url_as_it_is() {
    const PASSWORD: &str = "p/a?s#s%@:";
    let (redis, port) = (redis(PASSWORD), free_port().to_string());
    let redis_port = redis.port().to_string();
    let mut deployment = Deployment::new("chart", &[]);
    deployment.set("REDIS_URL", format!("redis://:{PASSWORD}@127.0.0.1:{redis_port}/0"));
    for (name, value) in [
        ("REDIS_HOST", "127.0.0.1"),
        ("REDIS_PORT", &redis_port),
        ("REDIS_PASSWORD", PASSWORD),
        ("METRICS_PORT", &port),
    ] {
        deployment.set(name, value);
    }
    let _server = serves("chart", &deployment, port.parse().unwrap(), &[PASSWORD]);
    assert!(deployment.log().contains("REDIS_URL cannot be parsed; REDIS_HOST and REDIS_PASSWORD are used instead"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_of_ecs_has_everything_in_its_environment() {
    const PASSWORD: &str = "made-up-and-long";
    let (redis, cloudwatch, port) = (redis(PASSWORD), AwsServer::start().await, free_port().to_string());
    let place = format!("redis://:{PASSWORD}@127.0.0.1:{}/0", redis.port());
    let mut deployment = Deployment::new(
        "ecs",
        &[
            ("rediss://:made-up@redis.kdcube.local:6379/0", &place),
            ("=8002", &format!("={port}")),
            ("eu-west-1", REGION),
        ],
    );
    for (name, value) in [("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", SECRET)] {
        deployment.set(name, value);
    }
    deployment.set("AWS_ENDPOINT_URL", cloudwatch.url());
    let _server = serves("ecs", &deployment, port.parse().unwrap(), &[PASSWORD, SECRET]);
    eventually("a push", LIMIT, || !cloudwatch.accepted().is_empty());
    let points = cloudwatch.points();
    assert!(points.iter().any(|datum| datum.name == "chat/ingress/sse/saturation"), "{points:?}");
    assert!(points.iter().all(|datum| format!("{datum:?}").contains("\"Environment\"")), "{points:?}");
}

#[test]
fn descriptors_without_a_redis_stop_the_start_and_so_does_a_cluster() {
    for (assembly, expected) in [
        ("context: {tenant: acme, project: chat}", "gives no infra.redis.host"),
        ("infra: {redis: {host: redis, topology: cluster}}", "Redis Cluster is not supported"),
    ] {
        let deployment = Deployment::new("compose-cli", &[]);
        std::fs::write(deployment.folder.path().join("config/assembly.yaml"), assembly).unwrap();
        let output = deployment.program(&["serve"]).output().unwrap();
        assert_eq!(output.status.code(), Some(78), "{}", text(&output));
        assert!(text(&output).contains(expected) && !text(&output).contains("127.0.0.1"), "{}", text(&output));
    }
}

#[test]
fn a_changed_descriptor_is_a_problem_until_the_restart() {
    let redis = redis("pw");
    let (port, redis_port) = (free_port().to_string(), redis.port().to_string());
    let deployment = Deployment::new(
        "compose-cli",
        &[
            ("host: \"redis\"", "host: \"127.0.0.1\""),
            ("6380", &redis_port),
            ("redis-from-secrets", "pw"),
            ("8091", &port),
            ("      export:\n", "      unused:\n"),
        ],
    );
    let _server = deployment.start(port.parse().unwrap());
    let file = deployment.folder.path().join("config/assembly.yaml");
    let assembly = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, assembly.replace("metrics_request_timeout_sec: 7.5", "metrics_request_timeout_sec: 6"))
        .unwrap();
    let problem = |log: &str| {
        log.lines().any(|line| line.contains("restart_required") && line.contains("METRICS_REQUEST_TIMEOUT_SEC"))
    };
    eventually("the problem", LIMIT, || problem(&deployment.log()));
    std::fs::write(&file, assembly).unwrap();
    eventually("its end", LIMIT, || deployment.log().contains("problem ended"));
}
