//! A client that talks to the simulator's router within the process, in virtual time.

use std::time::Duration;

use axum::{
    Router,
    body::{Body, to_bytes},
};
use cluster_autoscaler_provider_magnum::simulator::{
    GroupOptions, GroupRecord, ServerRecord, Simulator, SimulatorOptions,
};
use http::{HeaderMap, Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt;

pub(crate) const BASE: &str = "http://cloud.test";
/// Longest time that anything but a hanging node takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) cut: bool,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {:?}", self.text))
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) simulator: Simulator,
    router: Router,
    pub(crate) token: String,
}

/// The lab's cluster: default-worker with one node, 1 to 20, and pool-b with one node, 0 to 10.
pub(crate) fn lab() -> SimulatorOptions {
    SimulatorOptions {
        cluster_name: "k8s-lab".to_owned(),
        groups: vec![
            GroupOptions::new("default-worker", 1, 1, Some(20)),
            GroupOptions::new("pool-b", 1, 0, Some(10)),
        ],
        ..SimulatorOptions::default()
    }
}

/// The same with this many nodes in pool-b.
pub(crate) fn lab_with(pool_b: u32) -> SimulatorOptions {
    let mut options = lab();
    options.groups[1].node_count = pool_b;
    options
}

impl Client {
    pub(crate) async fn new(options: SimulatorOptions) -> Self {
        let simulator = Simulator::new(options);
        let router = simulator.router(BASE);
        let mut client = Self { simulator, router, token: String::new() };
        client.log_in().await;
        client
    }

    pub(crate) async fn log_in(&mut self) {
        let credentials = self.simulator.credentials();
        let body = json!({"auth": {
            "identity": {"methods": ["application_credential"], "application_credential": {
                "id": credentials.application_credential_id,
                "secret": credentials.application_credential_secret,
            }},
        }});
        let answer = self.send("POST", "/identity/v3/auth/tokens", &[], Some(&body.to_string())).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
        self.token = answer.headers["x-subject-token"].to_str().unwrap().to_owned();
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_owned()));
        let response = self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let cut =
            parts.extensions.get::<cluster_autoscaler_provider_magnum::simulator::ConnectionCut>().is_some();
        let bytes = if cut { Vec::new() } else { to_bytes(body, usize::MAX).await.unwrap().to_vec() };
        let text = String::from_utf8(bytes).unwrap();
        Answer { status: parts.status, headers: parts.headers, cut, text }
    }

    /// A request with the token and the newest Magnum version.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let headers =
            [("x-auth-token", self.token.as_str()), ("openstack-api-version", "container-infra 1.10")];
        self.send(method, path, &headers, body.map(Value::to_string).as_deref()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let answer = self.call("GET", path, None).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
        answer.json()
    }

    pub(crate) fn cluster_path(&self) -> String {
        format!("/container-infra/v1/clusters/{}", self.simulator.cluster_uuid())
    }

    /// A resize that gets its 202.
    pub(crate) async fn resize(&self, group: &str, count: u32, remove: &[&str]) {
        let body = json!({"node_count": count, "nodes_to_remove": remove, "nodegroup": group});
        let path = format!("{}/actions/resize", self.cluster_path());
        let answer = self.call("POST", &path, Some(&body)).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
        assert_eq!(answer.json(), json!({"uuid": self.simulator.cluster_uuid()}));
    }

    /// The same, and waits for its end; tells the group's status at the end.
    pub(crate) async fn resize_and_settle(&self, group: &str, count: u32, remove: &[&str]) -> String {
        self.resize(group, count, remove).await;
        self.settle(group).await
    }

    /// Waits for the end of an update that was asked for just now.
    pub(crate) async fn settle(&self, group: &str) -> String {
        sleep(1.0).await;
        let end = tokio::time::Instant::now() + PATIENCE;
        while self.group(group).status.ends_with("_IN_PROGRESS") || !self.at_rest(group) {
            assert!(tokio::time::Instant::now() < end, "never settles: {:#?}", self.group(group));
            sleep(0.1).await;
        }
        // The cluster's status follows within a second.
        sleep(1.0).await;
        self.group(group).status
    }

    /// Whether Heat is done with everything that can be done.
    fn at_rest(&self, group: &str) -> bool {
        !self.group(group).stack_status.ends_with("_IN_PROGRESS")
    }

    pub(crate) fn group(&self, group: &str) -> GroupRecord {
        self.simulator.group(group).unwrap()
    }

    /// Indices in refs_map.
    pub(crate) fn indices(&self, group: &str) -> Vec<u32> {
        self.group(group)
            .members
            .iter()
            .filter(|member| member.reference.is_some())
            .map(|member| member.index)
            .collect()
    }

    /// The workers' servers of a group.
    pub(crate) fn servers(&self, group: &str) -> Vec<ServerRecord> {
        let mut servers = self.simulator.servers();
        servers.retain(|server| server.group.as_deref() == Some(group));
        servers
    }

    /// The server of a member.
    pub(crate) fn server(&self, group: &str, index: u32) -> String {
        let group = self.group(group);
        let member = group.members.iter().find(|member| member.index == index).unwrap();
        member.server.clone().unwrap()
    }

    /// The path of the stack of a group and of its `kube_minions`.
    pub(crate) async fn stack_paths(&self, group: &str) -> (String, String) {
        let answer = self.get(&format!("{}/nodegroups/{group}", self.cluster_path())).await;
        let project = self.simulator.credentials().project_id;
        let id = answer["stack_id"].as_str().unwrap();
        let found = self.call("GET", &format!("/orchestration/v1/{project}/stacks/{id}"), None).await;
        assert_eq!(found.status, StatusCode::FOUND);
        let location = found.headers["location"].to_str().unwrap().strip_prefix(BASE).unwrap().to_owned();
        let nested = self.nested_path(&format!("{location}/resources/kube_minions")).await;
        (location, nested)
    }

    /// The path of the stack behind a resource.
    pub(crate) async fn nested_path(&self, resource: &str) -> String {
        let resource = self.get(resource).await;
        let links = resource["resource"]["links"].as_array().unwrap();
        let nested = links.iter().find(|link| link["rel"] == "nested").unwrap();
        nested["href"].as_str().unwrap().strip_prefix(BASE).unwrap().to_owned()
    }

    /// The output refs_map as Heat tells it.
    pub(crate) async fn refs_map(&self, group: &str) -> Value {
        let (_, nested) = self.stack_paths(group).await;
        self.get(&format!("{nested}/outputs/refs_map")).await["output"]["output_value"].take()
    }
}

pub(crate) async fn sleep(seconds: f64) {
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
}
