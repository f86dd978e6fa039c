//! The client side of the external provider, as each version has it: what it sends, keeps, and makes of a code
//! (`cloudprovider/externalgrpc/externalgrpc_cloud_provider.go` and `externalgrpc_node_group.go`).

use std::{collections::HashMap, time::Duration};

use cluster_autoscaler_provider_magnum::grpc::{
    externalgrpc::{
        ExternalGrpcNode, GetAvailableGpuTypesRequest, GetAvailableGpuTypesResponse, GpuLabelRequest,
        GpuLabelResponse, Instance, NodeGroup, NodeGroupDecreaseTargetSizeRequest,
        NodeGroupDecreaseTargetSizeResponse, NodeGroupDeleteNodesRequest, NodeGroupDeleteNodesResponse,
        NodeGroupForNodeRequest, NodeGroupForNodeResponse, NodeGroupIncreaseSizeRequest,
        NodeGroupIncreaseSizeResponse, NodeGroupNodesRequest, NodeGroupNodesResponse,
        NodeGroupTargetSizeRequest, NodeGroupTargetSizeResponse, NodeGroupTemplateNodeInfoRequest,
        NodeGroupsRequest, NodeGroupsResponse, PricingNodePriceResponse, PricingPodPriceResponse,
        RefreshRequest, RefreshResponse, cloud_provider_server::CloudProviderServer,
    },
    service::CloudProviderService,
};
use prost::Message;
use tonic::{Code, Request, client::Grpc};
use tonic_prost::ProstCodec;

use super::{
    version::Version,
    wire::{
        GroupOptions, KubernetesNode, KubernetesPod, Node, NodePriceRequest, Options, OptionsAnswer,
        OptionsRequest, PodPriceRequest, Template, Trouble,
    },
};

/// `grpc_timeout` when nothing is configured.
const TIMEOUT: Duration = Duration::from_secs(5);

/// One cluster-autoscaler's connection. The service is called in the process, so that time may be paused; everything
/// still goes through gRPC's encoding.
pub struct Client {
    version: &'static Version,
    grpc: Grpc<CloudProviderServer<CloudProviderService>>,
    /// Until the next Refresh.
    groups: Option<Vec<NodeGroup>>,
    /// Until the next Refresh; that a node is in no group is not kept.
    groups_of_nodes: HashMap<String, NodeGroup>,
}

impl Client {
    pub fn new(version: &'static Version, service: CloudProviderService) -> Self {
        let grpc = Grpc::new(CloudProviderServer::new(service));
        Self { version, grpc, groups: None, groups_of_nodes: HashMap::new() }
    }

    async fn call<Q, A>(&mut self, method: &str, message: Q) -> Result<A, Code>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let path = format!("/clusterautoscaler.cloudprovider.v1.externalgrpc.CloudProvider/{method}");
        let mut request = Request::new(message);
        request.set_timeout(TIMEOUT);
        let answer = async {
            self.grpc.ready().await.unwrap();
            self.grpc.unary(request, path.parse().unwrap(), ProstCodec::<Q, A>::default()).await
        };
        match tokio::time::timeout(TIMEOUT, answer).await {
            Ok(answer) => answer.map(tonic::Response::into_inner).map_err(|status| status.code()),
            Err(_) => Err(Code::DeadlineExceeded),
        }
    }

    /// Drops what is kept, then asks.
    pub async fn refresh(&mut self) -> Result<(), Code> {
        self.groups = None;
        self.groups_of_nodes.clear();
        self.call("Refresh", RefreshRequest {}).await.map(|RefreshResponse {}| ())
    }

    /// An error is an empty list, which is not kept.
    pub async fn groups(&mut self) -> Vec<NodeGroup> {
        if self.groups.is_none() {
            let answer: Result<NodeGroupsResponse, Code> =
                self.call("NodeGroups", NodeGroupsRequest {}).await;
            self.groups = answer.ok().map(|answer| answer.node_groups);
        }
        self.groups.clone().unwrap_or_default()
    }

    /// An empty id is no group: not to be processed.
    pub async fn group_of(&mut self, node: ExternalGrpcNode) -> Result<Option<NodeGroup>, Code> {
        let key = format!("{}{}", node.name, node.provider_id);
        if let Some(group) = self.groups_of_nodes.get(&key) {
            return Ok(Some(group.clone()));
        }
        let answer: NodeGroupForNodeResponse =
            self.call("NodeGroupForNode", NodeGroupForNodeRequest { node: Some(node) }).await?;
        let group = answer.node_group.filter(|group| !group.id.is_empty());
        if let Some(group) = &group {
            self.groups_of_nodes.insert(key, group.clone());
        }
        Ok(group)
    }

    pub async fn target_size(&mut self, group: &str) -> Result<i32, Code> {
        let request = NodeGroupTargetSizeRequest { id: group.to_owned() };
        let answer: NodeGroupTargetSizeResponse = self.call("NodeGroupTargetSize", request).await?;
        Ok(answer.target_size)
    }

    pub async fn instances(&mut self, group: &str) -> Result<Vec<Instance>, Code> {
        let request = NodeGroupNodesRequest { id: group.to_owned() };
        let answer: NodeGroupNodesResponse = self.call("NodeGroupNodes", request).await?;
        Ok(answer.instances)
    }

    pub async fn increase(&mut self, group: &str, delta: i32) -> Result<(), Code> {
        let request = NodeGroupIncreaseSizeRequest { delta, id: group.to_owned() };
        self.call("NodeGroupIncreaseSize", request).await.map(|NodeGroupIncreaseSizeResponse {}| ())
    }

    pub async fn decrease(&mut self, group: &str, delta: i32) -> Result<(), Code> {
        let request = NodeGroupDecreaseTargetSizeRequest { delta: -delta, id: group.to_owned() };
        let answer = self.call("NodeGroupDecreaseTargetSize", request).await;
        answer.map(|NodeGroupDecreaseTargetSizeResponse {}| ())
    }

    pub async fn delete(&mut self, group: &str, nodes: Vec<ExternalGrpcNode>) -> Result<(), Code> {
        let request = NodeGroupDeleteNodesRequest { nodes, id: group.to_owned() };
        self.call("NodeGroupDeleteNodes", request).await.map(|NodeGroupDeleteNodesResponse {}| ())
    }

    /// `None` where the provider has none and this version can do without.
    pub async fn template(&mut self, group: &str) -> Result<Option<KubernetesNode>, Trouble> {
        let request = NodeGroupTemplateNodeInfoRequest { id: group.to_owned() };
        match self.call::<_, Template>("NodeGroupTemplateNodeInfo", request).await {
            Ok(template) => template.read_by(self.version).map(Some),
            Err(Code::Unimplemented) if self.version.knows_unimplemented => Ok(None),
            Err(code) => Err(Trouble::Error(code)),
        }
    }

    /// The defaults where the provider has no others.
    pub async fn options(&mut self, group: &str) -> Result<GroupOptions, Trouble> {
        let defaults = Some(Options::sent_by(self.version));
        let request = OptionsRequest { id: group.to_owned(), defaults };
        match self.call::<_, OptionsAnswer>("NodeGroupGetOptions", request).await {
            Ok(answer) => answer.read_by(self.version),
            Err(Code::Unimplemented) if self.version.knows_unimplemented => Ok(GroupOptions::DEFAULTS),
            Err(code) => Err(Trouble::Error(code)),
        }
    }

    pub async fn node_price(&mut self, node: Node) -> Result<f64, Code> {
        let request = NodePriceRequest::sent_by(self.version, node);
        let answer: PricingNodePriceResponse = self.call("PricingNodePrice", request).await?;
        Ok(answer.price)
    }

    pub async fn pod_price(&mut self, pod: KubernetesPod) -> Result<f64, Code> {
        let request = PodPriceRequest::sent_by(self.version, pod);
        let answer: PricingPodPriceResponse = self.call("PricingPodPrice", request).await?;
        Ok(answer.price)
    }

    /// An error is an empty label.
    pub async fn gpu_label(&mut self) -> String {
        let answer: Result<GpuLabelResponse, Code> = self.call("GPULabel", GpuLabelRequest {}).await;
        answer.map(|answer| answer.label).unwrap_or_default()
    }

    /// An error is no type.
    pub async fn gpu_types(&mut self) -> Vec<String> {
        let answer: Result<GetAvailableGpuTypesResponse, Code> =
            self.call("GetAvailableGPUTypes", GetAvailableGpuTypesRequest {}).await;
        answer.map(|answer| answer.gpu_types.into_keys().collect()).unwrap_or_default()
    }
}
