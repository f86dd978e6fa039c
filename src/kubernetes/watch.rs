//! The watch of all Node objects. It is resumed where it was cut off, and begun anew, ever more slowly, where that fails.

use std::{
    collections::BTreeMap,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwapOption;
use futures_util::{Stream, StreamExt as _};
use kube::{
    Api, ResourceExt as _,
    runtime::{
        WatchStreamExt as _,
        utils::Backoff as _,
        watcher::{self, DefaultBackoff, Event},
    },
};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{access::Access, error::KubernetesError, node::WatchedNode};
use crate::core::nodes::{NodeIndex, NodeObject, NodeSource};

/// How long the next part of a list may take.
const LIST_PATIENCE: Duration = Duration::from_secs(30);
/// How long a watch has to hold until it counts as one; a list alone may be allowed.
const STEADY: Duration = Duration::from_secs(2);
/// Nodes in a part of a list.
const PAGE: u32 = 500;

/// The Node objects as the API server last told.
#[derive(Debug, Default)]
pub struct NodeWatch {
    url: String,
    nodes: ArcSwapOption<NodeIndex>,
    trouble: Mutex<Option<Trouble>>,
}

/// What keeps the nodes from being known, and since when.
#[derive(Debug)]
struct Trouble {
    error: KubernetesError,
    since: Instant,
}

/// How far a watch has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The nodes are being listed.
    Listing,
    /// They are listed, and the watch is asked for.
    Begun,
    /// The watch holds.
    Steady,
}

impl NodeSource for NodeWatch {
    fn nodes(&self) -> Option<Arc<NodeIndex>> {
        self.nodes.load_full()
    }
}

impl NodeWatch {
    /// Watches from now on, until `stop`; returns at once.
    #[must_use]
    pub fn start(access: Access, stop: CancellationToken) -> Arc<Self> {
        let watch = Arc::new(Self { url: access.url, ..Self::default() });
        let (task, api) = (Arc::clone(&watch), Api::<WatchedNode>::all(access.client));
        tokio::spawn(async move { stop.run_until_cancelled(task.run(api)).await });
        watch
    }

    async fn run(&self, api: Api<WatchedNode>) {
        let mut backoff = DefaultBackoff::default();
        loop {
            let events = watcher::watcher(api.clone(), watcher::Config::default().page_size(PAGE));
            // Of no use here, and most of an object.
            let events = events.modify(|node| node.managed_fields_mut().clear());
            match self.follow(pin!(events), &mut backoff).await {
                Some(error) => self.lost(error),
                None => tracing::debug!("Kubernetes' nodes are listed anew"),
            }
            sleep(backoff.next().unwrap_or(LIST_PATIENCE)).await;
        }
    }

    /// Keeps the nodes as these events tell, until they cannot be known any more, for the reason that it returns, or have to be
    /// listed anew.
    async fn follow(
        &self,
        mut events: impl Stream<Item = watcher::Result<Event<WatchedNode>>> + Unpin,
        backoff: &mut DefaultBackoff,
    ) -> Option<KubernetesError> {
        let mut nodes = BTreeMap::new();
        let mut phase = Phase::Listing;
        loop {
            let event = match phase {
                Phase::Listing => timeout(LIST_PATIENCE, events.next()).await,
                Phase::Begun => timeout(STEADY, events.next()).await,
                Phase::Steady => Ok(events.next().await),
            };
            if phase == Phase::Begun && matches!(event, Err(_) | Ok(Some(Ok(_)))) {
                phase = Phase::Steady;
                backoff.reset();
                self.steady(&nodes);
            }
            match event {
                Err(_) if phase == Phase::Listing => return Some(self.silent()),
                Err(_) => {}
                Ok(Some(Ok(Event::Init))) => {
                    phase = Phase::Listing;
                    nodes.clear();
                }
                Ok(Some(Ok(Event::InitApply(node)))) => {
                    keep(&mut nodes, node);
                }
                Ok(Some(Ok(Event::InitDone))) => {
                    phase = Phase::Begun;
                    self.listed(&nodes);
                }
                Ok(Some(Ok(Event::Apply(node)))) => {
                    if keep(&mut nodes, node) {
                        self.publish(&nodes);
                    }
                }
                Ok(Some(Ok(Event::Delete(node)))) => {
                    nodes.remove(&node.name_any());
                    self.publish(&nodes);
                }
                // Cut off: it goes on where it was, or with a list where the server has forgotten that (410).
                Ok(Some(Err(error))) if is_cut_off(&error) => {
                    tracing::debug!("the watch of Kubernetes' nodes was cut off: {error}");
                    sleep(backoff.next().unwrap_or(LIST_PATIENCE)).await;
                }
                Ok(Some(Err(error))) if is_outdated(&error) => return None,
                Ok(Some(Err(error))) => return Some(KubernetesError::of_watch(&self.url, &error)),
                Ok(None) => return Some(self.silent()),
            }
        }
    }

    fn silent(&self) -> KubernetesError {
        KubernetesError::Silent { url: self.url.clone(), seconds: LIST_PATIENCE.as_secs() }
    }

    /// All nodes are listed, and the watch begins. After trouble that has to hold for a while first.
    fn listed(&self, nodes: &BTreeMap<String, Arc<NodeObject>>) {
        if self.trouble().is_some() {
            return;
        }
        if self.nodes.load().is_none() {
            tracing::info!("watching the nodes of Kubernetes at {}, {} nodes", self.url, nodes.len());
        }
        self.publish(nodes);
    }

    /// The watch holds.
    fn steady(&self, nodes: &BTreeMap<String, Arc<NodeObject>>) {
        if let Some(trouble) = self.trouble().take() {
            let seconds = trouble.since.elapsed().as_secs();
            tracing::info!("Kubernetes' nodes are watched again after {seconds} s, {} nodes", nodes.len());
            self.publish(nodes);
        }
    }

    fn trouble(&self) -> MutexGuard<'_, Option<Trouble>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, nodes: &BTreeMap<String, Arc<NodeObject>>) {
        self.nodes.store(Some(Arc::new(nodes.values().cloned().collect())));
    }

    /// Nobody can tell the nodes now. Said once for each kind of trouble.
    fn lost(&self, error: KubernetesError) {
        self.nodes.store(None);
        let mut trouble = self.trouble();
        let since = match &*trouble {
            Some(known) if known.error.is_like(&error) => return,
            Some(known) => known.since,
            None => Instant::now(),
        };
        tracing::warn!(
            "Kubernetes' nodes are not known; until they are, nodes without a provider ID are told as without --kube-lookup: {error}"
        );
        *trouble = Some(Trouble { error, since });
    }
}

/// Whether the watch is only interrupted.
fn is_cut_off(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::WatchFailed(_) => true,
        watcher::Error::WatchError(status) => status.code != 403 && status.code != 401,
        watcher::Error::InitialListFailed(_)
        | watcher::Error::WatchStartFailed(_)
        | watcher::Error::NoResourceVersion => false,
    }
}

/// Whether the server has forgotten where the watch was (410).
fn is_outdated(error: &watcher::Error) -> bool {
    let (watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error)) = error else {
        return false;
    };
    matches!(error, kube::Error::Api(status) if status.code == 410)
}

/// Whether that changed anything: most updates are heartbeats.
fn keep(nodes: &mut BTreeMap<String, Arc<NodeObject>>, node: WatchedNode) -> bool {
    let node = NodeObject::from(node);
    if nodes.get(&node.name).is_some_and(|known| **known == node) {
        return false;
    }
    nodes.insert(node.name.clone(), Arc::new(node));
    true
}
