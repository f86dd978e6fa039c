//! Removals by updates of the Heat stack, on a Magnum without resize and without node groups (API 1.6), whose `refs_map`
//! names the members' stacks.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::{
    openstack_fake::{Fake, answer, ok},
    scripted_cluster::{ScriptedCluster, answer_by},
};
use cluster_autoscaler_provider_magnum::{
    config::node_groups::GroupSelection,
    core::{
        cloud::{Cloud as _, CloudError},
        member::MemberKey,
        node_group::{Bounds, NodeGroupUuid},
        pending::{PendingRequests, Queued, Request, Ticket},
        plan::plan,
        request::RequestError,
        resize::{Removal, Resize},
    },
    openstack::{
        MagnumCluster,
        driver::{DriverOptions, ResizeMethod},
    },
};
use serde_json::{Value, json};
use tokio::time::advance;

const CLUSTER: &str = "2c4bc1a5-8a3f-4f4c-9d3f-9f9f5d9b1c11";
const STACK: &str = "4e0de985-0f28-44cf-8943-b993e3c44762";
const HEAT_PATCH: &str = "PATCH /heat/v1/p1/stacks/s/4e0de985-0f28-44cf-8943-b993e3c44762";
const MAGNUM_PATCH: &str = "PATCH /magnum/v1/clusters/2c4bc1a5-8a3f-4f4c-9d3f-9f9f5d9b1c11";

/// The cloud: three nodes at rest.
struct World {
    magnum: (&'static str, u32),
    magnum_at: &'static str,
    stack: &'static str,
    stack_at: &'static str,
    parameters: Value,
    members: BTreeSet<u32>,
    servers: BTreeSet<u32>,
}

fn server(index: u32) -> String {
    format!("00000000-0000-4000-8000-0000000000{index:02}")
}

/// The id of a member's own stack, which is a UUID as well.
fn member_stack(index: u32) -> String {
    format!("aaaaaaaa-0000-4000-8000-0000000000{index:02}")
}

impl World {
    fn new() -> Self {
        Self {
            magnum: ("CREATE_COMPLETE", 3),
            magnum_at: "2026-11-22T07:00:00+00:00",
            stack: "CREATE_COMPLETE",
            stack_at: "2026-11-22T07:00:00Z",
            parameters: json!({"number_of_minions": "3", "minions_to_remove": ""}),
            members: [0, 1, 2].into(),
            servers: [0, 1, 2].into(),
        }
    }

    fn cluster(&self) -> Value {
        json!({"uuid": CLUSTER, "name": "k8s", "status": self.magnum.0, "node_count": self.magnum.1, "stack_id": STACK,
               "updated_at": self.magnum_at, "status_reason": "quota", "labels": {}})
    }

    /// Heat has done what it was told: this member is gone.
    fn heat_is_done(&mut self, gone: u32) {
        self.members.remove(&gone);
        self.servers.remove(&gone);
        self.stack = "UPDATE_COMPLETE";
    }

    /// A removal of number 1 of which Magnum has not heard.
    fn unfinished() -> Self {
        let mut world = Self::new();
        world.parameters = json!({"number_of_minions": "2", "minions_to_remove": "1"});
        world.stack_at = "2026-11-22T08:00:00Z";
        world.heat_is_done(1);
        world
    }
}

type Scene = ScriptedCluster<World>;

impl Scene {
    fn new(world: World) -> Self {
        Self::with(world, ResizeMethod::Auto, "1.6", "1:5:default-worker")
    }

    fn with(world: World, resize_method: ResizeMethod, version: &'static str, nodes: &str) -> Self {
        let fake = Fake::new();
        fake.magnum_version(version);
        let world = Arc::new(Mutex::new(world));
        let on = |what: &str, respond: fn(&World) -> Value| answer_by(&fake, &world, what, respond);
        for name in ["k8s", CLUSTER] {
            on(&format!("GET /magnum/v1/clusters/{name}"), World::cluster);
        }
        fake.on(&format!("GET /heat/v1/p1/stacks/{STACK}"), move |_| {
            answer(302, json!({})).header("location", &format!("http://internal/v1/p1/stacks/s/{STACK}"))
        });
        on(&format!("GET /heat/v1/p1/stacks/s/{STACK}"), |world| {
            json!({"stack": {"stack_name": "s", "id": STACK, "stack_status": world.stack, "stack_status_reason": "",
                             "updated_time": world.stack_at, "parameters": world.parameters}})
        });
        on(&format!("GET /heat/v1/p1/stacks/s/{STACK}/resources/kube_minions"), |_| {
            json!({"resource": {"resource_name": "kube_minions", "physical_resource_id": "m1",
                                "links": [{"rel": "nested", "href": "http://internal/v1/p1/stacks/s-m/m1"}]}})
        });
        let of_world = Arc::clone(&world);
        fake.on("GET /heat/v1/p1/stacks/s-m/m1/resources", move |asked| {
            let members = of_world.lock().unwrap().members.clone();
            let nested = asked.query.contains("nested_depth=1&type=OS%3A%3ANova%3A%3AServer");
            let resources: Vec<Value> = members
                .iter()
                .map(|index| match nested {
                    true => json!({"resource_name": "kube-minion", "parent_resource": index.to_string(),
                                   "physical_resource_id": server(*index)}),
                    false => json!({"resource_name": index.to_string(), "physical_resource_id": member_stack(*index),
                                    "resource_status": "CREATE_COMPLETE", "updated_time": "1",
                                    "links": [{"rel": "nested", "href": format!("http://internal/v1/p1/stacks/n/{}", member_stack(*index))}]}),
                })
                .collect();
            ok(json!({"resources": resources}))
        });
        on("GET /heat/v1/p1/stacks/s-m/m1/outputs/refs_map", |world| {
            let refs: serde_json::Map<String, Value> =
                world.members.iter().map(|index| (index.to_string(), json!(member_stack(*index)))).collect();
            json!({"output": {"output_key": "refs_map", "output_value": refs}})
        });
        fake.on(&format!("GET /heat/v1/p1/stacks/n/{}/resources", member_stack(0)), |_| {
            ok(json!({"resources": [{"resource_name": "kube-minion"}, {"resource_name": "minion_wait_condition"}]}))
        });
        on("GET /nova/v2.1/servers", |world| {
            let servers = world
                .servers
                .iter()
                .map(|index| json!({"id": server(*index), "name": format!("s-minion-{index}")}));
            json!({"servers": servers.collect::<Vec<_>>()})
        });
        fake.on(HEAT_PATCH, |_| answer(202, json!({})));
        fake.on(MAGNUM_PATCH, |_| answer(202, json!({"uuid": CLUSTER})));
        let selection = GroupSelection::new(vec![nodes.parse().unwrap()], vec![]).unwrap();
        let options = DriverOptions { resize_method, ..DriverOptions::default() };
        let cluster =
            MagnumCluster::new(fake.session(), "k8s".to_owned(), selection).with_driver_options(options);
        Self { fake, world, cluster, group: group() }
    }

    /// The requests that change something, since this was last asked, each with its body.
    fn writes(&self) -> Vec<(String, Value)> {
        let asked = self.fake.asked().into_iter();
        asked
            .filter(|asked| !asked.what.starts_with("GET ") && !asked.what.contains("/identity/"))
            .map(|asked| (asked.what, asked.body))
            .collect()
    }
}

fn group() -> NodeGroupUuid {
    CLUSTER.parse().unwrap()
}

fn removal_of(index: u32, count: u32) -> Resize {
    let server = Some(server(index).parse().unwrap());
    Resize { count, remove: vec![Removal { key: MemberKey::Index(index), server }], additions: 0 }
}

fn magnum_patch(count: u32) -> (String, Value) {
    (MAGNUM_PATCH.to_owned(), json!([{"op": "replace", "path": "/node_count", "value": count}]))
}

#[tokio::test(start_paused = true)]
async fn a_cluster_without_node_groups_is_one_group() {
    let scene = Scene::new(World::new());
    let first = scene.observe(None).await;
    let reading = first.groups[0].reading.as_ref().unwrap();
    assert_eq!(reading.group.id(), "default-worker-2c4bc1a5");
    assert_eq!(reading.group.bounds, Bounds { min: 1, max: 5 });
    let servers: Vec<_> = reading.members.iter().map(|member| member.server.unwrap().to_string()).collect();
    assert_eq!(servers, [server(0), server(1), server(2)]);
    assert_eq!(reading.members[1].name, "s-minion-1");
    let second = scene.observe(Some(&first)).await;
    let summary = &second.groups[0].reading.as_ref().unwrap().capabilities.summary;
    assert_eq!(
        summary,
        "Magnum API 1.6, driver heat, nodes are removed by updates of the Heat stack, refs_map names stacks, nodes report by \
         wait conditions"
    );
    scene.fake.asked();
    scene.observe(Some(&second)).await;
    let heat = scene.fake.asked().iter().filter(|asked| asked.what.contains("/heat/")).count();
    assert_eq!(heat, 2, "the members and the stack");
}

#[tokio::test(start_paused = true)]
async fn heat_is_told_first_and_magnum_when_the_named_node_is_gone() {
    let scene = Scene::new(World::new());
    let first = scene.observe(None).await;
    scene.fake.asked();
    scene.cluster.resize(group(), &removal_of(1, 2)).await.unwrap();
    let parameters = json!({"number_of_minions": 2, "minions_to_remove": "1"});
    assert_eq!(
        scene.writes(),
        [(HEAT_PATCH.to_owned(), json!({"existing": true, "parameters": parameters}))]
    );

    scene.change(|world| {
        world.parameters = json!({"number_of_minions": "2", "minions_to_remove": "1"});
        world.stack = "UPDATE_IN_PROGRESS";
        world.stack_at = "2026-11-22T08:00:00Z";
        world.members.remove(&1);
    });
    let during = scene.read().await;
    assert!(during.group.status.in_progress());
    assert_eq!((during.group.node_count, during.size()), (2, 2));
    // The server still runs.
    scene.change(|world| world.stack = "UPDATE_COMPLETE");
    scene.read().await;
    assert_eq!(scene.writes(), []);

    scene.change(|world| world.heat_is_done(1));
    let between = scene.read().await;
    assert!(between.group.status.in_progress(), "the second step is to be done");
    assert_eq!(scene.writes(), [magnum_patch(2)]);
    scene.observe(Some(&first)).await;
    assert_eq!(scene.writes(), [], "Magnum is given time");
    scene.change(|world| world.magnum = ("UPDATE_IN_PROGRESS", 2));
    assert!(scene.read().await.group.status.in_progress());
    scene.change(|world| world.magnum = ("UPDATE_COMPLETE", 2));
    let after = scene.read().await;
    assert_eq!((after.group.status.to_string().as_str(), after.group.node_count), ("UPDATE_COMPLETE", 2));
    advance(Duration::from_secs(300)).await;
    scene.read().await;
    assert_eq!(scene.writes(), []);
}

#[tokio::test(start_paused = true)]
async fn nodes_are_added_by_magnum_with_a_number() {
    let scene = Scene::new(World::new());
    scene.observe(None).await;
    scene.fake.asked();
    scene.cluster.resize(group(), &Resize { count: 5, remove: vec![], additions: 2 }).await.unwrap();
    assert_eq!(scene.writes(), [magnum_patch(5)]);
}

#[tokio::test(start_paused = true)]
async fn a_restart_between_the_two_steps_finishes_the_second() {
    let scene = Scene::new(World::unfinished());
    let first = scene.observe(None).await;
    let reading = first.groups[0].reading.as_ref().unwrap();
    assert!(reading.group.status.in_progress(), "nothing is sent before");
    assert_eq!(reading.group.node_count, 2);
    assert_eq!(scene.writes(), [], "it may be an old answer");
    advance(Duration::from_secs(15)).await;
    scene.observe(Some(&first)).await;
    assert_eq!(scene.writes(), [magnum_patch(2)]);
    advance(Duration::from_secs(299)).await;
    scene.observe(Some(&first)).await;
    assert_eq!(scene.writes(), [], "it may be on its way");
    advance(Duration::from_secs(1)).await;
    scene.observe(Some(&first)).await;
    assert_eq!(scene.writes(), [magnum_patch(2)], "told again as long as it is not heard");
}

#[tokio::test(start_paused = true)]
async fn what_may_be_an_operators_resize_is_never_finished() {
    type Change = fn(&mut World);
    let cases: [(&str, Change); 5] = [
        ("Heat was told a number only", |world| world.parameters["minions_to_remove"] = json!("")),
        ("Magnum was told later", |world| world.magnum_at = "2026-11-22T09:00:00+00:00"),
        ("Magnum is at work", |world| world.magnum = ("UPDATE_IN_PROGRESS", 4)),
        ("Heat's answers are old", |world| {
            world.servers.insert(3);
        }),
        ("Magnum counts more than were named", |world| world.magnum = ("UPDATE_COMPLETE", 4)),
    ];
    for (what, change) in cases {
        let scene = Scene::new(World::unfinished());
        scene.change(change);
        let mut last = scene.observe(None).await;
        for _ in 0..20 {
            advance(Duration::from_secs(10)).await;
            last = scene.observe(Some(&last)).await;
        }
        assert_eq!(scene.writes(), [], "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stack_of_another_template_is_never_updated() {
    let scene = Scene::new(World::new());
    scene.observe(None).await;
    scene.change(|world| world.parameters = json!({"number_of_nodes_of_mine": "3"}));
    scene.fake.asked();
    let error = scene.cluster.resize(group(), &removal_of(1, 2)).await.unwrap_err();
    assert!(matches!(&error, CloudError::Unsuitable(text) if text.contains("number_of_minions")), "{error}");
    assert!(error.certainly_without_effect());
    assert_eq!(scene.writes(), []);
}

#[tokio::test(start_paused = true)]
async fn where_magnum_drops_a_higher_count_it_is_refused() {
    let scene = Scene::new(World::new());
    scene.change(|world| world.magnum = ("UPDATE_FAILED", 3));
    let first = scene.observe(None).await;
    let reading = first.groups[0].reading.as_ref().unwrap();
    let answer_to = |request| {
        let mut pending = PendingRequests::default();
        pending.queued = vec![Queued { caller: Some(Ticket(1)), request, attempts: 0 }];
        plan(reading, &pending, std::time::Instant::now()).answers.remove(0)
    };
    let refused = answer_to(Request::Increase(1)).unwrap_err();
    assert!(
        matches!(&refused, RequestError::Impossible { reason, .. } if reason.contains("UPDATE_FAILED: quota")),
        "{refused}"
    );
    assert_eq!(answer_to(Request::Delete(vec![])), Ok(()), "Heat removes nodes in any status");
}

#[tokio::test(start_paused = true)]
async fn the_method_is_chosen_by_the_version_or_by_the_operator() {
    for (method, version, expected) in [
        (
            ResizeMethod::Auto,
            "1.7",
            "POST /magnum/v1/clusters/2c4bc1a5-8a3f-4f4c-9d3f-9f9f5d9b1c11/actions/resize",
        ),
        (ResizeMethod::Heat, "1.7", HEAT_PATCH),
        (ResizeMethod::Auto, "1.6", HEAT_PATCH),
    ] {
        let scene = Scene::with(World::new(), method, version, "1:5:default-worker");
        scene.fake.on(expected, |_| answer(202, Value::Null));
        scene.observe(None).await;
        scene.fake.asked();
        scene.cluster.resize(group(), &removal_of(1, 2)).await.unwrap();
        let writes = scene.writes();
        assert_eq!(writes.iter().map(|(what, _)| what.as_str()).collect::<Vec<_>>(), [expected]);
        if expected.starts_with("POST") {
            let body = json!({"node_count": 2, "nodes_to_remove": ["1"]});
            assert_eq!(writes[0].1, body, "Magnum 8 knows no nodegroup");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_of_an_old_magnum_is_never_empty_and_gets_its_maximum_by_an_option() {
    let scene = Scene::with(World::new(), ResizeMethod::Auto, "1.6", "0:5:default-worker");
    let first = scene.observe(None).await;
    assert_eq!(first.groups[0].reading.as_ref().unwrap().group.bounds, Bounds { min: 1, max: 5 });
    let cluster = MagnumCluster::new(scene.fake.session(), "k8s".to_owned(), GroupSelection::All);
    let unscaled = cluster.observe(None).await.unwrap().unscaled;
    assert!(unscaled[0].remedy.contains("--nodes MIN:MAX:default-worker"), "{}", unscaled[0].remedy);
}

#[tokio::test(start_paused = true)]
async fn a_stack_that_was_told_another_count_meanwhile_is_not_updated() {
    let scene = Scene::new(World::new());
    scene.observe(None).await;
    scene.change(|world| world.parameters["number_of_minions"] = json!("5"));
    scene.fake.asked();
    let error = scene.cluster.resize(group(), &removal_of(1, 2)).await.unwrap_err();
    assert!(matches!(&error, CloudError::Inconsistent(_)) && error.certainly_without_effect(), "{error}");
    assert_eq!(scene.writes(), []);
}

/// Nodes that were to be added never came, or those that were to go are there still: Heat could not reach Nova for a moment.
#[tokio::test(start_paused = true)]
async fn a_stack_whose_update_failed_before_it_came_to_the_nodes_is_updated() {
    for told in ["5", "1"] {
        let scene = Scene::new(World::new());
        scene.observe(None).await;
        scene.change(|world| {
            world.parameters["number_of_minions"] = json!(told);
            world.stack = "UPDATE_FAILED";
        });
        scene.fake.asked();
        scene.cluster.resize(group(), &removal_of(1, 2)).await.unwrap();
        assert!(matches!(&scene.writes()[..], [(what, _)] if what == HEAT_PATCH), "{:?}", scene.writes());
    }
}

#[tokio::test(start_paused = true)]
async fn a_magnum_without_resize_says_so_where_the_operator_wants_it() {
    let scene = Scene::with(World::new(), ResizeMethod::Magnum, "1.6", "1:5:default-worker");
    scene.observe(None).await;
    let error = scene.cluster.resize(group(), &removal_of(1, 2)).await.unwrap_err();
    assert!(error.to_string().contains("--resize-method auto"), "{error}");
}
