//! Attempts, turns and ends of deliveries, on a clock that stands still and time that is made to pass.

use super::*;
use crate::base::clock::FixedClock;
use crate::catalog::own;
use crate::engine::snapshot;
use crate::outlets::push::fake_sink::{Act, Fake, batch};
use crate::telemetry::{Observed, PointCounts};

const SECOND: Duration = Duration::from_secs(1);
/// Limit of an attempt.
const ATTEMPT: Duration = Duration::from_secs(5);
const ROUND: Duration = Duration::from_secs(30);
const NOW: f64 = 1_767_225_600.0;

fn exports(fakes: &[&Fake]) -> Arc<Exports> {
    let sinks = fakes.iter().map(|fake| fake.sink()).collect();
    Arc::new(Exports::new(sinks, &Arc::default(), Arc::new(FixedClock(NOW)), ATTEMPT))
}

fn error(report: &Report, sink: usize) -> &str {
    report.sinks[sink].error.as_deref().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_tried_again_at_growing_distances_until_the_round_is_over() {
    let away = Fake::new(&[Act::Fail]);
    let (exports, began) = (exports(&[&away]), Instant::now());
    let report = exports.deliver(batch("a"), ROUND).await;
    assert_eq!((report.status, error(&report, 0)), (ExportOutcome::Failed, "away"));
    assert!(began.elapsed() <= ROUND, "{:?}", began.elapsed());
    let times = away.seen(|seen| seen.attempts.iter().map(|(at, _)| *at).collect::<Vec<_>>());
    // Were no pause any shorter than it may be, half a second doubled five times would be too long.
    assert!(times.len() >= 6, "{times:?}");
    for (n, pair) in (0_u32..).zip(times.windows(2)) {
        // Timers count milliseconds.
        let longest = Duration::from_millis(500) * 2_u32.pow(n.min(20)) + Duration::from_millis(2);
        assert!(pair[1] - pair[0] <= longest, "pause {n} of {times:?}");
    }
    let record = &exports.stats()[0];
    assert_eq!((record.failed, record.retries), (1, times.len() as u64 - 1));
}

#[tokio::test(start_paused = true)]
async fn what_works_again_in_time_is_a_success_and_a_refusal_is_final() {
    let back = Fake::new(&[Act::Fail, Act::Hang, Act::Take]);
    let report = exports(&[&back]).deliver(batch("a"), ROUND).await;
    assert_eq!((report.status, report.sinks[0].samples, back.attempts()), (ExportOutcome::Ok, 2, 3));
    let closed = Fake::new(&[Act::Refuse, Act::Take]);
    let report = exports(&[&closed]).deliver(batch("a"), ROUND).await;
    assert_eq!((report.status, closed.attempts()), (ExportOutcome::Failed, 1));
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_hangs_or_panics_costs_the_others_nothing() {
    let (hangs, panics, works) = (Fake::new(&[Act::Hang]), Fake::new(&[Act::Panic]), Fake::new(&[Act::Take]));
    let (exports, began) = (exports(&[&hangs, &panics, &works]), Instant::now());
    let report = exports.deliver(batch("a"), ROUND).await;
    assert_eq!(report.status, ExportOutcome::Partial);
    assert_eq!(error(&report, 1), "the sink panicked; please report this");
    assert_eq!((report.sinks[2].status, report.sinks[2].duration_ms), (ExportOutcome::Ok, 0));
    assert!(hangs.attempts() > 3, "given up and tried again");
    assert!(began.elapsed() <= ROUND + SECOND);
    exports.deliver(batch("b"), SECOND).await;
    assert_eq!((panics.attempts(), works.attempts()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_round_without_truth_is_nobodys_failure() {
    let sink = Fake::new(&[Act::Take, Act::Take, Act::Fail]);
    let exports = exports(&[&sink]);
    exports.deliver(batch("a"), ROUND).await;
    let stale = || ExportBatch { truth: None, snapshot_age_seconds: Some(60.0) };
    let report = exports.deliver(stale(), ROUND).await;
    assert_eq!(report.status, ExportOutcome::Failed);
    assert!(error(&report, 0).contains("nothing true to push"));
    exports.deliver(stale(), SECOND).await;
    let record = exports.stats().remove(0);
    assert_eq!((record.ok, record.no_data, record.failed), (1, 1, 1));
    assert_eq!((record.last_success, record.last_error.as_deref()), (Some(NOW), Some("away")));
}

#[tokio::test(start_paused = true)]
async fn counters_tell_the_story() {
    let sink = Fake::new(&[Act::Fail, Act::Fail, Act::Take]);
    let telemetry = Arc::new(Telemetry::default());
    let exports = Exports::new(vec![sink.sink()], &telemetry, Arc::new(FixedClock(NOW)), ATTEMPT);
    exports.deliver(batch("a"), ROUND).await;
    sink.seen(|seen| seen.points = PointCounts { delivered: 2, waiting: 3, dropped: 4 });
    exports.deliver(batch("b"), ROUND).await;
    let samples = own::samples(&telemetry.own_state(Observed::default()));
    let value =
        |name: &str| samples.iter().find(|sample| sample.metric.key == format!("kdcube_metrics_{name}")).unwrap().value;
    assert_eq!((value("exports_total"), value("export_retries_total")), (2.0, 2.0));
    assert_eq!((value("export_delivered_points_total"), value("export_waiting_points")), (4.0, 3.0));
    assert_eq!(value("export_last_success_timestamp_seconds"), NOW);
    let told = serde_json::to_value(exports.stats()).unwrap();
    assert_eq!((&told[0]["ok"], &told[0]["retries"]), (&2.into(), &2.into()));
    assert_eq!((&told[0]["delivered"], &told[0]["dropped"]), (&4.into(), &4.into()));
}

#[tokio::test(start_paused = true)]
async fn a_delivery_waits_its_turn_and_says_so_if_it_does_not_come() {
    let sink = Fake::new(&[Act::Hang, Act::Take]);
    let exports = exports(&[&sink]);
    let first = tokio::spawn({
        let exports = Arc::clone(&exports);
        async move { exports.deliver(batch("a"), ATTEMPT).await }
    });
    tokio::time::sleep(SECOND).await;
    let impatient = exports.deliver(batch("b"), SECOND).await;
    assert_eq!(error(&impatient, 0), "another delivery to this sink did not end in time");
    assert_eq!(exports.deliver(batch("c"), ROUND).await.status, ExportOutcome::Ok);
    assert_eq!(first.await.unwrap().status, ExportOutcome::Failed);
    let ids = sink.seen(|seen| seen.attempts.iter().filter_map(|(_, id)| id.clone()).collect::<Vec<_>>());
    assert_eq!(ids, ["a", "c"]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_cuts_what_hangs_tries_nothing_again_and_ends_in_time() {
    for act in [Act::Hang, Act::Fail] {
        let sink = Fake::new(&[act]);
        let exports = exports(&[&sink]);
        let under_way = tokio::spawn({
            let exports = Arc::clone(&exports);
            async move { exports.deliver(batch("a"), ROUND).await }
        });
        tokio::time::sleep(Duration::from_millis(1)).await;
        let (began, attempts) = (Instant::now(), sink.attempts());
        exports.stop(ATTEMPT).await;
        assert!(began.elapsed() < ATTEMPT && sink.seen(|seen| seen.left), "{:?}", began.elapsed());
        under_way.await.unwrap();
        // Whoever comes after the goodbye comes too late.
        assert_eq!(error(&exports.deliver(batch("b"), ROUND).await, 0), "the server stops");
        assert_eq!(sink.attempts(), attempts);
    }
}

#[tokio::test(start_paused = true)]
async fn askers_share_an_export_which_goes_on_when_they_leave() {
    let sink = Fake::new(&[Act::Hang, Act::Take]);
    let exports = exports(&[&sink]);
    let (_publisher, reader) = snapshot::channel(SECOND, SECOND);
    let ask = || exports.on_demand(&reader, SECOND);
    assert!(tokio::time::timeout(4 * SECOND, ask()).await.is_err(), "the asker leaves");
    let (one, two) = tokio::join!(ask(), ask());
    assert_eq!((&one, sink.attempts()), (&two, 1));
    assert!(error(&one, 0).contains("no answer within"), "{one:?}");
    tokio::time::sleep(2 * SECOND).await;
    ask().await;
    assert_eq!(sink.attempts(), 2, "later ones have one of their own");
}
