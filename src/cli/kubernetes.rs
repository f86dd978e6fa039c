//! The options about Kubernetes, and what they start.

use std::{ffi::OsString, fmt, sync::Arc};

use clap::{Args, builder::BoolishValueParser};
use tokio_util::sync::CancellationToken;

use super::error::StartError;
use crate::{core::nodes::NodeSource, engine::Subscriber};
#[cfg(feature = "kubernetes")]
use crate::{
    core::{decision::Decision, registration::Registrations},
    kubernetes::{Access, AccessError, EventWriter, NodeEvent, NodeNames, NodeWatch},
};

/// What Kubernetes is asked for.
#[derive(Debug, Clone, Args)]
pub struct KubernetesArguments {
    /// Tell nodes without a provider ID by the machineID and systemUUID of their Node objects, and make node templates like
    /// the live nodes
    ///
    /// An id counts if it is that of a member and nothing contradicts it. Needs get, list and watch on nodes.
    #[arg(long, env = "MAGNUM_AUTOSCALER_KUBE_LOOKUP", value_parser = BoolishValueParser::new())]
    pub kube_lookup: bool,

    /// Write a Kubernetes event on each node that could not be made or removed
    ///
    /// Needs create and patch on events (events.k8s.io) in the namespace default.
    #[arg(long, env = "MAGNUM_AUTOSCALER_KUBE_EVENTS", value_parser = BoolishValueParser::new())]
    pub kube_events: bool,

    /// Kubeconfig to ask Kubernetes with; without it the service account of the pod
    #[arg(long, env = "KUBECONFIG", value_name = "FILE")]
    pub kubeconfig: Option<OsString>,
}

/// What runs beside the service.
#[derive(Default)]
pub struct Kubernetes {
    /// The Node objects, with `--kube-lookup`.
    pub nodes: Option<Arc<dyn NodeSource>>,
    /// Who makes events of what the engine tells, with `--kube-events`.
    pub events: Option<Arc<dyn Subscriber>>,
}

impl fmt::Debug for Kubernetes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kubernetes").field("nodes", &self.nodes).finish_non_exhaustive()
    }
}

impl KubernetesArguments {
    /// Starts what is asked for, until `stop`. Waits for no answer.
    ///
    /// # Errors
    /// [`StartError::Configuration`] when the kubeconfig or the service account cannot be used.
    pub async fn start(&self, stop: &CancellationToken) -> Result<Kubernetes, StartError> {
        if !self.kube_lookup && !self.kube_events {
            return Ok(Kubernetes::default());
        }
        self.start_asked_for(stop).await
    }

    /// This build cannot.
    #[cfg(not(feature = "kubernetes"))]
    #[allow(clippy::unused_async, reason = "as the other one")]
    async fn start_asked_for(&self, _stop: &CancellationToken) -> Result<Kubernetes, StartError> {
        let why = "--kube-lookup and --kube-events are not in this build: it was made without the feature kubernetes";
        Err(StartError::Configuration(why.to_owned()))
    }

    #[cfg(feature = "kubernetes")]
    async fn start_asked_for(&self, stop: &CancellationToken) -> Result<Kubernetes, StartError> {
        let access = Access::new(self.kubeconfig.as_deref()).await?;
        let mut started = Kubernetes::default();
        if self.kube_lookup {
            started.nodes = Some(NodeWatch::start(access.clone(), stop.clone()));
        }
        if self.kube_events {
            let writer = EventWriter::start(access, stop.clone());
            started.events = Some(Arc::new(NodeEvents { writer, nodes: started.nodes.clone() }));
        }
        Ok(started)
    }
}

/// Makes events of decisions.
#[cfg(feature = "kubernetes")]
#[derive(Debug)]
pub struct NodeEvents {
    /// Who writes them.
    pub writer: EventWriter,
    /// Who knows the nodes' names, with `--kube-lookup`.
    pub nodes: Option<Arc<dyn NodeSource>>,
}

#[cfg(feature = "kubernetes")]
impl Subscriber for NodeEvents {
    fn decided(&self, decision: &Decision, registrations: &Registrations) {
        let nodes = self.nodes.as_ref().and_then(|source| source.nodes());
        let names = NodeNames { nodes: nodes.as_deref(), registrations };
        NodeEvent::of(decision, names).into_iter().for_each(|event| self.writer.tell(event));
    }
}

#[cfg(feature = "kubernetes")]
impl From<AccessError> for StartError {
    fn from(error: AccessError) -> Self {
        Self::Configuration(error.to_string())
    }
}
