//! The SDK's default chain for credentials, region and endpoint. It reads the environment, so each case runs this test
//! again in a process with its own environment.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use kdcube_metrics::outlets::names::Mapping;
use kdcube_metrics::outlets::push::cloudwatch::config::read;
use kdcube_metrics::outlets::push::cloudwatch::sink::CloudWatchSink;
use kdcube_metrics::outlets::push::sink::Sink;
use kdcube_metrics::settings::Settings;

use super::{batch, many, recently};
use crate::aws_server::{AwsServer, KEY, REGION, SECRET, TOKEN};

/// Marks the process that pushes.
const CHILD: &str = "TEST_IS_TO_PUSH";
const THIS: &str = "cloudwatch::chain::credentials_come_from_every_provider_of_the_chain";

/// One attempt of a sink as the server builds it; errors go to standard error.
async fn push() {
    let mut settings =
        Settings::from_environment([("METRICS_EXPORT_CLOUDWATCH", "1"), ("METRICS_CLOUDWATCH_INCLUDE", "*")]);
    let config = read(&mut settings, Duration::from_mins(1)).unwrap();
    let sink = CloudWatchSink::new(config, Arc::new(Mapping::default()));
    let outcome = sink.export(&batch("a", recently(0.0), many(1))).await;
    assert_eq!(outcome, Ok(()), "the push failed");
}

/// Pushes from a process with only this environment; returns its standard error if it failed.
async fn push_from(environment: &[(&str, &str)]) -> Result<(), String> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", THIS, "--nocapture"]).env_clear().env(CHILD, "1").env("PATH", "/usr/bin:/bin");
    command.envs(environment.iter().copied());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

#[tokio::test]
async fn credentials_come_from_every_provider_of_the_chain() {
    if std::env::var_os(CHILD).is_some() {
        return push().await;
    }
    let server = AwsServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name).to_str().unwrap().to_owned()
    };
    let (url, token) = (server.url(), file("token", TOKEN));
    let keys = file("keys", &format!(r#"{{"Version": 1, "AccessKeyId": "{KEY}", "SecretAccessKey": "{SECRET}"}}"#));
    let profile = format!("[profile acme]\nregion = {REGION}\nendpoint_url = {url}\ncredential_process = cat {keys}\n");
    let (config, container) = (file("config", &profile), format!("{url}/container"));
    let key = [("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", SECRET), ("AWS_REGION", REGION)];
    let cases: [(&str, &[(&str, &str)]); 6] = [
        ("variables", &[key[0], key[1], key[2], ("AWS_ENDPOINT_URL", &url)]),
        (
            "variables of a session, endpoint of the service",
            &[key[0], key[1], key[2], ("AWS_SESSION_TOKEN", "s"), ("AWS_ENDPOINT_URL_CLOUDWATCH", &url)],
        ),
        ("profile with a process", &[("AWS_CONFIG_FILE", &config), ("AWS_PROFILE", "acme")]),
        (
            "web identity",
            &[
                ("AWS_WEB_IDENTITY_TOKEN_FILE", &token),
                ("AWS_ROLE_ARN", "arn:aws:iam::1:role/a-role"),
                ("AWS_ENDPOINT_URL", &url),
                key[2],
            ],
        ),
        (
            "container",
            &[
                ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &container),
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN", TOKEN),
                ("AWS_ENDPOINT_URL", &url),
                ("AWS_DEFAULT_REGION", REGION),
            ],
        ),
        ("instance", &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &url), ("AWS_ENDPOINT_URL", &url)]),
    ];
    for (number, (name, environment)) in cases.into_iter().enumerate() {
        let outcome = push_from(environment).await;
        assert_eq!(outcome, Ok(()), "{name}");
        assert_eq!(server.points().len(), number + 1, "{name}");
    }
}

#[tokio::test]
async fn missing_credentials_or_region_are_reported_with_what_to_set() {
    let server = AwsServer::start().await;
    let (url, nowhere) = (server.url(), [("AWS_EC2_METADATA_DISABLED", "true"), ("HOME", "/nowhere")]);
    let stderr = push_from(&[nowhere[0], nowhere[1], ("AWS_ENDPOINT_URL", &url)]).await.unwrap_err();
    assert!(stderr.contains("no region is known; set METRICS_CLOUDWATCH_REGION or AWS_REGION"), "{stderr}");
    let environment = [nowhere[0], nowhere[1], ("AWS_ENDPOINT_URL", &url), ("AWS_REGION", REGION)];
    let stderr = push_from(&environment).await.unwrap_err();
    assert!(stderr.contains("no credentials found; give AWS_ACCESS_KEY_ID") && stderr.contains("Denied("), "{stderr}");
    assert_eq!(server.requests(), 0);
}

#[tokio::test]
async fn tls_trusts_the_system_certificates_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let server = AwsServer::start_tls(folder.path()).await;
    let (url, trusted) = (server.url(), folder.path().join("cert.pem"));
    let key = [("AWS_ACCESS_KEY_ID", KEY), ("AWS_SECRET_ACCESS_KEY", SECRET), ("AWS_REGION", REGION)];
    let stderr = push_from(&[key[0], key[1], key[2], ("AWS_ENDPOINT_URL", &url)]).await.unwrap_err();
    assert!(stderr.contains("invalid peer certificate") && stderr.contains("Retry("), "{stderr}");
    let trust = ("SSL_CERT_FILE", trusted.to_str().unwrap());
    assert_eq!(push_from(&[key[0], key[1], key[2], ("AWS_ENDPOINT_URL", &url), trust]).await, Ok(()));
    assert_eq!(server.points().len(), 1);
}
