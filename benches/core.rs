//! Speed of the core at 10,000 nodes: what a call costs once the cloud has been read.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark may panic")]

use std::{collections::BTreeMap, hint::black_box, sync::Arc, time::Instant};

use cluster_autoscaler_provider_magnum::core::{
    cloud::Reading,
    failure::Reason,
    identity::group_of,
    instance::InstanceId,
    machine_id::MachineId,
    member::{Member, MemberKey},
    node_group::{Bounds, NodeGroup, NodeGroupUuid},
    nodes::{NodeIndex, NodeObject},
    pending::{PendingRequests, Queued, Request, Ticket},
    plan::plan,
    registration::Registrations,
    request::NodeReference,
    sample,
    snapshot::{GroupView, Snapshot},
    status::Status,
};
use criterion::{Criterion, criterion_group, criterion_main};
use uuid::Uuid;

const GROUPS: u32 = 10;
const NODES: u32 = 1000;

fn machine(group: u32, index: u32) -> MachineId {
    MachineId::from_uuid(Uuid::from_u128(u128::from(group) << 64 | u128::from(index)))
}

fn reading(group: u32) -> Reading {
    let member = |index| Member {
        key: MemberKey::Index(index),
        name: format!("k8s-pool-{group}-abcdefghijkl-node-{index}"),
        server: Some(machine(group, index)),
        status: Status::parse("UPDATE_COMPLETE"),
        reason: Reason { text: "state changed".into(), ..Reason::default() },
        ..sample::member(index)
    };
    let bounds = Bounds { min: 0, max: 2 * NODES };
    Reading {
        group: NodeGroup {
            uuid: NodeGroupUuid::from_uuid(Uuid::from_u128(u128::from(group + 1) << 96)),
            name: format!("pool-{group}"),
            bounds,
            magnum_bounds: bounds,
            node_count: NODES,
            labels: BTreeMap::new(),
            ..sample::group()
        },
        servers: Some((0..NODES).map(|index| (machine(group, index), MemberKey::Index(index))).collect()),
        ..sample::reading((0..NODES).map(member).collect())
    }
}

fn snapshot(views: &[Arc<GroupView>]) -> Snapshot {
    Snapshot::new(Instant::now(), views.to_vec())
}

/// The Node object of a server, as systemd and the firmware name it.
fn object(group: u32, index: u32) -> Arc<NodeObject> {
    let id = machine(group, index).to_string();
    Arc::new(NodeObject {
        name: format!("n-{group}-{index}"),
        machine_id: id.replace('-', ""),
        system_uuid: id.to_uppercase(),
        ..NodeObject::default()
    })
}

fn core(criterion: &mut Criterion) {
    let now = Instant::now();
    let readings: Vec<Reading> = (0..GROUPS).map(reading).collect();
    let views: Vec<_> = readings
        .iter()
        .map(|reading| {
            Arc::new(GroupView::new(
                reading,
                &PendingRequests::default(),
                None,
                &Registrations::default(),
                now,
            ))
        })
        .collect();
    let ready = snapshot(&views);
    let node = |provider_id: String| NodeReference { provider_id, name: String::new() };
    let ours = node(format!("openstack:///{}", machine(7, 500)));
    let foreign = node(format!("openstack:///{}", machine(99, 1)));
    let mut pending = PendingRequests::default();
    pending.queued = (0..50)
        .map(|number| Queued {
            caller: Some(Ticket(u64::from(number))),
            request: Request::Delete(vec![InstanceId::Server(machine(0, number * 7))]),
            attempts: 0,
        })
        .collect();

    criterion.bench_function("group_of one of 10,000 nodes", |bencher| {
        bencher.iter(|| ready.find(black_box(&ours)).map(|(group, _)| group.target_size));
    });
    criterion.bench_function("group_of a foreign node", |bencher| {
        bencher.iter(|| ready.find(black_box(&foreign)).is_some());
    });
    let nodes: NodeIndex =
        (0..GROUPS).flat_map(|group| (0..NODES).map(move |index| object(group, index))).collect();
    let nameless = |name: &str| NodeReference { provider_id: String::new(), name: name.to_owned() };
    for (what, node) in [
        ("one of 10,000 nodes by its machine id", nameless("n-7-500")),
        ("a foreign node without provider ID", nameless("k8s-abc-master-0")),
    ] {
        criterion.bench_function(&format!("group_of {what}"), |bencher| {
            bencher.iter(|| group_of(&ready, Some(&nodes), black_box(&node)).is_ok());
        });
    }
    criterion.bench_function("snapshot of 10 groups x 1,000 nodes", |bencher| {
        bencher.iter(|| snapshot(black_box(&views)).groups().len());
    });
    criterion.bench_function("view of 1,000 nodes with 50 deletes waiting", |bencher| {
        bencher.iter(|| {
            GroupView::new(black_box(&readings[0]), &pending, None, &Registrations::default(), now)
                .target_size
        });
    });
    criterion.bench_function("plan of 50 one-node deletes among 1,000 nodes", |bencher| {
        bencher.iter(|| plan(black_box(&readings[0]), &pending, Instant::now()).resize.unwrap().count);
    });
}

criterion_group!(benches, core);
criterion_main!(benches);
