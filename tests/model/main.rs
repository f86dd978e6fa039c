//! Every situation that a node group can come into, as far as it is small: the machine of a group's resizes
//! (`core::lifecycle`) against a model of Magnum, Heat and Nova in which everything happens that docs/openstack-behaviour.md
//! tells of, at every moment at which it can. What docs/behaviour.md promises (I1–I4) has to hold in each of them, and from
//! each of them the group has to come to rest. A failure is the shortest story that leads to it.
//!
//! `cargo test --test model` searches groups of two and of three members, and finds each bug that is planted on purpose.
//! Two faults have searches of their own: somebody deletes a server in Nova, and all three services at once answer as they did
//! before the last update.
//! How many requests callers make and how often something goes wrong bounds each search, and so does the number of
//! situations: beyond that each is only followed to its rest. `-- --states 5000000 --faults 3 group` searches further, and the
//! variables MODEL_STATES, MODEL_REQUESTS, MODEL_FAULTS and MODEL_OPERATORS do the same. Nothing in it depends on chance or
//! on the clock: two runs are the same.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::panic,
    reason = "a panic is how a test fails"
)]

mod action;
mod cloud;
mod fingerprint;
mod happening;
mod heat;
mod magnum;
mod numbers;
mod planted;
mod possible;
mod promises;
mod reading;
mod search;
mod service;
mod situation;
mod story;

use std::{
    process::ExitCode,
    sync::{Arc, Mutex},
    thread,
};

use clap::Parser;
use libtest_mimic::{Arguments, Failed, Trial};

use self::{
    planted::Bug,
    promises::Exception,
    search::{Summary, search},
    situation::{Allowance, Scope},
};

#[derive(Debug, Parser)]
struct Options {
    #[command(flatten)]
    cargo: Arguments,
    #[command(flatten)]
    bounds: SearchBounds,
}

/// How far is searched, where it is not as far as usual.
#[derive(Debug, Clone, Copy, clap::Args)]
struct SearchBounds {
    /// Once so many situations were met, each is only followed to its rest.
    #[arg(long, env = "MODEL_STATES")]
    states: Option<usize>,
    /// How many requests callers make.
    #[arg(long, env = "MODEL_REQUESTS")]
    requests: Option<u8>,
    /// How often something goes wrong.
    #[arg(long, env = "MODEL_FAULTS")]
    faults: Option<u8>,
    /// How many of the faults may be a person's resize.
    #[arg(long, env = "MODEL_OPERATORS", default_value_t = 1)]
    operators: u8,
}

/// One search: how many members there are, what may happen, and how many situations are looked at.
type Search = (u8, Allowance, usize);

const NOTHING: Allowance = Allowance { requests: 0, faults: 0, operators: 0, deletions: 0, old_answers: 0 };

/// The fewer can happen, the deeper it goes.
const SEARCHES: [Search; 9] = [
    (2, Allowance { requests: 1, ..NOTHING }, 100_000),
    (2, Allowance { requests: 1, faults: 1, ..NOTHING }, 400_000),
    (2, Allowance { requests: 2, faults: 1, ..NOTHING }, 200_000),
    (2, Allowance { requests: 3, faults: 2, ..NOTHING }, 200_000),
    (3, Allowance { requests: 2, faults: 2, ..NOTHING }, 200_000),
    (2, Allowance { requests: 2, deletions: 1, ..NOTHING }, 100_000),
    (2, Allowance { requests: 2, faults: 1, deletions: 1, ..NOTHING }, 100_000),
    (2, Allowance { requests: 2, old_answers: 1, ..NOTHING }, 100_000),
    (2, Allowance { requests: 2, faults: 1, old_answers: 1, ..NOTHING }, 100_000),
];

/// What is printed when all searches have ended, so that it stands apart from their names.
type Lines = Arc<Mutex<Vec<String>>>;

fn main() -> ExitCode {
    let Options { mut cargo, bounds } = Options::parse();
    // Each search uses all of them.
    let threads = thread::available_parallelism().map_or(2, Into::into);
    cargo.test_threads = Some(1);
    let summary = Lines::default();
    let mut trials = vec![Trial::test("model::exceptions_are_documented", exceptions_are_documented)];
    trials.extend(SEARCHES.map(|search| explore(search, bounds, threads, &summary)));
    trials.extend(Bug::ALL.map(|bug| catch(bug, threads, &summary)));
    let conclusion = libtest_mimic::run(&cargo, trials);
    for line in summary.lock().unwrap().iter() {
        println!("{line}");
    }
    conclusion.exit_code()
}

/// All situations of a group of so many members, or as many as the bound lets.
fn explore(usual: Search, bounds: SearchBounds, threads: usize, lines: &Lines) -> Trial {
    let lines = Arc::clone(lines);
    let (members, allowance, states) = usual;
    Trial::test(format!("model::group_of_{members}::{}", name_of(allowance)), move || {
        let allowance = Allowance {
            requests: bounds.requests.unwrap_or(allowance.requests),
            faults: bounds.faults.unwrap_or(allowance.faults),
            operators: bounds.operators,
            ..allowance
        };
        let scope = Scope { members, allowance, bug: None };
        let states = bounds.states.unwrap_or(states);
        let summary =
            search(scope, states, threads).map_err(|violation| Failed::from(violation.to_string()))?;
        lines.lock().unwrap().push(in_words(&summary, scope));
        Ok(())
    })
}

fn name_of(allowance: Allowance) -> String {
    let Allowance { requests, faults, operators: _, deletions, old_answers } = allowance;
    let mut name = format!("{requests}_requests_{faults}_faults");
    for (times, what) in [(deletions, "deletions"), (old_answers, "old_answers")] {
        if times > 0 {
            name.push_str(&format!("_{times}_{what}"));
        }
    }
    name
}

/// What is excepted from the promises is what the documentation says cannot be prevented.
fn exceptions_are_documented() -> Result<(), Failed> {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let documented = words(include_str!("../../docs/behaviour.md"));
    match Exception::ALL.into_iter().find(|exception| !documented.contains(&words(exception.sentence()))) {
        None => Ok(()),
        Some(exception) => Err(format!("docs/behaviour.md does not say: {}", exception.sentence()).into()),
    }
}

/// A bug that is planted is found.
fn catch(bug: Bug, threads: usize, lines: &Lines) -> Trial {
    let lines = Arc::clone(lines);
    Trial::test(format!("model::planted::{bug:?}"), move || {
        let scope =
            Scope { members: 2, allowance: Allowance { requests: 2, faults: 1, ..NOTHING }, bug: Some(bug) };
        match search(scope, 1_000_000, threads) {
            Err(violation) => {
                lines.lock().unwrap().push(format!("{bug:?} is found: {violation}\n"));
                Ok(())
            }
            Ok(summary) => Err(format!("{bug:?} is not found in {} situations", summary.states).into()),
        }
    })
}

fn in_words(summary: &Summary, scope: Scope) -> String {
    let Summary { states, transitions, depth, bounded_at, longest_rest, exceptions, took } = summary;
    let mut lines = vec![format!(
        "group of {}: {states} situations, {transitions} transitions, {depth} deep, {}; {}; at rest after \
         {longest_rest} steps at most; {:.1} s",
        scope.members,
        bounded_at.map_or_else(|| "all that there are".to_owned(), |depth| format!("all up to {depth}")),
        name_of(scope.allowance).replace('_', " "),
        took.as_secs_f64()
    )];
    for exception in Exception::ALL {
        let times = exceptions.get(&exception).copied().unwrap_or_default();
        if times > 0 {
            lines.push(format!("    {times} times {exception:?}: {}", exception.sentence()));
        }
    }
    lines.join("\n")
}
