//! The options about Kubernetes, and what they start.

#[cfg(feature = "kubernetes")]
use std::time::Duration;
use std::{ffi::OsString, sync::Arc};

use clap::{Args, builder::BoolishValueParser};
#[cfg(feature = "kubernetes")]
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

use super::error::StartError;
#[cfg(feature = "kubernetes")]
use crate::kubernetes::{Access, AccessError, EventWriter, NodeFailures, NodeWatch};
use crate::{core::nodes::NodeSource, engine::Engine};

/// How often failures become events; no shorter than a loop of cluster-autoscaler would notice.
#[cfg(feature = "kubernetes")]
const EVENT_PERIOD: Duration = Duration::from_secs(5);

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
#[derive(Debug, Default)]
pub struct Kubernetes {
    /// The Node objects, with `--kube-lookup`.
    pub nodes: Option<Arc<dyn NodeSource>>,
    #[cfg(feature = "kubernetes")]
    events: Option<EventWriter>,
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
            started.events = Some(EventWriter::start(access, stop.clone()));
        }
        Ok(started)
    }
}

impl Kubernetes {
    /// Makes no events: this build cannot.
    #[cfg(not(feature = "kubernetes"))]
    #[allow(clippy::unused_self, reason = "as the other one")]
    pub fn follow(&self, _engine: &Arc<Engine>, _stop: &CancellationToken) {}

    /// Makes events of the failures that the engine's snapshots show, until `stop`.
    #[cfg(feature = "kubernetes")]
    pub fn follow(&self, engine: &Arc<Engine>, stop: &CancellationToken) {
        let Some(writer) = self.events.clone() else { return };
        let (engine, stop) = (Arc::clone(engine), stop.clone());
        tokio::spawn(async move {
            stop.run_until_cancelled(async {
                let (mut failures, mut pace) = (NodeFailures::default(), interval(EVENT_PERIOD));
                loop {
                    pace.tick().await;
                    if let Ok(snapshot) = engine.snapshot() {
                        failures.new_in(&snapshot).into_iter().for_each(|event| writer.tell(event));
                    }
                }
            })
            .await
        });
    }
}

#[cfg(feature = "kubernetes")]
impl From<AccessError> for StartError {
    fn from(error: AccessError) -> Self {
        Self::Configuration(error.to_string())
    }
}
