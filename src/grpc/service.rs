//! The 15 methods. Reads answer from the snapshot and never wait; writes go to the engine with a deadline.

use std::{fmt, sync::Arc};

use tokio::time::Instant;
use tonic::{Request, Response, Status};
use tracing::{debug, info, warn};

use super::{
    deadline,
    externalgrpc::{
        CleanupRequest, CleanupResponse, GetAvailableGpuTypesRequest, GetAvailableGpuTypesResponse,
        GpuLabelRequest, GpuLabelResponse, NodeGroup, NodeGroupAutoscalingOptionsRequest,
        NodeGroupAutoscalingOptionsResponse, NodeGroupDecreaseTargetSizeRequest,
        NodeGroupDecreaseTargetSizeResponse, NodeGroupDeleteNodesRequest, NodeGroupDeleteNodesResponse,
        NodeGroupForNodeRequest, NodeGroupForNodeResponse, NodeGroupIncreaseSizeRequest,
        NodeGroupIncreaseSizeResponse, NodeGroupNodesRequest, NodeGroupNodesResponse,
        NodeGroupTargetSizeRequest, NodeGroupTargetSizeResponse, NodeGroupTemplateNodeInfoRequest,
        NodeGroupTemplateNodeInfoResponse, NodeGroupsRequest, NodeGroupsResponse, PricingNodePriceRequest,
        PricingNodePriceResponse, PricingPodPriceRequest, PricingPodPriceResponse, RefreshRequest,
        RefreshResponse, cloud_provider_server::CloudProvider,
    },
    options,
    pricing::{node_price, pod_price},
    status::{code, code_label},
    template::EncodedTemplates,
    wire,
};
use crate::{
    core::{
        pricing::PriceError,
        quote::named,
        request::{NodeReference, RequestError},
        settings::Settings,
        snapshot::GroupView,
    },
    engine::Engine,
};

/// How many nodes of a call are named in its log line.
const NODES_IN_LOG: usize = 10;

/// The service, in front of a running engine.
#[derive(Clone)]
pub struct CloudProviderService {
    engine: Arc<Engine>,
    settings: Arc<Settings>,
    templates: Arc<EncodedTemplates>,
}

impl fmt::Debug for CloudProviderService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloudProviderService").finish_non_exhaustive()
    }
}

impl CloudProviderService {
    /// Answers from this engine.
    #[must_use]
    pub fn new(engine: Arc<Engine>) -> Self {
        Self { engine, settings: Arc::default(), templates: Arc::default() }
    }

    /// With the operator's settings: prices, options of single groups and the GPU label.
    #[must_use]
    pub fn with_settings(self, settings: Arc<Settings>) -> Self {
        Self { settings, ..self }
    }

    fn prices(&self) -> Result<&Settings, PriceError> {
        if self.settings.has_prices() { Ok(&self.settings) } else { Err(PriceError::NotOffered) }
    }

    fn group(&self, id: &str) -> Result<Arc<GroupView>, Status> {
        Ok(Arc::clone(self.engine.snapshot()?.group(id)?))
    }
}

/// Carries out a write and logs its outcome, whether or not the caller still waits for it.
///
/// The caller hanging up drops the handler, but what was accepted must take its course (I4): the task goes on.
async fn carry_out<F>(what: String, write: F) -> Result<(), Status>
where
    F: Future<Output = Result<(), RequestError>> + Send + 'static,
{
    let received = Instant::now();
    let task = tokio::spawn(async move {
        let outcome = write.await;
        let elapsed = received.elapsed().as_millis();
        match &outcome {
            Ok(()) => info!("{what}: OK after {elapsed} ms"),
            // The engine says it once for all nodes, and not in each of cluster-autoscaler's loops.
            Err(error @ (RequestError::NotIdentifiedYet { .. } | RequestError::AmbiguousNode { .. })) => {
                debug!("{what}: {error}");
            }
            Err(error) => warn!("{what}: {} after {elapsed} ms: {error}", code_label(code(error))),
        }
        outcome
    });
    match task.await {
        Ok(outcome) => Ok(outcome?),
        // Goes on in the call that asked for it, where panics are answered.
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(RequestError::Stopping.into()),
    }
}

/// Names the nodes for the log; the callers' text is escaped, so that it cannot pretend to be another line.
fn node_list(nodes: &[NodeReference]) -> String {
    let shown = |node: &NodeReference| match named(&node.provider_id) {
        id if id.is_empty() || node.provider_id == node.name => named(node.label()),
        id => format!("{} ({id})", named(&node.name)),
    };
    let list: Vec<String> = nodes.iter().take(NODES_IN_LOG).map(shown).collect();
    match nodes.len().saturating_sub(NODES_IN_LOG) {
        0 => list.join(", "),
        more => format!("{} and {more} more", list.join(", ")),
    }
}

#[tonic::async_trait]
impl CloudProvider for CloudProviderService {
    async fn node_groups(
        &self,
        _request: Request<NodeGroupsRequest>,
    ) -> Result<Response<NodeGroupsResponse>, Status> {
        let snapshot = self.engine.snapshot()?;
        let shown =
            |group: &Arc<GroupView>| wire::node_group(group, self.engine.note_about(group).as_deref());
        let node_groups = snapshot.groups().iter().map(shown).collect();
        Ok(Response::new(NodeGroupsResponse { node_groups }))
    }

    async fn node_group_for_node(
        &self,
        request: Request<NodeGroupForNodeRequest>,
    ) -> Result<Response<NodeGroupForNodeResponse>, Status> {
        let node = request.into_inner().node.ok_or(RequestError::NoNodes)?;
        let group = self.engine.group_of(&wire::node_reference(node))?;
        // An empty id says that the node is not ours: a control-plane or foreign one.
        let node_group = group.map_or_else(NodeGroup::default, |group| wire::node_group_of_node(&group));
        Ok(Response::new(NodeGroupForNodeResponse { node_group: Some(node_group) }))
    }

    async fn pricing_node_price(
        &self,
        request: Request<PricingNodePriceRequest>,
    ) -> Result<Response<PricingNodePriceResponse>, Status> {
        let settings = self.prices()?;
        let price = node_price(settings, &*self.engine.snapshot()?, request.into_inner())?;
        Ok(Response::new(PricingNodePriceResponse { price }))
    }

    async fn pricing_pod_price(
        &self,
        request: Request<PricingPodPriceRequest>,
    ) -> Result<Response<PricingPodPriceResponse>, Status> {
        let settings = self.prices()?;
        let price = pod_price(settings, &*self.engine.snapshot()?, request.get_ref())?;
        Ok(Response::new(PricingPodPriceResponse { price }))
    }

    async fn gpu_label(
        &self,
        _request: Request<GpuLabelRequest>,
    ) -> Result<Response<GpuLabelResponse>, Status> {
        Ok(Response::new(GpuLabelResponse { label: self.settings.devices.gpu_label.clone() }))
    }

    async fn get_available_gpu_types(
        &self,
        _request: Request<GetAvailableGpuTypesRequest>,
    ) -> Result<Response<GetAvailableGpuTypesResponse>, Status> {
        // Only the keys count (`externalgrpc_cloud_provider.go`, `GetAvailableGPUTypes`).
        let snapshot = self.engine.snapshot()?;
        let types = snapshot.groups().iter().flat_map(|group| &group.template.gpu_types);
        let gpu_types = types.map(|kind| (kind.clone(), prost_types::Any::default())).collect();
        Ok(Response::new(GetAvailableGpuTypesResponse { gpu_types }))
    }

    async fn cleanup(&self, _request: Request<CleanupRequest>) -> Result<Response<CleanupResponse>, Status> {
        info!("cluster-autoscaler says goodbye (Cleanup)");
        Ok(Response::new(CleanupResponse {}))
    }

    async fn refresh(&self, request: Request<RefreshRequest>) -> Result<Response<RefreshResponse>, Status> {
        self.engine.refresh(deadline::of(request.metadata(), Instant::now())).await?;
        Ok(Response::new(RefreshResponse {}))
    }

    async fn node_group_target_size(
        &self,
        request: Request<NodeGroupTargetSizeRequest>,
    ) -> Result<Response<NodeGroupTargetSizeResponse>, Status> {
        let target_size = wire::size(self.group(&request.get_ref().id)?.target_size);
        Ok(Response::new(NodeGroupTargetSizeResponse { target_size }))
    }

    async fn node_group_increase_size(
        &self,
        request: Request<NodeGroupIncreaseSizeRequest>,
    ) -> Result<Response<NodeGroupIncreaseSizeResponse>, Status> {
        let deadline = deadline::of(request.metadata(), Instant::now());
        let NodeGroupIncreaseSizeRequest { delta, id } = request.into_inner();
        let engine = Arc::clone(&self.engine);
        carry_out(format!("{}: IncreaseSize by {delta}", named(&id)), async move {
            engine.increase_size(&id, delta, deadline).await
        })
        .await?;
        Ok(Response::new(NodeGroupIncreaseSizeResponse {}))
    }

    async fn node_group_delete_nodes(
        &self,
        request: Request<NodeGroupDeleteNodesRequest>,
    ) -> Result<Response<NodeGroupDeleteNodesResponse>, Status> {
        let deadline = deadline::of(request.metadata(), Instant::now());
        let NodeGroupDeleteNodesRequest { nodes, id } = request.into_inner();
        let nodes: Vec<NodeReference> = nodes.into_iter().map(wire::node_reference).collect();
        let engine = Arc::clone(&self.engine);
        carry_out(format!("{}: DeleteNodes [{}]", named(&id), node_list(&nodes)), async move {
            engine.delete_nodes(&id, &nodes, deadline).await
        })
        .await?;
        Ok(Response::new(NodeGroupDeleteNodesResponse {}))
    }

    async fn node_group_decrease_target_size(
        &self,
        request: Request<NodeGroupDecreaseTargetSizeRequest>,
    ) -> Result<Response<NodeGroupDecreaseTargetSizeResponse>, Status> {
        let deadline = deadline::of(request.metadata(), Instant::now());
        let NodeGroupDecreaseTargetSizeRequest { delta, id } = request.into_inner();
        let engine = Arc::clone(&self.engine);
        carry_out(format!("{}: DecreaseTargetSize by {delta}", named(&id)), async move {
            engine.decrease_target_size(&id, delta, deadline).await
        })
        .await?;
        Ok(Response::new(NodeGroupDecreaseTargetSizeResponse {}))
    }

    async fn node_group_nodes(
        &self,
        request: Request<NodeGroupNodesRequest>,
    ) -> Result<Response<NodeGroupNodesResponse>, Status> {
        let group = self.group(&request.get_ref().id)?;
        let instances = group.instances.iter().map(wire::instance).collect();
        Ok(Response::new(NodeGroupNodesResponse { instances }))
    }

    async fn node_group_template_node_info(
        &self,
        request: Request<NodeGroupTemplateNodeInfoRequest>,
    ) -> Result<Response<NodeGroupTemplateNodeInfoResponse>, Status> {
        let snapshot = self.engine.snapshot()?;
        let group = snapshot.group(&request.get_ref().id)?;
        Ok(Response::new(self.templates.answer(group, &snapshot)))
    }

    async fn node_group_get_options(
        &self,
        request: Request<NodeGroupAutoscalingOptionsRequest>,
    ) -> Result<Response<NodeGroupAutoscalingOptionsResponse>, Status> {
        let NodeGroupAutoscalingOptionsRequest { id, defaults } = request.into_inner();
        let set = self.settings.options(&self.group(&id)?.template.node_group);
        let node_group_autoscaling_options = options::overlay(defaults, &set);
        Ok(Response::new(NodeGroupAutoscalingOptionsResponse { node_group_autoscaling_options }))
    }
}

#[cfg(test)]
mod tests {
    use std::panic::AssertUnwindSafe;

    use futures_util::FutureExt as _;

    use super::*;

    fn nodes(count: usize) -> Vec<NodeReference> {
        (0..count)
            .map(|number| NodeReference { provider_id: String::new(), name: format!("n\n{number}") })
            .collect()
    }

    #[test]
    fn a_log_line_stays_one_line_of_bounded_length() {
        assert_eq!(node_list(&nodes(2)), "n\\n0, n\\n1");
        assert!(node_list(&nodes(12)).ends_with("n\\n9 and 2 more"));
    }

    #[tokio::test]
    async fn a_panic_goes_on_in_the_call_that_asked() {
        let call = carry_out("x".to_owned(), async { panic!("boom") });
        let panic = AssertUnwindSafe(call).catch_unwind().await.unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"boom"));
    }

    #[tokio::test]
    async fn a_write_goes_on_without_its_caller() {
        let (go, gone) = tokio::sync::oneshot::channel::<()>();
        let (done, carried_out) = tokio::sync::oneshot::channel();
        let mut call = Box::pin(carry_out("x".to_owned(), async {
            let _ = gone.await;
            let _ = done.send(());
            Ok(())
        }));
        assert!(call.as_mut().now_or_never().is_none());
        drop(call);
        go.send(()).unwrap();
        carried_out.await.unwrap();
    }
}
