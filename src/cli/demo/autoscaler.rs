//! cluster-autoscaler's part: its calls, over a connection like its own.

use std::{net::SocketAddr, time::Duration};

use tonic::{
    IntoRequest, Request, Status,
    transport::{Channel, Endpoint},
};

use super::error::DemoError;
use crate::grpc::externalgrpc::{
    ExternalGrpcNode, Instance, NodeGroup, NodeGroupDeleteNodesRequest, NodeGroupForNodeRequest,
    NodeGroupIncreaseSizeRequest, NodeGroupNodesRequest, NodeGroupTargetSizeRequest, NodeGroupsRequest,
    RefreshRequest, cloud_provider_client::CloudProviderClient,
};

/// How long a call may take: `grpc_timeout` of cluster-autoscaler's configuration.
const CALL_TIME: Duration = Duration::from_secs(10);

/// cluster-autoscaler, as far as the demo plays it.
#[derive(Debug)]
pub struct Autoscaler {
    client: CloudProviderClient<Channel>,
}

impl Autoscaler {
    /// Connects to the service with the first call.
    ///
    /// # Errors
    /// When the address is none.
    pub fn new(service: SocketAddr) -> Result<Self, DemoError> {
        let endpoint = Endpoint::from_shared(format!("http://{service}"))
            .map_err(|error| DemoError::Unexpected(format!("no gRPC client for {service}: {error}")))?;
        Ok(Self { client: CloudProviderClient::new(endpoint.connect_lazy()) })
    }

    /// What each of its loops begins with.
    ///
    /// # Errors
    /// [`DemoError::Call`] when the answer is not OK; so with all of these.
    pub async fn refresh(&mut self) -> Result<(), DemoError> {
        let answer = self.client.refresh(in_time(RefreshRequest {})).await;
        answer.map(|_| ()).map_err(refused("Refresh"))
    }

    /// The groups to scale.
    ///
    /// # Errors
    /// [`DemoError::Call`].
    pub async fn node_groups(&mut self) -> Result<Vec<NodeGroup>, DemoError> {
        let answer = self.client.node_groups(in_time(NodeGroupsRequest {})).await;
        Ok(answer.map_err(refused("NodeGroups"))?.into_inner().node_groups)
    }

    /// The nodes of a group, those included that are asked for.
    ///
    /// # Errors
    /// [`DemoError::Call`].
    pub async fn nodes(&mut self, group: &str) -> Result<Vec<Instance>, DemoError> {
        let request = in_time(NodeGroupNodesRequest { id: group.to_owned() });
        let answer = self.client.node_group_nodes(request).await;
        Ok(answer.map_err(refused("NodeGroupNodes"))?.into_inner().instances)
    }

    /// The size that a group is to have.
    ///
    /// # Errors
    /// [`DemoError::Call`].
    pub async fn target_size(&mut self, group: &str) -> Result<i32, DemoError> {
        let request = in_time(NodeGroupTargetSizeRequest { id: group.to_owned() });
        let answer = self.client.node_group_target_size(request).await;
        Ok(answer.map_err(refused("NodeGroupTargetSize"))?.into_inner().target_size)
    }

    /// The group of a node that has registered; an empty id for none.
    ///
    /// # Errors
    /// [`DemoError::Call`].
    pub async fn group_of(&mut self, provider_id: &str, name: &str) -> Result<String, DemoError> {
        let request = in_time(NodeGroupForNodeRequest { node: Some(node(provider_id, name)) });
        let answer = self.client.node_group_for_node(request).await;
        let group = answer.map_err(refused("NodeGroupForNode"))?.into_inner().node_group;
        Ok(group.unwrap_or_default().id)
    }

    /// Asks for more nodes.
    ///
    /// # Errors
    /// [`DemoError::Call`].
    pub async fn increase_size(&mut self, group: &str, delta: i32) -> Result<(), DemoError> {
        let request = in_time(NodeGroupIncreaseSizeRequest { id: group.to_owned(), delta });
        let answer = self.client.node_group_increase_size(request).await;
        answer.map(|_| ()).map_err(refused("NodeGroupIncreaseSize"))
    }

    /// Asks for the end of this one node.
    ///
    /// # Errors
    /// [`DemoError::Call`].
    pub async fn delete_node(&mut self, group: &str, provider_id: &str) -> Result<(), DemoError> {
        let nodes = vec![node(provider_id, provider_id)];
        let request = in_time(NodeGroupDeleteNodesRequest { id: group.to_owned(), nodes });
        let answer = self.client.node_group_delete_nodes(request).await;
        answer.map(|_| ()).map_err(refused("NodeGroupDeleteNodes"))
    }
}

fn node(provider_id: &str, name: &str) -> ExternalGrpcNode {
    ExternalGrpcNode { provider_id: provider_id.to_owned(), name: name.to_owned(), ..Default::default() }
}

fn in_time<T>(message: T) -> Request<T> {
    let mut request = message.into_request();
    request.set_timeout(CALL_TIME);
    request
}

fn refused(method: &'static str) -> impl FnOnce(Status) -> DemoError {
    move |status| DemoError::Call { method, status }
}
