//! Since when the members' servers are known: an old answer of Nova lacks the newest ones, and they are not gone.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::core::{machine_id::MachineId, member::Member, node_group::NodeGroupUuid, status::Progress};

/// How old an answer of Nova may be that comes from a replica of its database.
const OLDEST_ANSWER: Duration = Duration::from_secs(300);

/// When each server of a group was seen first; none where it was there before this process.
type Servers = BTreeMap<MachineId, Option<Instant>>;

/// The servers of all groups.
#[derive(Debug, Default)]
pub(super) struct FirstSeen(Mutex<BTreeMap<NodeGroupUuid, Servers>>);

impl FirstSeen {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeGroupUuid, Servers>> {
        // Nothing is left half-done in here when a holder panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the servers of a group's members. A member that is complete at the first reading got its server before.
    pub(super) fn note(&self, group: NodeGroupUuid, members: &[Member]) {
        let now = Instant::now();
        let mut groups = self.lock();
        let before = groups.remove(&group);
        let first_seen = |member: &Member| {
            let server = member.server?;
            let earlier = before.as_ref().and_then(|before| before.get(&server)).copied();
            let is_old = before.is_none() && member.status.progress == Progress::Complete;
            Some((server, earlier.unwrap_or_else(|| (!is_old).then_some(now))))
        };
        groups.insert(group, members.iter().filter_map(first_seen).collect());
    }

    /// Whether Nova lists the server in any answer, however old, unless it is gone.
    pub(super) fn is_in_any_answer(&self, group: NodeGroupUuid, server: MachineId) -> bool {
        let groups = self.lock();
        let first_seen = groups.get(&group).and_then(|servers| servers.get(&server));
        first_seen.is_some_and(|first_seen| first_seen.is_none_or(|at| at.elapsed() >= OLDEST_ANSWER))
    }

    pub(super) fn retain(&self, exists: &dyn Fn(NodeGroupUuid) -> bool) {
        self.lock().retain(|group, _| exists(*group));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{sample, status::Status};

    #[tokio::test(start_paused = true)]
    async fn only_an_old_server_is_in_any_answer() {
        let group = NodeGroupUuid::from_uuid(uuid::Uuid::from_u128(1));
        let seen = FirstSeen::default();
        let [old, unfinished, new] = [0, 1, 2].map(|number| Member {
            status: Status::parse(if number == 0 { "UPDATE_COMPLETE" } else { "CREATE_FAILED" }),
            ..sample::member(number)
        });
        let are_in = |members: [&Member; 3]| {
            members.map(|member| seen.is_in_any_answer(group, member.server.unwrap()))
        };
        let members = [&old, &unfinished, &new];
        seen.note(group, &[old.clone(), unfinished.clone()]);
        assert_eq!(are_in(members), [true, false, false]);
        tokio::time::advance(OLDEST_ANSWER / 2).await;
        let all = [old.clone(), unfinished.clone(), new.clone()];
        seen.note(group, &all);
        tokio::time::advance(OLDEST_ANSWER / 2).await;
        seen.note(group, &all);
        assert_eq!(are_in(members), [true, true, false]);
        seen.note(group, &[new.clone()]);
        tokio::time::advance(OLDEST_ANSWER / 2).await;
        assert_eq!(are_in(members), [false, false, true], "what is no member any more is forgotten");
    }
}
