use std::time::Instant;

use uuid::Uuid;

use super::*;
use crate::core::{
    instance::Instance, member::MemberKey, node_group::NodeGroupUuid, nodes::UNINITIALIZED_TAINT, sample,
};

#[path = "identity_properties_tests.rs"]
mod properties;

/// Members of each of the two groups.
const MEMBERS: u32 = 3;

/// No UUID of the servers is another one the other way round.
fn server(group: u32, index: u32) -> MachineId {
    MachineId::from_uuid(Uuid::from_u128(
        0x41c4_0aab_80e9_4bb6_a280_0000_0000_0000 | u128::from(group) << 32 | u128::from(index),
    ))
}

/// The name of a server.
fn server_name(group: u32, index: u32) -> String {
    format!("k8s-{group}-node-{index}")
}

fn view(group: u32, gives_provider_ids: bool) -> Arc<GroupView> {
    let instance = |index| Instance {
        id: InstanceId::Server(server(group, index)),
        provider_id: String::new(),
        member: Some(MemberKey::Index(index)),
        name: server_name(group, index),
        state: InstanceState::Running,
        error: None,
        server_is_gone: false,
    };
    Arc::new(GroupView {
        uuid: NodeGroupUuid::from_uuid(Uuid::from_u128(u128::from(group) + 1)),
        id: format!("pool-{group}"),
        target_size: MEMBERS,
        instances: (0..MEMBERS).map(instance).collect(),
        gives_provider_ids,
        ..sample::view()
    })
}

fn snapshot(gives_provider_ids: bool) -> Snapshot {
    let views = (0..2).map(|group| view(group, gives_provider_ids)).collect();
    Snapshot::new(Instant::now(), views)
}

fn dashless(server: MachineId) -> String {
    server.to_string().replace('-', "")
}

/// A node with these ids.
fn node(name: &str, machine_id: &str, system_uuid: &str) -> NodeObject {
    NodeObject {
        name: name.to_owned(),
        machine_id: machine_id.to_owned(),
        system_uuid: system_uuid.to_owned(),
        ..NodeObject::default()
    }
}

fn index(nodes: &[NodeObject]) -> NodeIndex {
    nodes.iter().cloned().map(Arc::new).collect()
}

fn named(name: &str, provider_id: &str) -> NodeReference {
    NodeReference { provider_id: provider_id.to_owned(), name: name.to_owned() }
}

/// What DeleteNodes of the first group makes of it.
fn removed(nodes: &[NodeObject], node: &NodeReference) -> Result<InstanceId, RequestError> {
    let snapshot = snapshot(false);
    identify(&snapshot, &view(0, false), Some(&index(nodes)), node)
}

fn ambiguity(nodes: &[NodeObject], node: &NodeReference) -> Ambiguity {
    match removed(nodes, node) {
        Err(RequestError::AmbiguousNode { ambiguity, .. }) => ambiguity,
        other => panic!("{other:?}"),
    }
}

/// The group's id and the servers, as NodeGroupForNode finds them.
fn placed(nodes: &[NodeObject], node: &NodeReference) -> Option<(String, Vec<MachineId>)> {
    let snapshot = snapshot(false);
    let found = group_of(&snapshot, Some(&index(nodes)), node).ok()?;
    Some((found.group.id.clone(), found.servers.clone()))
}

#[test]
fn a_node_is_found_by_each_form_of_either_id() {
    let (a, other) = (server(0, 1), "10783ea106f742728fede153a98b035d");
    for (machine_id, system_uuid) in [
        (dashless(a), a.to_string()),
        (dashless(a).to_uppercase(), a.to_string().to_uppercase()),
        (a.to_string(), String::new()),
        (dashless(a), String::new()),
        (String::new(), a.to_string().to_uppercase()),
        // As Red Hat's image had it (openstack/vitrage-specs, k8s-datasource): an id of its own, and the server's.
        (other.to_owned(), a.to_string().to_uppercase()),
        (dashless(a), other.to_owned()),
        (other.to_owned(), a.swapped().to_string()),
        (dashless(a.swapped()), a.to_string()),
        ("0".repeat(32), a.to_string()),
        ("nonsense".to_owned(), a.to_string()),
    ] {
        let nodes = [node("worker", &machine_id, &system_uuid), node("stranger", "", "")];
        for provider_id in [
            "",
            "k3s://worker",
            "aws:///eu-west-1a/i-0123",
            "openstack:///",
            "metal3://420bcf8f-a2f2-4154-b29b-575d9bc5e19c",
        ] {
            let mut nodes = nodes.clone();
            nodes[0].provider_id = provider_id.to_owned();
            let worker = named("worker", provider_id);
            assert_eq!(removed(&nodes, &worker), Ok(InstanceId::Server(a)), "{machine_id} {system_uuid}");
            assert_eq!(placed(&nodes, &worker), Some(("pool-0".into(), vec![a])));
        }
    }
}

#[test]
fn what_kubernetes_does_not_know_falls_through_to_the_name() {
    let a = server(0, 1);
    let by_name = server_name(0, 1);
    let foreign = "311d208d75e74e41aec501372b30afeb";
    for nodes in [vec![], vec![node(&by_name, foreign, "72691e42-f32a-5e17-eea7-1f54cb8ee0ba")]] {
        assert_eq!(removed(&nodes, &named(&by_name, "")), Ok(InstanceId::Server(a)));
        assert_eq!(placed(&nodes, &named(&by_name, "")), Some(("pool-0".into(), vec![a])));
        assert!(matches!(removed(&nodes, &named("worker", "")), Err(RequestError::NotAMember { .. })));
        assert!(matches!(
            removed(&nodes, &named("worker", "aws:///x")),
            Err(RequestError::MalformedNode { .. })
        ));
        assert_eq!(placed(&nodes, &named("worker", "")), None);
    }
    let waiting = identify(&snapshot(true), &view(0, true), Some(&index(&[])), &named(&by_name, ""));
    assert!(matches!(waiting, Err(RequestError::NotIdentifiedYet { .. })), "{waiting:?}");
}

#[test]
fn a_provider_id_that_names_a_server_decides_alone() {
    let (a, b) = (server(0, 1), server(0, 2));
    let nodes = [NodeObject {
        provider_id: format!("openstack:///{a}"),
        ..node("worker", &dashless(b), &b.to_string())
    }];
    let shown = named("worker", &format!("openstack:///{a}"));
    assert_eq!(removed(&nodes, &shown), Ok(InstanceId::Server(a)));
    // cluster-autoscaler has not seen it yet: the ids contradict it.
    let refused = ambiguity(&nodes, &named("worker", ""));
    assert_eq!(refused, Ambiguity::RegisteredOtherwise { provider_id: nodes[0].provider_id.clone() });
    // Whatever its scheme is, the UUID is that of a member.
    let other_scheme = NodeObject { provider_id: format!("ovh:///{a}"), ..nodes[0].clone() };
    let shown = named("worker", &other_scheme.provider_id);
    assert_eq!(removed(&[other_scheme], &shown), Ok(InstanceId::Server(a)));
    let stranger = format!("openstack:///{}", Uuid::from_u128(7));
    assert_eq!(removed(&nodes, &named("worker", &stranger)).unwrap(), stranger.parse().unwrap());
    assert_eq!(placed(&nodes, &named("worker", &stranger)), None);
}

#[test]
fn a_name_that_is_registered_with_another_servers_provider_id_does_not_decide() {
    let by_name = server_name(0, 1);
    for provided in [server(0, 2), server(1, 0), MachineId::from_uuid(Uuid::from_u128(7))] {
        let provider_id = format!("openstack:///{provided}");
        let nodes = [NodeObject { provider_id, ..node(&by_name, "", "") }];
        let refused = ambiguity(&nodes, &named(&by_name, ""));
        assert!(
            matches!(refused, Ambiguity::NameContradicts { .. } | Ambiguity::RegisteredOtherwise { .. }),
            "{refused:?}"
        );
    }
    // Provider IDs never change: this is another node of the same name.
    let nodes = [NodeObject { provider_id: "k3s://b".into(), ..node("worker", &dashless(server(0, 1)), "") }];
    assert!(matches!(removed(&nodes, &named("worker", "k3s://a")), Err(RequestError::MalformedNode { .. })));
}

#[test]
fn ids_of_different_members_are_refused() {
    let (a, b) = (server(0, 1), server(1, 2));
    let nodes = [node("worker", &dashless(a), &b.to_string())];
    let worker = named("worker", "");
    let message = removed(&nodes, &worker).unwrap_err().to_string();
    for part in ["worker", "machineID", "systemUUID", &dashless(a), &b.to_string()] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert_eq!(placed(&nodes, &worker), None);
    let same_group = [node("worker", &dashless(a), &server(0, 2).to_string())];
    assert!(removed(&same_group, &worker).is_err());
    let (group, servers) = placed(&same_group, &worker).unwrap();
    assert_eq!((group.as_str(), servers.len()), ("pool-0", 2));
}

#[test]
fn an_id_that_several_nodes_state_is_refused_with_their_names() {
    let (a, b) = (server(0, 1), server(0, 2));
    let baked = "10783ea106f742728fede153a98b035d";
    for (id, of_first, of_second) in [
        (dashless(a), a.to_string(), b.to_string()),
        (dashless(a).to_uppercase(), String::new(), String::new()),
        (baked.to_owned(), a.to_string(), b.to_string()),
    ] {
        let nodes = [
            node("first", &id, &of_first),
            node("second", &id.to_lowercase(), &of_second),
            node("x", "", ""),
        ];
        for name in ["first", "second"] {
            let message = removed(&nodes, &named(name, "")).unwrap_err().to_string();
            assert!(message.contains("(first, second)"), "{message}");
        }
        // Without the other one it is certain again.
        assert_eq!(removed(&nodes[..1], &named("first", "")), Ok(InstanceId::Server(a)));
    }
    let claimed = NodeObject { provider_id: format!("openstack:///{a}"), ..node("second", "", "") };
    let nodes = [node("first", &dashless(a), ""), claimed];
    assert!(matches!(ambiguity(&nodes, &named("first", "")), Ambiguity::Shared { .. }));
    // Twelve nodes of one image: the message stays short.
    let many: Vec<NodeObject> = (0..12).map(|number| node(&format!("n{number:02}"), baked, "")).collect();
    let shared = ambiguity(&many, &named("n11", "")).to_string();
    assert!(shared.contains("n00, n01, n02, n03, n04 and 7 more"), "{shared}");
}

#[test]
fn a_name_of_another_members_server_is_refused() {
    let (a, b) = (server(0, 1), server(0, 2));
    let by_name = server_name(0, 2);
    let nodes = [node(&by_name, &dashless(a), &a.to_string())];
    assert_eq!(ambiguity(&nodes, &named(&by_name, "")), Ambiguity::NameContradicts { by_name: b, by_ids: a });
    let (group, servers) = placed(&nodes, &named(&by_name, "")).unwrap();
    assert_eq!((group.as_str(), servers), ("pool-0", vec![a, b]));
}

#[test]
fn a_node_that_waits_for_its_cloud_provider_is_not_complete() {
    let a = server(0, 1);
    let snapshot = snapshot(true);
    let mut worker = node("worker", &dashless(a), "");
    let complete = |worker: &NodeObject| {
        let nodes = index(std::slice::from_ref(worker));
        group_of(&snapshot, Some(&nodes), &named("worker", "")).unwrap().is_complete
    };
    assert!(complete(&worker));
    worker.taints.push(format!("{UNINITIALIZED_TAINT}=true:NoSchedule").parse().unwrap());
    assert!(!complete(&worker));
}

#[test]
fn instances_that_never_registered_are_not_looked_up() {
    let a = server(0, 1);
    let nodes = [node("aws:///x", &dashless(a), ""), node("", &dashless(a), "")];
    assert_eq!(placed(&nodes, &named("aws:///x", "aws:///x")), None);
    assert_eq!(removed(&nodes, &named("", "")), Err(RequestError::AnonymousNode));
}

#[test]
fn an_instance_whose_node_is_there_is_not_removed_as_unregistered() {
    let (a, b) = (server(0, 1), server(0, 2));
    let unregistered = |server: MachineId| {
        let id = format!("openstack:///{server}");
        named(&id, &id)
    };
    for at_work in [
        node("worker", &dashless(a), ""),
        node("worker", "", &a.to_string().to_uppercase()),
        NodeObject { provider_id: format!("openstack://RegionOne/{a}"), ..node("worker", "", "") },
    ] {
        let nodes = [at_work];
        let refused = removed(&nodes, &unregistered(a));
        assert!(matches!(&refused, Err(RequestError::RegisteredMeanwhile { node, .. }) if node == "worker"));
        assert_eq!(removed(&nodes, &unregistered(b)), Ok(InstanceId::Server(b)));
        // By its own name and provider ID it is removed as ever.
        let registered = named("worker", &format!("openstack:///{a}"));
        assert_eq!(removed(&nodes, &registered), Ok(InstanceId::Server(a)));
    }
    // Its server is gone, or it never got ready: its Node object keeps nobody from clearing it away.
    let mut broken = GroupView::clone(&view(0, false));
    broken.instances[1].state = InstanceState::Creating;
    let nodes = index(&[node("worker", &dashless(a), "")]);
    let removed = identify(&snapshot(false), &broken, Some(&nodes), &unregistered(a));
    assert_eq!(removed, Ok(InstanceId::Server(a)));
}

/// However many groups and nodes there are: a handful of look-ups for each node, of whatever kind.
#[test]
fn each_node_takes_a_constant_number_of_lookups() {
    let shared = "10783ea106f742728fede153a98b035d";
    for others in [0, 10, 10_000] {
        let others = (0..others).map(|number| node(&format!("n-{number}"), shared, ""));
        let nodes = index(&others.chain([node("foreign", shared, shared)]).collect::<Vec<_>>());
        for name in ["foreign", "unknown"] {
            let lookups = std::cell::Cell::new(0);
            let found = look_up(&nodes, name, "", |_| {
                lookups.set(lookups.get() + 1);
                false
            });
            assert!(!matches!(found, Lookup::Server { .. }));
            assert!(lookups.get() <= 5, "{} look-ups for {name}", lookups.get());
        }
    }
}
