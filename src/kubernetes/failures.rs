//! Which nodes have failed since it was last told, as events on them.

use std::collections::HashMap;

use super::events::NodeEvent;
use crate::core::{
    instance::InstanceState,
    member::{MemberIndex, server_name},
    node_group::NodeGroupUuid,
    snapshot::Snapshot,
};

/// What was told.
#[derive(Debug, Default)]
pub struct NodeFailures {
    told: HashMap<(NodeGroupUuid, MemberIndex), &'static str>,
}

impl NodeFailures {
    /// The failures that this snapshot shows and that were not told yet. Nodes that were only asked for have no name to tell
    /// of.
    pub fn new_in(&mut self, snapshot: &Snapshot) -> Vec<NodeEvent> {
        let mut failed = HashMap::new();
        let mut events = Vec::new();
        for group in snapshot.groups() {
            for instance in &group.instances {
                let (Some(member), Some(error)) = (instance.member, &instance.error) else { continue };
                failed.insert((group.uuid, member), error.code);
                if self.told.get(&(group.uuid, member)) == Some(&error.code) {
                    continue;
                }
                let action =
                    if instance.state == InstanceState::Deleting { "DeleteNode" } else { "CreateNode" };
                events.push(NodeEvent {
                    node: server_name(&group.stack_name, member),
                    action,
                    reason: error.code.to_owned(),
                    message: format!("node group {}: {}", group.id, error.message),
                    warning: true,
                });
            }
        }
        self.told = failed;
        events
    }
}
