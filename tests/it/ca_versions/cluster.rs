//! What cluster-autoscaler sees of Kubernetes: nodes, and pods of which each fills a node.

use std::collections::HashMap;

use cluster_autoscaler_provider_magnum::grpc::externalgrpc::ExternalGrpcNode;
use tokio::time::Instant;

/// The label by which a pod chooses its group, as Magnum's nodes carry it.
pub const GROUP_LABEL: &str = "magnum.openstack.org/nodegroup";

/// A ready node.
#[derive(Debug, Clone)]
pub struct KubeNode {
    pub name: String,
    /// Empty until a cloud controller manager has seen it; for ever where there is none.
    pub provider_id: String,
    /// Magnum's name of its group; none of a control-plane node.
    pub group: Option<String>,
    /// When it became ready; none when that was long ago.
    pub joined: Option<Instant>,
    /// Whether it is free of the taint `node.cloudprovider.kubernetes.io/uninitialized`, which keeps every pod off.
    pub initialized: bool,
}

impl KubeNode {
    pub fn labels(&self) -> HashMap<String, String> {
        let mut labels = HashMap::from([("kubernetes.io/hostname".to_owned(), self.name.clone())]);
        labels.extend(self.group.clone().map(|group| (GROUP_LABEL.to_owned(), group)));
        labels
    }

    pub fn on_the_wire(&self) -> ExternalGrpcNode {
        ExternalGrpcNode {
            provider_id: self.provider_id.clone(),
            name: self.name.clone(),
            labels: self.labels(),
            annotations: HashMap::new(),
        }
    }
}

/// A pod that fills a node.
#[derive(Debug, Clone)]
pub struct Pod {
    /// The group that it wants a node of, by a node selector.
    pub selector: Option<&'static str>,
    /// The node it runs on.
    pub node: Option<String>,
}

impl Pod {
    pub fn accepts(&self, labels: &HashMap<String, String>) -> bool {
        self.selector.is_none_or(|group| labels.get(GROUP_LABEL).is_some_and(|label| label == group))
    }
}

/// All of them.
#[derive(Debug, Default)]
pub struct Cluster {
    pub nodes: Vec<KubeNode>,
    pub pods: Vec<Pod>,
}

impl Cluster {
    pub fn is_idle(&self, node: &KubeNode) -> bool {
        !self.pods.iter().any(|pod| pod.node.as_ref() == Some(&node.name))
    }

    pub fn pending(&self) -> Vec<Pod> {
        self.pods.iter().filter(|pod| pod.node.is_none()).cloned().collect()
    }

    /// What kube-scheduler does: pods of lost nodes are pending again, pending ones go where there is room.
    pub fn schedule(&mut self) {
        for pod in &mut self.pods {
            pod.node = pod.node.take().filter(|name| self.nodes.iter().any(|node| node.name == *name));
        }
        for number in 0..self.pods.len() {
            let pod = &self.pods[number];
            if pod.node.is_none() {
                let fits = |node: &&KubeNode| {
                    node.initialized
                        && node.group.is_some()
                        && pod.accepts(&node.labels())
                        && self.is_idle(node)
                };
                let node = self.nodes.iter().find(fits).map(|node| node.name.clone());
                self.pods[number].node = node;
            }
        }
    }
}
