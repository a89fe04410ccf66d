//! The page for peace, storm, a wrong tenant, staleness and a large fleet, as text.

use tokio::time::Instant;

use super::verdict::Level;
use super::*;
use crate::analysis::SystemState;
use crate::analysis::recorded::Case;
use crate::analysis::state::{
    Fleet, PerWindow, Process, ProcessGroup, Quality, Reading, Service, Status, ThrottledWindow, Throttling,
};
use crate::engine::recent::MarkKind;
use crate::engine::snapshot::RunId;
use crate::platform::facts::{Component, Scope};
use crate::problems::code::code;
use crate::problems::{Problem, ProblemRegistry};

pub(super) const NOW: f64 = 1_767_225_600.0;

/// What a page is made of, owned.
pub(super) struct Scene {
    pub(super) snapshot: Option<Snapshot>,
    age: Duration,
    problems: Vec<ActiveProblem>,
    pub(super) ticks: Vec<Arc<TickRecord>>,
    pub(super) marks: Vec<Mark>,
    pub(super) sinks: Vec<SinkStats>,
    standing: Standing,
    lease: Option<LeaseRecord>,
    pub(super) server: ServerFacts,
}

impl Scene {
    /// A server that showed this state for ten minutes.
    pub(super) fn of(state: SystemState) -> Self {
        let state = Arc::new(state);
        let tick = |number: u32| Snapshot {
            id: RunId::random().snapshot(u64::from(number)),
            taken_at: NOW - 600.0 + 5.0 * f64::from(number),
            taken: Instant::now(),
            state: Arc::clone(&state),
        };
        let ticks = (0..=120).map(|number| Arc::new(TickRecord::of(&tick(number)))).collect();
        let server = ServerFacts {
            scope: "acme/chat".to_owned(),
            place: "Redis 10.0.0.5:6379/0".to_owned(),
            mode: "redis",
            scheme: "http",
        };
        let (problems, marks, sinks) = (Vec::new(), Vec::new(), Vec::new());
        Self {
            snapshot: Some(tick(120)),
            age: Duration::from_secs(2),
            problems,
            ticks,
            marks,
            sinks,
            standing: Standing::Alone,
            lease: None,
            server,
        }
    }

    pub(super) fn with_problem(mut self, name: &'static str, subject: &str, detail: &str) -> Self {
        let registry = ProblemRegistry::new("acme/chat");
        let known = crate::problems::code::all().find(|code| code.as_str() == name).unwrap();
        registry.report("tick", vec![Problem::new(known, subject, detail)], NOW - 42.0);
        self.problems.extend(registry.active());
        self
    }

    pub(super) fn inputs<T>(&self, all_workers: bool, read: impl FnOnce(&PageInputs<'_>) -> T) -> T {
        read(&PageInputs {
            now: NOW,
            snapshot: self.snapshot.as_ref(),
            age: Some(self.age),
            problems: &self.problems,
            ticks: &self.ticks,
            marks: &self.marks,
            gap: Duration::from_secs(30),
            sinks: &self.sinks,
            readers: &[],
            standing: self.standing,
            lease: self.lease.as_ref(),
            server: &self.server,
            routes: &[],
            all_workers,
        })
    }

    pub(super) fn html(&self) -> String {
        self.inputs(false, |inputs| page(inputs).into_string())
    }

    pub(super) fn verdict(&self) -> (Level, String) {
        self.inputs(false, |inputs| {
            let verdict = Verdict::of(inputs, &History::of(inputs.ticks, inputs.marks, inputs.gap));
            let text = verdict.bar().into_string();
            let text = text.split("<h1>").nth(1).unwrap().replace("<b>", "").replace("</b>", "");
            (verdict.level, text.trim_end_matches("</h1></header>").to_owned())
        })
    }
}

fn case(name: &str) -> SystemState {
    Case::all().into_iter().find(|case| case.name == name).unwrap().state()
}

pub(super) fn peace() -> SystemState {
    let mut state = case("one-each");
    state.quality = Quality::Ok;
    state
}

/// Far more queued than the processors take, and requests are refused.
pub(super) fn storm() -> SystemState {
    let mut state = peace();
    state.queue.total = Reading::Value(89);
    state.capacity.total = Reading::Value(42);
    state.queue.pressure = Reading::Value(89.0 / 42.0);
    let minute = ThrottledWindow {
        backpressure: Reading::Value(149),
        rate_limit: Reading::Value(3),
        total: Reading::Value(152),
    };
    let windows = PerWindow { one_minute: minute, ..PerWindow::default() };
    state.throttling = Reading::Value(Throttling { windows, ..Throttling::default() });
    state.fleet = Reading::Value(fleet(3, |_| (Status::Unhealthy, 5)));
    state
}

pub(super) fn fleet(workers: usize, of: impl Fn(usize) -> (Status, i64)) -> Fleet {
    let process = |number| {
        let (status, load) = of(number);
        let pools = Some(Arc::default());
        let process = Process { pid: Some(41), load, last_heartbeat: NOW, age: 3.0, pools, ..Process::sample(status) };
        ProcessGroup {
            instance: format!("proc-{number:04}").into(),
            service: Service::of(Component::Proc),
            processes: vec![process],
        }
    };
    Fleet { groups: (0..workers).map(process).collect(), process_keys_found: 0 }
}

#[tokio::test]
async fn peace_is_one_calm_sentence_with_where_and_how_fresh() {
    let (level, text) = Scene::of(peace()).verdict();
    assert_eq!(level, Level::Fine);
    assert!(text.starts_with("OK · acme/chat · Redis 10.0.0.5:6379/0 · fresh 2 s · "), "{text}");
    assert!(text.contains(" workers"), "{text}");
}

#[tokio::test]
async fn a_storm_is_loud_with_since_when_and_the_numbers() {
    let scene = Scene::of(storm());
    let (level, text) = scene.verdict();
    let expected =
        "OVERLOADED since 23:50:00 · pressure 2.12 · 3 of 3 processors full · 149 requests refused in the last minute";
    assert_eq!((level, text.as_str()), (Level::Critical, expected));
    assert!(scene.html().contains("<title>OVERLOADED · acme/chat</title>"));
}

#[tokio::test]
async fn what_is_missing_is_said_instead_of_a_number() {
    let gone = SystemState { quality: Quality::ScopeNotFound, ..peace() };
    let (level, text) =
        Scene::of(gone).with_problem("scope_not_found", "Acme/chat", "no key of Acme/chat is in this Redis").verdict();
    assert_eq!(level, Level::Blind);
    assert!(
        text.starts_with("NOTHING FOUND since 23:59:18 · acme/chat · no key of Acme/chat is in this Redis"),
        "{text}"
    );

    let mut stale = Scene::of(peace()).with_problem("source_unreachable", "", "connection refused");
    (stale.snapshot, stale.age) = (None, Duration::from_secs(95));
    let (level, text) = stale.verdict();
    assert_eq!(level, Level::Blind);
    for part in ["STALE since 23:59:18", "95 s old", "connection refused", "Redis 10.0.0.5:6379/0"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let html = stale.html();
    assert!(html.contains("Queue by role") && !html.contains("All numbers"), "charts stay, numbers of now do not");

    let (level, text) = Scene::of(storm()).with_problem("no_capacity", "", "no processor accepts new tasks").verdict();
    assert_eq!(level, Level::Critical);
    assert!(
        text.starts_with("NO CAPACITY since 23:59:18 · no processor accepts new tasks · 89 tasks queued"),
        "{text}"
    );
    let (level, text) = Scene::of(peace()).with_problem("worker_silent", "a/b", "silent for 40 s").verdict();
    assert_eq!(level, Level::Warning);
    assert!(text.starts_with("DEGRADED since 23:59:18 · worker_silent · "), "{text}");
}

#[tokio::test]
async fn the_cards_show_each_step_of_the_arithmetic_and_the_outlets_who_leads() {
    let mut scene = Scene::of(peace());
    let html = scene.html();
    for component in Component::ALL {
        let state = scene.snapshot.as_ref().map(|snapshot| Arc::clone(&snapshot.state)).unwrap();
        let recommendation = state.recommendation(component);
        let reason = recommendation.desired.reason().map(|reason| format!("no number of replicas: {reason}"));
        let shown = recommendation.steps.iter().map(ToString::to_string).chain(reason);
        shown.for_each(|step| assert!(html.contains(&step), "{step}"));
    }
    assert!(html.contains("this server records and pushes<"), "{html}");
    let instance = "metrics-7".to_owned();
    let (since, renewed) = (NOW - 60.0, NOW);
    scene.lease = Some(LeaseRecord { instance, run: "r".to_owned(), fence: 1, since, renewed, expires: NOW + 15.0 });
    for (standing, expected) in [(Standing::Follower, "another"), (Standing::Leader, "this")] {
        scene.standing = standing;
        let expected = format!("{expected} replica records and pushes: metrics-7 since 23:59:00");
        assert!(scene.html().contains(&expected), "{expected}");
    }
}

#[tokio::test]
async fn names_from_outside_are_text_and_never_markup() {
    let hostile = "</table><script>alert(1)</script>\" onload=\"x";
    let mut state = peace();
    let mut fleet = fleet(1, |_| (Status::Healthy, 1));
    fleet.groups[0].instance = hostile.into();
    state.fleet = Reading::Value(fleet);
    state.scope = Some(Arc::new(Scope { tenant: hostile.to_owned(), project: "b".to_owned() }));
    let mut scene = Scene::of(state).with_problem("malformed_input", hostile, hostile);
    (scene.server.scope, scene.server.place) = (hostile.to_owned(), hostile.to_owned());
    scene.marks = vec![Mark { at: NOW, kind: MarkKind::ConfigurationChanged, detail: hostile.to_owned() }];
    let html = scene.html();
    assert!(
        html.contains("&lt;script&gt;alert(1)") && !html.contains("<script>alert") && !html.contains("\" onload"),
        "{html}"
    );
}

#[tokio::test]
async fn the_worst_workers_come_first_and_a_large_fleet_makes_a_small_page_quickly() {
    let mut state = storm();
    state.fleet = Reading::Value(fleet(2000, |number| match number {
        1500 => (Status::Stale, 0),
        1501 => (Status::Unhealthy, 5),
        _ => (Status::Healthy, 2),
    }));
    let mut scene = Scene::of(state);
    scene.ticks = (0..720_u32).flat_map(|_| scene.ticks.first().cloned()).collect();
    let began = Instant::now();
    let html = scene.html();
    let took = began.elapsed();
    assert!(html.len() <= 300_000, "{}", html.len());
    let places = ["proc-1500", "proc-1501", "proc-0000"].map(|name| html.find(name).unwrap());
    assert!(places.is_sorted(), "{places:?}");
    assert!(html.contains("1,800 more") || html.contains("1800 more"), "it says how many are not shown");
    // Unoptimized; a release build takes a tenth.
    assert!(took < Duration::from_millis(500), "{took:?}");
    let all = scene.inputs(true, |inputs| page(inputs).into_string());
    assert_eq!(all.matches("<tr class=\"fine\">").count(), 1998);
}

#[tokio::test]
async fn every_scalar_leads_to_its_explanation_and_absent_ones_say_why() {
    let mut state = peace();
    state.queue.total = Reading::default();
    let html = Scene::of(state).html();
    for metric in crate::catalog::all().filter(|metric| metric.is_scalar()) {
        assert!(html.contains(&format!("href=\"/explain/{}\"", metric.key)), "{}", metric.key);
    }
    assert!(html.contains("absent: it is neither configured nor queried"));
}

#[tokio::test]
async fn marks_are_drawn_and_listed() {
    let mut scene = Scene::of(peace());
    scene.marks = vec![Mark { at: NOW - 300.0, kind: MarkKind::SourceLost, detail: "why".to_owned() }];
    let html = scene.html();
    assert_eq!(html.matches("class=\"mark\"").count(), html.matches("<figure").count(), "one in each chart");
    assert!(html.contains("23:55:00") && html.contains("the source could not be read why"));
}

#[tokio::test]
async fn the_problem_list_is_bounded_and_says_how_many_there_are() {
    let registry = ProblemRegistry::new("acme/chat");
    let many = (0..60).map(|number| Problem::new(code("malformed_input"), number.to_string(), "bad"));
    registry.report("tick", many.collect(), NOW);
    let mut scene = Scene::of(peace());
    scene.problems = registry.active();
    let html = scene.html();
    assert!(html.contains("Problems: 60") && html.contains("the other 10"), "{html}");
}

#[tokio::test]
async fn an_overview_lists_the_worst_workers_as_the_page_does_and_counts_the_others() {
    let mut state = peace();
    state.fleet = Reading::Value(fleet(201, |number| (Status::Healthy, if number == 7 { 3 } else { 2 })));
    let scene = Scene::of(state);
    let rows = |all| scene.inputs(all, overview::Overview::of);
    let (some, all) = (rows(false), rows(true));
    assert_eq!((some.workers.len(), some.more_workers, all.workers.len(), all.more_workers), (200, 1, 201, 0));
    let first = &some.workers[0];
    let texts = [&first.name, &first.level, &first.state, &first.heartbeat].map(String::as_str);
    assert_eq!(texts, ["proc proc-0007 41", "fine", "● healthy", "3 s"]);
    assert_eq!((first.load, first.capacity, first.pools.as_str()), (3, 5, ""));
}

#[tokio::test]
async fn sinks_say_how_many_work_and_what_each_sent_last() {
    let mut scene = Scene::of(peace());
    let id = scene.ticks[3].id.to_string();
    let sink =
        |name, last_snapshot| SinkStats { name, last_success: Some(NOW - 7.0), last_snapshot, ..SinkStats::default() };
    scene.sinks = vec![sink("one", Some(id.clone())), sink("two", None)];
    assert!(scene.verdict().1.ends_with(" · 2 sinks ok"), "{}", scene.verdict().1);
    let html = scene.html();
    assert!(html.contains("sent 7 s ago: ") && html.contains(&format!("<small>{id}</small>")), "{html}");
    let scene = scene.with_problem("sink_failing", "two", "refused");
    assert!(scene.verdict().1.ends_with(" · 1 of 2 sinks ok"), "{}", scene.verdict().1);
}
