//! Breadth-first search through all situations that can come of a first one.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
    hash::{BuildHasherDefault, Hasher},
    thread,
    time::{Duration, Instant},
};

use crate::{
    action::Action,
    promises::Exception,
    reading::Readings,
    situation::{Outcome, Scope, Situation},
};

/// How many situations are looked at before what they lead to is sorted in.
const BATCH: usize = 16_384;
/// A situation that nothing has led to yet.
const NONE: u32 = u32::MAX;

/// A fingerprint is a hash already.
#[derive(Debug, Default, Clone, Copy)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, fingerprint: u64) {
        self.0 = fingerprint;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

type Numbers = HashMap<u64, u32, BuildHasherDefault<AsItIs>>;

/// A situation that was met, by its number.
#[derive(Debug, Clone, Copy)]
struct Met {
    /// The one that it came of first, and by what.
    from: u32,
    by: Action,
    /// What it comes to if nobody does anything.
    quiet: u32,
}

/// What an action led to.
struct Step {
    from: u32,
    by: Action,
    fingerprint: u64,
    /// None where it was met before.
    situation: Option<Box<Situation>>,
    is_quiet: bool,
    violation: Option<String>,
}

/// What a worker has found.
#[derive(Default)]
struct Found {
    steps: Vec<Step>,
    transitions: u64,
    exceptions: Vec<Exception>,
}

/// What was searched.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub(crate) states: usize,
    pub(crate) transitions: u64,
    pub(crate) depth: usize,
    /// After how many steps the bound on their number was met; none where every one was.
    pub(crate) bounded_at: Option<usize>,
    /// Most steps to rest.
    pub(crate) longest_rest: u32,
    pub(crate) exceptions: BTreeMap<Exception, u64>,
    pub(crate) took: Duration,
}

/// A promise that was not kept, and how it came to that.
#[derive(Debug)]
pub(crate) struct Violation {
    pub(crate) what: String,
    pub(crate) steps: usize,
    pub(crate) story: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, after {} steps:\n{}", self.what, self.steps, self.story)
    }
}

/// Meets all situations, or so many.
pub(crate) fn search(scope: Scope, most: usize, threads: usize) -> Result<Summary, Box<Violation>> {
    Search::new(scope, threads).run(most)
}

struct Search {
    scope: Scope,
    threads: usize,
    base: Instant,
    numbers: Numbers,
    met: Vec<Met>,
    summary: Summary,
}

impl Search {
    fn new(scope: Scope, threads: usize) -> Self {
        Self {
            scope,
            threads: threads.max(1),
            base: Instant::now(),
            numbers: Numbers::default(),
            met: Vec::new(),
            summary: Summary::default(),
        }
    }

    fn run(mut self, most: usize) -> Result<Summary, Box<Violation>> {
        let first = Situation::first(self.scope, self.base);
        self.numbers.insert(first.fingerprint(), 0);
        self.met.push(Met { from: NONE, by: Action::Observe, quiet: NONE });
        let mut level = vec![(0, Box::new(first))];
        let mut readings: Vec<Readings> = (0..self.threads).map(|_| Readings::default()).collect();
        while !level.is_empty() {
            let mut next = Vec::new();
            while !level.is_empty() {
                // Beyond the bound each one is only followed to its rest.
                let all = self.met.len() < most;
                if !all {
                    self.summary.bounded_at.get_or_insert(self.summary.depth);
                }
                let rest = level.split_off(level.len().min(BATCH));
                let batch = std::mem::replace(&mut level, rest);
                for found in self.look(&batch, all, &mut readings) {
                    self.sort_in(found, &mut next)?;
                }
            }
            self.summary.depth += usize::from(!next.is_empty());
            level = next;
        }
        self.follow_to_rest()?;
        self.summary.states = self.met.len();
        self.summary.took = self.base.elapsed();
        Ok(self.summary)
    }

    fn look(&self, batch: &[(u32, Box<Situation>)], all: bool, readings: &mut [Readings]) -> Vec<Found> {
        let size = batch.len().div_ceil(self.threads).max(1);
        thread::scope(|scope| {
            let workers: Vec<_> = batch
                .chunks(size)
                .zip(readings)
                .map(|(part, readings)| scope.spawn(move || self.look_at(part, all, readings)))
                .collect();
            workers.into_iter().map(|worker| worker.join().unwrap()).collect()
        })
    }

    fn look_at(&self, part: &[(u32, Box<Situation>)], all: bool, readings: &mut Readings) -> Found {
        let mut found = Found::default();
        let mut new: HashSet<u64, BuildHasherDefault<AsItIs>> = HashSet::default();
        for (from, situation) in part {
            let quiet = situation.quiet();
            let actions = if all { situation.actions() } else { quiet.into_iter().collect() };
            if quiet.is_none()
                && let Err(violation) = situation.judge_end()
            {
                let (from, by) = (*from, Action::Observe);
                let step = Step {
                    from,
                    by,
                    fingerprint: 0,
                    situation: None,
                    is_quiet: false,
                    violation: Some(violation),
                };
                found.steps.push(step);
            }
            for by in actions {
                let mut after = situation.clone();
                let mut outcome = Outcome::default();
                after.apply(by, self.scope, readings, &mut outcome);
                found.transitions += 1;
                found.exceptions.append(&mut outcome.exceptions);
                let fingerprint = after.fingerprint();
                let is_new = !self.numbers.contains_key(&fingerprint) && new.insert(fingerprint);
                let is_quiet = quiet == Some(by);
                let violation = outcome.violation;
                if is_new || is_quiet || violation.is_some() {
                    let situation = is_new.then_some(after);
                    found.steps.push(Step { from: *from, by, fingerprint, situation, is_quiet, violation });
                }
            }
        }
        found
    }

    fn sort_in(&mut self, found: Found, next: &mut Vec<(u32, Box<Situation>)>) -> Result<(), Box<Violation>> {
        self.summary.transitions += found.transitions;
        for exception in found.exceptions {
            *self.summary.exceptions.entry(exception).or_default() += 1;
        }
        for Step { from, by, fingerprint, situation, is_quiet, violation } in found.steps {
            if let Some(what) = violation {
                let by = (fingerprint != 0).then_some(by);
                return Err(self.violation(what, &self.path(from).into_iter().chain(by).collect::<Vec<_>>()));
            }
            let number = u32::try_from(self.met.len()).unwrap();
            let number = *self.numbers.entry(fingerprint).or_insert(number);
            if usize::try_from(number).unwrap() == self.met.len() {
                self.met.push(Met { from, by, quiet: NONE });
                next.extend(situation.map(|situation| (number, situation)));
            }
            if is_quiet {
                self.met_mut(from).quiet = number;
            }
        }
        Ok(())
    }

    fn met(&self, number: u32) -> Met {
        self.met[usize::try_from(number).unwrap()]
    }

    fn met_mut(&mut self, number: u32) -> &mut Met {
        &mut self.met[usize::try_from(number).unwrap()]
    }

    /// From every situation, if nothing goes wrong any more, all comes to rest.
    fn follow_to_rest(&mut self) -> Result<(), Box<Violation>> {
        /// Not followed yet, and on the way that is followed.
        const UNKNOWN: u32 = u32::MAX;
        const ON_THE_WAY: u32 = u32::MAX - 1;
        let mut steps = vec![UNKNOWN; self.met.len()];
        for start in 0..u32::try_from(self.met.len()).unwrap() {
            let mut way = Vec::new();
            let mut here = start;
            let mut far = loop {
                let known = &mut steps[usize::try_from(here).unwrap()];
                match *known {
                    UNKNOWN => *known = ON_THE_WAY,
                    ON_THE_WAY => {
                        return Err(self.violation(
                            "stuck: nothing goes wrong any more, and there is no end".to_owned(),
                            &[self.path(start), self.quiet_actions(start)].concat(),
                        ));
                    }
                    known => break known,
                }
                way.push(here);
                match self.met(here).quiet {
                    NONE => break NONE,
                    next => here = next,
                }
            };
            for number in way.into_iter().rev() {
                far = far.wrapping_add(1);
                steps[usize::try_from(number).unwrap()] = far;
            }
        }
        self.summary.longest_rest = steps.into_iter().max().unwrap_or_default();
        Ok(())
    }

    /// What leads to a situation.
    fn path(&self, number: u32) -> Vec<Action> {
        let mut path = Vec::new();
        let mut here = self.met(number);
        while here.from != NONE {
            path.push(here.by);
            here = self.met(here.from);
        }
        path.reverse();
        path
    }

    /// The beginning of what comes of a situation if nobody does anything.
    fn quiet_actions(&self, start: u32) -> Vec<Action> {
        let mut here = self.replay(&self.path(start), &mut Outcome::default());
        let mut actions = Vec::new();
        let mut readings = Readings::default();
        while let Some(action) = here.quiet().filter(|_| actions.len() < 60) {
            here.apply(action, self.scope, &mut readings, &mut Outcome::default());
            actions.push(action);
        }
        actions
    }

    fn replay(&self, actions: &[Action], outcome: &mut Outcome) -> Situation {
        let mut situation = Situation::first(self.scope, self.base);
        let mut readings = Readings::default();
        for action in actions {
            situation.apply(*action, self.scope, &mut readings, outcome);
        }
        situation
    }

    fn violation(&self, what: String, actions: &[Action]) -> Box<Violation> {
        let mut outcome = Outcome { story: Some(Vec::new()), ..Outcome::default() };
        self.replay(actions, &mut outcome);
        let story = outcome.story.unwrap_or_default().join("\n");
        Box::new(Violation { what, steps: actions.len(), story })
    }
}
