//! A resize: what is sent to the cloud, and what is on its way.

use std::sync::Arc;

use super::{
    cloud::Reading,
    instance::InstanceId,
    machine_id::MachineId,
    member::{Member, MemberKey},
    node_group::NodeGroupUuid,
    pending::Queued,
};

/// A member to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Removal {
    /// What the resize names it by.
    pub key: MemberKey,
    /// The server it had when the resize was planned.
    pub server: Option<MachineId>,
}

impl Removal {
    /// This member, as it is.
    #[must_use]
    pub const fn of(member: &Member) -> Self {
        Self { key: member.key, server: member.server }
    }

    /// What callers name the member by.
    #[must_use]
    pub fn instance_id(self, group: NodeGroupUuid) -> InstanceId {
        InstanceId::of_member(group, self.key, self.server)
    }
}

/// What is sent to Magnum.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Resize {
    /// Absolute size asked for, in nodes.
    pub count: u32,
    /// The members that go, by rising index.
    pub remove: Vec<Removal>,
    /// How many new nodes are part of `count`: those asked for, and those in the place of broken ones at the
    /// minimum.
    pub additions: u32,
}

impl Resize {
    /// Whether it removes this member.
    #[must_use]
    pub fn removes(&self, member: &Member) -> bool {
        self.remove.contains(&Removal::of(member))
    }
}

/// A resize on its way: sent, its effect not yet verified.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct InFlightResize {
    /// What was sent.
    pub resize: Resize,
    /// The reading that it was computed from.
    pub before: Arc<Reading>,
    /// The requests that it carries out.
    pub requests: Vec<Queued>,
    /// Whether it replaces broken members at the minimum.
    pub replaces: bool,
    /// How often it was sent and showed no effect in time.
    pub losses: u32,
}

impl InFlightResize {
    /// Whether Heat would leave all members alone that the resize does not name, were it sent once more into the group
    /// as it is now.
    #[must_use]
    pub fn is_safe_to_repeat(&self, now: &Reading) -> bool {
        let unnamed = now.counted().filter(|member| !self.resize.removes(member)).count();
        u32::try_from(unnamed).is_ok_and(|unnamed| unnamed <= self.resize.count)
    }

    /// The same resize, sent once more into the group as it is `now`: what Magnum has told by now is no sign that it has acted
    /// on it.
    #[must_use]
    pub fn sent_again(mut self, now: &Reading) -> Self {
        let group = &mut Arc::make_mut(&mut self.before).group;
        group.updated_at.clone_from(&now.group.updated_at);
        group.status.clone_from(&now.group.status);
        group.node_count = now.group.node_count;
        self
    }

    /// Whether a count that Magnum tells may be of before: what it told then, or the members that there were, which an old
    /// answer may have been catching up with.
    #[must_use]
    pub fn is_count_of_before(&self, count: u32) -> bool {
        [self.before.group.node_count, self.before.size()].contains(&count)
    }
}
