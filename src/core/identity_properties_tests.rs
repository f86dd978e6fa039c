//! What holds for any nodes of a small cluster.

use proptest::prelude::*;

use super::*;

/// Any node of a small cluster: its name and ids are those of members, of nobody, or of each other.
fn any_node() -> impl Strategy<Value = NodeObject> {
    let id = || {
        prop_oneof![
            3 => (0..2_u32, 0..MEMBERS).prop_map(|(group, index)| dashless(server(group, index))),
            1 => (0..2_u32, 0..MEMBERS).prop_map(|(group, index)| server(group, index).swapped().to_string()),
            1 => Just("10783ea106f742728fede153a98b035d".to_owned()),
            2 => Just(String::new()),
        ]
    };
    let name = prop_oneof![
        2 => (0..2_u32, 0..=MEMBERS).prop_map(|(group, index)| server_name(group, index)),
        1 => (0..4).prop_map(|number| format!("worker-{number}")),
    ];
    let provider_id = prop_oneof![
        4 => Just(String::new()),
        1 => Just("k3s://x".to_owned()),
        1 => Just("metal3://420bcf8f-a2f2-4154-b29b-575d9bc5e19c".to_owned()),
        1 => (0..2_u32, 0..=MEMBERS).prop_map(|(group, index)| format!("openstack:///{}", server(group, index))),
    ];
    (name, id(), id(), provider_id).prop_map(|(name, machine_id, system_uuid, provider_id)| NodeObject {
        provider_id,
        ..node(&name, &machine_id, &system_uuid)
    })
}

proptest! {
    /// Whoever is named as a node's server is so by everything that is known of it, and by nothing that is known of others.
    #[test]
    fn evidence_never_contradicts(
        nodes in prop::collection::vec(any_node(), 0..6),
        named_node in any_node(),
        shown in prop_oneof![
            Just(String::new()),
            Just("k3s://x".to_owned()),
            Just("metal3://420bcf8f-a2f2-4154-b29b-575d9bc5e19c".to_owned()),
        ],
    ) {
        let nodes = nodes.into_iter().chain([named_node.clone()]).collect::<Vec<_>>();
        // The last one of a name counts.
        let index = index(&nodes);
        let reference = named(&named_node.name, &shown);
        let snapshot = snapshot(false);
        let identified = identify(&snapshot, &view(0, false), Some(&index), &reference);
        // A UUID behind another scheme is nobody's, and no member is removed for it.
        let by_provider_id = shown.parse().is_ok_and(|id: InstanceId| identified == Ok(id));
        if let Ok(InstanceId::Server(found)) = identified && !by_provider_id {
            prop_assert!(snapshot.contains(found));
            let ids: Vec<MachineId> = named_node.firmware_ids().into_iter().flatten().collect();
            let agrees = |id: MachineId| id == found || id.swapped() == found;
            // Ids of other members would contradict.
            let contradicting = ids.iter().any(|id| {
                !agrees(*id) && (snapshot.contains(*id) || snapshot.contains(id.swapped()))
            });
            prop_assert!(!contradicting);
            let provided = named_node.provided_server();
            if let Some(provided) = provided.filter(|_| named_node.provider_id.starts_with("openstack")) {
                prop_assert_eq!(provided, found);
            }
            if let Some((_, InstanceId::Server(by_name))) = snapshot.find(&reference) {
                prop_assert_eq!(by_name, found);
            }
            for id in &ids {
                prop_assert!(index.stating(*id).len() <= 1, "shared with {:?}", index.stating(*id).collect::<Vec<_>>());
            }
            // It is the only one that states it, or nothing does and its name says it.
            let by_ids = ids.iter().any(|id| agrees(*id)) || named_node.provided_server() == Some(found);
            prop_assert!(by_ids || shown.is_empty());
            if by_ids {
                prop_assert_eq!(index.stating(found).collect::<Vec<_>>(), [named_node.name.as_str()]);
            }
        }
        // NodeGroupForNode knows no more than that.
        if by_provider_id {
            prop_assert!(group_of(&snapshot, Some(&index), &reference).is_err());
        } else if let (Ok(InstanceId::Server(found)), Ok(group)) = (&identified, group_of(&snapshot, Some(&index), &reference)) {
            prop_assert_eq!(&group.servers, &vec![*found]);
            prop_assert!(group.ambiguity.is_none());
        }
    }

    /// Where all ids are right and nobody else has them, each node is found.
    #[test]
    fn right_ids_always_find(machine_id: bool, system_uuid: bool, upper: bool, group in 0..2_u32, which in 0..MEMBERS) {
        let form = |id: MachineId, told: bool, dashes: bool| {
            let text = if dashes { id.to_string() } else { dashless(id) };
            match (told, upper) {
                (false, _) => String::new(),
                (true, true) => text.to_uppercase(),
                (true, false) => text,
            }
        };
        let nodes: Vec<NodeObject> = (0..2)
            .flat_map(|group| (0..MEMBERS).map(move |index| (group, index)))
            .map(|(group, index)| {
                let id = server(group, index);
                node(&format!("n-{group}-{index}"), &form(id, machine_id, false), &form(id, system_uuid, true))
            })
            .collect();
        let found = identify(
            &snapshot(false), &view(group, false), Some(&index(&nodes)), &named(&format!("n-{group}-{which}"), ""),
        );
        if machine_id || system_uuid {
            prop_assert_eq!(found, Ok(InstanceId::Server(server(group, which))));
        } else {
            let refused = matches!(found, Err(RequestError::NotAMember { .. }));
            prop_assert!(refused);
        }
    }
}
