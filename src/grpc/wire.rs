//! What the core's types look like on the wire.

use super::externalgrpc::{
    self as proto, ExternalGrpcNode, InstanceErrorInfo, InstanceStatus, instance_status::InstanceState,
};
use crate::core::{
    instance::{self, Instance, InstanceError, InstanceErrorClass, StateCounts},
    request::NodeReference,
    snapshot::GroupView,
};

/// The wire's number for errors of quota or capacity (`cloudprovider.OutOfResourcesErrorClass`).
const OUT_OF_RESOURCES: i32 = 1;
/// The wire's number for any other error (`cloudprovider.OtherErrorClass`).
const OTHER: i32 = 99;

/// A node group with a line about it for people, ending in `note`.
#[must_use]
pub fn node_group(group: &GroupView, note: Option<&str>) -> proto::NodeGroup {
    let note = note.map(|note| format!("; {note}")).unwrap_or_default();
    proto::NodeGroup { debug: summary(group) + &note, ..node_group_of_node(group) }
}

/// The group of a node, without the line for people: cluster-autoscaler asks for it once for each node in each loop.
#[must_use]
pub fn node_group_of_node(group: &GroupView) -> proto::NodeGroup {
    proto::NodeGroup {
        id: group.id.clone(),
        min_size: size(group.bounds.min),
        max_size: size(group.bounds.max),
        debug: String::new(),
    }
}

/// A number of nodes; the wire's are signed.
#[must_use]
pub fn size(nodes: u32) -> i32 {
    i32::try_from(nodes).unwrap_or(i32::MAX)
}

/// An instance with the id that its node shows.
#[must_use]
pub fn instance(instance: &Instance) -> proto::Instance {
    let state = match instance.state {
        instance::InstanceState::Creating => InstanceState::InstanceCreating,
        instance::InstanceState::Running => InstanceState::InstanceRunning,
        instance::InstanceState::Deleting => InstanceState::InstanceDeleting,
    };
    proto::Instance {
        id: instance.provider_id.clone(),
        status: Some(InstanceStatus {
            instance_state: state.into(),
            error_info: instance.error.as_ref().map(error_info),
        }),
    }
}

fn error_info(error: &InstanceError) -> InstanceErrorInfo {
    InstanceErrorInfo {
        error_code: error.code.to_owned(),
        error_message: error.message.clone(),
        instance_error_class: match error.class {
            InstanceErrorClass::OutOfResources => OUT_OF_RESOURCES,
            InstanceErrorClass::Other => OTHER,
        },
    }
}

/// The part of a node that identifies it; its labels and annotations do not.
#[must_use]
pub fn node_reference(node: ExternalGrpcNode) -> NodeReference {
    NodeReference { provider_id: node.provider_id, name: node.name }
}

/// `UPDATE_COMPLETE, target 3 of 1–6: 2 running, 1 creating`, and the trouble if there is any.
fn summary(group: &GroupView) -> String {
    let counts = StateCounts::of(&group.instances);
    let states: Vec<String> = counts
        .by_state()
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(state, count)| format!("{count} {state}"))
        .collect();
    let states = if states.is_empty() { "no instance".to_owned() } else { states.join(", ") };
    let read_error =
        group.read_error.as_ref().map(|read_error| format!("; {read_error}")).unwrap_or_default();
    let guess =
        group.template.guess().map(|reason| format!("; template guessed: {reason}")).unwrap_or_default();
    let driver = match group.capabilities.summary.as_str() {
        "" => String::new(),
        summary => format!("; {summary}"),
    };
    format!(
        "{}, target {} of {}: {states}{read_error}{guess}{driver}",
        group.status, group.target_size, group.bounds
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{
        failure::{FailureKind, Reason},
        instance::{InstanceId, PlaceholderId},
        machine_id::MachineId,
        member::MemberKey,
        node_group::{Bounds, NodeGroupUuid},
        sample,
    };

    const UUID: &str = "ca5b234b-f9a6-42b0-a77d-197636b29d52";

    fn running() -> Instance {
        Instance {
            id: InstanceId::Server(UUID.parse::<MachineId>().unwrap()),
            provider_id: format!("openstack:///{UUID}"),
            member: Some(MemberKey::Index(0)),
            name: String::new(),
            state: instance::InstanceState::Running,
            error: None,
            server_is_gone: false,
        }
    }

    fn failed() -> Instance {
        let general = "Quota exceeded for cores".to_owned();
        let quota = Reason { kind: FailureKind::Quota, general, ..Reason::default() };
        let group: NodeGroupUuid = UUID.parse().unwrap();
        Instance {
            id: InstanceId::Placeholder(PlaceholderId::Requested { group, ordinal: 1 }),
            provider_id: "fake:///x/requested-1".to_owned(),
            member: None,
            name: String::new(),
            state: instance::InstanceState::Creating,
            error: Some(InstanceError::of_failed_creation(&quota)),
            server_is_gone: false,
        }
    }

    fn view(instances: Vec<Instance>, read_error: Option<&str>) -> GroupView {
        GroupView {
            uuid: UUID.parse().unwrap(),
            id: "default-worker-ca5b234b".to_owned(),
            bounds: Bounds { min: 1, max: u32::MAX },
            target_size: 2,
            instances,
            read_error: read_error.map(str::to_owned),
            ..sample::view()
        }
    }

    #[test]
    fn a_group_says_in_a_line_how_it_is() {
        let group =
            node_group(&view(vec![running(), failed()], Some("heat refused GET /stacks")), Some("a word"));
        assert_eq!((group.min_size, group.max_size), (1, i32::MAX));
        assert_eq!(
            group.debug,
            "UPDATE_COMPLETE, target 2 of 1–4294967295: 1 running, 1 failed; heat refused GET /stacks; \
             template guessed: nothing is known of the group; a word"
        );
        assert_eq!(
            summary(&view(Vec::new(), None)),
            "UPDATE_COMPLETE, target 2 of 1–4294967295: no instance; template guessed: nothing is known of the group"
        );
    }

    #[test]
    fn an_error_never_goes_without_code_and_class() {
        let status = instance(&failed()).status.unwrap();
        assert_eq!(status.instance_state(), InstanceState::InstanceCreating);
        let info = status.error_info.unwrap();
        assert_eq!((info.error_code.as_str(), info.instance_error_class), ("QuotaExceeded", 1));
        assert!(info.error_message.contains("cores"));
        assert_eq!(instance(&running()).status.unwrap().error_info, None);
    }
}
