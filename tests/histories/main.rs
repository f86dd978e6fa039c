//! Random histories: cluster-autoscaler's calls, faults of the cloud, other people and restarts, in virtual time,
//! against the engine and the OpenStack client on the simulator. After each history the cloud is healed, left to
//! settle, and compared with what was named and acknowledged (I1–I4).
//!
//! `cargo test --test histories` runs 1,000 histories of 60 steps, and a test of the test: with a bug planted on
//! purpose the histories must fail. `-- --histories 10000` runs more, `-- --seed 42` replays one with its log,
//! `-- --bug RemovalByCount --seed 42` with a bug. A failure is shortened before it is printed.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::panic,
    clippy::too_many_lines,
    reason = "a panic is how a test fails"
)]

mod counts;
mod planted;
#[path = "../it/simulated/mod.rs"]
mod simulated;
mod step;
mod world;

use std::{
    process::ExitCode,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use cluster_autoscaler_provider_magnum::simulator::{Fault, FaultPlan, FaultRule, NodeRule};
use counts::Log;
use planted::Bug;
use step::{Flavor, Step, generate};
use tokio::time::sleep;
use world::World;

/// How many histories may be tried to catch a planted bug.
const BUG_HISTORIES: u64 = 1000;

/// What came of a history.
#[derive(Debug, Default)]
struct Outcome {
    violations: Vec<String>,
    resizes: u64,
    lost: u64,
    answered: u64,
    refused: u64,
    given_up: u64,
    wrong_removals: u64,
}

fn main() -> ExitCode {
    let Some(options) = Options::parse(std::env::args().skip(1)) else { return ExitCode::SUCCESS };
    if let Some(seed) = options.seed {
        return replay(seed, &options);
    }
    let healthy = run_all(&options);
    let caught = test_the_test(options.steps);
    let failed = usize::from(!healthy) + Bug::ALL.len() - caught;
    println!("\nhistories: {} passed, {failed} failed", 1 + Bug::ALL.len() - failed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Our own options, and those of cargo's test runner that take a value; any other of the latter means nothing here.
const OPTIONS_WITH_VALUE: [&str; 9] = [
    "--seed",
    "--histories",
    "--steps",
    "--bug",
    "--test-threads",
    "--skip",
    "--format",
    "--color",
    "--logfile",
];

#[derive(Debug)]
struct Options {
    seed: Option<u64>,
    histories: u64,
    steps: usize,
    bug: Option<Bug>,
}

impl Options {
    /// None when the test runner wants no histories: with `--list`, or the name of another test.
    fn parse(arguments: impl Iterator<Item = String>) -> Option<Self> {
        let arguments: Vec<String> = arguments.collect();
        if arguments.iter().any(|argument| argument == "--list") {
            println!("histories: test");
            return None;
        }
        let mut names = arguments.iter().enumerate().filter(|(at, argument)| {
            let is_value = *at > 0 && OPTIONS_WITH_VALUE.contains(&arguments[at - 1].as_str());
            !is_value && !argument.starts_with('-')
        });
        if names.clone().next().is_some() && !names.any(|(_, name)| "histories".contains(name.as_str())) {
            return None;
        }
        let value = |name: &str| {
            let at = arguments.iter().position(|argument| argument == name)?;
            Some(arguments.get(at + 1).unwrap_or_else(|| panic!("{name} needs a value")).as_str())
        };
        let number = |name: &str| value(name).map(|text| text.parse::<u64>().unwrap());
        let bug = value("--bug").map(|name| {
            *Bug::ALL
                .iter()
                .find(|bug| format!("{bug:?}") == name)
                .unwrap_or_else(|| panic!("bugs: {:?}", Bug::ALL))
        });
        Some(Self {
            seed: number("--seed"),
            histories: number("--histories").unwrap_or(1000),
            steps: usize::try_from(number("--steps").unwrap_or(60)).unwrap(),
            bug,
        })
    }
}

/// Runs all histories on all cores; prints and shortens the first failure.
fn run_all(options: &Options) -> bool {
    let next = AtomicU64::new(1);
    let totals = Mutex::new(Outcome::default());
    let failure = Mutex::new(None);
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, Into::into) {
            scope.spawn(|| {
                while failure.lock().unwrap().is_none() {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed > options.histories {
                        return;
                    }
                    let (flavor, steps) = generate(seed, options.steps);
                    let (outcome, log) = run_logged(seed, flavor, &steps, None);
                    if !outcome.violations.is_empty() {
                        *failure.lock().unwrap() = Some((seed, outcome.violations.clone(), log));
                    }
                    let mut totals = totals.lock().unwrap();
                    totals.resizes += outcome.resizes;
                    totals.lost += outcome.lost;
                    totals.answered += outcome.answered;
                    totals.refused += outcome.refused;
                    totals.given_up += outcome.given_up;
                    totals.wrong_removals += outcome.wrong_removals;
                }
            });
        }
    });
    let totals = totals.into_inner().unwrap();
    if let Some((seed, violations, log)) = failure.into_inner().unwrap() {
        println!("{log}\nhistory {seed} fails: {violations:#?}");
        report_shortest(seed, options.steps, None);
        return false;
    }
    println!(
        "{} histories of {} steps: {} calls, {} resizes, {} of them lost and sent again; of the acknowledged requests {} \
         were given up after five losses and {} had become impossible, all reported; 0 violations, a wrong removal would \
         be one (wrong_removals_total of all services together: {})",
        options.histories,
        options.steps,
        totals.answered,
        totals.resizes,
        totals.lost,
        totals.given_up,
        totals.refused,
        totals.wrong_removals
    );
    true
}

/// Each planted bug must be caught. Returns how many were.
fn test_the_test(steps: usize) -> usize {
    let caught = Bug::ALL.iter().filter(|bug| {
        let caught = (1..=BUG_HISTORIES).find_map(|seed| {
            let (flavor, steps) = generate(seed, steps);
            let outcome = run(seed, flavor, &steps, Some(**bug));
            outcome.violations.first().map(|violation| (seed, violation.clone()))
        });
        match caught {
            Some((seed, violation)) => {
                let first: String = violation.chars().take(120).collect();
                println!("planted {bug:?}: caught by seed {seed}: {first}");
                true
            }
            None => {
                println!("planted {bug:?}: NOT CAUGHT in {BUG_HISTORIES} histories");
                false
            }
        }
    });
    caught.count()
}

fn replay(seed: u64, options: &Options) -> ExitCode {
    let (flavor, steps) = generate(seed, options.steps);
    let (outcome, log) = run_logged(seed, flavor, &steps, options.bug);
    println!("{log}");
    for step in &steps {
        println!("{step:?}");
    }
    println!("history {seed} ({flavor:?}): {outcome:#?}");
    if outcome.violations.is_empty() {
        return ExitCode::SUCCESS;
    }
    report_shortest(seed, options.steps, options.bug);
    ExitCode::FAILURE
}

/// Leaves out steps for as long as the history still fails.
fn report_shortest(seed: u64, steps: usize, bug: Option<Bug>) {
    let (flavor, mut steps) = generate(seed, steps);
    let fails = |steps: &[Step]| !run(seed, flavor, steps, bug).violations.is_empty();
    let mut size = steps.len() / 2;
    while size > 0 {
        let mut at = 0;
        while at < steps.len() {
            let mut shorter = steps.clone();
            shorter.drain(at..(at + size).min(shorter.len()));
            if fails(&shorter) {
                steps = shorter;
            } else {
                at += size;
            }
        }
        size /= 2;
    }
    let (outcome, log) = run_logged(seed, flavor, &steps, bug);
    println!("shortest history of seed {seed} ({flavor:?}):");
    for step in &steps {
        println!("  {step:?}");
    }
    println!("{log}\n{:#?}\nreplay: cargo test --test histories -- --seed {seed}", outcome.violations);
}

fn run_logged(seed: u64, flavor: Flavor, steps: &[Step], bug: Option<Bug>) -> (Outcome, String) {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter("info")
        .with_ansi(false)
        .without_time()
        .with_writer(move || writer.clone())
        .finish();
    let outcome = tracing::subscriber::with_default(subscriber, || run(seed, flavor, steps, bug));
    let text = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    (outcome, text)
}

fn run(seed: u64, flavor: Flavor, steps: &[Step], bug: Option<Bug>) -> Outcome {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let mut world = World::new(seed, bug).await;
        for (number, step) in steps.iter().enumerate() {
            tracing::info!("step {number}: {step:?}");
            apply(&mut world, step, seed + u64::try_from(number).unwrap()).await;
            world.look();
            if !world.violations.is_empty() {
                break;
            }
        }
        if world.violations.is_empty() {
            heal(&mut world);
            world.settle(flavor == Flavor::Accountable).await;
        }
        let outcome = Outcome {
            violations: std::mem::take(&mut world.violations),
            resizes: world.counts.resizes.load(Ordering::Relaxed),
            lost: world.counts.lost.load(Ordering::Relaxed),
            refused: world.counts.refused.load(Ordering::Relaxed),
            given_up: world.counts.given_up.load(Ordering::Relaxed),
            wrong_removals: world.counts.wrong_removals.load(Ordering::Relaxed),
            answered: world.answered,
        };
        world.stop().await;
        outcome
    })
}

fn heal(world: &mut World) {
    world.set_faults(FaultPlan::none());
    world.simulator.lose_next_casts(0);
    world.simulator.set_quota(None);
    world.simulator.no_valid_host(false);
    world.simulator.clear_node_rules();
    world.widen_bounds();
}

async fn apply(world: &mut World, step: &Step, seed: u64) {
    match step {
        Step::Loop => world.main_loop().await,
        Step::Wait(time) => {
            // Looking often enough to see every server at least once.
            let mut left = *time;
            while !left.is_zero() {
                let pause = left.min(Duration::from_millis(400));
                sleep(pause).await;
                left -= pause;
                world.look();
            }
        }
        Step::Increase { group, delta } => world.increase(*group, *delta).await,
        Step::Delete { group, picks } => world.delete(*group, picks, false).await,
        Step::DeleteBurst { group, picks } => world.delete(*group, picks, true).await,
        Step::DeleteAgain { back } => world.delete_again(*back).await,
        Step::DeleteStranger { group, kind } => world.delete_stranger(*group, *kind).await,
        Step::Decrease { group, delta } => world.decrease(*group, *delta).await,
        Step::HangUp { group, pick } => world.hang_up(*group, *pick),
        Step::Operator { group, grow, pick } => world.operator_resize(*group, *grow, *pick),
        Step::OperatorBounds { group, min, max } => {
            world.operator_bounds(*group, *min, *max);
        }
        Step::NovaDelete { group, pick } => world.nova_delete(*group, *pick),
        Step::Storm { probability } => world.set_faults(storm(seed, *probability)),
        Step::Lag { service, behind } => {
            world.set_faults(FaultPlan::of([FaultRule::always(Fault::Lagging(*behind)).at(*service)]));
        }
        Step::LoseCasts(count) => world.simulator.lose_next_casts(*count),
        Step::ConductorStops(pause) => world.simulator.stop_conductor(*pause),
        Step::ExpireTokens => world.simulator.expire_tokens(),
        Step::Quota(quota) => world.simulator.set_quota(*quota),
        Step::NoValidHost(none) => world.simulator.no_valid_host(*none),
        Step::NodesHang => world.simulator.set_node_rule("*", NodeRule::Hang),
        Step::NodesFail => world.simulator.set_node_rule("*", NodeRule::fail()),
        Step::NodesBoot => world.simulator.clear_node_rules(),
        Step::Calm => world.set_faults(FaultPlan::none()),
        Step::Restart => world.restart().await,
    }
}

/// All faults, but reads no older than what the engine distrusts (`Patience::doubt`).
fn storm(seed: u64, probability: f64) -> FaultPlan {
    let mut plan = FaultPlan::storm(seed, probability);
    for FaultRule { fault, .. } in &mut plan.rules {
        if let Fault::StaleRead(age) = fault {
            *age = Duration::from_secs(2);
        }
    }
    plan
}
