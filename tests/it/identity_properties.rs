//! A node is the same one to NodeGroupForNode ([`Snapshot::find`]) and to DeleteNodes ([`identify`]).

use std::{sync::Arc, time::Instant};

use cluster_autoscaler_provider_magnum::core::{
    identity::identify,
    instance::{Instance, InstanceId, InstanceState, PlaceholderId},
    member::MemberKey,
    node_group::NodeGroupUuid,
    request::{NodeReference, RequestError},
    sample,
    snapshot::{GroupView, Snapshot},
};
use proptest::prelude::*;
use uuid::Uuid;

/// Names that servers may have. Some are others with a domain.
const NAMES: [&str; 5] = ["a", "b", "a.b", "a.b.c", "node-1"];

fn group_uuid(number: u32) -> NodeGroupUuid {
    NodeGroupUuid::from_uuid(Uuid::from_u128(u128::from(number) + 1))
}

/// Server or placeholder number `number` of a group.
fn instance(group: u32, number: u32, kind: u8, name: &str) -> Instance {
    let (key, group) = (MemberKey::Index(number), group_uuid(group));
    let (id, member, name) = match kind {
        0..=5 => (InstanceId::Server(sample::server(number)), Some(key), name),
        6 => (InstanceId::Placeholder(PlaceholderId::Member { group, key }), Some(key), name),
        7 => (InstanceId::Placeholder(PlaceholderId::Requested { group, ordinal: number }), None, ""),
        _ => (InstanceId::Placeholder(PlaceholderId::Failed { group, number }), None, ""),
    };
    Instance {
        id,
        provider_id: String::new(),
        member,
        name: name.to_owned(),
        state: InstanceState::Running,
        error: None,
        server_is_gone: false,
    }
}

/// A group with an instance of each kind and name. No two groups have a server in common.
fn view(group: u32, gives_provider_ids: bool, instances: &[(u8, &str)]) -> Arc<GroupView> {
    let numbered = (10 * group..).zip(instances);
    Arc::new(GroupView {
        uuid: group_uuid(group),
        id: format!("pool-{group}"),
        instances: numbered.map(|(number, (kind, name))| instance(group, number, *kind, name)).collect(),
        gives_provider_ids,
        ..sample::view()
    })
}

prop_compose! {
    fn snapshots()(
        groups in prop::collection::vec(
            (any::<bool>(), prop::collection::vec((0_u8..9, prop::sample::select(&NAMES)), 0..4)),
            0..4,
        ),
    ) -> Snapshot {
        let numbered = (0..).zip(&groups);
        let views = numbered.map(|(group, (gives_provider_ids, instances))| view(group, *gives_provider_ids, instances));
        Snapshot::new(Instant::now(), views.collect())
    }
}

fn references() -> impl Strategy<Value = NodeReference> {
    let server = |number: u32| format!("openstack:///{}", sample::server(number));
    let placeholder = |(group, number): (u32, u32)| {
        let key = MemberKey::Index(number);
        PlaceholderId::Member { group: group_uuid(group), key }.to_string()
    };
    let provider_id = prop_oneof![
        4 => Just(String::new()),
        4 => (0_u32..3, 0_u32..5).prop_map(move |(group, number)| server(10 * group + number)),
        1 => (0_u32..4, 0_u32..30).prop_map(placeholder),
        1 => Just("aws:///eu-west-1a/i-0123".to_owned()),
    ];
    let name = prop_oneof![
        4 => prop::sample::select(&NAMES).prop_map(str::to_owned),
        2 => prop::sample::select(&NAMES).prop_map(|name| format!("{name}.novalocal")),
        1 => Just(String::new()),
        1 => Just(".novalocal".to_owned()),
    ];
    (provider_id, name).prop_map(|(provider_id, name)| NodeReference { provider_id, name })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// What DeleteNodes takes for an instance, NodeGroupForNode takes for the same, and the other way round. Only where a
    /// group's nodes get a provider ID, a name is enough for the latter alone.
    #[test]
    fn a_node_that_is_removed_is_the_node_that_is_found(snapshot in snapshots(), node in references()) {
        let found = snapshot.find(&node);
        for view in snapshot.groups() {
            let of_this_group = found.filter(|(group, _)| group.uuid == view.uuid).map(|(_, id)| id);
            match identify(&snapshot, view, None, &node) {
                Ok(id) if view.instances.iter().any(|instance| instance.id == id) => {
                    prop_assert_eq!(of_this_group, Some(id));
                }
                // The plan finds no such member.
                Ok(id) => prop_assert!(!node.provider_id.is_empty(), "{} is taken for {id}", node.name),
                Err(RequestError::NotIdentifiedYet { .. }) => {
                    prop_assert!(view.gives_provider_ids && node.provider_id.is_empty());
                }
                Err(error) => prop_assert_eq!(of_this_group, None, "{}", error),
            }
        }
    }

    /// A name that two members have stands for neither.
    #[test]
    fn a_name_of_two_members_stands_for_neither(snapshot in snapshots(), name in prop::sample::select(&NAMES)) {
        let instances = snapshot.groups().iter().flat_map(|group| &group.instances);
        if instances.filter(|instance| instance.name == name).count() < 2 {
            return Ok(());
        }
        let node = NodeReference { provider_id: String::new(), name: name.to_owned() };
        prop_assert_eq!(snapshot.find(&node).map(|(_, id)| id), None);
        for view in snapshot.groups() {
            prop_assert!(identify(&snapshot, view, None, &node).is_err());
        }
    }
}
