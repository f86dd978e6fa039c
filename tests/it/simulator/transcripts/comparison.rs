//! A recorded answer, and how one of the simulator is compared with it.

use std::{collections::BTreeSet, path::PathBuf};

use regex_lite::Regex;
use serde_json::Value;

use super::POOL_B_STACKS;
use crate::simulator::client::{Answer, BASE, Client};

/// The lab's services, each on a port of its own there.
const SERVICES: [(&str, &str); 4] = [
    ("http://127.0.0.1:9511", "/container-infra"),
    ("http://127.0.0.1:8004", "/orchestration"),
    ("http://127.0.0.1:8774", "/compute"),
    ("http://127.0.0.1:5000", "/identity"),
];

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
pub(super) async fn compare(client: &Client, names: &[&str]) {
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
