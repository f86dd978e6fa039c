//! Bugs put in on purpose between the machine and the cloud, or between a caller and the machine: those of the histories.
//! A search that does not find them proves nothing.

use std::sync::Arc;

use cluster_autoscaler_provider_magnum::core::{
    cloud::Reading,
    member::{Member, MemberKey},
    resize::{Removal, Resize},
    sample,
    status::Status,
};

use crate::{
    promises::{Fate, Wish},
    reading::machine,
    situation::Situation,
};

/// The bugs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Bug {
    /// A removal lowers the count and names nobody.
    RemovalByCount,
    /// A resize is reckoned from what was read before the last one.
    NoReadingBeforeResize,
    /// A 202 is taken for done.
    NoVerification,
    /// A removal of an unknown node is sent nevertheless.
    UnknownIdPassedOn,
    /// A repeated removal lowers the count again.
    DeleteNotIdempotent,
    /// Heat's members are believed whatever Magnum and Nova say.
    HeatAlone,
}

impl Bug {
    /// All of them.
    pub(crate) const ALL: [Self; 6] = [
        Self::RemovalByCount,
        Self::NoReadingBeforeResize,
        Self::NoVerification,
        Self::UnknownIdPassedOn,
        Self::DeleteNotIdempotent,
        Self::HeatAlone,
    ];
}

/// What the machine reads with the bug, instead of this.
pub(crate) fn instead_of(bug: Bug, memory: &mut Option<Arc<Reading>>, reading: Arc<Reading>) -> Arc<Reading> {
    match bug {
        Bug::NoReadingBeforeResize if !reading.group.status.in_progress() => {
            Arc::clone(memory.get_or_insert(reading))
        }
        Bug::NoReadingBeforeResize => memory.clone().unwrap_or(reading),
        Bug::NoVerification => memory.take().unwrap_or(reading),
        Bug::HeatAlone => {
            let mut reading = Reading::clone(&reading);
            reading.servers = None;
            reading.group.node_count = reading.size();
            Arc::new(reading)
        }
        Bug::RemovalByCount | Bug::UnknownIdPassedOn | Bug::DeleteNotIdempotent => reading,
    }
}

/// What becomes of a resize on its way to the cloud.
pub(crate) fn before_sending(
    bug: Bug,
    memory: &mut Option<Arc<Reading>>,
    reading: &Arc<Reading>,
    resize: &mut Resize,
) {
    match bug {
        Bug::RemovalByCount => resize.remove.clear(),
        // What follows must see the effect, else the bug would only look like a lost resize.
        Bug::NoReadingBeforeResize => *memory = None,
        Bug::NoVerification => *memory = Some(Arc::new(pretended(reading, resize))),
        Bug::UnknownIdPassedOn | Bug::DeleteNotIdempotent | Bug::HeatAlone => {}
    }
}

/// What the group would look like if a resize had been done at once.
fn pretended(reading: &Reading, resize: &Resize) -> Reading {
    let mut reading = reading.clone();
    reading.members.retain(|member| member.counted && !resize.remove.contains(&Removal::of(member)));
    while reading.size() < resize.count {
        let key = MemberKey::Index(100 + reading.size());
        reading.members.push(Member { key, ..sample::serverless_member(0, "CREATE_COMPLETE") });
    }
    reading.group.node_count = resize.count;
    reading.group.status = Status::parse("UPDATE_COMPLETE");
    reading.group.updated_at.push('\'');
    reading.servers = None;
    reading
}

/// What is sent once the last caller was answered.
pub(crate) fn after_answer(bug: Bug, situation: &mut Situation) {
    let Some(call) = situation.promises.calls.last().copied() else { return };
    match (bug, call.wish, call.fate) {
        (Bug::UnknownIdPassedOn, Wish::Stranger, Fate::Refused) => {
            send_blindly(situation, MemberKey::Index(9999));
        }
        (Bug::DeleteNotIdempotent, Wish::Delete { servers, .. }, Fate::Acknowledged) => {
            let Some(read) = situation.read.clone() else { return };
            let is_shown = |server| read.members.iter().any(|member| member.server == Some(machine(server)));
            let gone = servers.iter().find(|server| !is_shown(*server));
            if let Some(index) =
                gone.and_then(|server| situation.cloud.indices.get(usize::from(server)).copied())
            {
                send_blindly(situation, MemberKey::Index(index.into()));
            }
        }
        _ => {}
    }
}

/// One node less, without looking.
fn send_blindly(situation: &mut Situation, key: MemberKey) {
    let Some(read) = &situation.read else { return };
    if let Some(count) = read.size().checked_sub(1) {
        let remove = vec![Removal { key, server: Some(machine(0)) }];
        situation.cast(&Resize { count, remove, additions: 0 });
    }
}
