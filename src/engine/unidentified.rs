//! Nodes that show no provider ID, although the nodes of their group get one: for too long, or when one was to be removed.
//!
//! cluster-autoscaler asks again about each of them in each of its loops; the log says it once for a group, when it begins
//! and when it ends.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::core::{
    node_group::NodeGroupUuid,
    nodes::NodeIndex,
    quote::named,
    request::RequestError,
    snapshot::{GroupView, Snapshot},
};

/// How many names of a group are remembered; the callers invent as many as they like.
const MAX_NAMES: usize = 1000;

/// The names of such nodes by their group.
#[derive(Debug, Default)]
pub(super) struct Unidentified {
    /// Saves the calls about each node the lock.
    any: AtomicBool,
    names: Mutex<HashMap<NodeGroupUuid, BTreeSet<String>>>,
}

impl Unidentified {
    /// Takes note of a refusal.
    pub(super) fn refused(&self, group: &GroupView, error: &RequestError) {
        if let RequestError::NotIdentifiedYet { node } = error {
            self.missing(group, node);
        }
    }

    /// Takes note of a node without a provider ID.
    pub(super) fn missing(&self, group: &GroupView, node: &str) {
        let mut groups = self.lock();
        let names = groups.entry(group.uuid).or_default();
        if names.is_empty() {
            tracing::warn!(
                "{}: node {} has no provider ID. Like any other node without one it is not counted as a node of the group yet, \
                 and not removed. The OpenStack cloud controller manager gives it: look whether that runs and works \
                 (kubectl -n kube-system logs daemonset/openstack-cloud-controller-manager). If this cluster has none, its \
                 label cloud_provider_enabled=true is wrong, and --identify-by-name makes names count",
                group.id,
                named(node)
            );
        }
        if names.len() < MAX_NAMES {
            names.insert(named(node));
        }
        self.any.store(true, Ordering::Relaxed);
    }

    /// A node shows its provider ID.
    pub(super) fn identified(&self, group: &GroupView, node: &str) {
        if self.any.load(Ordering::Relaxed) {
            self.forget(&group.id, group.uuid, |name| *name == named(node));
        }
    }

    /// Forgets nodes that are no more, and groups whose nodes get no provider ID. A node that its Node object tells need not
    /// have the name of a member.
    pub(super) fn retain(&self, snapshot: &Snapshot, nodes: Option<&NodeIndex>) {
        if !self.any.load(Ordering::Relaxed) {
            return;
        }
        let groups = snapshot.groups();
        self.lock().retain(|uuid, _| groups.iter().any(|group| group.uuid == *uuid));
        for group in groups {
            let waits = |name: &str| {
                let node = nodes.and_then(|nodes| nodes.get(name));
                node.map_or_else(|| group.has_node(name), |node| node.provider_id.is_empty())
            };
            let is_over = |name: &String| !group.gives_provider_ids || !waits(name);
            self.forget(&group.id, group.uuid, is_over);
        }
    }

    /// A word about the group for people; none where all is well.
    pub(super) fn note(&self, group: &GroupView) -> Option<String> {
        if !self.any.load(Ordering::Relaxed) {
            return None;
        }
        let groups = self.lock();
        let names = groups.get(&group.uuid)?;
        let first = names.first()?;
        Some(match names.len() {
            1 => format!("{first} has no provider ID"),
            count => format!("{count} nodes have no provider ID ({first} is one)"),
        })
    }

    fn forget(&self, id: &str, group: NodeGroupUuid, is_over: impl Fn(&String) -> bool) {
        let mut groups = self.lock();
        if let Some(names) = groups.get_mut(&group) {
            names.retain(|name| !is_over(name));
            if names.is_empty() {
                groups.remove(&group);
                tracing::info!("{id}: no node waits for its provider ID any more");
            }
        }
        self.any.store(!groups.is_empty(), Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<NodeGroupUuid, BTreeSet<String>>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
