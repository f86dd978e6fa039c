//! Every situation that a node group can come into, as far as it is small: the machine of a group's resizes
//! (`core::lifecycle`) against a model of Magnum, Heat and Nova in which everything happens that docs/openstack-behaviour.md
//! tells of, at every moment at which it can. What docs/behaviour.md promises (I1–I4) has to hold in each of them, and from
//! each of them the group has to come to rest. A failure is the shortest story that leads to it.
//!
//! `cargo test --test model` searches groups of two and of three members, and finds each bug that is planted on purpose;
//! `-- --states 10000000 --faults 3` searches further, and the variables MODEL_STATES, MODEL_REQUESTS and MODEL_FAULTS do
//! the same. Nothing in it depends on chance or on the clock: two runs are the same.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::panic,
    reason = "a panic is how a test fails"
)]

mod cloud;
mod fingerprint;
mod planted;
mod promises;
mod search;
mod situation;
mod story;

use std::{process::ExitCode, thread};

use clap::Parser;
use libtest_mimic::{Arguments, Failed, Trial};

use self::{
    planted::Bug,
    promises::Exception,
    search::{Summary, search},
    situation::Scope,
};

#[derive(Debug, Parser)]
struct Options {
    #[command(flatten)]
    cargo: Arguments,
    #[command(flatten)]
    bounds: SearchBounds,
}

/// How far is searched.
#[derive(Debug, Clone, Copy, clap::Args)]
struct SearchBounds {
    /// Once so many situations were met, each is only followed to its rest.
    #[arg(long, env = "MODEL_STATES", default_value_t = 600_000)]
    states: usize,
    /// How many requests callers make.
    #[arg(long, env = "MODEL_REQUESTS", default_value_t = 3)]
    requests: u8,
    /// How often something goes wrong.
    #[arg(long, env = "MODEL_FAULTS", default_value_t = 2)]
    faults: u8,
    /// How many of them may be a person's resize.
    #[arg(long, env = "MODEL_OPERATORS", default_value_t = 1)]
    operators: u8,
}

fn main() -> ExitCode {
    let Options { mut cargo, bounds } = Options::parse();
    // Each search uses all of them.
    let threads = thread::available_parallelism().map_or(2, Into::into);
    cargo.test_threads = Some(1);
    let mut trials: Vec<Trial> = [2, 3].map(|members| explore(members, bounds, threads)).into();
    trials.extend(Bug::ALL.map(|bug| catch(bug, threads)));
    libtest_mimic::run(&cargo, trials).exit_code()
}

/// All situations of a group of so many members.
fn explore(members: u8, bounds: SearchBounds, threads: usize) -> Trial {
    Trial::test(format!("model::group_of_{members}"), move || {
        let SearchBounds { states, requests, faults, operators } = bounds;
        let scope = Scope { members, requests, faults, operators, bug: None };
        let summary =
            search(scope, states, threads).map_err(|violation| Failed::from(violation.to_string()))?;
        print(&summary, scope);
        Ok(())
    })
}

/// A bug that is planted is found.
fn catch(bug: Bug, threads: usize) -> Trial {
    Trial::test(format!("model::planted::{bug:?}"), move || {
        let scope = Scope { members: 2, requests: 2, faults: 1, operators: 0, bug: Some(bug) };
        match search(scope, 1_000_000, threads) {
            Err(violation) => {
                println!("{bug:?} is found: {violation}\n");
                Ok(())
            }
            Ok(summary) => Err(format!("{bug:?} is not found in {} situations", summary.states).into()),
        }
    })
}

fn print(summary: &Summary, scope: Scope) {
    let Summary { states, transitions, depth, bounded_at, longest_rest, exceptions, took } = summary;
    println!(
        "group of {}: {states} situations, {transitions} transitions, {depth} deep, {}; {} requests, {} faults; at rest after \
         {longest_rest} steps at most; {:.1} s",
        scope.members,
        bounded_at.map_or_else(|| "all that there are".to_owned(), |depth| format!("all up to {depth}")),
        scope.requests,
        scope.faults,
        took.as_secs_f64()
    );
    for exception in Exception::ALL {
        let times = exceptions.get(&exception).copied().unwrap_or_default();
        println!("    {times} times {exception:?}: {}", exception.sentence());
    }
}
