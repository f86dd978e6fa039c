//! The drivers of Cluster API, of which Magnum and Nova are all that is to be seen.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Instant,
};

use crate::{
    openstack_fake::{Fake, answer, ok},
    scripted_cluster::{ScriptedCluster, answer_by},
};
use cluster_autoscaler_provider_magnum::{
    config::node_groups::GroupSelection,
    core::{
        capabilities::NamedRemoval,
        cloud::{Cloud as _, CloudError, Reading},
        instance::{InstanceId, PlaceholderId},
        member::MemberKey,
        node_group::NodeGroupUuid,
        pending::{Ask, PendingRequests, Queued, Request, Ticket},
        plan::{accept, plan},
        registration::Registrations,
        request::{NodeReference, RequestError},
        resize::{InFlightResize, Resize},
        snapshot::{GroupView, Snapshot},
        verify::{Effect, Verdict},
    },
    openstack::{MagnumCluster, driver::DriverOptions},
};
use serde_json::{Value, json};

const GROUP: &str = "531cd801-d372-468e-b865-e775c513c86f";
const OTHER: &str = "6a2c0b1e-52c5-4f6e-9f7e-0d8a1a6f3b11";
const RESIZE: &str = "POST /magnum/v1/clusters/c1/actions/resize";

fn server(number: u32) -> String {
    format!("00000000-0000-4000-8000-0000000000{number:02}")
}

fn name(cluster: &str, number: u32) -> String {
    format!("{cluster}-pool-8xz4c-l2kq7-000{number:02}")
}

/// The cloud: a group with three nodes at rest, and another without any.
struct World {
    cluster: Value,
    group: (&'static str, u32),
    /// Name and what differs from a server at work.
    servers: BTreeMap<u32, Value>,
}

type Scene = ScriptedCluster<World>;

impl Scene {
    fn new(stack_id: &'static str, options: DriverOptions) -> Self {
        let fake = Fake::new();
        let world = Arc::new(Mutex::new(World {
            cluster: json!({"uuid": "c1", "name": "k8s", "status": "UPDATE_COMPLETE", "labels": {}}),
            group: ("UPDATE_COMPLETE", 3),
            servers: (1..=3).map(|number| (number, json!({}))).collect(),
        }));
        let on = |what: &str, respond: Box<dyn Fn(&World) -> Value + Send + Sync>| {
            answer_by(&fake, &world, what, respond);
        };
        let record = |world: &World| {
            json!({"uuid": GROUP, "name": "pool", "role": "worker", "status": world.group.0, "node_count": world.group.1,
                   "stack_id": null, "min_node_count": 0, "max_node_count": 9, "flavor_id": "m1.node"})
        };
        let other = json!({"uuid": OTHER, "name": "default-worker", "role": "worker", "status": "UPDATE_COMPLETE",
                           "node_count": 0, "stack_id": stack_id, "max_node_count": null});
        for cluster in ["k8s", "c1"] {
            on(&format!("GET /magnum/v1/clusters/{cluster}"), Box::new(|world| world.cluster.clone()));
            let other = other.clone();
            on(
                &format!("GET /magnum/v1/clusters/{cluster}/nodegroups"),
                Box::new(move |world| json!({"nodegroups": [other, record(world)]})),
            );
        }
        on(&format!("GET /magnum/v1/clusters/c1/nodegroups/{GROUP}"), Box::new(record));
        on(&format!("GET /magnum/v1/clusters/c1/nodegroups/{OTHER}"), Box::new(move |_| other.clone()));
        on(
            "GET /nova/v2.1/servers/detail",
            Box::new(move |world| {
                let mut servers = vec![
                    json!({"id": server(90), "name": format!("{stack_id}-8xz4c-l2kq7"), "status": "ACTIVE"}),
                ];
                for (number, differs) in &world.servers {
                    let mut shown =
                        json!({"id": server(*number), "name": name(stack_id, *number), "status": "ACTIVE"});
                    shown.as_object_mut().unwrap().extend(differs.as_object().unwrap().clone());
                    servers.push(shown);
                }
                json!({"servers": servers})
            }),
        );
        fake.on(RESIZE, |_| answer(202, json!({"uuid": "c1"})));
        let cluster = MagnumCluster::new(fake.session(), "k8s".to_owned(), GroupSelection::All)
            .with_driver_options(options);
        Self { fake, world, cluster, group: group() }
    }

    fn cluster_api() -> Self {
        Self::new("kube-x7k2p", DriverOptions::default())
    }

    fn resizes(&self) -> Vec<Value> {
        self.fake.asked().into_iter().filter(|asked| asked.what == RESIZE).map(|asked| asked.body).collect()
    }
}

fn group() -> NodeGroupUuid {
    GROUP.parse().unwrap()
}

fn keys(reading: &Reading) -> Vec<String> {
    reading.members.iter().map(|member| member.key.to_string()).collect()
}

fn pending(request: Request) -> PendingRequests {
    let mut pending = PendingRequests::default();
    pending.queued = vec![Queued { caller: Some(Ticket(1)), request, attempts: 0 }];
    pending
}

fn planned(reading: &Reading, request: Request) -> Result<Resize, RequestError> {
    let plan = plan(reading, &pending(request), Instant::now());
    plan.answers[0].clone().map(|()| plan.resize.unwrap())
}

fn delete(number: u32) -> Request {
    Request::Delete(vec![InstanceId::Server(server(number).parse().unwrap())])
}

fn view(reading: &Reading) -> GroupView {
    GroupView::new(reading, &PendingRequests::default(), None, &Registrations::default(), Instant::now())
}

#[tokio::test(start_paused = true)]
async fn members_are_novas_servers_and_the_named_one_goes_by_its_uuid() {
    let scene = Scene::cluster_api();
    let first = scene.observe(None).await;
    let reading = first.groups[0].reading.as_ref().unwrap();
    assert_eq!(keys(reading), [server(1), server(2), server(3)]);
    assert_eq!(reading.members[0].name, name("kube-x7k2p", 1));
    assert!(reading.group.has_cloud_provider());
    assert!(reading.capabilities.summary.contains("magnum-cluster-api"));
    let asked = scene.fake.counts();
    assert_eq!(asked["GET /nova/v2.1/servers/detail"], 1);
    assert!(!asked.keys().any(|what| what.contains("/heat/")));

    let resize = planned(reading, delete(2)).unwrap();
    scene.cluster.resize(group(), &resize).await.unwrap();
    let body = json!({"node_count": 2, "nodegroup": GROUP, "nodes_to_remove": [server(2)]});
    assert_eq!(scene.resizes(), [body]);

    let flight =
        InFlightResize { resize, before: Arc::clone(reading), requests: vec![], replaces: false, losses: 0 };
    scene.change(|world| {
        world.group = ("UPDATE_IN_PROGRESS", 2);
        world.servers.insert(2, json!({"OS-EXT-STS:task_state": "deleting"}));
    });
    let during = scene.read().await;
    assert_eq!(during.size(), 2);
    scene.change(|world| {
        world.group = ("UPDATE_COMPLETE", 2);
        world.servers.remove(&2);
    });
    scene.fake.on(&format!("GET /nova/v2.1/servers/{}", server(2)), |_| {
        answer(404, json!({"itemNotFound": {"message": "gone", "code": 404}}))
    });
    let effect = Effect::of(&flight, &scene.read().await);
    assert_eq!((effect.verdict(), effect.complete()), (Verdict::Done, true));
    let wrong = scene.read().await;
    assert_eq!(
        Effect::of(&InFlightResize { resize: Resize { remove: vec![], ..flight.resize }, ..flight }, &wrong)
            .verdict(),
        Verdict::WrongRemoval
    );
}

#[tokio::test(start_paused = true)]
async fn a_machine_without_a_server_is_waited_for() {
    let scene = Scene::cluster_api();
    scene.change(|world| world.group = ("UPDATE_IN_PROGRESS", 5));
    let first = scene.observe(None).await;
    let reading = first.groups[0].reading.as_ref().unwrap();
    assert_eq!(keys(reading)[3..], ["pending-1", "pending-2"]);
    assert_eq!(reading.size(), 5);
    assert!(reading.serverless().is_empty(), "nothing can be cancelled without taking another");
    let shown = view(reading);
    assert_eq!(shown.target_size, 5);
    let cancelled = accept(reading, &PendingRequests::default(), None, &Ask::Decrease(1), Instant::now());
    assert!(matches!(cancelled, Err(RequestError::NothingToCancel { .. })), "{cancelled:?}");
    assert_eq!(shown.instances[3].provider_id, format!("fake:///{GROUP}/pending-1"));

    let placeholder = PlaceholderId::Member { group: group(), key: MemberKey::Pending(1) };
    let refused = planned(reading, Request::Delete(vec![InstanceId::Placeholder(placeholder)]));
    assert!(matches!(refused, Err(RequestError::BeingRequested { .. })), "{refused:?}");
    // As long as one has no server, the driver would fail to find the named one.
    scene.fake.asked();
    let resize = planned(reading, delete(1)).unwrap();
    let error = scene.cluster.resize(group(), &resize).await.unwrap_err();
    assert!(error.certainly_without_effect() && error.to_string().contains("2 nodes"), "{error}");
    assert!(scene.resizes().is_empty());

    scene.change(|world| {
        world.servers.extend([(4, json!({})), (5, json!({"status": "BUILD"}))]);
    });
    let flight = InFlightResize {
        resize: Resize { count: 5, remove: vec![], additions: 0 },
        before: Arc::clone(reading),
        requests: vec![],
        replaces: false,
        losses: 0,
    };
    let later = scene.read().await;
    assert_eq!(Effect::of(&flight, &later).missing_unnamed, []);
    scene.cluster.resize(group(), &resize).await.unwrap();
    assert_eq!(scene.resizes().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn more_servers_than_magnum_counts_forbid_a_resize() {
    let scene = Scene::cluster_api();
    scene.change(|world| world.group = ("UPDATE_COMPLETE", 2));
    let first = scene.observe(None).await;
    let refused = planned(first.groups[0].reading.as_ref().unwrap(), Request::Increase(1)).unwrap_err();
    assert!(
        refused.to_string().contains("Nova counts 3 members, Magnum's node_count is 2: no two of them agree"),
        "{refused}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_missing_in_a_list_is_asked_for() {
    let scene = Scene::cluster_api();
    let first = scene.observe(None).await;
    scene.change(|world| {
        world.servers.remove(&1);
    });
    for (status, body, present) in [
        (200, json!({"server": {"status": "ACTIVE"}}), true),
        (503, json!({}), true),
        (404, json!({"itemNotFound": {"message": "gone", "code": 404}}), false),
    ] {
        scene
            .fake
            .on(&format!("GET /nova/v2.1/servers/{}", server(1)), move |_| answer(status, body.clone()));
        let second = scene.observe(Some(&first)).await;
        let reading = second.groups[0].reading.as_ref().unwrap();
        assert_eq!(keys(reading).contains(&server(1)), present, "{status}");
        assert_eq!(reading.size(), 3, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_in_error_tells_its_reason_unless_it_was_a_node() {
    let scene = Scene::cluster_api();
    scene.change(|world| {
        world.servers.insert(3, json!({"status": "ERROR"}));
    });
    let fault = json!({"server": {"status": "ERROR", "fault": {"message": "No valid host was found."}}});
    scene.fake.on(&format!("GET /nova/v2.1/servers/{}", server(3)), move |_| ok(fault.clone()));
    let first = scene.observe(None).await;
    let error = view(first.groups[0].reading.as_ref().unwrap()).instances[2].error.clone().unwrap();
    assert_eq!(error.code, "NoValidHost");
    scene.change(|world| {
        world.servers.insert(1, json!({"status": "ERROR"}));
    });
    let second = scene.observe(Some(&first)).await;
    assert_eq!(view(second.groups[0].reading.as_ref().unwrap()).instances[0].error, None);
}

#[tokio::test(start_paused = true)]
async fn capi_helm_refuses_to_name_nodes_and_grows() {
    let scene = Scene::new("k8s-ab12cd34ef56", DriverOptions::default());
    let first = scene.observe(None).await;
    let reading = first.groups[0].reading.as_ref().unwrap();
    assert_eq!(reading.size(), 3);
    let refused = planned(reading, delete(1)).unwrap_err();
    let words = refused.to_string();
    for part in
        ["magnum-capi-helm", "no node is removed by name", "magnum-cluster-api", "--allow-untargeted-removal"]
    {
        assert!(words.contains(part), "{words}");
    }
    let resize = planned(reading, Request::Increase(1)).unwrap();
    scene.cluster.resize(group(), &resize).await.unwrap();
    assert_eq!(scene.resizes(), [json!({"node_count": 4, "nodegroup": GROUP})]);
}

#[tokio::test(start_paused = true)]
async fn capi_helm_removes_by_number_where_the_operator_accepts_it() {
    let options = DriverOptions { allow_untargeted_removal: true, ..DriverOptions::default() };
    let scene = Scene::new("k8s-ab12cd34ef56", options);
    let first = scene.observe(None).await;
    let before = first.groups[0].reading.as_ref().unwrap();
    assert_eq!(before.capabilities.removal, NamedRemoval::Untargeted);
    let resize = planned(before, delete(3)).unwrap();
    scene.cluster.resize(group(), &resize).await.unwrap();
    assert_eq!(scene.resizes(), [json!({"node_count": 2, "nodegroup": GROUP})]);
    let flight =
        InFlightResize { resize, before: Arc::clone(before), requests: vec![], replaces: false, losses: 0 };
    for number in [1, 2] {
        scene.fake.on(&format!("GET /nova/v2.1/servers/{}", server(number)), |_| {
            answer(404, json!({"itemNotFound": {"message": "gone", "code": 404}}))
        });
    }
    scene.change(|world| {
        world.group = ("UPDATE_COMPLETE", 2);
        world.servers.remove(&1);
    });
    let effect = Effect::of(&flight, &scene.read().await);
    assert_eq!(
        (effect.verdict(), effect.removals_left(&flight).len()),
        (Verdict::Done, 0),
        "another one went"
    );
    // More than were asked for are not accepted.
    scene.change(|world| {
        world.servers.remove(&2);
    });
    assert_eq!(Effect::of(&flight, &scene.read().await).verdict(), Verdict::WrongRemoval);
}

#[tokio::test(start_paused = true)]
async fn two_groups_of_one_helm_release_are_not_changed_at_once() {
    let scene = Scene::new("k8s-ab12cd34ef56", DriverOptions::default());
    scene.change(|world| world.cluster["status"] = json!("UPDATE_IN_PROGRESS"));
    let first = scene.observe(None).await;
    assert!(first.groups[0].reading.as_ref().unwrap().group.status.in_progress());
    let grow = Resize { count: 4, remove: vec![], additions: 1 };
    let begun = tokio::time::Instant::now();
    scene.cluster.resize(group(), &grow).await.unwrap();
    scene.cluster.resize(group(), &grow).await.unwrap();
    assert!(begun.elapsed().is_zero());
    scene.cluster.resize(OTHER.parse().unwrap(), &grow).await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_cluster_with_an_autoscaler_of_its_own_is_not_resized_unless_told_so() {
    for (ignore_auto_scaling, label, refused) in [
        (false, json!("true"), true),
        (false, json!("Yes"), true),
        (false, json!("false"), false),
        (true, json!("true"), false),
    ] {
        let scene =
            Scene::new("kube-x7k2p", DriverOptions { ignore_auto_scaling, ..DriverOptions::default() });
        scene.change(|world| world.cluster["labels"] = json!({"auto_scaling_enabled": label}));
        let first = scene.observe(None).await;
        for request in [Request::Increase(1), delete(1)] {
            let told = planned(first.groups[0].reading.as_ref().unwrap(), request);
            let says_why = |error: &RequestError| error.to_string().contains("auto_scaling_enabled=true");
            assert_eq!(
                told.as_ref().is_err_and(says_why),
                refused,
                "{label} {ignore_auto_scaling}: {told:?}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nodes_are_known_by_provider_id_alone() {
    let scene = Scene::cluster_api();
    let first = scene.observe(None).await;
    let view = view(first.groups[0].reading.as_ref().unwrap());
    let by_name = NodeReference { provider_id: String::new(), name: name("kube-x7k2p", 1) };
    let snapshot = Snapshot::new(Instant::now(), vec![Arc::new(view.clone())]);
    assert!(matches!(snapshot.identify(&view, &by_name), Err(RequestError::NotIdentifiedYet { .. })));
    scene.change(|world| {
        world.servers.clear();
    });
    scene.fake.on("GET /nova/v2.1/servers/detail", |_| answer(503, json!({})));
    let second = scene.observe(Some(&first)).await;
    assert!(matches!(second.groups[0].reading, Err(CloudError::Unavailable { .. })), "Nova is all there is");
}
