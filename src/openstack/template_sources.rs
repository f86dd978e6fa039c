//! What node templates are made of and Magnum's record does not have: flavors, and the node labels and taints of newer
//! Magnums. It is read in the background and seldom, so that no observation waits for it, the first one apart.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use futures_util::future::join_all;
use tokio::{
    task::AbortHandle,
    time::{Instant, timeout},
};

use super::{
    flavors::{Flavors, Found},
    magnum::{Magnum, NodeGroupRecord},
    session::Session,
};
use crate::core::{
    cloud::CloudError,
    flavor::Flavor,
    member::Member,
    node_group::{NodeGroup, NodeGroupUuid},
    nodes::NodeSource,
    settings::Settings,
    template::{Facts, KubernetesFields, NodeTemplate, live::LiveNode},
};

/// How long what was read counts as new.
const PERIOD: Duration = Duration::from_secs(600);
/// The pause after a reading that failed.
const PAUSE: Duration = Duration::from_secs(60);
/// How long the first observation waits, so that the first templates are not guessed.
const FIRST_PATIENCE: Duration = Duration::from_secs(2);

/// The sources, shared with the task that reads them.
#[derive(Debug)]
pub(super) struct TemplateSources {
    shared: Arc<Shared>,
    progress: Mutex<Progress>,
    nodes: Option<Arc<dyn NodeSource>>,
    /// What the nodes of a group were like when it last had a ready one.
    live: Mutex<BTreeMap<NodeGroupUuid, Arc<LiveNode>>>,
}

#[derive(Debug)]
struct Shared {
    flavors: Flavors,
    magnum: Arc<Magnum>,
    known: ArcSwap<Known>,
}

/// What was read last.
#[derive(Debug, Default, Clone)]
struct Known {
    /// When it is read again; none before the first reading.
    due: Option<Instant>,
    flavors: BTreeMap<String, Result<Arc<Flavor>, String>>,
    kubernetes: BTreeMap<NodeGroupUuid, Arc<KubernetesFields>>,
    /// Names of the flavors of which a failure was logged.
    complained: BTreeSet<String>,
}

/// What is being read, and what was asked for before.
#[derive(Debug, Default)]
struct Progress {
    task: Option<AbortHandle>,
    asked: Wanted,
}

#[derive(Debug, Default, Clone)]
struct Wanted {
    flavors: BTreeSet<String>,
    groups: BTreeSet<NodeGroupUuid>,
}

impl TemplateSources {
    pub(super) fn new(session: Arc<Session>, magnum: Arc<Magnum>) -> Self {
        let shared = Shared { flavors: Flavors::new(session), magnum, known: ArcSwap::default() };
        Self { shared: Arc::new(shared), progress: Mutex::default(), nodes: None, live: Mutex::default() }
    }

    /// With Kubernetes' Node objects: templates are like the live nodes then.
    pub(super) fn with_nodes(self, nodes: Option<Arc<dyn NodeSource>>) -> Self {
        Self { nodes, ..self }
    }

    /// What the nodes of the group are like, or were.
    fn live(&self, group: NodeGroupUuid, members: &[Member]) -> Option<Arc<LiveNode>> {
        let nodes = self.nodes.as_ref()?.nodes();
        let on_members = nodes.and_then(|nodes| {
            let servers = members.iter().filter_map(|member| member.server);
            LiveNode::of(servers.filter_map(|server| nodes.on_server(server)).map(Arc::as_ref))
        });
        let mut known = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(live) = on_members {
            known.insert(group, Arc::new(live));
        }
        known.get(&group).cloned()
    }

    /// Reads what these groups need if it is time, or if one of them needs what was never asked for.
    pub(super) async fn keep_fresh(&self, cluster: &str, groups: impl Iterator<Item = &NodeGroupRecord>) {
        let mut wanted = Wanted::default();
        for group in groups {
            wanted.groups.insert(group.uuid);
            wanted.flavors.extend(group.flavor_id.clone().filter(|id| !id.is_empty()));
        }
        self.live
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|group, _| wanted.groups.contains(group));
        let known = self.shared.known.load_full();
        let (ended, end) = tokio::sync::oneshot::channel::<()>();
        {
            let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
            let running = progress.task.as_ref().is_some_and(|task| !task.is_finished());
            let new = !wanted.flavors.is_subset(&progress.asked.flavors)
                || !wanted.groups.is_subset(&progress.asked.groups);
            if running || !(new || known.due.is_none_or(|due| due <= Instant::now())) {
                return;
            }
            progress.asked = wanted.clone();
            let (shared, cluster) = (Arc::clone(&self.shared), cluster.to_owned());
            let task = tokio::spawn(async move {
                shared.read(&cluster, &wanted).await;
                drop(ended);
            });
            progress.task = Some(task.abort_handle());
        }
        if known.due.is_none() {
            // Either way the observation goes on: with what was read, or with a template that is guessed.
            let _ = timeout(FIRST_PATIENCE, end).await;
        }
    }

    /// What a new node of this group will be.
    pub(super) fn template(
        &self,
        group: &NodeGroup,
        members: &[Member],
        role: &str,
        region: Option<&str>,
        settings: &Settings,
    ) -> NodeTemplate {
        let live = self.live(group.uuid, members);
        let known = self.shared.known.load();
        let flavor = match known.flavors.get(&group.flavor_id) {
            Some(Ok(flavor)) => Ok(flavor.as_ref()),
            Some(Err(reason)) => Err(reason.as_str()),
            None if group.flavor_id.is_empty() => Err("Magnum names no flavor for the group"),
            None => Err("Nova has not told its flavor yet"),
        };
        let facts = Facts {
            id: &group.id(),
            name: &group.name,
            role,
            magnum_labels: &group.labels,
            has_cloud_provider: group.has_cloud_provider(),
            region,
            flavor,
            kubernetes: known.kubernetes.get(&group.uuid).map(Arc::as_ref),
            live: live.as_deref(),
        };
        NodeTemplate::build(&facts, &settings.group(&group.name), &settings.devices)
    }
}

impl Shared {
    async fn read(&self, cluster: &str, wanted: &Wanted) {
        let (found, fields) = tokio::join!(
            self.flavors.find(&wanted.flavors),
            join_all(wanted.groups.iter().map(|group| self.magnum.kubernetes_fields(cluster, *group)))
        );
        let mut known = Known::clone(&self.known.load());
        let failed = found.is_err() || fields.iter().any(Result::is_err);
        known.due = Some(Instant::now() + if failed { PAUSE } else { PERIOD });
        known.take_flavors(found, wanted);
        known.take_kubernetes(wanted.groups.iter().copied().zip(fields));
        self.known.store(Arc::new(known));
    }
}

impl Known {
    /// A flavor that was known once stays so: it may have been deleted, and the nodes are as they were.
    fn take_flavors(&mut self, found: Result<Found, CloudError>, wanted: &Wanted) {
        let mut found = found.unwrap_or_else(|error| {
            let reason = error.to_string();
            wanted.flavors.iter().map(|wanted| (wanted.clone(), Err(reason.clone()))).collect()
        });
        for (name, found) in &mut found {
            let last = self.flavors.get(name).and_then(|last| last.as_ref().ok());
            match found {
                Ok(_) if self.complained.remove(name) => tracing::info!("flavor {name} can be read again"),
                Err(reason) if self.complained.insert(name.clone()) => complain(name, reason, last.is_some()),
                _ => {}
            }
            if found.is_err()
                && let Some(last) = last
            {
                *found = Ok(Arc::clone(last));
            }
        }
        self.flavors = found;
        self.complained.retain(|name| wanted.flavors.contains(name));
    }

    fn take_kubernetes(
        &mut self,
        fields: impl Iterator<Item = (NodeGroupUuid, Result<Option<KubernetesFields>, CloudError>)>,
    ) {
        let last = std::mem::take(&mut self.kubernetes);
        for (group, fields) in fields {
            let fields = match fields {
                Ok(fields) => fields.map(Arc::new),
                Err(error) => {
                    tracing::debug!(%group, %error, "node labels and taints cannot be read");
                    last.get(&group).cloned()
                }
            };
            self.kubernetes.extend(fields.map(|fields| (group, fields)));
        }
    }
}

fn complain(name: &str, reason: &str, known: bool) {
    if known {
        tracing::warn!("flavor {name} cannot be read; node templates have its last known size: {reason}");
    } else {
        tracing::warn!(
            "flavor {name} cannot be read; node templates of its groups are the smallest node that can be, unless the \
             settings file (--config) tells their capacity: {reason}"
        );
    }
}
