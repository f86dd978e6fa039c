//! What there really is: Nova and Magnum, asked without the service.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use cluster_autoscaler_provider_magnum::{
    config::CloudConfig,
    core::{
        cloud::{CloudError, Service},
        node_group::NodeGroupUuid,
    },
    openstack::{
        HttpTransport, Session, Transport as _,
        driver::heat::api::Heat,
        magnum::{Magnum, NodeGroupRecord},
    },
};
use http::{Method, Request};
use serde_json::{Value, json};
use tokio::time::timeout;

/// How long a request may take.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A login of the tests' own.
pub(crate) struct OpenStack {
    session: Arc<Session>,
    transport: HttpTransport,
    magnum: Magnum,
    /// UUID of the cluster.
    cluster: String,
}

/// A node group of the cluster.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    /// The id on the wire.
    pub(crate) id: String,
    /// Magnum's UUID.
    pub(crate) uuid: NodeGroupUuid,
    /// Name of its stack, the prefix of its servers' names.
    pub(crate) stack: String,
}

impl Group {
    /// Whether a server has a name that Magnum's templates give to the group's nodes.
    pub(crate) fn has(&self, name: &str) -> bool {
        name.strip_prefix(self.stack.as_str())
            .and_then(|rest| rest.strip_prefix("-node-").or_else(|| rest.strip_prefix("-minion-")))
            .is_some_and(|index| index.parse::<u32>().is_ok())
    }
}

/// A server of a node group.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    /// Its name, `<stack>-node-<index>`.
    pub(crate) name: String,
    /// When it was made, as Nova says it.
    pub(crate) created: String,
}

/// What Heat was last told of a group.
#[derive(Debug)]
pub(crate) struct Stack {
    /// How many members it has to have.
    pub(crate) count: u32,
    /// Whether Heat is done with it, well or not.
    pub(crate) is_at_rest: bool,
}

/// Servers by UUID.
pub(crate) type Servers = BTreeMap<String, Server>;

/// The UUIDs of servers.
pub(crate) fn ids(servers: &Servers) -> BTreeSet<String> {
    servers.keys().cloned().collect()
}

/// The UUIDs of servers, the oldest first.
pub(crate) fn by_age(servers: &Servers) -> Vec<String> {
    let mut ids: Vec<_> = servers.iter().collect();
    ids.sort_by_key(|(_, server)| (server.created.clone(), index(&server.name)));
    ids.into_iter().map(|(id, _)| id.clone()).collect()
}

/// The number at the end of a server's name.
pub(crate) fn index(name: &str) -> Option<u32> {
    name.rsplit('-').next()?.parse().ok()
}

impl OpenStack {
    /// Logs in and finds the cluster.
    pub(crate) async fn log_in(config: CloudConfig, cluster: &str) -> Self {
        let transport = HttpTransport::new(&config).expect("the cloud's TLS settings");
        let session = Arc::new(Session::new(config, Arc::new(transport.clone())));
        let magnum = Magnum::new(Arc::clone(&session));
        let cluster = magnum.cluster(cluster).await.expect("the cluster").uuid;
        Self { session, transport, magnum, cluster }
    }

    /// The groups with these ids, in their order.
    pub(crate) async fn groups(&self, wire_ids: &[String]) -> Vec<Group> {
        let records = self.magnum.node_groups(&self.cluster).await.expect("the node groups");
        let heat = Heat::new(Arc::clone(&self.session));
        let mut groups = Vec::new();
        for id in wire_ids {
            let record = records
                .groups
                .iter()
                .find(|record| *id == format!("{}-{}", record.name, &record.uuid.to_string()[..8]))
                .unwrap_or_else(|| panic!("Magnum has no node group {id}"));
            let stack = record.stack_id.as_deref().expect("the node group's stack");
            let stack = heat.stack(stack).await.expect("the node group's stack").name;
            groups.push(Group { id: id.clone(), uuid: record.uuid, stack });
        }
        groups
    }

    /// How many members Heat was last told that the group has; an error while Heat is at it.
    pub(crate) async fn count_in_heat(&self, group: &Group) -> Result<u32, String> {
        match self.stack(group).await? {
            stack if stack.is_at_rest => Ok(stack.count),
            _ => Err(format!("the stack of {} is being updated", group.id)),
        }
    }

    /// The group's stack.
    pub(crate) async fn stack(&self, group: &Group) -> Result<Stack, String> {
        let record = self.record(group).await?;
        let heat = Heat::new(Arc::clone(&self.session));
        let said = |error: CloudError| error.to_string();
        let stack = heat.stack(record.stack_id.as_deref().ok_or("no stack")?).await.map_err(said)?;
        let state = heat.state(&stack).await.map_err(said)?;
        let count = state.parameters.get("number_of_minions").and_then(Value::as_str);
        let count = count.and_then(|count| count.parse().ok());
        let count = count.ok_or_else(|| format!("{:?}", state.parameters))?;
        Ok(Stack { count, is_at_rest: !state.status.in_progress() })
    }

    /// An error as long as Magnum takes the cluster to be in progress, and copies Heat's counts
    /// (docs/openstack-behaviour.md#magnums-status-sync).
    pub(crate) async fn cluster_at_rest(&self) -> Result<(), String> {
        let status = self.magnum.cluster(&self.cluster).await.map_err(|error| error.to_string())?.status;
        match status.as_deref() {
            Some(status) if !status.ends_with("_IN_PROGRESS") => Ok(()),
            status => Err(format!("the cluster is {status:?}")),
        }
    }

    /// The group as Magnum has it now.
    pub(crate) async fn record(&self, group: &Group) -> Result<NodeGroupRecord, String> {
        self.magnum.node_group(&self.cluster, group.uuid).await.map_err(|error| error.to_string())
    }

    /// The group's servers.
    pub(crate) async fn servers(&self, group: &Group) -> Result<Servers, String> {
        let mut servers = Servers::new();
        let mut marker = String::new();
        loop {
            let path = format!("servers/detail?name={}-&limit=1000{marker}", group.stack);
            let page = self.call(Service::Compute, Method::GET, &path, None).await?;
            let listed = page["servers"].as_array().ok_or("no list of servers")?;
            for server in listed {
                let text = |name: &str| server[name].as_str().unwrap_or_default().to_owned();
                // A server reads DELETED for a moment before it is gone.
                if group.has(&text("name")) && !text("status").contains("DELETED") {
                    let (name, created) = (text("name"), text("created"));
                    servers.insert(text("id"), Server { name, created });
                }
            }
            let last = listed.last().and_then(|server| server["id"].as_str());
            match (page["servers_links"].as_array(), last) {
                (Some(_), Some(last)) => marker = format!("&marker={last}"),
                _ => return Ok(servers),
            }
        }
    }

    /// How many servers the project has, whosesoever.
    pub(crate) async fn servers_in_project(&self) -> usize {
        let page = self.call(Service::Compute, Method::GET, "servers?limit=1000", None).await;
        page.expect("Nova's list")["servers"].as_array().expect("a list").len()
    }

    /// Deletes a server without asking Heat.
    pub(crate) async fn delete_server(&self, id: &str) {
        let path = format!("servers/{id}");
        self.call(Service::Compute, Method::DELETE, &path, None).await.expect("Nova takes the deletion");
    }

    /// `openstack coe cluster resize`.
    pub(crate) async fn resize(&self, group: &Group, count: u32) {
        let sent = self.magnum.resize(&self.cluster, group.uuid, count, &[]).await;
        sent.expect("Magnum takes the resize");
    }

    /// `openstack coe nodegroup update … replace max_node_count=…`.
    pub(crate) async fn set_maximum(&self, group: &Group, maximum: u32) {
        let path = format!("clusters/{}/nodegroups/{}", self.cluster, group.uuid);
        let patch = json!([{"op": "replace", "path": "/max_node_count", "value": maximum}]);
        let sent = self.call(Service::ContainerInfra, Method::PATCH, &path, Some(patch)).await;
        sent.expect("Magnum takes the new maximum");
    }

    async fn call(
        &self,
        service: Service,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value, String> {
        let call = async {
            let token = self.session.token().await.map_err(|error| error.to_string())?;
            let endpoint = self.session.endpoint(service).await.map_err(|error| error.to_string())?;
            let mut root = endpoint.as_str().trim_end_matches('/').to_owned();
            if service == Service::ContainerInfra && !root.ends_with("/v1") {
                root.push_str("/v1");
            }
            let mut request = Request::builder()
                .method(&method)
                .uri(format!("{root}/{path}"))
                .header("x-auth-token", &token.header);
            if service == Service::ContainerInfra {
                let version = self.magnum.microversion().await.map_err(|error| error.to_string())?;
                request = request.header("openstack-api-version", format!("container-infra {version}"));
            }
            if body.is_some() {
                request = request.header("content-type", "application/json");
            }
            let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
            let request = request.body(body).map_err(|error| error.to_string())?;
            let answer = self.transport.send(request).await.map_err(|error| error.to_string())?;
            let text = String::from_utf8_lossy(answer.body());
            if !answer.status().is_success() {
                return Err(format!("{}: {text}", answer.status()));
            }
            if text.is_empty() {
                Ok(Value::Null)
            } else {
                serde_json::from_str(&text).map_err(|e| e.to_string())
            }
        };
        let answer = timeout(TIMEOUT, call).await.unwrap_or_else(|_| Err("no answer".to_owned()));
        answer.map_err(|error| format!("{method} {service} {path}: {error}"))
    }
}
