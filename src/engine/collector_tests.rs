//! When ticks happen, and what readers see of good, failed, slow and hanging ones, in paused time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::collector::Collector;
use super::snapshot::{SnapshotReader, channel};
use super::tick::{RecordMode, Tick, Ticker};
use crate::base::clock::{FixedClock, UnixSeconds};
use crate::platform::facts::InputKind;
use crate::problems::Problem;
use crate::problems::code::code;
use crate::sources::SourceError;
use crate::telemetry::{Observed, Telemetry};

const NOW: f64 = 1_767_225_600.0;
const INTERVAL: Duration = Duration::from_secs(5);
const MILLI: Duration = Duration::from_millis(1);

/// A ticker that follows a script, and the calls it got.
#[derive(Default)]
struct Script {
    fails: bool,
    takes: Duration,
    time_limit: Duration,
    /// Steps before the first tick.
    steps: u32,
    step_takes: Duration,
    ticks: Vec<(Instant, RecordMode)>,
    updates: Vec<Vec<u8>>,
    released: bool,
}

#[derive(Clone, Default)]
struct Scripted(Arc<Mutex<Script>>);

impl Scripted {
    fn with<T>(&self, change: impl FnOnce(&mut Script) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }

    /// Seconds from `start` to each tick, and whether it records.
    fn ticks(&self, start: Instant) -> Vec<(f64, bool)> {
        let tick = |(at, mode): &(Instant, RecordMode)| ((*at - start).as_secs_f64(), *mode == RecordMode::Yes);
        self.with(|script| script.ticks.iter().map(tick).collect())
    }
}

#[async_trait]
impl Ticker for Scripted {
    async fn prepare(&mut self, _now: UnixSeconds) -> Result<bool, SourceError> {
        let (left, pause) = self.with(|script| {
            script.steps = script.steps.saturating_sub(1);
            (script.steps, script.step_takes)
        });
        tokio::time::sleep(pause).await;
        Ok(left == 0)
    }

    async fn tick(&mut self, now: UnixSeconds, record: RecordMode) -> Result<Tick, SourceError> {
        let (fails, takes) = self.with(|script| {
            script.ticks.push((Instant::now(), record));
            (script.fails, script.takes)
        });
        tokio::time::sleep(takes).await;
        let tick = Tick { at: now, ..Tick::default() };
        if fails { Err(SourceError::Upstreams("scripted".to_owned())) } else { Ok(tick) }
    }

    fn problems(&self) -> Vec<Problem> {
        let problem = || vec![Problem::new(code("cluster_mode"), "", "scripted")];
        self.with(|script| if script.fails { problem() } else { Vec::new() })
    }

    fn time_limit(&self) -> Duration {
        self.with(|script| script.time_limit)
    }

    async fn release(&mut self) -> Result<(), SourceError> {
        self.with(|script| script.released = true);
        Err(SourceError::Upstreams("scripted".to_owned()))
    }

    fn apply_update(&mut self, message: &[u8], _now: UnixSeconds) -> Result<(), String> {
        self.with(|script| script.updates.push(message.to_vec()));
        if message == b"good" { Ok(()) } else { Err("is not good".to_owned()) }
    }
}

/// A collector that runs.
struct Running {
    script: Scripted,
    reader: SnapshotReader,
    telemetry: Arc<Telemetry>,
    updates: mpsc::Sender<Vec<u8>>,
    start: Instant,
    stop: oneshot::Sender<()>,
    running: tokio::task::JoinHandle<()>,
}

fn run(script: Script) -> Running {
    let (script, telemetry) = (Scripted(Arc::new(Mutex::new(script))), Arc::new(Telemetry::default()));
    let (publisher, reader) = channel(INTERVAL, INTERVAL * 3);
    let ((updates, published), (stop, stopped)) = (mpsc::channel(4), oneshot::channel());
    let ticker = Box::new(script.clone());
    let clock = Arc::new(FixedClock(NOW));
    let collector = Collector::new(ticker, clock, publisher, Arc::clone(&telemetry), published, INTERVAL);
    let running = tokio::spawn(collector.run(async { drop(stopped.await) }));
    Running { script, reader, telemetry, updates, start: Instant::now(), stop, running }
}

impl Running {
    async fn until(&self, seconds: f64) {
        tokio::time::sleep_until(self.start + Duration::from_secs_f64(seconds)).await;
    }

    fn codes(&self) -> Vec<&'static str> {
        self.telemetry.problems().active().iter().map(|problem| problem.code.as_str()).collect()
    }

    fn counted(&self) -> (u64, u64) {
        let ticks = self.telemetry.own_state(Observed::default()).ticks;
        (ticks.ok, ticks.failed)
    }
}

#[tokio::test(start_paused = true)]
async fn each_tick_publishes_one_snapshot_with_an_id_of_its_own() {
    let collector = run(Script::default());
    let mut ids = Vec::new();
    for second in [0.5, 5.5, 10.5] {
        collector.until(second).await;
        let snapshot = collector.reader.latest().unwrap();
        assert_eq!((snapshot.taken_at, snapshot.age().as_millis()), (NOW, 500));
        ids.push(snapshot.id.to_string());
    }
    ids.dedup();
    assert_eq!((ids.len(), collector.counted()), (3, (3, 0)));
    assert_eq!(collector.script.ticks(collector.start), [(0.0, true), (5.0, true), (10.0, true)]);
    assert!(collector.reader.is_up());
}

#[tokio::test(start_paused = true)]
async fn after_a_slow_tick_a_whole_interval_passes() {
    let collector = run(Script { takes: Duration::from_secs(7), ..Script::default() });
    collector.until(30.0).await;
    let gaps: Vec<f64> = collector.script.ticks(collector.start).windows(2).map(|two| two[1].0 - two[0].0).collect();
    assert!(gaps.len() >= 2 && gaps.iter().all(|gap| *gap >= 7.0), "{gaps:?}");
    let age = collector.reader.latest().unwrap().age();
    assert!(age >= Duration::from_secs(7), "it is as old as the begin of its tick: {age:?}");
}

#[tokio::test(start_paused = true)]
async fn readers_that_want_a_fresh_snapshot_share_a_tick_that_records_nothing() {
    let collector = run(Script { takes: MILLI * 100, ..Script::default() });
    collector.until(2.0).await;
    let before = collector.reader.latest().unwrap().id.to_string();
    let fresh = || collector.reader.fresher_than(Duration::from_secs(1));
    let (first, second, third) = tokio::join!(fresh(), fresh(), fresh());
    let ids = [first, second, third].map(|snapshot| snapshot.unwrap().id.to_string());
    assert!(ids.iter().all(|id| *id == ids[0] && *id != before), "{ids:?} {before}");
    assert_eq!(collector.script.ticks(collector.start), [(0.0, true), (2.0, false)]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_tick_keeps_the_snapshot_and_reports_until_one_succeeds() {
    let collector = run(Script::default());
    collector.until(1.0).await;
    let good = collector.reader.latest().unwrap().id.to_string();
    collector.script.with(|script| script.fails = true);
    collector.until(6.0).await;
    assert_eq!(collector.reader.latest().unwrap().id.to_string(), good);
    let mut codes = collector.codes();
    codes.sort_unstable();
    assert_eq!((codes, collector.reader.is_up()), (vec!["cluster_mode", "source_unreachable"], false));
    assert_eq!(collector.telemetry.own_state(Observed::default()).sources.errors, 1);
    collector.script.with(|script| script.fails = false);
    collector.until(11.0).await;
    assert_eq!((collector.codes(), collector.reader.is_up()), (vec![], true));
    assert_eq!(collector.counted(), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_reader_gets_an_answer_at_once_when_the_tick_fails() {
    let collector = run(Script::default());
    collector.until(1.0).await;
    collector.script.with(|script| script.fails = true);
    let (asked, old) = (Instant::now(), collector.reader.latest().unwrap().id.to_string());
    let snapshot = collector.reader.fresher_than(Duration::ZERO).await.unwrap();
    assert_eq!((snapshot.id.to_string(), asked.elapsed()), (old, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_long_preparation_is_interrupted_after_an_interval_so_that_updates_are_seen() {
    let collector = run(Script { steps: 1000, step_takes: Duration::from_secs(1), ..Script::default() });
    collector.until(1.0).await;
    collector.updates.send(b"good".to_vec()).await.unwrap();
    collector.until(4.9).await;
    assert_eq!(collector.script.with(|script| script.updates.len()), 0);
    // What is due at the same moment comes in any order.
    collector.until(999.0).await;
    assert_eq!(collector.script.with(|script| (script.updates.len(), script.ticks.len())), (1, 0));
    assert!(collector.reader.latest().is_none() && !collector.reader.is_up() && collector.reader.is_live());
    assert_eq!(collector.counted(), (0, 0), "it is not a tick yet");
    collector.until(1000.5).await;
    assert_eq!(collector.script.ticks(collector.start), [(1000.0, true)]);
}

#[tokio::test(start_paused = true)]
async fn a_tick_that_hangs_is_alive_as_long_as_its_source_may_take() {
    for (time_limit, live_at_20) in [(Duration::from_secs(25), true), (Duration::from_secs(3), false)] {
        let collector = run(Script { takes: Duration::from_secs(60), time_limit, ..Script::default() });
        for (second, live) in [(14.9, true), (20.0, live_at_20), (25.1, false), (61.0, true)] {
            collector.until(second).await;
            assert_eq!(collector.reader.is_live(), live, "{time_limit:?} {second}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn updates_that_cannot_be_used_are_counted_and_an_end_releases_the_lease() {
    let collector = run(Script::default());
    for update in [&b"good"[..], b"bad", b"\xff"] {
        collector.updates.send(update.to_vec()).await.unwrap();
    }
    collector.until(1.0).await;
    assert_eq!(collector.script.with(|script| script.updates.len()), 3);
    let malformed = collector.telemetry.own_state(Observed::default()).sources.malformed;
    assert_eq!(malformed.get(&InputKind::GatewayConfig), Some(&2));
    assert!(!collector.script.with(|script| script.released));
    collector.stop.send(()).unwrap();
    collector.running.await.unwrap();
    assert!(collector.script.with(|script| script.released));
}
