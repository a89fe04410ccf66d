//! Retries, exclusivity, statistics and shutdown of deliveries, in paused time.

use super::*;
use crate::base::clock::FixedClock;
use crate::catalog::own;
use crate::engine::snapshot;
use crate::outlets::push::fake_sink::{Act, Fake, batch};
use crate::telemetry::{Observed, PointCounts};

const SECOND: Duration = Duration::from_secs(1);
/// Limit of an attempt.
const ATTEMPT: Duration = Duration::from_secs(5);
/// Time for all attempts of a batch.
const DEADLINE: Duration = Duration::from_secs(30);
const NOW: f64 = 1_767_225_600.0;

fn exports(fakes: &[&Fake]) -> Arc<Exports> {
    let sinks = fakes.iter().map(|fake| fake.sink()).collect();
    Arc::new(Exports::new(sinks, &Arc::default(), Arc::new(FixedClock(NOW)), ATTEMPT))
}

fn error(report: &Report, sink: usize) -> &str {
    report.sinks[sink].error.as_deref().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_retried_with_growing_pauses_until_the_deadline() {
    let away = Fake::new(&[Act::Fail]);
    let (exports, began) = (exports(&[&away]), Instant::now());
    let report = exports.deliver(batch("a"), DEADLINE).await;
    assert_eq!((report.status, error(&report, 0)), (ExportOutcome::Failed, "away"));
    assert!(began.elapsed() <= DEADLINE, "{:?}", began.elapsed());
    let times = away.seen(|seen| seen.attempts.iter().map(|(at, _)| *at).collect::<Vec<_>>());
    // Pauses have jitter; at full length the sixth attempt would already be too late.
    assert!(times.len() >= 6, "{times:?}");
    for (n, pair) in (0_u32..).zip(times.windows(2)) {
        // Timers count milliseconds.
        let longest = Duration::from_millis(500) * 2_u32.pow(n.min(20)) + Duration::from_millis(2);
        assert!(pair[1] - pair[0] <= longest, "pause {n} of {times:?}");
    }
    let stats = &exports.stats()[0];
    assert_eq!((stats.failed, stats.retries), (1, times.len() as u64 - 1));
}

#[tokio::test(start_paused = true)]
async fn a_retry_in_time_is_a_success_and_a_denial_is_final() {
    let back = Fake::new(&[Act::Fail, Act::Hang, Act::Take]);
    let report = exports(&[&back]).deliver(batch("a"), DEADLINE).await;
    assert_eq!((report.status, report.sinks[0].samples, back.attempts()), (ExportOutcome::Ok, 2, 3));
    let closed = Fake::new(&[Act::Deny, Act::Take]);
    let report = exports(&[&closed]).deliver(batch("a"), DEADLINE).await;
    assert_eq!((report.status, closed.attempts()), (ExportOutcome::Failed, 1));
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_hangs_or_panics_does_not_affect_the_others() {
    let (hangs, panics, works) = (Fake::new(&[Act::Hang]), Fake::new(&[Act::Panic]), Fake::new(&[Act::Take]));
    let (exports, began) = (exports(&[&hangs, &panics, &works]), Instant::now());
    let report = exports.deliver(batch("a"), DEADLINE).await;
    assert_eq!(report.status, ExportOutcome::Partial);
    assert_eq!(error(&report, 1), "the sink panicked; please report this");
    assert_eq!((report.sinks[2].status, report.sinks[2].duration_ms), (ExportOutcome::Ok, 0));
    assert!(hangs.attempts() > 3, "timed out and retried");
    assert!(began.elapsed() <= DEADLINE + SECOND);
    exports.deliver(batch("b"), SECOND).await;
    assert_eq!((panics.attempts(), works.attempts()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_batch_without_a_snapshot_is_not_a_failure_of_the_sink() {
    let sink = Fake::new(&[Act::Take, Act::Take, Act::Fail]);
    let exports = exports(&[&sink]);
    exports.deliver(batch("a"), DEADLINE).await;
    let stale = || ExportBatch { snapshot: None, snapshot_age_seconds: Some(60.0), snapshot_taken_at: Some(0.0) };
    let report = exports.deliver(stale(), DEADLINE).await;
    assert_eq!(report.status, ExportOutcome::Failed);
    assert!(error(&report, 0).contains("nothing to push"));
    exports.deliver(stale(), SECOND).await;
    let stats = exports.stats().remove(0);
    assert_eq!((stats.ok, stats.no_data, stats.failed), (1, 1, 1));
    assert_eq!((stats.last_success, stats.last_error.as_deref()), (Some(NOW), Some("away")));
}

#[tokio::test(start_paused = true)]
async fn telemetry_and_statistics_count_the_same() {
    let sink = Fake::new(&[Act::Fail, Act::Fail, Act::Take]);
    let telemetry = Arc::new(Telemetry::default());
    let exports = Exports::new(vec![sink.sink()], &telemetry, Arc::new(FixedClock(NOW)), ATTEMPT);
    exports.deliver(batch("a"), DEADLINE).await;
    sink.seen(|seen| seen.points = PointCounts { delivered: 2, waiting: 3, dropped: 4 });
    exports.deliver(batch("b"), DEADLINE).await;
    let samples = own::samples(&telemetry.own_state(Observed::default()));
    let value =
        |name: &str| samples.iter().find(|sample| sample.metric.key == format!("kdcube_metrics_{name}")).unwrap().value;
    assert_eq!((value("exports_total"), value("export_retries_total")), (2.0, 2.0));
    assert_eq!((value("export_delivered_points_total"), value("export_waiting_points")), (4.0, 3.0));
    assert_eq!(value("export_last_success_timestamp_seconds"), NOW);
    let json = serde_json::to_value(exports.stats()).unwrap();
    assert_eq!((&json[0]["ok"], &json[0]["retries"]), (&2.into(), &2.into()));
    assert_eq!((&json[0]["delivered"], &json[0]["dropped"]), (&4.into(), &4.into()));
}

#[tokio::test(start_paused = true)]
async fn a_delivery_waits_for_the_previous_one_until_its_deadline() {
    let sink = Fake::new(&[Act::Hang, Act::Take]);
    let exports = exports(&[&sink]);
    let first = tokio::spawn({
        let exports = Arc::clone(&exports);
        async move { exports.deliver(batch("a"), ATTEMPT).await }
    });
    tokio::time::sleep(SECOND).await;
    let late = exports.deliver(batch("b"), SECOND).await;
    assert_eq!(error(&late, 0), "another delivery to this sink did not end in time");
    assert_eq!(exports.deliver(batch("c"), DEADLINE).await.status, ExportOutcome::Ok);
    assert_eq!(first.await.unwrap().status, ExportOutcome::Failed);
    let ids = sink.seen(|seen| seen.attempts.iter().filter_map(|(_, id)| id.clone()).collect::<Vec<_>>());
    assert_eq!(ids, ["a", "c"]);
}

#[tokio::test(start_paused = true)]
async fn shutdown_interrupts_what_hangs_retries_nothing_and_ends_in_time() {
    for act in [Act::Hang, Act::Fail] {
        let sink = Fake::new(&[act]);
        let exports = exports(&[&sink]);
        let under_way = tokio::spawn({
            let exports = Arc::clone(&exports);
            async move { exports.deliver(batch("a"), DEADLINE).await }
        });
        tokio::time::sleep(Duration::from_millis(1)).await;
        let (began, attempts) = (Instant::now(), sink.attempts());
        exports.shut_down(ATTEMPT).await;
        assert!(began.elapsed() < ATTEMPT && sink.seen(|seen| seen.shut_down), "{:?}", began.elapsed());
        under_way.await.unwrap();
        // Deliveries after the final flush are rejected.
        assert_eq!(error(&exports.deliver(batch("b"), DEADLINE).await, 0), "the server is shutting down");
        assert_eq!(sink.attempts(), attempts);
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_the_deadline_cuts_short_does_not_hide_why_the_attempt_before_it_failed() {
    let sink = Fake::new(&[Act::Fail, Act::Hang]);
    let report = exports(&[&sink]).deliver(batch("a"), 2 * SECOND).await;
    assert_eq!((error(&report, 0).contains("away"), sink.attempts()), (true, 2), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn no_retry_begins_that_would_have_less_than_a_second() {
    let sink = Fake::new(&[Act::Fail, Act::Take]);
    let report = exports(&[&sink]).deliver(batch("a"), SECOND).await;
    assert_eq!((report.status, sink.attempts()), (ExportOutcome::Failed, 1), "what is cut short may have arrived");
}

#[tokio::test(start_paused = true)]
async fn concurrent_callers_share_an_export_that_continues_when_they_disconnect() {
    let sink = Fake::new(&[Act::Hang, Act::Take]);
    let exports = exports(&[&sink]);
    let (_publisher, reader) = snapshot::channel(SECOND, SECOND);
    let ask = || exports.on_demand(&reader, SECOND);
    assert!(tokio::time::timeout(4 * SECOND, ask()).await.is_err(), "the caller disconnects");
    let (one, two) = tokio::join!(ask(), ask());
    assert_eq!((&one, sink.attempts()), (&two, 1));
    assert!(error(&one, 0).contains("no answer within"), "{one:?}");
    tokio::time::sleep(2 * SECOND).await;
    ask().await;
    assert_eq!(sink.attempts(), 2, "a later call exports again");
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_loses_the_lease_makes_no_further_attempt_and_on_request_pushes_all_the_same() {
    let sink = Fake::new(&[Act::Fail]);
    let (exports, leadership) = (exports(&[&sink]), Leadership::default());
    leadership.contend();
    let report = exports.deliver_as_leader(&leadership, batch("a"), DEADLINE).await;
    assert_eq!((report.status, sink.attempts()), (ExportOutcome::Failed, 0));
    assert_eq!(error(&report, 0), "another replica may hold the lease by now, and push");
    let record = crate::base::lease::LeaseRecord {
        instance: "m".to_owned(),
        run: "me".to_owned(),
        fence: 1,
        since: NOW,
        renewed: NOW,
        expires: NOW + 1.0,
    };
    leadership.lead(None, record, Instant::now() + SECOND, 5.0);
    let began = Instant::now();
    let report = exports.deliver_as_leader(&leadership, batch("b"), DEADLINE).await;
    assert_eq!(error(&report, 0), "another replica may hold the lease by now, and push");
    assert!(sink.attempts() >= 1 && began.elapsed() < DEADLINE / 2, "{} {:?}", sink.attempts(), began.elapsed());
    assert_eq!(error(&exports.deliver(batch("c"), SECOND).await, 0), "away");
}

#[tokio::test(start_paused = true)]
async fn a_failing_sink_is_a_problem_until_it_delivers_and_having_nothing_to_push_says_nothing_of_it() {
    let sink = Fake::new(&[Act::Deny, Act::Take, Act::Take, Act::Deny]);
    let telemetry = Arc::new(Telemetry::default());
    let exports = Exports::new(vec![sink.sink()], &telemetry, Arc::new(FixedClock(NOW)), ATTEMPT);
    let nothing = ExportBatch::default;
    for (batch, problem) in
        [(batch("a"), Some("denied")), (nothing(), Some("denied")), (batch("b"), None), (nothing(), Some("denied"))]
    {
        exports.deliver(batch, DEADLINE).await;
        let active = telemetry.problems().active();
        let found = active.iter().map(|found| (found.code.as_str(), found.subject.as_str(), found.detail.as_str()));
        let expected: Vec<_> = problem.iter().map(|detail| ("sink_failing", "fake", *detail)).collect();
        assert_eq!(found.collect::<Vec<_>>(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_delivery_counts_its_own_samples_and_time_and_the_last_snapshot_is_that_of_the_last_success() {
    let sink = Fake::new(&[Act::Take, Act::Take, Act::Deny, Act::Hang]);
    let exports = exports(&[&sink]);
    for (id, samples, duration_ms, last) in [("a", 2, 0, "a"), ("b", 2, 0, "b"), ("c", 0, 0, "b"), ("d", 0, 1000, "b")]
    {
        let delivery = exports.deliver(batch(id), SECOND).await.sinks.remove(0);
        assert_eq!((delivery.samples, delivery.duration_ms), (samples, duration_ms), "{id}");
        let stats = exports.stats().remove(0);
        assert_eq!((stats.last_samples, stats.last_duration_ms), (samples, duration_ms), "{id}");
        assert_eq!(stats.last_snapshot.as_deref(), Some(last), "{id}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_export_on_request_is_shared_for_less_than_a_second() {
    let sink = Fake::new(&[Act::Take]);
    let exports = exports(&[&sink]);
    let (_publisher, reader) = snapshot::channel(SECOND, SECOND);
    let first = exports.on_demand(&reader, SECOND).await;
    for (pause, attempts) in [(999, 1), (1, 2), (1000, 3)] {
        tokio::time::advance(Duration::from_millis(pause)).await;
        let report = exports.on_demand(&reader, SECOND).await;
        assert_eq!((sink.attempts(), report.status), (attempts, first.status), "{pause}");
    }
    let nothing = Exports::new(Vec::new(), &Arc::default(), Arc::new(FixedClock(NOW)), ATTEMPT);
    let report = Arc::new(nothing).on_demand(&reader, SECOND).await;
    assert!(report.sinks.is_empty() && report.detail.is_some() && first.detail.is_none(), "{report:?}");
}
