//! What is going to happen in the cloud, in order of time.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;
use uuid::Uuid;

use super::state::State;

/// Number of a node group in Magnum's database; a worker group's stack goes by it too.
pub(super) type GroupNumber = u32;

/// One thing that happens. An event whose subject has gone or moved on meanwhile does nothing.
#[derive(Debug, Clone)]
pub(super) enum Event {
    /// Magnum's conductor takes up what the API had accepted.
    Conductor(Cast),
    /// The cluster's status follows its groups'.
    ClusterAggregates,
    /// Magnum's periodic look at what makes the nodes.
    Sync,
    /// A slow look comes to the next group.
    SlowSyncReads { group: GroupNumber, took: Duration },
    /// A slow look records what it saw of a group.
    SlowSyncWrites(Sighting),
    /// A slow look is over.
    SlowSyncEnds,
    /// An update of a stack comes to `kube_minions`.
    GroupReached { group: GroupNumber, traversal: u64 },
    /// The older update of `kube_minions` has been cancelled, the newer one begins.
    GroupResumes { group: GroupNumber, traversal: u64 },
    /// `kube_minions` comes upon a member whose nested stack is gone.
    StackGoneFound { group: GroupNumber, traversal: u64 },
    /// A stack ends as its `kube_minions` ended.
    StackSettles { group: GroupNumber, traversal: u64, state: State },
    /// A stack's time is over.
    StackTimesOut { group: GroupNumber, traversal: u64 },
    /// The update of a healthy member begins.
    MemberUpdateBegins { group: GroupNumber, member: Uuid, traversal: u64 },
    /// A healthy member was updated.
    MemberUpdated { group: GroupNumber, member: Uuid, traversal: u64 },
    /// A member's nested stack is made.
    MemberStackMade { group: GroupNumber, member: Uuid },
    /// A member's stack asks Nova for the server.
    MemberAsksNova { group: GroupNumber, member: Uuid, attempt: u32 },
    /// A server leaves BUILD.
    ServerBuilt { server: Uuid },
    /// A node reports to Heat, well or not.
    NodeReports { group: GroupNumber, member: Uuid, attempt: u32, failure: Option<String> },
    /// Nova is done with the server of a member that is being removed.
    LeavingServerDeleted { group: GroupNumber, member: Uuid },
    /// A member that was being removed is gone for good.
    LeavingGone { group: GroupNumber, member: Uuid },
    /// Cluster API's controllers act upon a MachineDeployment.
    MachinesReconciled { group: GroupNumber },
    /// A machine's controller asks Nova for the server.
    MachineAsksNova { group: GroupNumber, machine: Uuid },
    /// A machine's node joins its cluster.
    MachineJoins { group: GroupNumber, machine: Uuid, attempt: u32 },
    /// A machine's health is looked at.
    MachineExamined { group: GroupNumber, machine: Uuid },
    /// Nova is done with the server of a machine that is being deleted.
    MachineServerDeleted { group: GroupNumber, machine: Uuid },
    /// A machine that was being deleted is gone for good.
    MachineGone { group: GroupNumber, machine: Uuid },
}

/// A message from the API to the conductor; nobody waits for an answer.
#[derive(Debug, Clone)]
pub(super) struct Cast {
    pub(super) group: GroupNumber,
    pub(super) order: Order,
    /// Whether Heat will refuse what the conductor asks of it.
    pub(super) refused: bool,
}

/// What the conductor is to do.
#[derive(Debug, Clone)]
pub(super) enum Order {
    Resize {
        node_count: u32,
        remove: Vec<String>,
    },
    /// A patch of the cluster's `node_count`.
    UpdateCluster {
        node_count: u32,
    },
    SetBounds {
        min: u32,
        max: Option<u32>,
    },
    Create {
        stack_walk: Duration,
    },
    Delete,
}

/// What Magnum saw of a group whose stack had come to an end.
#[derive(Debug, Clone)]
pub(super) struct Sighting {
    pub(super) group: GroupNumber,
    pub(super) state: State,
    /// The stack's parameter; the masters' group has none.
    pub(super) node_count: Option<u32>,
    /// Not told of a failed stack.
    pub(super) addresses: Option<Vec<String>>,
}

impl Event {
    /// The group whose stacks it can change, where it names one.
    pub(super) fn group(&self) -> Option<GroupNumber> {
        match self {
            Self::Conductor(cast) => Some(cast.group),
            Self::GroupReached { group, .. }
            | Self::GroupResumes { group, .. }
            | Self::StackGoneFound { group, .. }
            | Self::StackSettles { group, .. }
            | Self::StackTimesOut { group, .. }
            | Self::MemberUpdateBegins { group, .. }
            | Self::MemberUpdated { group, .. }
            | Self::MemberStackMade { group, .. }
            | Self::MemberAsksNova { group, .. }
            | Self::NodeReports { group, .. }
            | Self::LeavingServerDeleted { group, .. }
            | Self::LeavingGone { group, .. } => Some(*group),
            _ => None,
        }
    }
}

/// Events by due time; those due at the same time keep the order in which they were scheduled.
#[derive(Debug, Clone, Default)]
pub(super) struct Queue {
    events: BTreeMap<(Instant, u64), Event>,
    scheduled: u64,
}

impl Queue {
    pub(super) fn schedule(&mut self, due: Instant, event: Event) {
        self.scheduled += 1;
        self.events.insert((due, self.scheduled), event);
    }

    /// The next event that is due by `now`, with its time.
    pub(super) fn next_due(&mut self, now: Instant) -> Option<(Instant, Event)> {
        let entry = self.events.first_entry()?;
        let (due, _) = *entry.key();
        (due <= now).then(|| (due, entry.remove()))
    }

    /// When the next event is due.
    pub(super) fn next_time(&self) -> Option<Instant> {
        self.events.first_key_value().map(|((due, _), _)| *due)
    }

    /// All that is going to happen.
    pub(super) fn events(&self) -> impl Iterator<Item = &Event> {
        self.events.values()
    }
}
