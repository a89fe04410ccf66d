//! Random bytes for every parser of what comes from outside: mutations of what the recorded cases hold.
//!
//! A parser must return, not panic, and what it accepts must be possible: numbers finite, counts not negative. `./test` gives
//! each some thousand inputs; `FUZZ_SECONDS=900 cargo test --release --test it -- fuzz` each as many as fit, with
//! `FUZZ_TARGET=heartbeat` only one. A failure prints the target, the seed of the round and the input.

mod corpus;
mod mutate;
mod targets;
mod tree;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use self::corpus::Corpus;
use self::mutate::Mutator;
use self::targets::{TARGETS, Target};

/// Inputs of a target where no time is given.
const INPUTS: u64 = 1_000;

/// When a target has had enough.
#[derive(Debug, Clone, Copy)]
enum Budget {
    Inputs(u64),
    Time(Duration),
}

#[expect(clippy::disallowed_methods, reason = "a variable of this test, not a setting")]
fn budget() -> Budget {
    match std::env::var("FUZZ_SECONDS") {
        Ok(seconds) => Budget::Time(Duration::from_secs(seconds.parse().expect("FUZZ_SECONDS is a number"))),
        Err(_) => Budget::Inputs(INPUTS),
    }
}

/// With `FUZZ_TARGET` only that of this name, or those whose names contain it.
#[expect(clippy::disallowed_methods, reason = "a variable of this test, not a setting")]
fn is_wanted(target: &Target) -> bool {
    let Ok(name) = std::env::var("FUZZ_TARGET") else { return true };
    let is_name = TARGETS.iter().any(|target| target.name == name);
    if is_name { target.name == name } else { target.name.contains(&name) }
}

fn shown(input: &[u8]) -> String {
    let text: String =
        input.iter().take(2_000).flat_map(|byte| std::ascii::escape_default(*byte)).map(char::from).collect();
    format!("{} bytes: {text}", input.len())
}

/// Runs one target; how many inputs it had, and how many of them it accepted.
fn fuzz(target: &Target, corpus: &Corpus, budget: Budget) -> (u64, u64) {
    let (began, seeds) = (Instant::now(), corpus.of(target.corpus));
    assert!(!seeds.is_empty(), "{}: the cases hold nothing to begin with", target.name);
    let (mut inputs, mut accepted) = (0, 0);
    loop {
        let is_over = match budget {
            Budget::Inputs(most) => inputs >= most,
            Budget::Time(limit) => inputs % 256 == 0 && began.elapsed() >= limit,
        };
        if is_over {
            return (inputs, accepted);
        }
        let input = Mutator::new(inputs).mutate(seeds);
        let result = catch_unwind(AssertUnwindSafe(|| (target.parse)(&input)));
        match result {
            Ok(Ok(is_accepted)) => accepted += u64::from(is_accepted),
            Ok(Err(wrong)) => panic!("{}, input {inputs}: {wrong}; {}", target.name, shown(&input)),
            Err(_) => panic!("{}, input {inputs}: a panic; {}", target.name, shown(&input)),
        }
        inputs += 1;
    }
}

#[test]
fn no_input_makes_a_parser_panic_or_accept_what_cannot_be() {
    let (corpus, budget) = (Corpus::load(), budget());
    for target in TARGETS.iter().filter(|target| is_wanted(target)) {
        let (inputs, accepted) = fuzz(target, &corpus, budget);
        println!("{:24} {inputs} inputs, {accepted} accepted", target.name);
        // Mutations that were all refused at once would show nothing of what lies behind.
        assert!(accepted * 50 >= inputs, "{}: only {accepted} of {inputs} inputs were accepted", target.name);
    }
}
