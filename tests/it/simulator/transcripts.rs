//! The simulator's answers compared with recorded ones (tests/transcripts), text for text except for ids, times and
//! addresses.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use cluster_autoscaler_provider_magnum::simulator::NodeRule;
use regex_lite::Regex;
use serde_json::Value;

use super::client::{Answer, BASE, Client, lab, sleep};

/// The lab's services, each on a port of its own there.
const SERVICES: [(&str, &str); 4] = [
    ("http://127.0.0.1:9511", "/container-infra"),
    ("http://127.0.0.1:8004", "/orchestration"),
    ("http://127.0.0.1:8774", "/compute"),
    ("http://127.0.0.1:5000", "/identity"),
];
/// Ids of the stack of pool-b in the recorded requests that go by id alone.
const POOL_B_STACKS: [&str; 2] =
    ["392c79e8-f95b-4980-bac8-dcddec06ed45", "c1aedd58-09b1-4ebc-9c46-d94e7cd4ff0c"];
/// Headers that say nothing or another thing every time.
const UNTELLING: [&str; 4] = ["connection", "content-length", "date", "x-subject-token"];

struct Transcript {
    method: String,
    path: String,
    request_headers: Vec<(String, String)>,
    request_body: String,
    status: u16,
    headers: BTreeSet<(String, String)>,
    body: String,
}

impl Transcript {
    fn read(name: &str) -> Self {
        let path =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts").join(format!("{name}.http"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        let text: String =
            text.lines().skip_while(|line| line.starts_with('#')).map(|line| format!("{line}\n")).collect();
        let (request, response) = text.split_once("\nHTTP/1.1 ").unwrap();
        let (request_head, request_body) = request.split_once("\n\n").unwrap_or((request, ""));
        let (head, body) = response.split_once("\n\n").unwrap();
        let mut request_lines = request_head.lines();
        let mut words = request_lines.next().unwrap().split(' ');
        let (method, path) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
        let request_headers: Vec<_> = request_lines.map(header).collect();
        let host = &request_headers.iter().find(|(name, _)| name == "host").unwrap().1;
        let prefix = SERVICES.iter().find(|(origin, _)| origin.ends_with(host.as_str())).unwrap().1;
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').next().unwrap().parse().unwrap();
        Self {
            method,
            path: format!("{prefix}{path}"),
            request_headers,
            request_body: request_body.trim().to_owned(),
            status,
            headers: lines.map(header).collect(),
            body: body.trim().to_owned(),
        }
    }

    /// Sends the same request, with the ids of the simulator in the places of the lab's.
    async fn send(&self, client: &Client) -> Answer {
        let path = self.path_in(client).await;
        let headers: Vec<(&str, &str)> = self
            .request_headers
            .iter()
            .filter(|(name, _)| name != "host" && name != "content-length")
            .map(|(name, value)| (name.as_str(), if value == "TOKEN" { &client.token } else { value }))
            .map(|(name, value)| (name, value.as_ref()))
            .collect();
        let body = Some(self.request_body.as_str()).filter(|body| !body.is_empty());
        client.send(&self.method, &path, &headers, body).await
    }

    async fn path_in(&self, client: &Client) -> String {
        let cluster = Regex::new("/clusters/[0-9a-f]{8}-[0-9a-f-]{27}").unwrap();
        let stack = Regex::new("/stacks/(k8s-lab[a-z0-9_-]*)/[0-9a-f-]{36}").unwrap();
        let stack_alone = Regex::new("/stacks/[0-9a-f-]{36}").unwrap();
        let stack_by_name = Regex::new("/stacks/k8s-lab-pool-b-[a-z2-7]{12}").unwrap();
        let member_stack = Regex::new(r"kube_minions-[a-z2-7]{12}-(\d+)-").unwrap();
        let server = Regex::new("/servers/[0-9a-f]{8}-[0-9a-f-]{27}").unwrap();
        let name = Regex::new("k8s-lab-pool-b-[a-z2-7]{12}-node").unwrap();
        let own_project = Regex::new("project_id=e[0-9a-f]{31}").unwrap();
        let nobody = self.path.contains("/11111111-2222-");
        let mut path = self.path.clone();
        if !nobody {
            let uuid = client.simulator.cluster_uuid();
            path = cluster.replace(&path, format!("/clusters/{uuid}")).into_owned();
            let project = client.simulator.credentials().project_id;
            path = own_project.replace(&path, format!("project_id={project}")).into_owned();
            let server_uuid = client.servers("pool-b").last().map(|server| server.uuid.clone());
            let server_uuid = server_uuid.unwrap_or_default();
            path = server.replace(&path, format!("/servers/{server_uuid}")).into_owned();
        }
        if path.contains("/stacks/") {
            let is_pool_b = path.contains("pool-b") || POOL_B_STACKS.iter().any(|id| path.contains(id));
            let group = if is_pool_b { "pool-b" } else { "default-worker" };
            let (own, nested) = client.stack_paths(group).await;
            let ours = match member_stack.captures(&path) {
                Some(index) => client.nested_path(&format!("{nested}/resources/{}", &index[1])).await,
                None if path.contains("kube_minions-") => nested,
                None => own,
            };
            let part = ours.split_once("/stacks/").unwrap().1;
            let id = part.split_once('/').unwrap().1;
            path = match stack.find(&path) {
                Some(_) => stack.replace(&path, format!("/stacks/{part}")).into_owned(),
                None if stack_by_name.is_match(&path) => {
                    let name = part.split_once('/').unwrap().0;
                    stack_by_name.replace(&path, format!("/stacks/{name}")).into_owned()
                }
                None => stack_alone.replace(&path, format!("/stacks/{id}")).into_owned(),
            };
        }
        let prefix = format!("{}-node", client.group("pool-b").stack_name);
        name.replace(&path, prefix).into_owned()
    }
}

fn header(line: &str) -> (String, String) {
    let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("{line}"));
    (name.to_ascii_lowercase(), value.to_owned())
}

/// A text without ids, times, addresses and origins.
struct Normalizer(Vec<(Regex, &'static str)>);

impl Normalizer {
    fn new() -> Self {
        let rules = [
            (r"req-[0-9a-f-]{36}", "REQUEST"),
            (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID"),
            (r"\b[0-9a-f]{32}\b", "ID"),
            (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", "TIME"),
            (r"10\.0\.\d+\.\d+", "ADDRESS"),
            (r"([0-9a-f]{2}:){5}[0-9a-f]{2}", "MAC"),
            (r"k8s-lab-[a-z0-9]{12}-secgroup[a-z_0-9-]*|k8s-lab-secgroup", "SECURITY-GROUP"),
            (r"(k8s-lab(-pool-b)?)-[a-z2-7]{12}\b", "$1-SUFFIX"),
            (r"(kube_minions-[a-z2-7]{12}-\d+)-[a-z2-7]{12}\b", "$1-SUFFIX"),
            (r"(kube_minions)-[a-z2-7]{12}\b", "$1-SUFFIX"),
        ];
        Self(rules.iter().map(|(pattern, name)| (Regex::new(pattern).unwrap(), *name)).collect())
    }

    fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (origin, prefix) in SERVICES {
            text = text.replace(origin, &format!("{BASE}{prefix}"));
        }
        for (pattern, replacement) in &self.0 {
            text = pattern.replace_all(&text, *replacement).into_owned();
        }
        text
    }

    fn value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Value::Object(fields) => {
                fields.iter().map(|(key, value)| (key.clone(), self.value(value))).collect()
            }
            other => other.clone(),
        }
    }

    fn headers(&self, headers: impl Iterator<Item = (String, String)>) -> BTreeSet<(String, String)> {
        headers
            .filter(|(name, _)| !UNTELLING.contains(&name.as_str()))
            .map(|(name, value)| (name, self.text(&value)))
            .collect()
    }
}

/// Takes the parts of a body out that the simulator has less of, or in another order, on purpose.
fn simplify(value: &mut Value) {
    if let Some(token) = value.get_mut("token").and_then(Value::as_object_mut) {
        token.remove("catalog_note");
        token.remove("audit_ids");
        if let Some(Value::Array(catalog)) = token.get_mut("catalog") {
            // What the client does not use, the simulator does not have; the copies are shortened as well.
            catalog
                .retain(|service| service["type"] == "orchestration" || service["type"] == "container-infra");
            for service in catalog {
                sort_by(service["endpoints"].as_array_mut(), "interface");
            }
        }
        sort_by(token.get_mut("roles").and_then(Value::as_array_mut), "name");
    }
    if let Some(stack) = value.get_mut("stack") {
        sort_by(stack["outputs"].as_array_mut(), "output_key");
        for output in stack["outputs"].as_array_mut().into_iter().flatten() {
            output["description"].take();
        }
    }
    // In Heat they are a set.
    for resource in value["resources"].as_array_mut().into_iter().flatten() {
        if let Some(Value::Array(names)) = resource.get_mut("required_by") {
            names.sort_by_key(ToString::to_string);
        }
    }
    if let Some(cluster) = value.as_object_mut() {
        cluster.remove("discovery_url");
    }
    if let Some(Value::Array(attributes)) = value.pointer_mut("/resource/attributes/removed_rsrc_list") {
        attributes.clear();
    }
}

fn sort_by(items: Option<&mut Vec<Value>>, key: &str) {
    if let Some(items) = items {
        items.sort_by_key(|item| item[key].as_str().unwrap_or_default().to_owned());
    }
}

/// Sends the request of each transcript and compares everything that comes back.
async fn compare(client: &Client, names: &[&str]) {
    let normalizer = Normalizer::new();
    for name in names {
        let transcript = Transcript::read(name);
        let answer = transcript.send(client).await;
        assert_eq!(answer.status.as_u16(), transcript.status, "status of {name}: {}", answer.text);
        let ours = answer.headers.iter().map(|(name, value)| (name.to_string(), text_of(value)));
        assert_eq!(
            normalizer.headers(ours),
            normalizer.headers(transcript.headers.iter().cloned()),
            "headers of {name}"
        );
        if transcript.body.is_empty() {
            assert_eq!(answer.text, "", "body of {name}");
            continue;
        }
        let mut ours = normalizer.value(&answer.json());
        let mut theirs = normalizer.value(&serde_json::from_str(&transcript.body).unwrap());
        simplify(&mut ours);
        simplify(&mut theirs);
        let mut differences = Vec::new();
        differ("", &ours, &theirs, &mut differences);
        assert!(differences.is_empty(), "body of {name}:\n{}", differences.join("\n"));
    }
}

/// Says where two bodies differ.
fn differ(path: &str, ours: &Value, theirs: &Value, differences: &mut Vec<String>) {
    match (ours, theirs) {
        (Value::Object(our_fields), Value::Object(their_fields)) => {
            let keys: BTreeSet<&String> = our_fields.keys().chain(their_fields.keys()).collect();
            for key in keys {
                let path = format!("{path}/{key}");
                match (our_fields.get(key), their_fields.get(key)) {
                    (Some(ours), Some(theirs)) => differ(&path, ours, theirs, differences),
                    (None, _) => differences.push(format!("{path}: missing")),
                    (_, None) => differences.push(format!("{path}: not in the recorded answer")),
                }
            }
        }
        (Value::Array(our_items), Value::Array(their_items)) if our_items.len() == their_items.len() => {
            for (place, (ours, theirs)) in our_items.iter().zip(their_items).enumerate() {
                differ(&format!("{path}/{place}"), ours, theirs, differences);
            }
        }
        _ if ours != theirs => differences.push(format!("{path}: {ours}, recorded {theirs}")),
        _ => {}
    }
}

fn text_of(value: &http::HeaderValue) -> String {
    value.to_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn keystone_answers_as_recorded() {
    let client = Client::new(lab()).await;
    compare(
        &client,
        &[
            "keystone-version",
            "keystone-token-password",
            "keystone-token-appcred",
            "keystone-token-appcred-with-scope",
            "keystone-token-trust",
            "keystone-token-trust-plus-project",
            "keystone-token-unknown-trust",
            "keystone-token-wrong-password",
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn magnum_answers_reads_as_recorded() {
    let mut options = lab();
    options.groups[0].min = 0;
    let client = Client::new(options).await;
    compare(
        &client,
        &[
            "magnum-root-versions",
            "magnum-unauthenticated",
            "magnum-invalid-token",
            "magnum-version-unsupported",
            "magnum-version-without-service-type",
            "magnum-cluster-list",
            "magnum-cluster-get-1.10",
            "magnum-cluster-get-latest",
            "magnum-cluster-get-no-version",
            "magnum-cluster-get-by-name",
            "magnum-cluster-404-name",
            "magnum-nodegroups-list-1.10",
            "magnum-nodegroups-list-role-worker",
            "magnum-nodegroups-list-1.8-406",
            "magnum-nodegroup-get-default-master",
            "magnum-nodegroup-get-default-worker",
            "magnum-nodegroup-get-pool-b",
            "magnum-nodegroup-404",
            "magnum-nodegroup-patch-min-max",
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn magnum_takes_a_slash_at_the_end_as_recorded() {
    let client = after_updates().await;
    compare(
        &client,
        &[
            "magnum-slash-cluster-list",
            "magnum-slash-cluster-get",
            "magnum-slash-nodegroups-list-role",
            "magnum-slash-nodegroup-get",
            "magnum-cluster-detail",
            "magnum-slash-cluster-detail",
            "magnum-cluster-detail-of-one",
            "magnum-no-route",
        ],
    )
    .await;
}

/// The lab as it mostly is: both groups were updated before.
async fn after_updates() -> Client {
    let mut options = lab();
    options.groups[0].min = 0;
    let client = Client::new(options).await;
    for group in ["default-worker", "pool-b"] {
        client.resize_and_settle(group, 2, &[]).await;
        client.resize_and_settle(group, 1, &["0"]).await;
    }
    client
}

#[tokio::test(start_paused = true)]
async fn magnum_answers_what_else_clients_read_as_recorded() {
    let client = Client::new(lab()).await;
    compare(
        &client,
        &[
            "magnum-template-list",
            "magnum-template-get-by-name",
            "magnum-template-detail",
            "magnum-template-404",
            "magnum-services-403",
            "magnum-quotas",
            "magnum-stats",
            "magnum-stats-own",
            "magnum-stats-of-another-403",
            "magnum-certificate-404",
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn magnum_checks_a_new_group_as_recorded() {
    let client = Client::new(lab()).await;
    compare(
        &client,
        &[
            "magnum-nodegroup-create-above-max",
            "magnum-nodegroup-create-below-min",
            "magnum-nodegroup-create-min-above-max",
            "magnum-nodegroup-create-exists",
            "magnum-nodegroup-create-master",
            "magnum-nodegroup-create-no-name",
            "magnum-nodegroup-create-unknown-field",
            "magnum-nodegroup-create-bad-count",
            "magnum-nodegroup-create-negative",
            "magnum-nodegroup-create-readonly",
            "magnum-nodegroup-create-bad-json",
        ],
    )
    .await;
    assert!(client.simulator.group("pool-c").is_none(), "none of these was accepted");
    compare(&client, &["magnum-slash-nodegroup-create-202", "magnum-nodegroup-get-just-created"]).await;
    assert_eq!(client.settle("pool-gpu").await, "CREATE_COMPLETE");
    compare(&client, &["magnum-nodegroup-delete-default", "magnum-nodegroup-delete-404"]).await;
}

#[tokio::test(start_paused = true)]
async fn magnum_checks_a_patch_of_a_group_as_recorded() {
    let client = after_updates().await;
    let refused = [
        "max-0",
        "min-above-max",
        "min-above-count",
        "internal",
        "role",
        "unknown",
        "add-unknown",
        "add-existing",
        "bad-op",
        "no-value",
        "null",
        "bad-number",
        "negative",
        "float",
        "no-path",
        "bad-path",
        "object",
        "bad-json",
        "unknown-group",
        "text",
    ];
    let patched = |name: &str| format!("magnum-nodegroup-patch-{name}");
    for name in refused {
        compare(&client, &[&patched(name)]).await;
    }
    sleep(2.0).await;
    assert_eq!((client.group("pool-b").min, client.group("pool-b").max), (0, Some(10)));
    for (name, max) in [("remove", None), ("add", Some(10)), ("remove-min", Some(10))] {
        compare(&client, &[&patched(name)]).await;
        assert_eq!(client.settle("pool-b").await, "UPDATE_COMPLETE");
        assert_eq!(client.group("pool-b").max, max, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn magnum_checks_a_patch_of_the_cluster_as_recorded() {
    let client = Client::new(lab()).await;
    for name in [
        "unknown",
        "labels",
        "name",
        "internal",
        "bad-count",
        "negative",
        "zero-api-1.9",
        "template",
        "master-count",
    ] {
        compare(&client, &[&format!("magnum-cluster-patch-{name}")]).await;
    }
    sleep(2.0).await;
    assert_eq!(client.group("default-worker").node_count, 1);
    compare(&client, &["magnum-cluster-patch-above-max"]).await;
    assert_eq!(client.settle("default-worker").await, "UPDATE_COMPLETE");
    assert_eq!(client.servers("default-worker").len(), 50);
}

#[tokio::test(start_paused = true)]
async fn magnum_checks_a_resize_as_recorded() {
    let client = Client::new(lab()).await;
    compare(
        &client,
        &[
            "magnum-resize-unauthenticated",
            "magnum-resize-no-version-header",
            "magnum-resize-api-1.6",
            "magnum-resize-zero-api-1.9",
            "magnum-resize-above-max",
            "magnum-resize-below-min",
            "magnum-resize-negative",
            "magnum-resize-no-node_count",
            "magnum-resize-bad-node_count",
            "magnum-resize-bad-json",
            "magnum-resize-unknown-field",
            "magnum-resize-unknown-nodegroup",
            "magnum-resize-unknown-cluster-404",
            "magnum-resize-master-nodegroup",
        ],
    )
    .await;
    assert!(client.simulator.resizes().is_empty(), "none of these was accepted");
    compare(
        &client,
        &[
            "magnum-resize-up-202",
            "magnum-resize-bogus-nodes_to_remove-202",
            "magnum-resize-to-zero-202",
            "magnum-resize-during-update-in-progress-202",
        ],
    )
    .await;
    assert_eq!(client.simulator.resizes().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn heat_answers_as_recorded() {
    let client = Client::new(lab()).await;
    compare(
        &client,
        &[
            "heat-unauthenticated",
            "heat-stack-get",
            "heat-stack-get-by-id-redirect",
            "heat-stack-404",
            "heat-resource-404",
            "heat-resource-by-stack-id-alone-404",
            "heat-resource-kube_minions",
            "heat-patch-by-id-redirect",
            "heat-patch-grow-202",
            "heat-patch-unknown-parameter-202",
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn heat_finds_stacks_and_lists_as_recorded() {
    let client = after_updates().await;
    compare(
        &client,
        &[
            "heat-slash-stack-list",
            "heat-slash-resources",
            "heat-stack-list",
            "heat-stack-detail",
            "heat-stack-by-name-redirect",
            "heat-resources-by-id-redirect",
            "heat-resources-by-name-redirect",
            "heat-events-by-id-redirect",
            "heat-events-by-name-redirect",
            "heat-outputs-by-name",
            "heat-nosuch-by-name",
            "heat-resources-bad-filter",
            "heat-resources-bad-depth",
            "heat-resource-events-404",
            "heat-event-404",
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn heat_tells_of_nested_stacks_as_recorded() {
    let client = with_sole_member(23).await;
    client.resize_and_settle("pool-b", 2, &[]).await;
    client.resize_and_settle("pool-b", 1, &["23"]).await;
    compare(
        &client,
        &[
            "heat-resources-depth-1",
            "heat-resources-depth-3",
            "heat-resources-by-name-filter",
            "heat-minions-member-resource",
            "heat-member-resources",
            "heat-events-limit",
            "heat-events-nested-1",
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn nova_answers_as_recorded() {
    let client = Client::new(lab()).await;
    compare(
        &client,
        &[
            "nova-version",
            "nova-slash-version",
            "nova-slash-servers",
            "nova-slash-flavors",
            "nova-unauthenticated",
            "nova-flavors-detail",
            "nova-flavor-get",
            "nova-flavor-get-extra-specs-2.61",
            "nova-flavor-extra-specs",
            "nova-flavor-404",
            "nova-flavor-by-name-404",
            "nova-server-404",
        ],
    )
    .await;
    // The lab's member had become number 12 by then.
    let remove: Vec<String> = (0..12).map(|index| index.to_string()).collect();
    let remove: Vec<&str> = remove.iter().map(String::as_str).collect();
    for index in remove {
        client.resize_and_settle("pool-b", 1, &[index]).await;
    }
    compare(
        &client,
        &[
            "nova-server-get",
            "nova-server-get-2.61",
            "nova-servers-detail-by-name",
            "nova-servers-detail-limit-1-paging",
            "nova-server-delete-204",
        ],
    )
    .await;
}

/// Brings pool-b to where its only member has this index.
async fn with_sole_member(index: u32) -> Client {
    let client = Client::new(lab()).await;
    for removed in 0..index {
        assert_eq!(client.resize_and_settle("pool-b", 1, &[&removed.to_string()]).await, "UPDATE_COMPLETE");
    }
    assert_eq!(client.indices("pool-b"), [index]);
    client
}

#[tokio::test(start_paused = true)]
async fn two_nodes_at_rest_are_shown_as_recorded() {
    let client = Client::new(lab()).await;
    client.resize_and_settle("default-worker", 2, &[]).await;
    compare(&client, &["heat-kube_minions-stack-2-nodes", "heat-kube_minions-stack-resources-2-nodes"]).await;
}

#[tokio::test(start_paused = true)]
async fn no_node_is_shown_as_recorded() {
    let client = Client::new(lab()).await;
    client.resize_and_settle("pool-b", 0, &[]).await;
    compare(&client, &["heat-kube_minions-zero-nodes-stack", "heat-kube_minions-zero-nodes-resources"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_creation_and_a_removal_are_shown_as_recorded() {
    let client = with_sole_member(12).await;
    client.resize("pool-b", 2, &[]).await;
    sleep(1.2).await;
    compare(
        &client,
        &["heat-kube_minions-during-create-early-stack", "heat-kube_minions-during-create-early-resources"],
    )
    .await;
    client.settle("pool-b").await;
    client.resize("pool-b", 1, &[&client.server("pool-b", 12)]).await;
    // Just when the group has been come to, and before the update of the other member has begun.
    sleep(0.61).await;
    compare(&client, &["heat-kube_minions-during-delete-stack", "heat-kube_minions-during-delete-resources"])
        .await;
    let servers = client.servers("pool-b");
    assert!(servers.iter().all(|server| server.status == "ACTIVE"), "{servers:?}");
    assert_eq!(servers.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_hanging_node_is_shown_as_recorded() {
    let client = with_sole_member(8).await;
    // Index 9 was removed before as well.
    client.resize_and_settle("pool-b", 2, &[]).await;
    client.resize_and_settle("pool-b", 1, &["9"]).await;
    client.simulator.set_node_rule("*-node-10", NodeRule::Hang);
    client.resize("pool-b", 2, &[]).await;
    sleep(20.0).await;
    compare(&client, &["heat-kube_minions-node-hanging-stack", "heat-kube_minions-node-hanging-resources"])
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_deployment_is_shown_as_recorded() {
    let client = with_sole_member(8).await;
    client.resize_and_settle("pool-b", 3, &[]).await;
    client.resize_and_settle("pool-b", 1, &["9", "10"]).await;
    client.simulator.set_node_rule("*-node-11", NodeRule::fail());
    assert_eq!(client.resize_and_settle("pool-b", 2, &[]).await, "UPDATE_FAILED");
    compare(
        &client,
        &["heat-kube_minions-deployment-failed-stack", "heat-kube_minions-deployment-failed-resources"],
    )
    .await;
}

/// pool-b with member 8 and, after a grow by two over quota, 9 failed and 10 made. Which of two siblings gets the
/// last place is left to chance; in the recorded run it was the second.
async fn after_quota_failure() -> Client {
    for seed in 0..50 {
        let mut options = lab();
        options.seed = seed;
        options.server_delete_time = Duration::from_secs(20);
        let client = Client::new(options).await;
        for removed in 0..8 {
            client.resize_and_settle("pool-b", 1, &[&removed.to_string()]).await;
        }
        client.simulator.set_quota(Some(4));
        assert_eq!(client.resize_and_settle("pool-b", 3, &[]).await, "UPDATE_FAILED");
        sleep(3.0).await;
        if client.group("pool-b").members[1].server.is_none() {
            return client;
        }
    }
    panic!("no seed gives the last place to the second sibling");
}

#[tokio::test(start_paused = true)]
async fn a_quota_failure_is_shown_as_recorded() {
    let client = after_quota_failure().await;
    compare(
        &client,
        &[
            "heat-kube_minions-quota-failed-stack",
            "heat-kube_minions-quota-failed-resources",
            "magnum-nodegroup-get-update-failed-quota",
            "magnum-cluster-get-update-failed-quota",
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_member_without_its_stack_is_shown_as_recorded() {
    let client = after_quota_failure().await;
    // The good sibling goes, and the failed one fails again before it is gone.
    assert_eq!(client.resize_and_settle("pool-b", 2, &[]).await, "UPDATE_FAILED");
    let reason = client.group("pool-b").status_reason;
    let expected = "Resource UPDATE failed: resources[9]: resources.kube_minions.Resource CREATE failed: Forbidden: \
        resources.kube-minion: Quota exceeded for instances: Requested 1, but already used 4 of 4 instances (HTTP 403)";
    assert!(reason.starts_with(expected), "{reason}");
    assert_eq!(client.resize_and_settle("pool-b", 3, &[]).await, "UPDATE_FAILED");
    client.simulator.set_quota(None);
    assert_eq!(client.resize_and_settle("pool-b", 4, &[]).await, "UPDATE_FAILED");
    sleep(3.0).await;
    compare(
        &client,
        &["heat-kube_minions-quota-failed-2-stack", "heat-kube_minions-quota-failed-2-resources"],
    )
    .await;
    let reason = client.group("pool-b").status_reason;
    let expected =
        "Resource UPDATE failed: resources.kube_minions: Resource UPDATE failed: resources[10]: The Stack (";
    assert!(reason.starts_with(expected), "{reason}");
}

#[test]
fn the_comparison_sees_differences() {
    let mut differences = Vec::new();
    let recorded = serde_json::json!({"a": [1, {"b": "x"}], "c": null});
    differ("", &serde_json::json!({"a": [1, {"b": "y"}], "d": null}), &recorded, &mut differences);
    assert_eq!(
        differences,
        [r#"/a/1/b: "y", recorded "x""#, "/c: missing", "/d: not in the recorded answer"]
    );
}
