//! What was decided about a node group, or seen of it, as data.
//!
//! Everything that tells people or machines of it, the log, metrics and what may come, reads these values; nothing
//! decides or counts by their text.

mod outcome;
mod text;

use std::time::Duration;

pub use self::outcome::{Dropped, ResizeOutcome};

use super::{
    cloud::CloudError, instance::InstanceId, machine_id::MachineId, node_group::Bounds,
    request::RequestError, status::Status, verify::Verdict, witnesses::Contradiction,
};

/// How much a decision concerns a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// The usual course.
    Info,
    /// Somebody may want to look.
    Warning,
    /// Something that was asked for did not come about.
    Error,
}

/// Something decided about a node group or seen of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The group's id on the wire.
    pub group: String,
    /// What it is.
    pub kind: DecisionKind,
}

/// A node as people and as OpenStack call it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeName {
    /// Its server's name.
    pub name: String,
    /// Its server, if it has one.
    pub server: Option<MachineId>,
}

/// A request in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestedChange {
    /// That many nodes more.
    Increase(u32),
    /// These go: the name of the server as far as it is known, and the instance's id.
    Delete(Vec<(Option<String>, InstanceId)>),
    /// That many requested nodes are called off.
    Decrease(u32),
}

/// A member that is being changed, and its status.
pub type Moving = (String, Status);

/// Why no resize is sent yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlockedBy {
    /// The process before this one may have sent one.
    JustStarted,
    /// Members vanished a moment ago that nobody named: the reading may be an old one, and the true group larger.
    UnexpectedLoss,
    /// Members that had gone are back: the reading may be an old one, and the true group smaller.
    UnexpectedReturn,
    /// A resize was sent more than once, and Magnum may not be done with all of them.
    Repetition,
    /// Nova lists a server that is to be removed, and Heat does not: its answer may be an old one.
    NoMember {
        /// The server.
        server: MachineId,
    },
    /// Nova lists a server in the place of a member that is to be removed, whose own it does not list, and Heat does not know it:
    /// its answer may be an old one.
    AnotherServer {
        /// The server.
        server: MachineId,
    },
    /// A change is going on.
    Change {
        /// Magnum's status of the group.
        status: Status,
        /// The members that are being changed.
        moving: Vec<Moving>,
    },
    /// Heat, Magnum and Nova contradict each other.
    Contradiction(Contradiction),
}

/// How a resize ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// In short.
    pub verdict: Verdict,
    /// The size that was asked for, in nodes.
    pub asked: u32,
    /// The nodes that there are; failed members are none.
    pub nodes: u32,
    /// How long it took.
    pub took: Duration,
    /// Magnum's status of the group.
    pub status: Status,
    /// Magnum's reason for it.
    pub reason: String,
    /// Nodes that nobody named and that are gone.
    pub gone_unnamed: Vec<NodeName>,
    /// Nodes that were named and are still there.
    pub remaining: Vec<NodeName>,
    /// New members that failed, and at what.
    pub failed: Vec<(String, &'static str)>,
    /// Nodes that are short of the size asked for.
    pub shortage: u32,
    /// Magnum's count, where somebody else asked for another one meanwhile.
    pub magnum_count: u32,
    /// The members that are still being changed, and are no longer waited for.
    pub moving: Vec<Moving>,
    /// Whether they are all to be removed anyway.
    pub moving_are_named: bool,
}

/// What was decided or seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecisionKind {
    /// The group is scaled from now on.
    ScalingBegins {
        /// The nodes that it has.
        nodes: u32,
        /// Its bounds.
        bounds: Bounds,
        /// A status of the cluster in which it cannot be resized.
        cluster_status: Option<Status>,
        /// Whether it has its maximum.
        is_full: bool,
    },
    /// The group is not scaled any more.
    ScalingEnds {
        /// Whether it is there, and has lost its maximum.
        is_there: bool,
    },
    /// The bounds have changed.
    BoundsChanged {
        /// What they are now.
        now: Bounds,
        /// What they were.
        before: Bounds,
    },
    /// The group cannot be read.
    Unreadable {
        /// Why.
        error: CloudError,
        /// Whether an older state of it is served meanwhile.
        is_served: bool,
    },
    /// It can be read again.
    ReadableAgain {
        /// How long it could not.
        after: Duration,
    },
    /// A request was acknowledged and waits.
    Accepted {
        /// Which one.
        request: RequestedChange,
        /// The size asked for by the resize that it waits for.
        waits_for: Option<u32>,
    },
    /// A request was refused to its caller.
    Refused {
        /// Why.
        error: RequestError,
    },
    /// Requests wait.
    Waiting(BlockedBy),
    /// A resize is sent.
    Sent {
        /// The members that Heat counts before.
        size: u32,
        /// The size asked for.
        count: u32,
        /// The nodes that go.
        remove: Vec<NodeName>,
        /// How many are made.
        additions: u32,
    },
    /// The very same resize is sent once more.
    SentAgain {
        /// The size asked for.
        count: u32,
        /// How often it had no effect.
        losses: u32,
    },
    /// Whether the resize was heard is not known.
    AnswerUnclear {
        /// What came instead of an answer.
        error: CloudError,
    },
    /// The cloud refused a resize for a reason that passes: what was acknowledged of it is planned anew.
    RefusedForNow {
        /// Which one.
        error: CloudError,
    },
    /// The cloud refused a resize, or it may not be sent again.
    ResizeRefused {
        /// Why.
        error: RequestError,
    },
    /// A resize ended.
    Ended(Box<Ended>),
    /// A request that was acknowledged cannot be carried out.
    NotCarriedOut {
        /// Which one.
        request: RequestedChange,
        /// Why.
        error: RequestError,
    },
    /// A request that was acknowledged was sent too often without any effect.
    GivenUp {
        /// Which one.
        request: RequestedChange,
    },
    /// Somebody else resized the group.
    ForeignResize {
        /// Magnum's count before.
        before: u32,
        /// Magnum's count now.
        count: u32,
        /// The size asked for by the resize of this service that is under way.
        under_way: Option<u32>,
    },
    /// A resize that this process did not send is followed.
    Adopted {
        /// The size asked for.
        count: u32,
    },
    /// It ended.
    AdoptedEnded {
        /// The size asked for.
        count: u32,
        /// The members that Heat counts.
        size: u32,
        /// The nodes that there are.
        nodes: u32,
        /// Magnum's status of the group.
        status: Status,
    },
    /// Heat has put another server in the place of one that is gone.
    ServerReplaced {
        /// The node as it was.
        was: NodeName,
        /// Its server now.
        server: MachineId,
    },
    /// Nodes are gone that this service named nowhere.
    NodesGone {
        /// Which ones.
        nodes: Vec<NodeName>,
        /// What it may come of.
        with: GoneWith,
    },
    /// Nodes that were gone are there.
    ThereAgain {
        /// Which ones.
        nodes: Vec<NodeName>,
    },
    /// Members failed.
    MembersFailed {
        /// At what.
        code: &'static str,
        /// Which ones, and the cloud's reason for each.
        members: Vec<(NodeName, String)>,
        /// Whether the first one's status says so, so that the cloud's reason is one.
        has_reason: bool,
    },
    /// Members that failed run.
    MembersRecovered {
        /// Which ones.
        nodes: Vec<NodeName>,
    },
    /// Members that failed are gone.
    FailedMembersGone {
        /// Their servers' names.
        names: Vec<String>,
    },
}

/// What was under way when nodes went that nobody named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GoneWith {
    /// Somebody else's resize to this count.
    ForeignResize(u32),
    /// A resize of this service, which named others.
    OwnResize,
    /// A resize that this process did not send.
    AdoptedResize,
    /// Their removal, which had been given up.
    GivenUpRemoval,
    /// Nothing.
    Nothing,
}
