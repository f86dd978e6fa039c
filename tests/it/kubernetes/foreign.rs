//! Nodes of nobody here: control planes, other clusters, bare metal. cluster-autoscaler asks for each of them in each loop.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use cluster_autoscaler_provider_magnum::{
    core::{
        cloud::{Cloud, CloudError, Observation, Reading},
        node_group::NodeGroupUuid,
        nodes::{NodeIndex, NodeObject, NodeSource},
        resize::Resize,
    },
    engine::{Engine, EngineOptions},
    grpc::{
        externalgrpc::{
            ExternalGrpcNode, NodeGroupForNodeRequest, cloud_provider_server::CloudProvider as _,
        },
        service::CloudProviderService,
    },
    telemetry::metrics::Metrics,
};
use tonic::Request;

use crate::{
    captured_log::CapturedLog,
    grpc_fixture::{MemoryCloud, eventually},
};

/// Calls of each kind of node.
const CALLS: usize = 2000;

struct CountingCloud {
    cloud: Arc<MemoryCloud>,
    requests: AtomicUsize,
}

#[async_trait]
impl Cloud for CountingCloud {
    async fn observe(&self, previous: Option<&Observation>) -> Result<Observation, CloudError> {
        self.requests.fetch_add(1, Ordering::SeqCst);
        self.cloud.observe(previous).await
    }

    async fn read_group(&self, group: NodeGroupUuid) -> Result<Reading, CloudError> {
        self.requests.fetch_add(1, Ordering::SeqCst);
        self.cloud.read_group(group).await
    }

    async fn resize(&self, group: NodeGroupUuid, resize: &Resize) -> Result<(), CloudError> {
        self.cloud.resize(group, resize).await
    }
}

#[derive(Debug)]
struct CountingNodes {
    nodes: Arc<NodeIndex>,
    asked: AtomicUsize,
}

impl NodeSource for CountingNodes {
    fn nodes(&self) -> Option<Arc<NodeIndex>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Some(Arc::clone(&self.nodes))
    }
}

#[tokio::test]
async fn ten_thousand_foreign_nodes_ask_nobody_and_say_nothing() {
    let cloud = Arc::new(CountingCloud { cloud: MemoryCloud::new(), requests: AtomicUsize::new(0) });
    // Two of the foreign ones share a baked machine id.
    let known = |name: &str| {
        let machine_id = "10783ea106f742728fede153a98b035d".to_owned();
        Arc::new(NodeObject { name: name.to_owned(), machine_id, ..NodeObject::default() })
    };
    let nodes = ["k8s-abc-master-0", "metal-7"].into_iter().map(known).collect();
    let nodes = Arc::new(CountingNodes { nodes: Arc::new(nodes), asked: AtomicUsize::new(0) });
    let options = EngineOptions {
        refresh_interval: Duration::from_secs(3600),
        nodes: Some(nodes.clone()),
        ..EngineOptions::default()
    };
    let engine = Engine::start(cloud.clone(), options, Arc::new(Metrics::new().unwrap()));
    eventually("the first snapshot", || engine.snapshot().is_ok()).await;
    let service = CloudProviderService::new(engine);
    let (log, _guard) = CapturedLog::start();
    let (requests, asked) = (cloud.requests.load(Ordering::SeqCst), nodes.asked.load(Ordering::SeqCst));
    let foreign = [
        ("k8s-abc-master-0", ""),
        ("metal-7", ""),
        ("other-cluster-node-3", "openstack:///ffffffff-0000-4000-8000-000000000000"),
        ("ip-10-0-0-1", "aws:///eu-west-1a/i-0123456789abcdef0"),
        ("broken", "openstack:///"),
    ];
    for _ in 0..CALLS {
        for (name, provider_id) in foreign {
            let node = ExternalGrpcNode {
                provider_id: provider_id.to_owned(),
                name: name.to_owned(),
                labels: [].into(),
                annotations: [].into(),
            };
            let request = Request::new(NodeGroupForNodeRequest { node: Some(node) });
            let answer = service.node_group_for_node(request).await.unwrap().into_inner();
            assert_eq!(answer.node_group.unwrap().id, "", "{name}");
        }
    }
    assert_eq!(cloud.requests.load(Ordering::SeqCst), requests, "no request to OpenStack");
    assert!(
        nodes.asked.load(Ordering::SeqCst) - asked <= CALLS * foreign.len(),
        "one look at the nodes each"
    );
    assert_eq!(log.text(), "");
}
