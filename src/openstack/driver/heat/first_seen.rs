//! Since when the members' servers are known: an old answer of Nova lacks the newest ones, and they are not gone.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;

use crate::core::{
    machine_id::MachineId,
    member::{Member, ServerPresence},
    node_group::NodeGroupUuid,
    settle::OLDEST_ANSWER,
    status::Progress,
};

/// When each server of a group was seen first; none where Nova cannot lack it any more.
type Servers = BTreeMap<MachineId, Option<Instant>>;

/// The servers of all groups.
#[derive(Debug, Default)]
pub(super) struct FirstSeen(Mutex<BTreeMap<NodeGroupUuid, Servers>>);

impl FirstSeen {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeGroupUuid, Servers>> {
        // Nothing is left half-done in here when a holder panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the servers of a group's members. An answer can no longer lack that of a complete member which Nova lists, or which
    /// was there at the first reading.
    pub(super) fn note(&self, group: NodeGroupUuid, members: &[Member]) {
        let now = Instant::now();
        let mut groups = self.lock();
        let before = groups.remove(&group);
        let first_seen = |member: &Member| {
            let server = member.server?;
            let earlier = before.as_ref().and_then(|before| before.get(&server)).copied();
            let is_listed = before.is_none() || member.presence == ServerPresence::Present;
            let is_in_any_answer = is_listed && member.status.progress == Progress::Complete;
            let first_seen = earlier.unwrap_or(Some(now)).filter(|_| !is_in_any_answer);
            Some((server, first_seen))
        };
        groups.insert(group, members.iter().filter_map(first_seen).collect());
    }

    /// Whether Nova lists the server in any answer, however old, as long as it is there.
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

    /// The members 0 complete, 1 failed, 2 complete; the first two have always been there, and Nova lists none.
    fn members() -> [Member; 3] {
        [(0, "UPDATE_COMPLETE"), (1, "CREATE_FAILED"), (2, "CREATE_COMPLETE")].map(|(number, status)| {
            Member {
                status: Status::parse(status),
                presence: ServerPresence::Unknown,
                ..sample::member(number)
            }
        })
    }

    #[tokio::test(start_paused = true)]
    async fn only_an_old_server_is_in_any_answer() {
        let group = NodeGroupUuid::from_uuid(uuid::Uuid::from_u128(1));
        let (seen, members) = (FirstSeen::default(), members());
        let are_in = || members.each_ref().map(|member| seen.is_in_any_answer(group, member.server.unwrap()));
        seen.note(group, &members[..2]);
        assert_eq!(are_in(), [true, false, false]);
        tokio::time::advance(OLDEST_ANSWER / 2).await;
        seen.note(group, &members);
        tokio::time::advance(OLDEST_ANSWER / 2).await;
        seen.note(group, &members);
        assert_eq!(are_in(), [true, true, false]);
        seen.note(group, &members[2..]);
        tokio::time::advance(OLDEST_ANSWER / 2).await;
        assert_eq!(are_in(), [false, false, true], "what is no member any more is forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn what_nova_has_listed_is_in_any_answer_once_it_is_complete() {
        let group = NodeGroupUuid::from_uuid(uuid::Uuid::from_u128(1));
        let (seen, mut members) = (FirstSeen::default(), members());
        seen.note(group, &[]);
        for presence in [ServerPresence::Present, ServerPresence::Unknown] {
            for member in &mut members {
                member.presence = presence;
            }
            seen.note(group, &members);
            let are_in =
                members.each_ref().map(|member| seen.is_in_any_answer(group, member.server.unwrap()));
            assert_eq!(are_in, [true, false, true], "{presence:?}");
        }
    }
}
