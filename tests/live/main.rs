//! The service against a real OpenStack: exactly the nodes that are named go, and what fails is told.
//!
//! Each test starts the service as an operator would, calls it as cluster-autoscaler does, and looks at Nova and Magnum
//! itself for what became of it. `CONTRIBUTING.md` says what to set; tests for which that is missing are
//! reported as ignored, with the reason, and fail with `-- --include-ignored`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is the failure report"
)]

mod autoscaler;
mod chaos;
mod failures;
mod lab;
mod openstack;
mod operator;
mod outage;
mod removal;
mod restart;
mod scene;
mod service;
mod site;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use self::site::Site;

/// A test by its path, and where it can run.
macro_rules! live {
    ($site:path, $test:path) => {
        |strict| {
            Trial::ignorable_test(stringify!($test), move || match ($site(), strict) {
                (Ok(site), _) => run($test(site)),
                (Err(missing), false) => Ok(Completion::ignored_with(missing)),
                (Err(missing), true) => Err(missing.into()),
            })
        }
    };
}

/// All tests, in the order in which they run. With `true` one that lacks its site fails.
const TESTS: [fn(bool) -> Trial; 13] = [
    live!(Site::from_environment, removal::exactly_the_oldest_goes_and_only_once),
    live!(Site::from_environment, removal::two_removals_at_once_are_one_resize),
    live!(Site::from_environment, removal::what_names_no_member_removes_nothing),
    live!(Site::from_environment, restart::what_was_sent_before_a_crash_happens_once),
    live!(Site::from_environment, restart::a_removal_by_an_update_of_the_stack_is_finished_after_a_crash),
    live!(Site::with_lab, operator::a_resize_and_a_new_maximum_show_with_the_next_refresh),
    live!(Site::with_lab, failures::a_quota_that_is_exceeded),
    live!(Site::with_lab, failures::a_node_whose_deployment_fails),
    live!(Site::with_lab, failures::a_node_that_never_reports),
    live!(Site::with_lab, failures::a_server_deleted_behind_heats_back),
    live!(Site::with_lab, outage::every_call_is_answered_while_openstack_is_silent),
    live!(Site::with_lab, outage::a_removal_that_never_came_to_the_nodes_does_not_come_later),
    live!(Site::with_lab, chaos::only_the_named_go_whatever_happens),
];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // They resize one and the same cluster.
    arguments.test_threads = Some(1);
    let strict = arguments.include_ignored;
    libtest_mimic::run(&arguments, TESTS.map(|test| test(strict)).into()).exit_code()
}

/// Plays a test; that it panics is its failure.
fn run(test: impl Future<Output = ()>) -> Result<Completion, Failed> {
    tokio::runtime::Runtime::new().unwrap().block_on(test);
    Ok(Completion::Completed)
}
