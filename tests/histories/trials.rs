//! The histories as tests that `cargo test` knows: named, chosen by filters, `--skip` and `--exact`, in as many threads
//! as `--test-threads` says.

use std::{
    env,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use clap::Parser;
use cluster_autoscaler_provider_magnum::simulator::Profile;
use libtest_mimic::{Arguments, Conclusion, Failed, Trial};
use rand::{RngExt as _, SeedableRng as _, seq::IndexedRandom as _};

use crate::{
    Outcome,
    planted::Bug,
    run, run_logged,
    site::{Removals, Site},
    step::{Random, Step, generate},
};

/// How many histories may be tried to catch a planted bug.
const BUG_HISTORIES: u64 = 1000;
const STEPS: usize = 60;
/// There is a history of a fresh seed for so many of fixed ones.
const FIXED_PER_FRESH: u64 = 4;
/// There is a history with updates of the Heat stack for so many others.
const FIXED_PER_HEAT: u64 = 10;
/// There is a history on each other cloud for so many on the chosen one.
const FIXED_PER_OTHER: u64 = 40;

#[derive(Debug, Parser)]
struct Options {
    #[command(flatten)]
    cargo: Arguments,
    #[command(flatten)]
    history: Histories,
}

/// Which histories are played.
#[derive(Debug, Clone, clap::Args)]
struct Histories {
    /// Plays one history alone, and prints its log.
    #[arg(long, env = "HISTORIES_SEED")]
    seed: Option<u64>,
    /// Plays this many histories of the seeds from 1 on, and a quarter as many of fresh seeds.
    #[arg(long, env = "HISTORIES", default_value_t = 1000)]
    histories: u64,
    /// How many steps a history has.
    #[arg(long, env = "HISTORIES_STEPS", default_value_t = STEPS)]
    steps: usize,
    #[command(flatten)]
    site: Site,
    /// Plants this bug in the history of --seed.
    #[arg(long, requires = "seed")]
    bug: Option<Bug>,
    /// Of the histories of one trial, so many at once.
    #[arg(skip)]
    threads: usize,
}

/// What is printed when all trials have ended, so that it stands apart from their names.
type Summary = Arc<Mutex<Vec<String>>>;

/// Runs what the command line asks for.
pub(crate) fn conclude() -> Conclusion {
    let Options { cargo, mut history } = Options::parse();
    let cores = || thread::available_parallelism().map_or(2, Into::into);
    history.threads = cargo.test_threads.unwrap_or_else(cores);
    let summary = Summary::default();
    let conclusion = libtest_mimic::run(&cargo, trials(&history, &summary));
    for line in summary.lock().unwrap().iter() {
        println!("{line}");
    }
    conclusion
}

fn trials(histories: &Histories, summary: &Summary) -> Vec<Trial> {
    let trial = |name: &str, play: fn(&Histories) -> Result<String, String>, histories: &Histories| {
        let (histories, summary) = (histories.clone(), Arc::clone(summary));
        Trial::test(format!("histories::{name}"), move || {
            let line = play(&histories).map_err(Failed::from)?;
            summary.lock().unwrap().push(line);
            Ok(())
        })
    };
    if let Some(seed) = histories.seed {
        return vec![trial(&format!("seed_{seed}"), replay, histories)];
    }
    let site = histories.site;
    let mut trials = vec![
        trial("fixed_seeds", fixed_seeds, histories),
        trial("fresh_seeds", fresh_seeds, histories),
        Trial::test("runner::seeds_keep_their_meaning", seeds_keep_their_meaning),
        Trial::test("runner::options_choose_the_trials", options_choose_the_trials),
    ];
    if !site.is_cluster_api() {
        trials.push(trial("heat_stack_updates", heat_stack_updates, histories));
    }
    for site in other_clouds(site) {
        let histories = Histories { site, ..histories.clone() };
        trials.push(trial(&format!("clouds::{}", cloud_name(site)), other_cloud, &histories));
    }
    for (site, bug) in planted_bugs(site) {
        let histories = Histories { bug: Some(bug), site, ..histories.clone() };
        let place = if site.is_cluster_api() { format!("{}::", cloud_name(site)) } else { String::new() };
        trials.push(trial(&format!("planted::{place}{bug:?}"), catch, &histories));
    }
    trials
}

/// The clouds that some histories are played on besides the usual one.
fn other_clouds(site: Site) -> Vec<Site> {
    if site != Site::default() {
        return Vec::new();
    }
    let others = Profile::all().iter().copied().filter(|profile| *profile != site.profile).map(Site::of);
    others.chain([Site { allow_untargeted_removal: true, ..Site::of(Profile::CapiHelm) }]).collect()
}

fn cloud_name(site: Site) -> String {
    let removal = if site.allow_untargeted_removal { "-untargeted" } else { "" };
    format!("{}{removal}", site.profile)
}

/// The bugs that there can be, each with the cloud that it is looked for on. Where no node is removed by name there are none.
fn planted_bugs(site: Site) -> Vec<(Site, Bug)> {
    let of_cluster_api = |site: Site| {
        let bugs = Bug::ALL.into_iter().filter(|bug| bug.is_of_cluster_api());
        bugs.map(move |bug| (site, bug)).collect()
    };
    match site.removals() {
        Removals::Counted | Removals::Refused => Vec::new(),
        Removals::Named if site.is_cluster_api() => of_cluster_api(site),
        Removals::Named => {
            let on_heat = |bug: Bug| (if bug.is_of_heat_updates() { site.by_heat() } else { site }, bug);
            let mut bugs: Vec<(Site, Bug)> = Bug::ALL.map(on_heat).to_vec();
            if site == Site::default() {
                bugs.append(&mut of_cluster_api(Site::of(Profile::MagnumClusterApi)));
            }
            bugs
        }
    }
}

fn other_cloud(histories: &Histories) -> Result<String, String> {
    play(1, histories.histories.div_ceil(FIXED_PER_OTHER), histories)
        .map(|line| format!("{}: {line}", cloud_name(histories.site)))
}

fn fixed_seeds(histories: &Histories) -> Result<String, String> {
    play(1, histories.histories, histories)
}

/// The same where Magnum cannot name the nodes that go.
fn heat_stack_updates(histories: &Histories) -> Result<String, String> {
    let histories = Histories { site: histories.site.by_heat(), ..histories.clone() };
    play(1, histories.histories.div_ceil(FIXED_PER_HEAT), &histories)
        .map(|line| format!("Heat stack updates: {line}"))
}

/// Seeds that nobody has played before: the clock in milliseconds, and on.
fn fresh_seeds(histories: &Histories) -> Result<String, String> {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let first = u64::try_from(clock).unwrap();
    let count = histories.histories.div_ceil(FIXED_PER_FRESH);
    println!("histories::fresh_seeds plays the seeds from {first} to {}", first + count - 1);
    play(first, count, histories)
}

/// Plays the histories of so many seeds. Fails with the first that fails, made short.
fn play(first: u64, count: u64, histories: &Histories) -> Result<String, String> {
    let next = AtomicU64::new(first);
    let totals = Mutex::new(Outcome::default());
    let failure = Mutex::new(None);
    thread::scope(|scope| {
        for _ in 0..histories.threads {
            scope.spawn(|| {
                while failure.lock().unwrap().is_none() {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        return;
                    }
                    let (flavor, steps) = generate(seed, histories.steps);
                    let (outcome, log) = run_logged(histories.site, seed, flavor, &steps, None);
                    if !outcome.violations.is_empty() {
                        *failure.lock().unwrap() = Some((seed, outcome.violations.clone(), log));
                    }
                    totals.lock().unwrap().add(&outcome);
                }
            });
        }
    });
    if let Some((seed, violations, log)) = failure.into_inner().unwrap() {
        let shortest = shortest(seed, histories);
        return Err(format!("{log}\nhistory {seed} fails: {violations:#?}\n{shortest}"));
    }
    let totals = totals.into_inner().unwrap();
    Ok(format!(
        "{count} histories of {} steps, seeds {first} to {}: {} calls, {} resizes, {} of them lost and sent again; of the \
         acknowledged requests {} were given up after five losses and {} had become impossible, all reported; 0 \
         violations, a wrong removal would be one (wrong_removals_total of all services together: {})",
        histories.steps,
        first + count - 1,
        totals.answered,
        totals.resizes,
        totals.lost,
        totals.given_up,
        totals.refused,
        totals.wrong_removals
    ))
}

/// A planted bug must be caught, else the histories prove nothing.
fn catch(histories: &Histories) -> Result<String, String> {
    let bug = histories.bug.unwrap();
    for seed in 1..=BUG_HISTORIES {
        let (flavor, steps) = generate(seed, histories.steps);
        let outcome = run(histories.site, seed, flavor, &steps, Some(bug));
        if let Some(violation) = outcome.violations.first() {
            return Ok(format!("planted {bug:?}: caught by seed {seed}: {violation:.120}"));
        }
    }
    Err(format!("planted {bug:?} was not caught in {BUG_HISTORIES} histories"))
}

fn replay(histories: &Histories) -> Result<String, String> {
    let seed = histories.seed.unwrap();
    let (flavor, steps) = generate(seed, histories.steps);
    let (outcome, log) = run_logged(histories.site, seed, flavor, &steps, histories.bug);
    let story = format!("{log}\n{}\nhistory {seed} ({flavor:?}): {outcome:#?}", listed(&steps));
    if outcome.violations.is_empty() {
        Ok(story)
    } else {
        Err(format!("{story}\n{}", shortest(seed, histories)))
    }
}

/// Leaves out steps for as long as the history still fails.
fn shortest(seed: u64, histories: &Histories) -> String {
    let (flavor, mut steps) = generate(seed, histories.steps);
    let fails =
        |steps: &[Step]| !run(histories.site, seed, flavor, steps, histories.bug).violations.is_empty();
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
    let (outcome, log) = run_logged(histories.site, seed, flavor, &steps, histories.bug);
    let mut again = format!("cargo test --test histories -- --seed {seed}");
    if histories.steps != STEPS {
        again += &format!(" --steps {}", histories.steps);
    }
    if histories.site != Site::default() {
        again += &format!(" {}", histories.site);
    }
    if let Some(bug) = histories.bug {
        again += &format!(" --bug {bug:?}");
    }
    let steps = listed(&steps);
    format!(
        "shortest history of seed {seed} ({flavor:?}):\n{steps}\n{log}\n{:#?}\nreplay: {again}",
        outcome.violations
    )
}

fn listed(steps: &[Step]) -> String {
    let lines: Vec<_> = steps.iter().map(|step| format!("  {step:?}")).collect();
    lines.join("\n")
}

/// Else the seed in an old report would be another history after an update of rand.
fn seeds_keep_their_meaning() -> Result<(), Failed> {
    let mut random = Random::seed_from_u64(1);
    let numbers: [usize; 6] = std::array::from_fn(|_| random.random_range(0..88));
    let seconds: [u64; 4] = std::array::from_fn(|_| random.random_range(4..300));
    let deltas: [i32; 4] = std::array::from_fn(|_| random.random_range(1..4));
    let often: [bool; 8] = std::array::from_fn(|_| random.random_bool(0.6));
    let chosen: [u8; 6] = std::array::from_fn(|_| *[1, 5, 20].choose(&mut random).unwrap());
    let drawn = format!("{numbers:?} {seconds:?} {deltas:?} {often:?} {chosen:?}");
    let known = "[71, 65, 8, 65, 16, 51] [296, 158, 32, 43] [3, 2, 1, 2] \
                 [true, true, true, true, false, false, true, false] [1, 5, 1, 5, 1, 20]";
    if drawn == known { Ok(()) } else { Err(format!("drawn {drawn}, known {known}").into()) }
}

/// What people and tools pass to any test: nothing runs here, the trials that would run are listed.
fn options_choose_the_trials() -> Result<(), Failed> {
    let planted = planted_bugs(Site::default()).len();
    let played = 3 + other_clouds(Site::default()).len();
    let every = 2 + played + planted;
    for (options, expected) in [
        (&[][..], every),
        (&["--ignored"], 0),
        (&["--include-ignored", "--test-threads", "1", "--nocapture"], every),
        (&["--skip", "histories"], 2),
        (&["--skip=histories", "--skip", "runner"], 0),
        (&["histories::planted"], planted),
        (&["histories", "--skip", "planted"], played),
        (&["histories", "--profile", "capi-helm"], 2),
        (&["planted", "--profile", "magnum-cluster-api"], 7),
        (&["--exact", "histories::fixed_seeds"], 1),
        (&["--exact", "fixed_seeds"], 0),
        (&["no_such_test"], 0),
        (&["--seed", "42", "--histories", "7", "--steps", "9", "--bug", "RemovalByCount"], 1),
    ] {
        let output = Command::new(env::current_exe().unwrap()).arg("--list").args(options).output().unwrap();
        let list = String::from_utf8_lossy(&output.stdout);
        let listed = list.lines().filter(|line| line.ends_with(": test")).count();
        if !output.status.success() || listed != expected {
            let error = String::from_utf8_lossy(&output.stderr);
            return Err(
                format!("{options:?} chooses {listed} trials and not {expected}:\n{list}{error}").into()
            );
        }
    }
    Ok(())
}
