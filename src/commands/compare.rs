//! `compare`: reads the Python service and this one side by side on the same Redis, and prints what differs and why.
//!
//! The exit code is 0 if nothing differs, 1 if something does, 2 if there is nothing to compare.

mod client;
mod difference;
mod evidence;
mod known;
mod leaves;
mod names;
mod recognize;
mod report;
mod tally;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{self, Instant};

pub(super) use self::client::FetchError;
use self::client::{Answers, Server};
use self::evidence::Evidence;
use self::leaves::Leaves;
use self::names::Page;
use self::report::Summary;
use self::tally::Tally;
use super::{CommandError, Exit, block_on, healthcheck, own_server, print};
use crate::base::endpoint::Endpoint;
use crate::cli::CompareArgs;
use crate::settings::{Setting, Settings, setting};
use crate::tls::client::UpstreamTls;

const CA_FILE: &Setting = setting("METRICS_PROXY_CA_FILE");
const CERT_FILE: &Setting = setting("METRICS_PROXY_CLIENT_CERT_FILE");
const KEY_FILE: &Setting = setting("METRICS_PROXY_CLIENT_KEY_FILE");

/// Polls in the time of a comparison, the first one not counted.
const POLLS: u32 = 6;
/// Bounds of the time between two polls: the Python service works hard for each.
const SHORTEST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(10);
/// How many of our polls theirs are compared with: two before, the same one and the next. The Python service caches
/// `/metrics` for METRICS_PROM_SCRAPE_TTL_SEC.
const NEIGHBOURS: usize = 4;

pub(super) fn run(arguments: &CompareArgs, mut settings: Settings) -> Result<Exit, CommandError> {
    let servers = servers(arguments, &mut settings)?;
    let [theirs, own] = servers.ok_or_else(|| CommandError::Configuration(settings.into_errors()))?;
    block_on(compare(&theirs, &own, arguments))
}

/// Theirs and the own one; `None` if a setting is wrong.
fn servers(arguments: &CompareArgs, settings: &mut Settings) -> Result<Option<[Server; 2]>, FetchError> {
    let theirs = endpoint(settings, "--with", &arguments.with);
    let own = match &arguments.own {
        Some(url) => endpoint(settings, "--own", url),
        None => healthcheck::own_url(settings).and_then(|url| endpoint(settings, "METRICS_BIND", &url)),
    };
    let token = arguments.token.clone().or_else(|| own_server::own_token(settings));
    let path = |setting: &'static Setting, settings: &mut Settings| settings.text(setting).map(PathBuf::from);
    let authorities = path(CA_FILE, settings);
    let tls = UpstreamTls { authorities, identity: path(CERT_FILE, settings).zip(path(KEY_FILE, settings)) };
    let (Some(theirs), Some(own)) = (theirs, own) else { return Ok(None) };
    if !settings.errors().is_empty() {
        return Ok(None);
    }
    let client = client::build(&tls)?;
    let server = |endpoint, token| Server { client: client.clone(), endpoint, token };
    Ok(Some([server(theirs, arguments.with_token.clone()), server(own, token)]))
}

fn endpoint(settings: &mut Settings, name: &str, url: &str) -> Option<Endpoint> {
    let problem = |problem| settings.error(format!("{name}: {problem}; accepted: an http:// or https:// URL"));
    Endpoint::parse(url).map_err(problem).ok()
}

async fn compare(theirs: &Server, own: &Server, arguments: &CompareArgs) -> Result<Exit, CommandError> {
    let mut polls = Polls::new(arguments.tolerance / 100.0);
    let end = Instant::now() + arguments.duration;
    let pause = (arguments.duration / POLLS).clamp(SHORTEST, LONGEST);
    loop {
        match tokio::try_join!(theirs.ask(), own.ask()) {
            Ok((theirs, own)) => polls.add(theirs, own),
            // A wrong URL or token shows at once.
            Err(error) if polls.total() == 0 => return Err(error.into()),
            Err(error) => polls.fail(error),
        }
        if Instant::now() + pause > end && polls.total() > 1 {
            return report(polls, theirs, own, arguments.accept_known);
        }
        time::sleep(pause).await;
    }
}

/// The polls so far.
#[derive(Debug)]
struct Polls {
    tolerance: f64,
    tally: Tally,
    failed: u32,
    last_error: Option<FetchError>,
    additional: usize,
    /// Their newest answers, to be compared when ours of the next poll are there.
    pending: Option<Answers>,
    /// Our answers of this and the last polls.
    own: VecDeque<Answers>,
}

impl Polls {
    fn new(tolerance: f64) -> Self {
        let (tally, own) = (Tally::default(), VecDeque::new());
        Self { tolerance, tally, failed: 0, last_error: None, additional: 0, pending: None, own }
    }

    const fn total(&self) -> u32 {
        self.tally.polls + self.failed + if self.pending.is_some() { 1 } else { 0 }
    }

    /// The pause before the next answers may be long: nothing is compared across it.
    fn fail(&mut self, error: FetchError) {
        self.pending = None;
        self.own.clear();
        self.failed += 1;
        self.last_error = Some(error);
    }

    fn add(&mut self, theirs: Answers, own: Answers) {
        self.own.push_back(own);
        if let Some(theirs) = self.pending.replace(theirs) {
            self.tally.polls += 1;
            self.compare(&theirs);
        }
        if self.own.len() == NEIGHBOURS {
            self.own.pop_front();
        }
    }

    /// Compares their answers with ours of the polls before, with and after them.
    fn compare(&mut self, theirs: &Answers) {
        let Some(newest) = self.own.back() else { return };
        self.additional = names::additional(&theirs.metrics, &newest.metrics);
        let evidence = Evidence::of(&theirs.system, &newest.system);
        let own: Vec<Leaves> = self.own.iter().map(|answers| leaves::of(&answers.system)).collect();
        for found in difference::between(&leaves::of(&theirs.system), &own, self.tolerance) {
            self.tally.payload(&found, recognize::recognize(&found, &evidence));
        }
        let own: Vec<&Page> = self.own.iter().map(|answers| &answers.metrics).collect();
        for found in names::between(&theirs.metrics, &own, self.tolerance) {
            self.tally.name(&found);
        }
    }
}

fn report(polls: Polls, theirs: &Server, own: &Server, accept_known: bool) -> Result<Exit, CommandError> {
    let total = polls.total();
    if let Some(last) = polls.last_error.filter(|_| polls.failed * 2 >= total || polls.tally.polls == 0) {
        let failed = polls.failed;
        return Err(FetchError::TooManyFailed { failed, polls: total, last: Box::new(last) }.into());
    }
    let summary = Summary {
        theirs: theirs.endpoint.url.to_string(),
        own: own.endpoint.url.to_string(),
        polls: polls.tally.polls,
        failed: polls.failed,
        additional: polls.additional,
    };
    let result = polls.tally.result();
    print(&report::render(&result, &summary))?;
    let same = result.unexplained.is_empty() && (accept_known || result.known.is_empty());
    Ok(if same { Exit::Success } else { Exit::Failure })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answers(total: i64) -> Answers {
        Answers { system: json!({"queue_stats": {"total": total}}), metrics: names::page("") }
    }

    /// The polls with these totals, theirs and ours; `None` is a poll that failed.
    fn polled(totals: &[Option<(i64, i64)>]) -> Polls {
        let mut polls = Polls::new(0.0);
        for totals in totals {
            match totals {
                Some((theirs, own)) => polls.add(answers(*theirs), answers(*own)),
                None => polls.fail(FetchError::Tls("S".to_owned())),
            }
        }
        polls
    }

    #[test]
    fn their_answer_is_compared_once_ours_before_with_and_after_it_are_there() {
        for (totals, compared, differing) in [
            (&[Some((1, 9))][..], 0, 0),
            // Ours with it, after it, and before it.
            (&[Some((1, 1)), Some((0, 9))], 1, 0),
            (&[Some((1, 9)), Some((0, 1))], 1, 0),
            (&[Some((9, 9)), Some((9, 8)), Some((0, 7))], 2, 0),
            (&[Some((1, 9)), Some((0, 8))], 1, 1),
            // Ours of two polls before may be what they still show; of three before, or two after, it is not.
            (&[Some((5, 1)), Some((5, 5)), Some((1, 6)), Some((0, 7))], 3, 0),
            (&[Some((5, 1)), Some((5, 5)), Some((5, 5)), Some((1, 6)), Some((0, 7))], 4, 1),
            (&[Some((1, 9)), Some((8, 8)), Some((0, 1))], 2, 1),
            // No answer of ours counts across a failure.
            (&[Some((1, 9)), None, Some((0, 1))], 0, 0),
            (&[Some((0, 1)), None, Some((1, 9)), Some((0, 8))], 1, 1),
        ] {
            let polls = polled(totals);
            assert_eq!(polls.tally.polls, compared, "{totals:?}");
            let found = polls.tally.result();
            assert_eq!(found.unexplained.len() + found.known.len() + found.transient, differing, "{totals:?}");
        }
    }

    #[test]
    fn polls_that_wait_or_failed_count_in_the_total() {
        for (totals, total) in [
            (&[][..], 0),
            (&[Some((1, 1))], 1),
            (&[None], 1),
            (&[Some((1, 1)), Some((1, 1))], 2),
            (&[Some((1, 1)), Some((1, 1)), None, Some((1, 1))], 3),
        ] {
            assert_eq!(polled(totals).total(), total, "{totals:?}");
        }
    }
}
