//! What cluster-autoscaler asks for, and why it may not get it.

use std::{sync::Arc, time::Duration};

use thiserror::Error;

use super::{
    ambiguity::Ambiguity, cloud::CloudError, instance::InstanceId, node_group::Bounds,
    provider_id::ProviderIdError, quote::quoted, status::Status, witnesses::Contradiction,
};

/// A node as the wire names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeReference {
    /// Its provider ID; empty where no cloud provider gave it one.
    pub provider_id: String,
    /// Its name; for nodes that never registered the same as the provider ID.
    pub name: String,
}

impl NodeReference {
    /// What the provider ID says; `None` where it is empty and only the name is left to go by.
    ///
    /// # Errors
    /// When there is a provider ID of no known form.
    pub fn identity(&self) -> Result<Option<InstanceId>, ProviderIdError> {
        if self.provider_id.is_empty() { Ok(None) } else { self.provider_id.parse().map(Some) }
    }

    /// What to call the node in a message.
    #[must_use]
    pub fn label(&self) -> &str {
        if self.provider_id.is_empty() { &self.name } else { &self.provider_id }
    }
}

/// Why a request is refused or could not be carried out. Nothing was changed when one of these is returned.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RequestError {
    /// No group has this id.
    #[error("node group {} not found; known node groups: {known}", quoted(.id))]
    UnknownGroup {
        /// The id that was asked for.
        id: String,
        /// The ids that there are.
        known: String,
    },
    /// The group was deleted while the request waited.
    #[error("node group {} is not scaled any more: it was deleted in Magnum, or lost its maximum", quoted(.id))]
    GroupDeleted {
        /// The id that was asked for.
        id: String,
    },
    /// A call that names no group.
    #[error("no node group was named: id is empty")]
    NoGroupId,
    /// The group exists, and not one reading of it has succeeded.
    #[error("node group {id} has not been read yet: {reason}")]
    UnreadGroup {
        /// The id that was asked for.
        id: String,
        /// What went wrong.
        reason: String,
    },
    /// A delta of the wrong sign.
    #[error("delta {delta} is not valid: {expected}")]
    InvalidDelta {
        /// The delta that came.
        delta: i32,
        /// What it must be.
        expected: &'static str,
    },
    /// A call that names no node.
    #[error("no node was named")]
    NoNodes,
    /// A node with neither provider ID nor name.
    #[error("a node has neither provider ID nor name, so nothing identifies it; nothing was removed")]
    AnonymousNode,
    /// A node that no form of identity fits.
    #[error("node {} cannot be identified: {source}", quoted(.node))]
    MalformedNode {
        /// The node as it was named.
        node: String,
        /// What is wrong with its provider ID.
        source: ProviderIdError,
    },
    /// A node without provider ID in a cluster whose nodes get one.
    #[error(
        "node {} has no provider ID yet, and its name alone does not identify it; if it stays without one, the OpenStack \
         cloud controller manager does not work, or the cluster's label cloud_provider_enabled=true is wrong",
        quoted(.node)
    )]
    NotIdentifiedYet {
        /// The node's name.
        node: String,
    },
    /// A node without a provider ID that may be on one server or another.
    #[error("it is not certain which server node {} is, and nothing was removed: {ambiguity}", quoted(.node))]
    AmbiguousNode {
        /// The node's name.
        node: String,
        /// Why.
        ambiguity: Ambiguity,
    },
    /// An instance that is called unregistered, and whose node is in Kubernetes and at work.
    #[error(
        "instance {} is to be removed as one that never registered, but Kubernetes has its node, {}; nothing was removed",
        quoted(.instance), quoted(.node)
    )]
    RegisteredMeanwhile {
        /// The instance's id.
        instance: String,
        /// The name of its node.
        node: String,
    },
    /// A node that is not in the group it should be removed from.
    #[error("node {} is not a member of node group {group:?}; nothing was removed", quoted(.node))]
    NotAMember {
        /// The node as it was named.
        node: String,
        /// The group's id.
        group: String,
    },
    /// A placeholder whose member has got a server since.
    #[error(
        "member {member} of node group {group:?} now has server {server}; use that server's provider ID instead of \
         {node:?}"
    )]
    PlaceholderHasServer {
        /// The placeholder.
        node: String,
        /// The group's id.
        group: String,
        /// The member.
        member: String,
        /// Its server.
        server: String,
    },
    /// A placeholder of a member that has a server of which nobody tells.
    #[error(
        "member {member} of node group {group:?} has a server, and neither Heat nor Nova tells which; {node:?} is not removed \
         before it is known"
    )]
    ServerUnknown {
        /// The placeholder.
        node: String,
        /// The group's id.
        group: String,
        /// The member.
        member: String,
    },
    /// A requested node that is being made this moment.
    #[error(
        "node {node:?} of node group {group:?} has been requested from the cloud and cannot be deleted until it appears \
         there"
    )]
    BeingRequested {
        /// The placeholder.
        node: String,
        /// The group's id.
        group: String,
    },
    /// The size would leave the group's bounds.
    #[error("node group {group:?} would have {count} nodes, outside its bounds {bounds}; it has {current}")]
    OutOfBounds {
        /// The group's id.
        group: String,
        /// The size asked for, in nodes.
        count: i64,
        /// The bounds.
        bounds: Bounds,
        /// The size it has, in nodes.
        current: u32,
    },
    /// Nothing is left to cancel.
    #[error(
        "node group {group:?} has no request that can be cancelled: each of its {current} nodes has a server or is being \
         made, and such a node is never removed by lowering the target size; delete it by its provider ID"
    )]
    NothingToCancel {
        /// The group's id.
        group: String,
        /// The size it has, in nodes.
        current: u32,
    },
    /// The cluster is in a status in which Magnum drops a resize without telling.
    #[error(
        "the cluster is {status}; Magnum resizes it only when it is …_COMPLETE, UPDATE_IN_PROGRESS or UPDATE_FAILED"
    )]
    ClusterStatus {
        /// The cluster's status.
        status: Status,
    },
    /// The driver behind Magnum cannot do it, or not in the state that the group is in.
    #[error("node group {group:?}: {reason}")]
    Impossible {
        /// The group's id.
        group: String,
        /// Why, and what to do.
        reason: Arc<str>,
    },
    /// Heat, Magnum and Nova contradict each other, so that any size that is asked for may be a wrong one.
    #[error("node group {group:?} is not resized, since its readings contradict each other: {contradiction}")]
    Contradiction {
        /// The group's id.
        group: String,
        /// What they say.
        contradiction: Contradiction,
    },
    /// A resize that showed no effect cannot be sent again, since somebody else has made the group larger.
    #[error(
        "the resize of node group {group:?} to {count} nodes had no effect, and it is not sent again, since the group has \
         been changed by somebody else and has {current} nodes now"
    )]
    ChangedMeanwhile {
        /// The group's id.
        group: String,
        /// The size that was asked for, in nodes.
        count: u32,
        /// The size it has, in nodes.
        current: u32,
    },
    /// The cloud's trouble.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// There is no snapshot yet.
    #[error("OpenStack has not been read yet: {reason}")]
    NoSnapshot {
        /// What became of the last try.
        reason: String,
    },
    /// OpenStack could not be read for too long.
    #[error("OpenStack was last read {age:.0?} ago: {reason}")]
    SnapshotTooOld {
        /// Age of the snapshot.
        age: Duration,
        /// What became of the last try.
        reason: String,
    },
    /// OpenStack is slower than the caller's patience; the request was withdrawn.
    #[error("the node group could not be read within the time of this call; nothing was sent, call again")]
    Deadline,
    /// Too many requests wait for the same group.
    #[error("{waiting} requests are waiting for node group {group:?}; call again later")]
    Busy {
        /// The group's id.
        group: String,
        /// How many requests wait.
        waiting: usize,
    },
    /// The service is stopping.
    #[error("the service is stopping; call again")]
    Stopping,
}
