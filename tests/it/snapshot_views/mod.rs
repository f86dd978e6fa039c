//! What cluster-autoscaler sees of a group, for the states that the lab showed (docs/openstack-behaviour.md#refs_map).

mod effects;

use std::{sync::Arc, time::Instant};

use cluster_autoscaler_provider_magnum::core::{
    cloud::Reading,
    instance::{InstanceErrorClass, InstanceId, InstanceState, PlaceholderId},
    machine_id::MachineId,
    member::{Member, MemberKey, ServerPresence},
    node_group::{NodeGroup, NodeGroupUuid},
    pending::{PendingRequests, Queued, Request, Ticket},
    plan::plan,
    registration::Registrations,
    request::{NodeReference, RequestError},
    resize::{InFlightResize, Resize},
    sample,
    settle::{SettleTimeouts, settled},
    snapshot::{GroupView, Snapshot},
    status::Status,
    verify::{Effect, Verdict},
};
use cluster_autoscaler_provider_magnum::openstack::failures;
use std::time::Duration;
use uuid::Uuid;

const QUOTA: &str = "Forbidden: resources[9].resources.kube-minion: Quota exceeded for instances: Requested 1, but \
                     already used 4 of 4 instances (HTTP 403) (Request-ID: req-0d469493)";
const NO_HOST: &str = "ResourceInError: resources.kube-minion: Went to status ERROR due to \"Message: No valid host was \
                       found. , Code: 500\"";
const DEPLOYMENT: &str = "Error: resources[11].resources.node_config_deployment: Deployment to server failed: \
                          deploy_status_code: Deployment exited with non-zero status code: 1";
const STACK_GONE: &str = "resources[10]: The Stack (k8s-lab-pool-b-10-ttvmzdrtnuip) could not be found.";

fn group_uuid() -> NodeGroupUuid {
    NodeGroupUuid::from_uuid(Uuid::from_u128(0x531c_d801 << 96))
}

fn machine(number: u32) -> MachineId {
    sample::server(number)
}

fn member(index: u32, server: bool, status: &str, reason: &str) -> Member {
    Member {
        name: format!("k8s-lab-pool-b-rlthnimsp5dl-node-{index}"),
        server: server.then(|| machine(index)),
        counted: !status.starts_with("DELETE"),
        status: Status::parse(status),
        reason: failures::reason(reason),
        ..sample::member(index)
    }
}

fn reading(status: &str, node_count: u32, members: Vec<Member>) -> Reading {
    Reading {
        group: NodeGroup {
            uuid: group_uuid(),
            name: "pool-b".into(),
            node_count,
            status: Status::parse(status),
            ..sample::group()
        },
        ..sample::reading(members)
    }
}

fn healthy(count: u32) -> Vec<Member> {
    (0..count).map(|index| member(index, true, "UPDATE_COMPLETE", "")).collect()
}

fn queue(requests: Vec<Request>) -> PendingRequests {
    let mut pending = PendingRequests::default();
    pending.queued = (0..)
        .map(Ticket)
        .zip(requests)
        .map(|(ticket, request)| Queued { caller: Some(ticket), request, attempts: 0 })
        .collect();
    pending
}

/// The state, code and class of one member in an otherwise healthy group.
fn shown(group: &str, member: Member) -> (InstanceState, Option<(&'static str, InstanceErrorClass)>) {
    let view = GroupView::new(
        &reading(group, 1, vec![member]),
        &PendingRequests::default(),
        None,
        &Registrations::default(),
        Instant::now(),
    );
    let instance = &view.instances[0];
    if let Some(error) = &instance.error {
        assert!(!error.message.is_empty());
    }
    (instance.state, instance.error.as_ref().map(|error| (error.code, error.class)))
}

#[test]
fn members_are_shown_by_what_heat_says_of_them() {
    use InstanceErrorClass::{Other, OutOfResources};
    use InstanceState::{Creating, Deleting, Running};
    let cases = [
        ("UPDATE_COMPLETE", member(1, true, "CREATE_COMPLETE", ""), (Running, None)),
        ("UPDATE_IN_PROGRESS", member(1, true, "UPDATE_IN_PROGRESS", ""), (Running, None)),
        ("UPDATE_IN_PROGRESS", member(1, false, "INIT_COMPLETE", ""), (Creating, None)),
        ("UPDATE_IN_PROGRESS", member(1, false, "CREATE_IN_PROGRESS", ""), (Creating, None)),
        ("UPDATE_IN_PROGRESS", member(1, true, "CREATE_IN_PROGRESS", ""), (Creating, None)),
        ("UPDATE_IN_PROGRESS", member(1, true, "DELETE_IN_PROGRESS", ""), (Deleting, None)),
        (
            "UPDATE_FAILED",
            member(1, true, "DELETE_FAILED", "boom"),
            (Deleting, Some(("DeleteFailed", Other))),
        ),
        (
            "UPDATE_FAILED",
            member(1, false, "CREATE_FAILED", QUOTA),
            (Creating, Some(("QuotaExceeded", OutOfResources))),
        ),
        // A failed member is tried again at each update and fails at that.
        (
            "UPDATE_FAILED",
            member(1, false, "UPDATE_FAILED", QUOTA),
            (Creating, Some(("QuotaExceeded", OutOfResources))),
        ),
        (
            "UPDATE_FAILED",
            member(1, false, "CREATE_FAILED", NO_HOST),
            (Creating, Some(("NoValidHost", OutOfResources))),
        ),
        (
            "UPDATE_FAILED",
            member(1, true, "CREATE_FAILED", DEPLOYMENT),
            (Creating, Some(("DeploymentFailed", Other))),
        ),
        (
            "UPDATE_FAILED",
            member(1, false, "UPDATE_FAILED", STACK_GONE),
            (Creating, Some(("StackMissing", Other))),
        ),
        (
            "UPDATE_FAILED",
            member(1, false, "CREATE_FAILED", "Timed out"),
            (Creating, Some(("CreateTimedOut", Other))),
        ),
        (
            "UPDATE_FAILED",
            member(
                1,
                false,
                "CREATE_FAILED",
                "ConnectFailure: resources[8]: Max retries exceeded with url: /v2.1",
            ),
            (Creating, Some(("CreateFailed", Other))),
        ),
        // A healthy node whose update was interrupted by the next: cluster-autoscaler must not delete it.
        (
            "UPDATE_FAILED",
            member(1, true, "UPDATE_FAILED", "resources[1]: Stack UPDATE cancelled"),
            (Running, None),
        ),
        ("UPDATE_IN_PROGRESS", member(1, false, "CREATE_FAILED", "Stack CREATE cancelled"), (Creating, None)),
        ("UPDATE_COMPLETE", member(1, true, "CHECK_COMPLETE", ""), (Running, None)),
        ("UPDATE_COMPLETE", member(1, true, "SOMETHING_NEW", ""), (Running, None)),
        (
            "UPDATE_COMPLETE",
            Member { presence: ServerPresence::Gone, ..member(1, true, "UPDATE_COMPLETE", "") },
            (Creating, Some(("ServerGone", Other))),
        ),
    ];
    for (group, member, expected) in cases {
        let description = format!("{member:?}");
        assert_eq!(shown(group, member), expected, "{description}");
    }
}

#[test]
fn what_waits_shows_at_once() {
    let reading = reading("UPDATE_COMPLETE", 3, healthy(3));
    let pending = queue(vec![Request::Delete(vec![InstanceId::Server(machine(1))]), Request::Increase(2)]);
    let view = GroupView::new(&reading, &pending, None, &Registrations::default(), Instant::now());
    assert_eq!(view.target_size, 4);
    let states: Vec<_> = view.instances.iter().map(|instance| (instance.id, instance.state)).collect();
    let requested =
        |ordinal| InstanceId::Placeholder(PlaceholderId::Requested { group: group_uuid(), ordinal });
    assert_eq!(
        states,
        [
            (InstanceId::Server(machine(0)), InstanceState::Running),
            (InstanceId::Server(machine(1)), InstanceState::Deleting),
            (InstanceId::Server(machine(2)), InstanceState::Running),
            (requested(1), InstanceState::Creating),
            (requested(2), InstanceState::Creating),
        ]
    );
}

/// From the decision to the end, the target is what was asked for, whatever Magnum and Heat show in between.
#[test]
fn the_target_holds_while_a_resize_is_under_way() {
    let before = Arc::new(reading("UPDATE_COMPLETE", 3, healthy(3)));
    let mut pending =
        queue(vec![Request::Delete(vec![InstanceId::Server(machine(1))]), Request::Increase(2)]);
    let resize = plan(&before, &pending, Instant::now()).resize.unwrap();
    let requests = std::mem::take(&mut pending.queued);
    let flight = InFlightResize { resize, before: Arc::clone(&before), requests, replaces: false, losses: 0 };
    pending.queued = queue(vec![Request::Delete(vec![InstanceId::Server(machine(2))])]).queued;

    let mut half = healthy(3);
    half[1] = member(1, true, "DELETE_IN_PROGRESS", "");
    let mut grown = half.clone();
    grown.push(member(3, false, "CREATE_IN_PROGRESS", ""));
    let mut done = vec![half[0].clone(), half[2].clone()];
    done.extend([member(3, true, "CREATE_COMPLETE", ""), member(4, true, "CREATE_COMPLETE", "")]);
    for (status, node_count, members) in [
        ("UPDATE_COMPLETE", 3, healthy(3)),
        ("UPDATE_IN_PROGRESS", 4, healthy(3)),
        ("UPDATE_IN_PROGRESS", 4, half),
        ("UPDATE_IN_PROGRESS", 4, grown),
        ("UPDATE_COMPLETE", 4, done),
    ] {
        let view = GroupView::new(
            &reading(status, node_count, members.clone()),
            &pending,
            Some(&flight),
            &Registrations::default(),
            Instant::now(),
        );
        assert_eq!(view.target_size, 3, "{members:?}");
        let alive =
            view.instances.iter().filter(|instance| instance.state != InstanceState::Deleting).count();
        assert_eq!(alive, 3, "{members:?}");
    }
}

#[test]
fn a_resize_by_somebody_else_is_adopted() {
    let view = GroupView::new(
        &reading("UPDATE_IN_PROGRESS", 3, healthy(1)),
        &PendingRequests::default(),
        None,
        &Registrations::default(),
        Instant::now(),
    );
    assert_eq!((view.target_size, view.instances.len()), (3, 3));
    // node_count is what was asked for, not what exists: at rest the members count.
    let view = GroupView::new(
        &reading("UPDATE_FAILED", 3, healthy(1)),
        &PendingRequests::default(),
        None,
        &Registrations::default(),
        Instant::now(),
    );
    assert_eq!((view.target_size, view.instances.len()), (1, 1));
}

#[test]
fn nodes_are_found_by_provider_id_and_by_name_only_where_nodes_have_no_provider_id() {
    let mut reading = reading("UPDATE_COMPLETE", 2, healthy(2));
    let by_id = |id: &str| NodeReference { provider_id: id.into(), name: "n".into() };
    let by_name = |name: &str| NodeReference { provider_id: String::new(), name: name.into() };
    let identify = |view: &GroupView, node: &NodeReference| {
        Snapshot::new(Instant::now(), vec![Arc::new(view.clone())]).identify(view, node)
    };
    let first = InstanceId::Server(machine(1));
    let name = "k8s-lab-pool-b-rlthnimsp5dl-node-1";

    let view = GroupView::new(
        &reading,
        &PendingRequests::default(),
        None,
        &Registrations::default(),
        Instant::now(),
    );
    assert_eq!(identify(&view, &by_id(&format!("openstack:///{}", machine(1)))), Ok(first));
    assert!(matches!(identify(&view, &by_name(name)), Err(RequestError::NotIdentifiedYet { .. })));
    assert!(matches!(identify(&view, &by_id(name)), Err(RequestError::MalformedNode { .. })));

    reading.group.labels.clear();
    let view = GroupView::new(
        &reading,
        &PendingRequests::default(),
        None,
        &Registrations::default(),
        Instant::now(),
    );
    assert_eq!(identify(&view, &by_name(name)), Ok(first));
    let with_domain = "k8s-lab-pool-b-rlthnimsp5dl-node-1.novalocal";
    assert_eq!(identify(&view, &by_name(with_domain)), Ok(first));
    for stranger in ["k8s-lab-pool-b-rlthnimsp5dl-node-7", "k8s-lab-rlthnimsp5dl-node-1", "node-1"] {
        assert!(
            matches!(identify(&view, &by_name(stranger)), Err(RequestError::NotAMember { .. })),
            "{stranger}"
        );
    }
    assert_eq!(identify(&view, &by_name("")), Err(RequestError::AnonymousNode));

    let snapshot = Snapshot::new(Instant::now(), vec![Arc::new(view)]);
    let group = |node: NodeReference| snapshot.find(&node).map(|(group, _)| group.id.clone());
    let ours = Some("pool-b-531cd801".to_owned());
    assert_eq!(group(by_id(&format!("openstack://RegionOne/{}", machine(1)))), ours);
    assert_eq!(group(by_name(name)), ours);
    assert_eq!(group(by_name(with_domain)), ours);
    assert_eq!(group(by_name("k8s-lab-rlthnimsp5dl-node-1.novalocal")), None);
    for foreign in ["openstack:///ffffffff-0000-4000-8000-000000000000", "aws:///eu/i-1", "kind://x"] {
        assert_eq!(group(by_id(foreign)), None, "{foreign}");
    }
    assert_eq!(group(by_name("k8s-lab-rlthnimsp5dl-master-0")), None);
    assert!(
        matches!(snapshot.group("pool-x"), Err(RequestError::UnknownGroup { known, .. }) if known == "pool-b-531cd801")
    );
    let unread = [("pool-x".to_owned(), "heat is down".to_owned())].into();
    let told = snapshot.with_unread(unread).group("pool-x").map(|group| group.id.clone());
    assert!(
        matches!(told, Err(RequestError::UnreadGroup { reason, .. }) if reason == "heat is down"),
        "it exists, and is not called unknown"
    );
}

#[test]
fn a_group_is_left_to_settle() {
    let timeouts = SettleTimeouts::default();
    let seconds = Duration::from_secs;
    let first = [MemberKey::Index(0)];
    let creating = |index| member(index, true, "CREATE_IN_PROGRESS", "");
    let cases = [
        ("at rest", "UPDATE_COMPLETE", healthy(2), 0, true),
        ("Magnum has not heard of Heat's end", "UPDATE_IN_PROGRESS", healthy(2), 60, false),
        ("another node boots", "UPDATE_IN_PROGRESS", vec![creating(0), creating(1)], 300, false),
        ("another node boots for ever", "UPDATE_IN_PROGRESS", vec![creating(0), creating(1)], 600, true),
        ("only the node to be removed hangs", "UPDATE_IN_PROGRESS", vec![creating(0)], 19, false),
        ("only the node to be removed hangs", "UPDATE_IN_PROGRESS", vec![creating(0)], 20, true),
        ("a sibling goes on after a failure", "UPDATE_FAILED", vec![creating(1)], 14, false),
        ("a sibling is forgotten after a failure", "UPDATE_FAILED", vec![creating(1)], 15, true),
        ("failed at rest", "UPDATE_FAILED", healthy(2), 0, true),
        ("Heat works without Magnum's knowledge", "UPDATE_COMPLETE", vec![creating(1)], 30, false),
    ];
    for (description, status, members, quiet, expected) in cases {
        let reading = reading(status, 2, members);
        assert_eq!(
            settled(&reading, &first, seconds(quiet), &timeouts),
            expected,
            "{description}, {quiet} s"
        );
    }
}

#[test]
fn a_server_that_nobody_tells_for_a_moment_has_not_left() {
    let before = reading("UPDATE_COMPLETE", 2, healthy(2));
    let mut after = before.clone();
    after.members[1].server = None;
    let mut pending = PendingRequests::default();
    pending.note_departures(&before, &after, Instant::now());
    assert!(!pending.has_departed(InstanceId::Server(machine(1))), "a removal of it is not done yet");
    after.members.pop();
    pending.note_departures(&before, &after, Instant::now());
    assert!(pending.has_departed(InstanceId::Server(machine(1))));
}

#[test]
fn a_broken_member_that_cannot_be_removed_yet_is_still_being_made() {
    let mut reading = reading("UPDATE_FAILED", 2, healthy(1));
    reading.members.push(member(1, false, "CREATE_FAILED", QUOTA));
    reading.group.bounds.min = 2;
    let now = Instant::now();
    let mut pending = PendingRequests::default();
    let error = |reading: &Reading, pending: &PendingRequests, now| {
        GroupView::new(reading, pending, None, &Registrations::default(), now).instances[1]
            .error
            .as_ref()
            .map(|error| error.code)
    };
    assert_eq!(error(&reading, &pending, now), Some("QuotaExceeded"), "it would be replaced");
    pending.note_replacement(now);
    assert_eq!(error(&reading, &pending, now), None);
    assert_eq!(error(&reading, &pending, now + Duration::from_secs(300)), Some("QuotaExceeded"));
    reading.group.bounds.min = 1;
    assert_eq!(error(&reading, &pending, now), Some("QuotaExceeded"), "it can simply go");
}
