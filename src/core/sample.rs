//! A node group at rest, which tests and benchmarks vary: what a case does not care for is written here alone.
//!
//! `Member { counted: false, ..sample::member(3) }` is a member that is being removed.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use uuid::Uuid;

use super::{
    cloud::Reading,
    decision::{DecisionKind, Ended, NodeName},
    failure::Reason,
    machine_id::MachineId,
    member::{Member, MemberKey, ServerPresence},
    node_group::{Bounds, NodeGroup, NodeGroupUuid},
    snapshot::GroupView,
    status::Status,
    verify::Verdict,
};

/// The server with this number in its UUID.
#[must_use]
pub fn server(number: u32) -> MachineId {
    MachineId::from_uuid(Uuid::from_u128(u128::from(number)))
}

/// What Nova lists of nodes at work with these numbers.
#[must_use]
pub fn servers(numbers: impl IntoIterator<Item = u32>) -> BTreeMap<MachineId, MemberKey> {
    numbers.into_iter().map(|number| (server(number), MemberKey::Index(number))).collect()
}

/// A node at work, whose server has the member's number.
#[must_use]
pub fn member(number: u32) -> Member {
    Member {
        key: MemberKey::Index(number),
        name: format!("k8s-pool-abcdefghijkl-node-{number}"),
        server: Some(server(number)),
        presence: ServerPresence::Present,
        counted: true,
        status: Status::parse("CREATE_COMPLETE"),
        reason: Reason::default(),
    }
}

/// A counted member without a server and with this status.
#[must_use]
pub fn serverless_member(number: u32, status: &str) -> Member {
    Member {
        server: None,
        presence: ServerPresence::Unknown,
        status: Status::parse(status),
        ..member(number)
    }
}

/// A group without nodes that may have ten, and whose nodes get a provider ID.
#[must_use]
pub fn group() -> NodeGroup {
    let bounds = Bounds { min: 0, max: 10 };
    NodeGroup {
        uuid: NodeGroupUuid::from_uuid(Uuid::from_u128(7)),
        name: "pool".to_owned(),
        bounds,
        magnum_bounds: bounds,
        node_count: 0,
        status: Status::parse("UPDATE_COMPLETE"),
        status_reason: Reason::default(),
        updated_at: "2026-01-01T00:00:00+00:00".to_owned(),
        written_at: None,
        flavor_id: "m1.node".to_owned(),
        labels: BTreeMap::from([("cloud_provider_enabled".to_owned(), "true".to_owned())]),
    }
}

/// What is read of [`group`] with these members. Magnum counts as Heat does; Nova was not asked.
#[must_use]
pub fn reading(members: Vec<Member>) -> Reading {
    let mut reading = Reading {
        cluster_status: Status::parse("UPDATE_COMPLETE"),
        group: group(),
        members,
        servers: None,
        template: Arc::default(),
        capabilities: Arc::default(),
    };
    reading.group.node_count = reading.size();
    reading
}

/// [`group`] as cluster-autoscaler sees it.
#[must_use]
pub fn view() -> GroupView {
    let Reading { group, template, capabilities, .. } = reading(Vec::new());
    GroupView {
        uuid: group.uuid,
        id: group.id(),
        bounds: group.bounds,
        target_size: 0,
        instances: Vec::new(),
        gives_provider_ids: true,
        capabilities,
        status: group.status.to_string(),
        read_error: None,
        template,
        template_provider_id: String::new(),
    }
}

/// The end of a resize to one node, with this many nodes gone that nobody named.
#[must_use]
pub fn ended(verdict: Verdict, gone: u32) -> DecisionKind {
    DecisionKind::Ended(Box::new(Ended {
        verdict,
        asked: 1,
        nodes: 1,
        took: Duration::ZERO,
        status: Status::parse("UPDATE_COMPLETE"),
        reason: String::new(),
        gone_unnamed: (0..gone).map(|number| NodeName::of(&member(number))).collect(),
        remaining: Vec::new(),
        failed: Vec::new(),
        shortage: 0,
        magnum_count: 1,
        moving: Vec::new(),
        moving_are_named: false,
    }))
}
