//! What happened in the chaos: every call, every server that ever was.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use tonic::{Code, Status};

use crate::openstack::Group;

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    /// OK.
    Acknowledged,
    /// An error of the service.
    Refused,
    /// No answer, since the service was killed.
    Unknown,
}

impl Outcome {
    pub(super) fn of(answer: &Result<(), Status>) -> Self {
        match answer {
            Ok(()) => Self::Acknowledged,
            // What the transport says when there is nobody at the other end.
            Err(status) if status.code() == Code::Unavailable && status.message().contains("OpenStack") => {
                Self::Refused
            }
            Err(status) if matches!(status.code(), Code::Unavailable | Code::Unknown | Code::Cancelled) => {
                Self::Unknown
            }
            Err(_) => Self::Refused,
        }
    }
}

/// One call of DeleteNodes as one of its nodes sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Naming {
    pub(super) at: Instant,
    pub(super) outcome: Outcome,
}

/// A server that was seen.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) name: String,
    pub(super) gone: Option<Instant>,
}

/// What happened, for the reckoning at the end.
#[derive(Default)]
pub(super) struct Record {
    /// Every server of the cluster's node groups that ever was, by UUID.
    pub(super) servers: BTreeMap<String, Seen>,
    /// Every instance that a DeleteNodes call named, by the id that it was shown with.
    pub(super) named: BTreeMap<String, Vec<Naming>>,
    /// Servers that were deleted in Nova behind everybody's back.
    pub(super) deleted_in_nova: BTreeSet<String>,
    /// Nodes that were shown as running at some time.
    pub(super) ran: BTreeSet<String>,
    pub(super) calls: BTreeMap<(&'static str, Outcome), u32>,
    /// How many nodes were asked for, by group and outcome.
    pub(super) asked: BTreeMap<(String, Outcome), usize>,
    pub(super) crashes: Vec<Instant>,
    pub(super) restarts: BTreeMap<&'static str, u32>,
    /// Instances that were shown with an error at some time.
    pub(super) failed: BTreeSet<String>,
    pub(super) longest: Duration,
    /// The service's own counts.
    pub(super) wrong_removals: u64,
    pub(super) dropped: u64,
}

impl Record {
    /// Takes over a list of Nova's.
    pub(super) fn note_servers(&mut self, listed: &BTreeMap<String, String>) {
        let now = Instant::now();
        for (id, name) in listed {
            let seen =
                self.servers.entry(id.clone()).or_insert_with(|| Seen { name: name.clone(), gone: None });
            seen.gone = None;
        }
        for (_, seen) in self.servers.iter_mut().filter(|(id, _)| !listed.contains_key(*id)) {
            seen.gone.get_or_insert(now);
        }
    }

    pub(super) fn note_call(&mut self, method: &'static str, outcome: Outcome, waited: Duration) {
        *self.calls.entry((method, outcome)).or_default() += 1;
        self.longest = self.longest.max(waited);
    }

    /// Whether an instance is or was one of the group's.
    pub(super) fn is_of(&self, group: &Group, id: &str) -> bool {
        id.contains(&group.uuid.to_string())
            || self
                .servers
                .iter()
                .any(|(server, seen)| id.ends_with(server.as_str()) && group.has(&seen.name))
    }

    pub(super) fn calls(&self, method: &str) -> String {
        let count = |outcome| {
            let calls = self.calls.iter().filter(|((name, kind), _)| *name == method && *kind == outcome);
            calls.map(|(_, count)| count).sum::<u32>()
        };
        let (fine, refused) = (count(Outcome::Acknowledged), count(Outcome::Refused));
        format!("{fine} OK, {refused} refused, {} cut", count(Outcome::Unknown))
    }
}
