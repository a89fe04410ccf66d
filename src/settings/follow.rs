//! Follows the platform's descriptor files: a value that changes there takes effect with the next start, and until then it
//! is a problem that names the setting.

use std::path::PathBuf;

use super::descriptors::Descriptors;
use super::table::Setting;
use super::{Layers, Origin, Sources, setting};
use crate::base::file_watch::FileWatcher;
use crate::problems::code::code;
use crate::problems::{Problem, ProblemCode};

const GATEWAY_JSON: &Setting = setting("GATEWAY_CONFIG_JSON");

const RESTART_REQUIRED: ProblemCode = code("restart_required");
const RELOAD_FAILED: ProblemCode = code("reload_failed");

/// Polls the descriptor files until it is dropped; returns at once if the deployment has none. Calls `report` with every
/// problem that there is at first and after a change: settings in force that a restart would change, and files that cannot be
/// used any more. `started` is what the settings in force were read from: a change since then is not missed.
pub async fn follow_descriptors(started: Layers, sources: Sources, mut report: impl FnMut(Vec<Problem>)) {
    let Some(descriptors) = started.descriptors().filter(|descriptors| descriptors.is_given()) else { return };
    let (paths, broken) = (descriptors.paths().to_vec(), descriptors.unusable().to_vec());
    // Always loads: contents that cannot be used are problems too, which end when the watcher sees others.
    let Ok((watcher, now)) = FileWatcher::begin(paths, move || Ok(Layers::read(&sources))) else { return };
    let mut changed = Vec::new();
    let mut on_change = |layers: Layers| {
        let failed = newly_broken(&layers, &broken);
        if failed.is_empty() {
            changed = restart_problems(&started, &layers);
        }
        report(failed.into_iter().chain(changed.iter().cloned()).collect());
    };
    on_change(now);
    watcher.follow(|loaded| loaded.into_iter().for_each(&mut on_change)).await;
}

/// One problem for each file that cannot be used and could be at the start.
fn newly_broken(layers: &Layers, broken: &[PathBuf]) -> Vec<Problem> {
    let Some(descriptors) = layers.descriptors() else { return Vec::new() };
    let is_new = |file: &PathBuf| descriptors.unusable().contains(file) && !broken.contains(file);
    let unusable = descriptors.warnings().iter().filter(|warning| is_new(&warning.file));
    unusable.map(|warning| Problem::new(RELOAD_FAILED, "descriptors", warning.to_string())).collect()
}

/// One problem for each setting that would have another value after a restart.
fn restart_problems(started: &Layers, newer: &Layers) -> Vec<Problem> {
    let changed = started.diff(newer).into_iter();
    let mut problems: Vec<Problem> = changed.map(|setting| restart_problem(setting, started, newer)).collect();
    problems.extend(gateway_problem(started, newer));
    problems
}

fn restart_problem(setting: &'static Setting, started: &Layers, newer: &Layers) -> Problem {
    let origin = |layers: &Layers| layers.find(setting).map_or(Origin::Default, |given| given.origin.clone());
    let (old, new) = (origin(started), origin(newer));
    let detail = if old == new {
        format!("the value from {new} changed")
    } else {
        format!("the value in force is from {old}, the next one from {new}")
    };
    Problem::new(RESTART_REQUIRED, setting.variable(), detail)
}

/// A change of gateway.yaml, where it is in use.
fn gateway_problem(started: &Layers, newer: &Layers) -> Option<Problem> {
    let text = |layers: &Layers| layers.descriptors().and_then(Descriptors::gateway_text).map(str::to_owned);
    if newer.find(GATEWAY_JSON).is_some() || text(started) == text(newer) {
        return None;
    }
    let gateway = newer.descriptors()?.gateway()?;
    Some(Problem::new(RESTART_REQUIRED, gateway.named_by.variable(), format!("{} changed", gateway.path.display())))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;
    use crate::settings::Variables;

    const ASSEMBLY: &str = "ports: {metrics: 1}\ninfra: {redis: {host: a}}\n";

    fn sources(folder: &Path, more: &[(&str, &str)]) -> Sources {
        let directory = ("PLATFORM_DESCRIPTORS_DIR", folder.to_str().unwrap());
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let environment: Variables = more.iter().chain([&directory]).map(owned).collect();
        Sources { environment, ..Sources::default() }
    }

    fn lines(problems: &[Problem]) -> Vec<String> {
        problems.iter().map(|problem| format!("{}: {}", problem.subject, problem.detail)).collect()
    }

    /// What a change from [`ASSEMBLY`] to these files would need a restart for.
    fn changed(more: &[(&str, &str)], assembly: &str, gateway: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("assembly.yaml", ASSEMBLY);
        write("gateway.yaml", "tenant: a\n");
        let sources = sources(folder.path(), more);
        let started = Layers::read(&sources);
        write("assembly.yaml", assembly);
        write("gateway.yaml", gateway);
        let place = format!("{}/", folder.path().display());
        lines(&restart_problems(&started, &Layers::read(&sources)))
            .iter()
            .map(|line| line.replace(&place, ""))
            .collect()
    }

    #[test]
    fn settings_are_named_whose_value_in_force_would_be_another_one() {
        let redis = "REDIS_HOST: the value from assembly.yaml, infra.redis.host changed";
        let other = "ports: {metrics: \"1\"}\ninfra.redis.host: b\n";
        assert_eq!(changed(&[], other, "tenant: a\n"), [redis]);
        assert_eq!(changed(&[("REDIS_HOST", "c")], other, "tenant: a\n"), [""; 0], "the environment wins");
        let moved = "infra: {redis: {host: a}}\nplatform.services.metrics.service.metrics_mode: proxy\n";
        assert_eq!(
            changed(&[("METRICS_MODE", "redis")], moved, "tenant: a\n"),
            [
                "METRICS_MODE: the value in force is from the environment, the next one from assembly.yaml, \
                 platform.services.metrics.service.metrics_mode",
                "METRICS_PORT: the value in force is from assembly.yaml, ports.metrics, the next one from the default",
            ]
        );
    }

    #[test]
    fn a_change_of_gateway_yaml_counts_where_it_is_in_use() {
        assert_eq!(changed(&[], ASSEMBLY, "tenant: b\n"), ["PLATFORM_DESCRIPTORS_DIR: gateway.yaml changed"]);
        assert_eq!(changed(&[("GATEWAY_CONFIG_JSON", "{}")], ASSEMBLY, "tenant: b\n"), [""; 0]);
    }

    #[test]
    fn no_problem_shows_a_value() {
        let folder = tempfile::tempdir().unwrap();
        let sources = sources(folder.path(), &[]);
        let started = Layers::read(&sources);
        fs::write(folder.path().join("secrets.yaml"), "infra.redis.password: hunter2\n").unwrap();
        let problems = restart_problems(&started, &Layers::read(&sources));
        assert_eq!(problems[0].subject, "REDIS_PASSWORD");
        assert!(!format!("{problems:?}").contains("hunter2"));
    }

    #[tokio::test]
    async fn a_change_is_reported_a_broken_file_too_and_the_way_back_ends_both() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("assembly.yaml");
        fs::write(&file, ASSEMBLY).unwrap();
        let (out, reports) = mpsc::channel();
        let report = move |problems: Vec<Problem>| out.send(problems).unwrap();
        let sources = sources(folder.path(), &[]);
        let following = tokio::spawn(follow_descriptors(Layers::read(&sources), sources, report));
        let next = |text: &str| fs::write(&file, text).unwrap();
        let reports = std::sync::Arc::new(std::sync::Mutex::new(reports));
        let received = || {
            let reports = std::sync::Arc::clone(&reports);
            async move {
                let wait = move || reports.lock().unwrap().recv_timeout(Duration::from_secs(15)).unwrap();
                tokio::task::spawn_blocking(wait).await.unwrap()
            }
        };
        assert_eq!(received().await, []);
        next("ports: {metrics: 2}\ninfra: {redis: {host: a}}\n");
        let problems = received().await;
        assert_eq!(lines(&problems), ["METRICS_PORT: the value from assembly.yaml, ports.metrics changed"]);
        next("ports: [");
        let problems = received().await;
        let codes: Vec<&str> = problems.iter().map(|problem| problem.code.as_str()).collect();
        assert_eq!(codes, ["reload_failed", "restart_required"], "{problems:?}");
        assert!(problems[0].detail.contains("assembly.yaml: is not YAML (line "), "{problems:?}");
        next(ASSEMBLY);
        assert_eq!(received().await, []);
        following.abort();
    }

    #[tokio::test]
    async fn a_change_before_the_first_poll_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("assembly.yaml"), ASSEMBLY).unwrap();
        let sources = sources(folder.path(), &[]);
        let started = Layers::read(&sources);
        fs::write(folder.path().join("assembly.yaml"), ASSEMBLY.replace("host: a", "host: b")).unwrap();
        let (out, reports) = mpsc::channel();
        let following = follow_descriptors(started, sources, move |problems| out.send(lines(&problems)).unwrap());
        let _ = tokio::time::timeout(Duration::from_millis(10), following).await;
        assert_eq!(
            reports.recv(),
            Ok(vec!["REDIS_HOST: the value from assembly.yaml, infra.redis.host changed".to_owned()])
        );
    }

    #[tokio::test]
    async fn a_deployment_without_descriptors_is_not_followed() {
        follow_descriptors(Layers::default(), Sources::default(), |_| {}).await;
    }
}
