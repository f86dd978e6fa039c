//! The part of cluster-autoscaler: its calls, with its patience.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use cluster_autoscaler_provider_magnum::grpc::externalgrpc::{
    ExternalGrpcNode, Instance, InstanceErrorInfo, NodeGroup, NodeGroupDeleteNodesRequest,
    NodeGroupForNodeRequest, NodeGroupIncreaseSizeRequest, NodeGroupNodesRequest, NodeGroupTargetSizeRequest,
    NodeGroupsRequest, RefreshRequest, cloud_provider_client::CloudProviderClient,
    instance_status::InstanceState,
};
use tonic::{Request, Response, Status, transport::Channel};

/// cluster-autoscaler's patience with any call, unless it is told otherwise.
const PATIENCE: Duration = Duration::from_secs(5);

/// Calls the service as cluster-autoscaler does, and measures how long it is made to wait.
#[derive(Clone)]
pub(crate) struct Autoscaler {
    client: CloudProviderClient<Channel>,
    longest: Arc<Mutex<BTreeMap<&'static str, Duration>>>,
}

/// One instance of a NodeGroupNodes answer; displayed as one line of an excerpt.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    /// Its id as the service emits it.
    pub(crate) id: String,
    /// Its state.
    pub(crate) state: InstanceState,
    /// Its error.
    pub(crate) error: Option<InstanceErrorInfo>,
}

impl Node {
    /// The UUID of its server; `None` for a placeholder.
    pub(crate) fn server(&self) -> Option<&str> {
        self.id.strip_prefix("openstack://")?.rsplit('/').next()
    }

    /// Its error's code and class.
    pub(crate) fn error_kind(&self) -> Option<(&str, i32)> {
        self.error.as_ref().map(|error| (error.error_code.as_str(), error.instance_error_class))
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.state.as_str_name())?;
        match &self.error {
            Some(error) => write!(
                f,
                " errorCode={} class={} message={:?}",
                error.error_code, error.instance_error_class, error.error_message
            ),
            None => Ok(()),
        }
    }
}

/// All nodes in one line, for messages.
pub(crate) fn listed(nodes: &[Node]) -> String {
    let lines: Vec<_> = nodes.iter().map(ToString::to_string).collect();
    format!("[{}]", lines.join("; "))
}

/// The provider ID that a node with this server shows.
pub(crate) fn provider_id(server: &str) -> String {
    format!("openstack:///{server}")
}

impl Autoscaler {
    pub(crate) fn new(channel: Channel) -> Self {
        Self { client: CloudProviderClient::new(channel), longest: Arc::default() }
    }

    /// The longest wait for each method so far.
    pub(crate) fn longest(&self) -> BTreeMap<&'static str, Duration> {
        self.longest.lock().unwrap().clone()
    }

    /// Forgets the waits so far.
    pub(crate) fn forget_waits(&self) {
        self.longest.lock().unwrap().clear();
    }

    async fn timed<T>(
        &self,
        method: &'static str,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Status> {
        let begun = Instant::now();
        let answer = call.await;
        let waited = begun.elapsed();
        let mut longest = self.longest.lock().unwrap();
        let entry = longest.entry(method).or_default();
        *entry = waited.max(*entry);
        answer.map(Response::into_inner)
    }

    pub(crate) async fn refresh(&self) -> Result<(), Status> {
        let call = self.client.clone();
        self.timed("Refresh", { call }.refresh(patient(RefreshRequest {}))).await.map(drop)
    }

    pub(crate) async fn node_groups(&self) -> Result<Vec<NodeGroup>, Status> {
        let mut client = self.client.clone();
        let call = client.node_groups(patient(NodeGroupsRequest {}));
        Ok(self.timed("NodeGroups", call).await?.node_groups)
    }

    /// The id of the group that a node is in, empty for a foreign one.
    pub(crate) async fn group_of(&self, provider_id: &str) -> Result<String, Status> {
        let mut client = self.client.clone();
        let request = NodeGroupForNodeRequest { node: Some(node(provider_id)) };
        let call = client.node_group_for_node(patient(request));
        Ok(self.timed("NodeGroupForNode", call).await?.node_group.unwrap_or_default().id)
    }

    pub(crate) async fn target_size(&self, group: &str) -> Result<usize, Status> {
        let mut client = self.client.clone();
        let call =
            client.node_group_target_size(patient(NodeGroupTargetSizeRequest { id: group.to_owned() }));
        let size = self.timed("NodeGroupTargetSize", call).await?.target_size;
        Ok(usize::try_from(size).expect("a target size is never negative"))
    }

    pub(crate) async fn nodes(&self, group: &str) -> Result<Vec<Node>, Status> {
        let mut client = self.client.clone();
        let call = client.node_group_nodes(patient(NodeGroupNodesRequest { id: group.to_owned() }));
        Ok(self.timed("NodeGroupNodes", call).await?.instances.into_iter().map(Node::from).collect())
    }

    pub(crate) async fn increase_size(&self, group: &str, delta: i32) -> Result<(), Status> {
        let mut client = self.client.clone();
        let request = NodeGroupIncreaseSizeRequest { id: group.to_owned(), delta };
        self.timed("NodeGroupIncreaseSize", client.node_group_increase_size(patient(request))).await.map(drop)
    }

    /// Deletes the nodes with these provider IDs.
    pub(crate) async fn delete_nodes(&self, group: &str, provider_ids: &[&str]) -> Result<(), Status> {
        let mut client = self.client.clone();
        let nodes = provider_ids.iter().map(|id| node(id)).collect();
        let request = NodeGroupDeleteNodesRequest { id: group.to_owned(), nodes };
        self.timed("NodeGroupDeleteNodes", client.node_group_delete_nodes(patient(request))).await.map(drop)
    }
}

impl From<Instance> for Node {
    fn from(instance: Instance) -> Self {
        let status = instance.status.expect("an instance without status");
        Self { id: instance.id, state: status.instance_state(), error: status.error_info }
    }
}

fn patient<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(PATIENCE);
    request
}

/// A node as cluster-autoscaler names it: one that never registered has its provider ID for a name as well.
fn node(provider_id: &str) -> ExternalGrpcNode {
    ExternalGrpcNode { provider_id: provider_id.into(), name: provider_id.into(), ..Default::default() }
}
