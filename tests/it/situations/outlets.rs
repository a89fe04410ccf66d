//! Sinks that are down, readers that differ, and another leader.

use super::{LIMIT, Situation, check, documented, log_line};
use crate::pushgateway::{EMBEDDED, OFTEN, PUSH, Pushgateway, SCHEDULED};
use crate::support::{RedisServer, Server, eventually, free_port, value};

const TIME: &str = "kdcube_metrics_snapshot_timestamp_seconds";

#[test]
fn a_sink_that_is_down_is_named_with_its_last_error() {
    let url = format!("http://127.0.0.1:{}", free_port());
    let push = [PUSH, SCHEDULED, OFTEN, EMBEDDED, ("METRICS_PROM_PUSHGATEWAY_URL", url.as_str())];
    let server = Server::ready(&push);
    let situation = Situation::new("a sink is down", "sink_failing", &["refused"]);
    situation.named_by(&server);
    situation.checked("pushgateway", &push);
    assert!(server.get("/api/v1/exports").text().contains("refused"));
}

/// A Pushgateway keeps what it got, while a scrape has the newest.
#[test]
fn readers_that_differ_are_told_apart_by_the_snapshot_that_each_got() {
    let gateway = Pushgateway::start();
    let url = gateway.url();
    let server = Server::ready(&[EMBEDDED, PUSH, ("METRICS_PROM_PUSHGATEWAY_URL", &url)]);
    assert_eq!(server.get("/metrics/export").status, 200);
    let exports = server.get("/api/v1/exports").json();
    let sent = exports["sinks"][0]["last_snapshot"].as_str().unwrap_or_else(|| panic!("{exports}"));
    let served = || server.get("/api/v1/signals").json()["snapshot"]["id"].as_str().unwrap().to_owned();
    eventually("a later snapshot", LIMIT, || served() != sent);
    let page = server.get("/").text();
    assert!(page.contains(sent) && page.contains("proc.queue.pressure_ratio"), "{page}");
    let pushed = gateway.lines(TIME).remove(0);
    let pushed = pushed.rsplit(' ').next().unwrap().parse::<f64>().unwrap();
    let text = server.get("/metrics").text();
    assert!(value(&text, TIME) > Some(pushed), "{pushed}");
    documented("readers that differ", text.lines().find(|line| line.starts_with(&format!("{TIME} "))).unwrap());
}

#[test]
fn a_change_of_the_leader_is_in_the_log_the_charts_and_the_outlets() {
    let redis = RedisServer::start().with_deployment();
    let url = redis.url();
    let replica = |name| Server::ready(&[("REDIS_URL", &url), ("INSTANCE_ID", name)]);
    let standing = |server: &Server, standing: &str| server.get("/api/v1/lease").json()["standing"] == standing;
    let first = replica("first");
    eventually("a leader", LIMIT, || standing(&first, "leader"));
    let second = replica("second");
    eventually("a follower", LIMIT, || {
        second.get("/").text().contains("another replica records and pushes: first since")
    });
    first.terminate();
    eventually("the next leader", LIMIT, || standing(&second, "leader"));
    documented("the leader changed", &log_line(&second, &["this replica holds the lease"]));
    eventually("the page", LIMIT, || {
        let page = second.get("/").text();
        page.contains("this replica became the leader")
            && page.contains("this replica records and pushes: second since")
    });
    let table = check(&[("REDIS_URL", &url)]);
    assert!(table.contains("held by second since"), "{table}");
}
