//! Releases of Magnum and Heat, each by what a client sees of it.

use cluster_autoscaler_provider_magnum::simulator::{NodeRule, Profile, ResizeMethod, SimulatorOptions};
use http::StatusCode;
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

use super::client::{Answer, BASE, Client, lab, sleep};

const WORKERS: &str = "default-worker";
/// All whose nodes are made by Heat.
const HEAT: [Profile; 7] = [
    Profile::Queens,
    Profile::Stein,
    Profile::Train,
    Profile::Victoria,
    Profile::Zed,
    Profile::Caracal,
    Profile::Epoxy,
];

/// A cloud as its clients see it.
pub(super) struct Cloud {
    pub(super) client: Client,
    pub(super) profile: Profile,
    newest: String,
}

impl Cloud {
    /// The lab's cluster with this many nodes in default-worker.
    pub(super) async fn new(profile: Profile, workers: u32) -> Self {
        Self::with(profile, |options| options.groups[0].node_count = workers).await
    }

    pub(super) async fn with(profile: Profile, change: impl FnOnce(&mut SimulatorOptions)) -> Self {
        let mut options = SimulatorOptions { profile, ..lab() };
        change(&mut options);
        let client = Client::new(options).await;
        let root = client.send("GET", "/container-infra/", &[], None).await.json();
        let newest = root["versions"][0]["max_version"].as_str().unwrap().to_owned();
        Self { client, profile, newest }
    }

    /// A request with the newest version that Magnum has.
    pub(super) async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.call_at(&self.newest, method, path, body).await
    }

    async fn call_at(&self, version: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let version = format!("container-infra {version}");
        let headers = [("x-auth-token", self.client.token.as_str()), ("openstack-api-version", &version)];
        self.client.send(method, path, &headers, body.map(Value::to_string).as_deref()).await
    }

    pub(super) async fn get(&self, path: &str) -> Value {
        let answer = self.call("GET", path, None).await;
        assert_eq!(answer.status, StatusCode::OK, "{:?} {path}: {}", self.profile, answer.text);
        answer.json()
    }

    pub(super) async fn cluster(&self) -> Value {
        self.get(&self.client.cluster_path()).await
    }

    pub(super) async fn resize(&self, body: &Value) -> Answer {
        self.call("POST", &format!("{}/actions/resize", self.client.cluster_path()), Some(body)).await
    }

    async fn accepted_resize(&self, group: &str, count: u32) {
        let answer = self.resize(&json!({"node_count": count, "nodegroup": group})).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{:?}: {}", self.profile, answer.text);
    }

    pub(super) async fn patch_cluster(&self, path: &str, value: Value) -> Answer {
        let operations = json!([{"op": "replace", "path": path, "value": value}]);
        self.call("PATCH", &self.client.cluster_path(), Some(&operations)).await
    }

    /// Sets the count of the default workers by a PATCH of the cluster, and waits for its end.
    pub(super) async fn set_count(&self, count: u32) {
        let answer = self.patch_cluster("/node_count", json!(count)).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{:?}: {}", self.profile, answer.text);
        assert_eq!(answer.json(), json!({"uuid": self.client.simulator.cluster_uuid()}));
        self.until_settled().await;
    }

    /// Waits for the cluster's end of what was asked for just now.
    pub(super) async fn until_settled(&self) {
        sleep(1.5).await;
        let give_up = Instant::now() + Duration::from_secs(120);
        while self.client.simulator.cluster_status().ends_with("_IN_PROGRESS") {
            assert!(Instant::now() < give_up, "{:?}: {:#?}", self.profile, self.client.group(WORKERS));
            sleep(0.1).await;
        }
        sleep(2.0).await;
    }

    fn project(&self) -> &'static str {
        self.client.simulator.credentials().project_id
    }

    /// Where the cluster's own stack is.
    async fn stack(&self) -> String {
        let id = self.cluster().await["stack_id"].as_str().unwrap().to_owned();
        let path = format!("/orchestration/v1/{}/stacks/{id}", self.project());
        let found = self.call("GET", &path, None).await;
        assert_eq!(found.status, StatusCode::FOUND);
        path_of(found.headers["location"].to_str().unwrap())
    }

    async fn resources(&self, stack: &str) -> Vec<Value> {
        self.get(&format!("{stack}/resources")).await["resources"].as_array().unwrap().clone()
    }

    /// The stack behind a resource.
    fn nested(resource: &Value) -> String {
        let links = resource["links"].as_array().unwrap();
        let link = links.iter().find(|link| link["rel"] == "nested").unwrap();
        path_of(link["href"].as_str().unwrap())
    }

    async fn refs_map(&self) -> Value {
        let minions = Self::nested(&self.resources(&self.stack().await).await[0]);
        self.get(&format!("{minions}/outputs/refs_map")).await["output"]["output_value"].take()
    }

    /// Removes a member by a PATCH of the stack and waits for Heat's end.
    async fn patch_stack(&self, remove: &str, count: u32) {
        let parameters = json!({"minions_to_remove": remove, "number_of_minions": count});
        let body = json!({"existing": true, "parameters": parameters});
        let answer = self.call("PATCH", &self.stack().await, Some(&body)).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
        let path = self.stack().await;
        while self.get(&path).await["stack"]["stack_status"] != "UPDATE_COMPLETE" {
            sleep(0.5).await;
        }
    }

    pub(super) fn indices(&self) -> Vec<u32> {
        self.client.indices(WORKERS)
    }
}

fn path_of(url: &str) -> String {
    url.strip_prefix(BASE).unwrap().to_owned()
}

fn detail(answer: &Answer) -> String {
    answer.json()["errors"][0]["detail"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test(start_paused = true)]
async fn each_says_its_newest_version_and_refuses_the_next() {
    let newest = [6, 7, 9, 9, 10, 11, 11, 11, 11];
    assert_eq!(Profile::all().len(), newest.len());
    for (profile, newest) in Profile::all().iter().zip(newest) {
        let cloud = Cloud::new(*profile, 1).await;
        assert_eq!(cloud.newest, format!("1.{newest}"), "{profile}");
        let next = format!("1.{}", newest + 1);
        let refused = cloud.call_at(&next, "GET", &cloud.client.cluster_path(), None).await;
        assert_eq!(refused.status, StatusCode::NOT_ACCEPTABLE, "{profile}");
        assert_eq!(refused.json()["errors"][0]["max_version"], cloud.newest, "{profile}");
    }
}

#[tokio::test(start_paused = true)]
async fn resize_and_node_groups_are_there_since_their_releases() {
    for profile in Profile::all() {
        let (resize, groups) = match profile {
            Profile::Queens => (StatusCode::NOT_FOUND, StatusCode::NOT_FOUND),
            Profile::Stein => (StatusCode::ACCEPTED, StatusCode::NOT_FOUND),
            _ => (StatusCode::ACCEPTED, StatusCode::OK),
        };
        let cloud = Cloud::new(*profile, 1).await;
        let path = format!("{}/nodegroups", cloud.client.cluster_path());
        assert_eq!(cloud.call("GET", &path, None).await.status, groups, "{profile}");
        assert_eq!(cloud.resize(&json!({"node_count": 2})).await.status, resize, "{profile}");
        let at_1_7 =
            cloud.call_at("1.7", "POST", "/container-infra/v1/clusters/x/actions/resize", None).await;
        let unsupported = at_1_7.status == StatusCode::NOT_ACCEPTABLE;
        assert_eq!(unsupported, *profile == Profile::Queens, "{profile}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cluster_without_node_groups_is_its_one_group_and_its_stack() {
    for profile in [Profile::Queens, Profile::Stein] {
        let cloud = Cloud::new(profile, 2).await;
        let cluster = cloud.cluster().await;
        assert_eq!(cluster["node_count"], 2, "{profile}: the second group does not exist");
        for newer in ["merge_labels", "labels_added", "faults"] {
            assert!(cluster.get(newer).is_none(), "{profile}: {newer}");
        }
        let names: Vec<_> = cloud.client.servers(WORKERS).into_iter().map(|server| server.name).collect();
        assert!(names[0].ends_with("-minion-0"), "{profile}: {names:?}");
        cloud.client.simulator.set_quota(Some(3));
        cloud.set_count(3).await;
        let failed = cloud.cluster().await;
        assert_eq!(failed["status"], "UPDATE_FAILED", "{profile}");
        let reason = failed["status_reason"].as_str().unwrap();
        assert!(reason.contains("Quota exceeded for instances"), "{profile}: {reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn stein_answers_a_resize_with_nothing_and_counts_when_heat_is_done() {
    let cloud = Cloud::new(Profile::Stein, 1).await;
    let named = cloud.resize(&json!({"node_count": 2, "nodegroup": WORKERS})).await;
    assert_eq!(named.status, StatusCode::BAD_REQUEST);
    assert_eq!(detail(&named), "Unknown attribute for argument cluster_resize_req: nodegroup");
    let accepted = cloud.resize(&json!({"node_count": 2})).await;
    assert_eq!((accepted.status, accepted.text.as_str()), (StatusCode::ACCEPTED, ""));
    sleep(1.5).await;
    let cluster = cloud.cluster().await;
    assert_eq!((&cluster["status"], &cluster["node_count"]), (&json!("UPDATE_IN_PROGRESS"), &json!(1)));
    cloud.until_settled().await;
    let cluster = cloud.cluster().await;
    assert_eq!((&cluster["status"], &cluster["node_count"]), (&json!("UPDATE_COMPLETE"), &json!(2)));
}

#[tokio::test(start_paused = true)]
async fn there_is_no_group_of_size_zero_before_magnum_12() {
    for profile in [Profile::Train, Profile::Victoria] {
        let cloud = Cloud::with(profile, |options| options.groups[1].node_count = 0).await;
        let path = format!("{}/nodegroups", cloud.client.cluster_path());
        let group = cloud.get(&format!("{path}/pool-b")).await;
        assert_eq!((&group["node_count"], &group["min_node_count"]), (&json!(1), &json!(1)), "{profile}");
        assert_eq!(group.get("merge_labels").is_some(), profile == Profile::Victoria);
        let master = cloud.get(&format!("{path}/default-master")).await;
        assert_eq!(master["min_node_count"], 1, "{profile}");
        let zero = cloud.resize(&json!({"node_count": 0, "nodegroup": "pool-b"})).await;
        let too_small = "Invalid input for field/attribute node_count. Value: '0'. Value should be greater or \
                         equal to 1";
        assert_eq!(
            (zero.status, detail(&zero)),
            (StatusCode::BAD_REQUEST, too_small.to_owned()),
            "{profile}"
        );
        let made = json!({"name": "none", "node_count": 1, "min_node_count": 0});
        let made = cloud.call("POST", &path, Some(&made)).await;
        assert_eq!(made.status, StatusCode::BAD_REQUEST, "{profile}");
        assert!(detail(&made).starts_with("Invalid input for field/attribute min_node_count"), "{profile}");
    }
    let cloud = Cloud::new(Profile::Zed, 1).await;
    let zero = cloud.resize(&json!({"node_count": 0, "nodegroup": "pool-b"})).await;
    assert_eq!(zero.status, StatusCode::ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn masters_are_refused_in_the_words_of_the_release() {
    for (profile, words) in [
        (Profile::Caracal, "Resizing a master nodegroup is not supported."),
        (Profile::Epoxy, "Resizing the master nodegroup is not supported by this driver."),
    ] {
        let cloud = Cloud::new(profile, 1).await;
        let refused = cloud.resize(&json!({"node_count": 3, "nodegroup": "default-master"})).await;
        assert_eq!((refused.status, detail(&refused).as_str()), (StatusCode::BAD_REQUEST, words));
    }
}

#[tokio::test(start_paused = true)]
async fn a_patch_of_the_cluster_sizes_the_default_workers_and_takes_the_highest() {
    for profile in HEAT {
        let cloud = Cloud::new(profile, 2).await;
        let others = u64::from(profile != Profile::Queens && profile != Profile::Stein);
        cloud.set_count(4).await;
        assert_eq!(cloud.indices(), [0, 1, 2, 3], "{profile}");
        assert_eq!(cloud.cluster().await["node_count"], 4 + others, "{profile}: it is the sum of all groups");
        cloud.set_count(3).await;
        assert_eq!(cloud.indices(), [0, 1, 2], "{profile}");
        assert_eq!(cloud.cluster().await["status"], "UPDATE_COMPLETE", "{profile}");
        let text = cloud.patch_cluster("/node_count", json!("4")).await;
        let other = cloud.patch_cluster("/name", json!("other")).await;
        assert_eq!(
            (text.status, other.status),
            (StatusCode::BAD_REQUEST, StatusCode::BAD_REQUEST),
            "{profile}"
        );
        assert_eq!(detail(&other), "cannot change cluster property(ies) name.", "{profile}");
        assert_eq!(cloud.indices(), [0, 1, 2], "{profile}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_patch_of_a_busy_cluster_is_dropped_without_a_word() {
    for profile in HEAT {
        let cloud = Cloud::new(profile, 1).await;
        assert_eq!(cloud.patch_cluster("/node_count", json!(2)).await.status, StatusCode::ACCEPTED);
        sleep(2.0).await;
        assert_eq!(cloud.client.simulator.cluster_status(), "UPDATE_IN_PROGRESS", "{profile}");
        assert_eq!(cloud.patch_cluster("/node_count", json!(5)).await.status, StatusCode::ACCEPTED);
        cloud.until_settled().await;
        assert_eq!(cloud.indices(), [0, 1], "{profile}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_patch_of_the_stack_removes_the_named_member_and_magnum_does_not_hear_of_it() {
    for profile in HEAT {
        let cloud = Cloud::new(profile, 3).await;
        let gone = cloud.client.server(WORKERS, 0);
        cloud.patch_stack("0", 2).await;
        assert_eq!(cloud.indices(), [1, 2], "{profile}");
        assert!(cloud.client.servers(WORKERS).iter().all(|server| server.uuid != gone), "{profile}");
        assert_eq!(cloud.client.group(WORKERS).node_count, 3, "{profile}");
        let before = cloud.client.servers(WORKERS);
        cloud.set_count(2).await;
        assert_eq!(cloud.client.group(WORKERS).node_count, 2, "{profile}");
        assert_eq!(cloud.client.servers(WORKERS), before, "{profile}: Heat had it already");
        // Queens sends its whole template, without the list.
        let kept: &[&str] = if profile == Profile::Queens { &[] } else { &["0"] };
        assert_eq!(cloud.client.group(WORKERS).minions_to_remove, kept, "{profile}");
        let methods: Vec<_> = cloud.client.simulator.resizes().iter().map(|resize| resize.method).collect();
        assert_eq!(methods, [ResizeMethod::StackPatch, ResizeMethod::ClusterPatch], "{profile}");
    }
}

#[tokio::test(start_paused = true)]
async fn refs_map_refers_to_nested_stacks_and_later_to_servers() {
    for profile in HEAT {
        let cloud = Cloud::new(profile, 3).await;
        let minions = Cloud::nested(&cloud.resources(&cloud.stack().await).await[0]);
        let member = cloud.resources(&minions).await[1].clone();
        let inside = cloud.resources(&Cloud::nested(&member)).await;
        let part = |name: &str| inside.iter().find(|part| part["resource_name"] == name);
        let server = cloud.client.server(WORKERS, 1);
        assert_eq!(part("kube-minion").unwrap()["physical_resource_id"], server, "{profile}");
        let (waits, deploys) = (part("minion_wait_condition"), part("node_config_deployment"));
        let old = matches!(profile, Profile::Queens | Profile::Stein);
        assert_eq!((waits.is_some(), deploys.is_some()), (old, !old), "{profile}");
        let reference = cloud.refs_map().await["1"].as_str().unwrap().to_owned();
        if profile == Profile::Queens {
            assert_eq!(reference, member["physical_resource_id"]);
            cloud.patch_stack(&server, 2).await;
            assert_eq!(cloud.indices(), [0, 1], "a server's UUID is unknown there");
        } else {
            assert_eq!(reference, server, "{profile}");
            cloud.patch_stack(&server, 2).await;
            assert_eq!(cloud.indices(), [0, 2], "{profile}");
        }
    }
    let cloud = Cloud::new(Profile::Queens, 3).await;
    let reference = cloud.refs_map().await["1"].as_str().unwrap().to_owned();
    cloud.patch_stack(&reference, 2).await;
    assert_eq!(cloud.indices(), [0, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_reports_failure_fails_what_its_release_waits_for() {
    for (profile, words) in [
        (Profile::Stein, "WaitConditionFailure: resources[1].resources.minion_wait_condition: no disk"),
        (Profile::Train, "Error: resources[1].resources.node_config_deployment: Deployment to server failed"),
    ] {
        let cloud = Cloud::new(profile, 1).await;
        cloud.client.simulator.set_node_rule("*-1", NodeRule::Fail("no disk".to_owned()));
        cloud.set_count(2).await;
        let member = cloud.client.group(WORKERS).members[1].clone();
        assert_eq!(member.status, "CREATE_FAILED", "{profile}");
        assert!(member.reason.contains(words), "{profile}: {}", member.reason);
    }
}

#[tokio::test(start_paused = true)]
async fn an_update_waits_for_an_older_one_before_heat_14() {
    for (profile, at_once) in [(Profile::Train, false), (Profile::Victoria, true)] {
        let cloud = Cloud::with(profile, |options| options.node_boot_time = Duration::from_secs(30)).await;
        cloud.accepted_resize(WORKERS, 2).await;
        sleep(3.0).await;
        cloud.accepted_resize(WORKERS, 3).await;
        sleep(10.0).await;
        assert_eq!(cloud.indices().len() == 3, at_once, "{profile}");
        sleep(60.0).await;
        assert_eq!(cloud.indices(), [0, 1, 2], "{profile}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_call_to_epoxys_heat_takes_half_a_second() {
    for (profile, expected) in [(Profile::Caracal, 0), (Profile::Epoxy, 500)] {
        let cloud = Cloud::new(profile, 1).await;
        let path = cloud.stack().await;
        let begun = Instant::now();
        cloud.get(&path).await;
        assert_eq!(begun.elapsed(), Duration::from_millis(expected), "{profile}");
        let begun = Instant::now();
        cloud.cluster().await;
        assert_eq!(begun.elapsed(), Duration::ZERO, "{profile}");
    }
}

/// Whether a removal this long after a group was complete leaves Magnum with the old count for good.
async fn count_is_lost(profile: Profile, after: f64) -> bool {
    let cloud = Cloud::new(profile, 1).await;
    cloud.accepted_resize("pool-b", 2).await;
    sleep(1.0).await;
    while cloud.client.group("pool-b").status != "UPDATE_COMPLETE" {
        sleep(0.1).await;
    }
    sleep(after).await;
    cloud.accepted_resize("pool-b", 1).await;
    sleep(60.0).await;
    let group = cloud.client.group("pool-b");
    assert_eq!((group.members.len(), group.number_of_minions), (1, 1), "{profile}: Heat has done it");
    assert_eq!(
        (group.status.as_str(), cloud.client.simulator.cluster_status().as_str()),
        ("UPDATE_COMPLETE", "UPDATE_COMPLETE")
    );
    group.node_count == 2
}

#[tokio::test(start_paused = true)]
async fn epoxys_late_look_at_heat_writes_an_old_count_for_good() {
    let mut lost = [false; 2];
    for quarter in 0..32 {
        for (lost, profile) in lost.iter_mut().zip([Profile::Epoxy, Profile::Zed]) {
            *lost |= count_is_lost(profile, f64::from(quarter) * 0.25).await;
        }
    }
    assert_eq!(lost, [true, false]);
}
