//! What changed in a group from one look to the next, told when it is seen: members that nobody named and that are
//! gone, other people's resizes, new bounds, nodes that failed.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::report::{node_count, nodes};
use crate::core::{
    cloud::Reading,
    instance::{InstanceId, InstanceState, advice},
    ledger::Ledger,
    machine_id::MachineId,
    member::{Member, MemberKey, ServerPresence},
    snapshot::GroupView,
    status::Progress,
};

/// How many nodes a line names.
const MOST_NAMED: usize = 10;

/// How many nodes that are gone are remembered.
const MOST_LOST: usize = 1000;

/// What was told of a group.
#[derive(Debug, Default)]
pub(super) struct News {
    /// The size that this service last asked for.
    last_sent: Option<u32>,
    /// The size that somebody else asked for last, until this service asks again.
    foreign: Option<u32>,
    /// Whether a resize of somebody else is being followed.
    adopted: bool,
    /// Nodes that were told to be gone; an answer of a lagging replica may have said so.
    lost: HashSet<(MemberKey, MachineId)>,
    /// The members that failed, at what, and their names.
    failures: HashMap<MemberKey, (&'static str, String)>,
}

impl News {
    /// A group that is scaled from now on.
    pub(super) fn begin(&mut self, reading: &Reading, ledger: &Ledger, busy: bool) {
        let (id, bounds) = (reading.group.id(), reading.group.bounds);
        let obstacle = if !reading.cluster_status.allows_resize() {
            format!("; it cannot be resized now: the cluster is {}", reading.cluster_status)
        } else if reading.size() >= bounds.max {
            "; cluster-autoscaler cannot scale it up: it has its maximum".to_owned()
        } else {
            String::new()
        };
        tracing::info!("scaling {id}, {} of {bounds} nodes{obstacle}", node_count(reading));
        self.progress(None, reading, ledger, busy);
    }

    /// What happened between two readings.
    pub(super) fn change(&mut self, before: &Reading, after: &Reading, ledger: &Ledger, busy: bool) {
        let (id, bounds) = (after.group.id(), after.group.bounds);
        if bounds != before.group.bounds {
            tracing::info!("{id}: bounds now {bounds} (before: {})", before.group.bounds);
        }
        if let Some(flight) = &ledger.flight {
            self.last_sent = Some(flight.resize.count);
        }
        self.resized(before, after, ledger, busy);
        self.progress(Some(before.group.status.in_progress()), after, ledger, busy);
        self.gone(before, after, ledger);
    }

    /// Whether somebody else resized the group.
    fn resized(&mut self, before: &Reading, after: &Reading, ledger: &Ledger, busy: bool) {
        let (id, count) = (after.group.id(), after.group.node_count);
        if count == before.group.node_count {
            return;
        }
        // An answer from a lagging replica, as it was before.
        if ledger.flight.as_ref().is_some_and(|flight| flight.before.group.node_count == count) {
            return;
        }
        if self.last_sent == Some(count) {
            self.foreign = None;
            return;
        }
        self.foreign = Some(count);
        self.last_sent = None;
        match &ledger.flight {
            Some(flight) => tracing::warn!(
                "{id}: somebody else resized the group to {count} nodes while the resize to {} of this service is under way",
                flight.resize.count
            ),
            // Told as the progress that it is.
            None if after.group.status.in_progress() && !before.group.status.in_progress() && !busy => {}
            None => {
                let asked_before = before.group.node_count;
                tracing::info!("{id}: somebody else resized the group, {asked_before} → {count} nodes");
            }
        }
    }

    /// Resizes that this process did not send: an operator's, or its own from before a restart.
    fn progress(&mut self, was_in_progress: Option<bool>, reading: &Reading, ledger: &Ledger, busy: bool) {
        let (id, asked, size) = (reading.group.id(), reading.group.node_count, reading.size());
        if ledger.flight.is_some() || busy {
            self.adopted = false;
            return;
        }
        match (was_in_progress.unwrap_or(false), reading.group.status.in_progress()) {
            (false, true) => {
                self.adopted = true;
                tracing::info!(
                    "{id}: a resize to {asked} that this process did not send is in progress; adopted"
                );
            }
            (true, false) if std::mem::take(&mut self.adopted) => {
                let status = &reading.group.status;
                if asked == size && !status.failed() {
                    tracing::info!("{id}: the adopted resize ended, {size} {} as asked", nodes(size));
                } else {
                    let left = node_count(reading);
                    tracing::warn!("{id}: the adopted resize to {asked} ended with {left} nodes ({status})");
                }
            }
            _ => {}
        }
    }

    /// Members that are gone although this service named them nowhere.
    fn gone(&mut self, before: &Reading, after: &Reading, ledger: &Ledger) {
        let id = after.group.id();
        let named = |member: &Member| {
            ledger.flight_removes(member.key, member.server)
                || ledger.queue_removes(InstanceId::of_member(after.group.uuid, member.key, member.server))
        };
        self.there_again(after);
        let mut lost = Vec::new();
        // What never had a server was no node yet.
        for member in before.counted().filter(|member| !named(member) && !member.is_serverless()) {
            match after.counted().find(|other| other.key == member.key) {
                None => {
                    self.lost.extend(member.server.map(|server| (member.key, server)));
                    lost.push(member.label());
                }
                Some(now) if was_a_node(member) && now.server.is_some() && now.server != member.server => {
                    let (was, is) = (member.label(), now.server);
                    let is = is.map(|server| server.to_string()).unwrap_or_default();
                    tracing::warn!("{id}: the server of {was} is gone; {is} has taken its place");
                }
                Some(_) => {}
            }
        }
        if lost.is_empty() {
            return;
        }
        let lost = list(&lost);
        match (self.foreign, &ledger.flight) {
            (Some(count), _) => {
                tracing::warn!("{id}: gone with somebody else's resize to {count} nodes: {lost}");
            }
            (None, Some(_)) => {
                tracing::warn!("{id}: gone although nobody named it, looking again: {lost}");
            }
            (None, None) if self.adopted => tracing::warn!("{id}: gone with the adopted resize: {lost}"),
            (None, None) => {
                tracing::warn!("{id}: gone without any request of this service: {lost}");
            }
        }
    }

    /// Nodes that were told to be gone and are not.
    fn there_again(&mut self, after: &Reading) {
        let there = after
            .counted()
            .filter(|member| member.server.is_some_and(|server| self.lost.remove(&(member.key, server))));
        let again: Vec<String> = there.map(Member::label).collect();
        if !again.is_empty() {
            tracing::info!("{}: there again, or never gone: {}", after.group.id(), list(&again));
        }
        // What went long ago does not come back.
        if self.lost.len() > MOST_LOST {
            self.lost.clear();
        }
    }

    /// Nodes that failed since this was last told, and those that are over it. What was only asked for is told by the
    /// resizer.
    pub(super) fn failures(&mut self, reading: &Reading, view: &GroupView) {
        let mut failed: BTreeMap<&'static str, Vec<&Member>> = BTreeMap::new();
        let mut over = Vec::new();
        let member_of = |key| reading.member(key);
        for instance in &view.instances {
            let Some(member) = instance.member.and_then(member_of) else { continue };
            match &instance.error {
                Some(error) => {
                    let told = self.failures.insert(member.key, (error.code, member.name.clone()));
                    if told.is_none_or(|(code, _)| code != error.code) {
                        failed.entry(error.code).or_default().push(member);
                    }
                }
                // What is still made or deleted may have its error hidden for a while.
                None if instance.state == InstanceState::Running
                    && self.failures.remove(&member.key).is_some() =>
                {
                    over.push(member.label());
                }
                None => {}
            }
        }
        let mut gone = Vec::new();
        self.failures.retain(|key, (_, name)| {
            let is_there = view.instances.iter().any(|instance| instance.member == Some(*key));
            if !is_there {
                gone.push(std::mem::take(name));
            }
            is_there
        });
        let id = &view.id;
        for (code, members) in failed {
            tell_failure(id, code, &members);
        }
        if !over.is_empty() {
            tracing::info!("{id}: no longer failed: {}", list(&over));
        }
        if !gone.is_empty() {
            tracing::info!("{id}: gone after their failure: {}", list(&gone));
        }
    }
}

fn tell_failure(id: &str, code: &'static str, members: &[&Member]) {
    let names: Vec<String> = members.iter().map(|member| member.label()).collect();
    let count = u32::try_from(members.len()).unwrap_or(u32::MAX);
    let reason = members.first().filter(|member| member.status.failed());
    let reason = reason.map(|member| format!(" ({})", member.reason)).unwrap_or_default();
    tracing::warn!(
        "{id}: {count} {} failed, {code}: {}: {}{reason}",
        nodes(count),
        list(&names),
        advice(code)
    );
    for member in members.iter().skip(1) {
        tracing::debug!("{id}: {} failed, {code} ({})", member.label(), member.reason);
    }
}

/// Whether the member was a whole node, as far as anybody knows.
fn was_a_node(member: &Member) -> bool {
    member.status.progress == Progress::Complete && member.presence != ServerPresence::Gone
}

/// The first ones, and how many more.
fn list(names: &[String]) -> String {
    let named = names.iter().take(MOST_NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MOST_NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}
