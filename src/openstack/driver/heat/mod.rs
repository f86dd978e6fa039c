//! Magnum's own driver: one Heat stack a group, with the nodes in a `ResourceGroup` named `kube_minions`.

pub mod api;
pub mod members;
pub mod names;
mod reading;
pub mod servers;
pub mod stacks;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use futures_util::future::join_all;

use self::{
    api::{Heat, StackRef},
    members::{assemble, known},
    reading::{GroupReader, Trace, believed, confirm_losses},
    servers::{Servers, name_pattern},
};
use super::{Asked, Driver, Look, Members};
use crate::{
    core::{
        cloud::{CloudError, Reading},
        node_group::NodeGroupUuid,
        resize::Resize,
    },
    openstack::{
        magnum::{Magnum, NodeGroupRecord},
        nova::Nova,
        session::Session,
    },
};

/// The Heat driver of a cluster.
#[derive(Debug)]
pub(crate) struct HeatDriver {
    heat: Heat,
    magnum: Arc<Magnum>,
    shared: Arc<Shared>,
}

/// What the looks need as well.
#[derive(Debug)]
struct Shared {
    nova: Nova,
    nova_failing: AtomicBool,
    /// A convenience, never a source.
    traces: Mutex<BTreeMap<NodeGroupUuid, Trace>>,
}

impl Shared {
    fn traces(&self) -> MutexGuard<'_, BTreeMap<NodeGroupUuid, Trace>> {
        // Nothing is left half-done in here when a holder panics.
        self.traces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HeatDriver {
    pub(crate) fn new(session: Arc<Session>, magnum: Arc<Magnum>) -> Self {
        Self {
            heat: Heat::new(Arc::clone(&session)),
            magnum,
            shared: Arc::new(Shared {
                nova: Nova::new(session),
                nova_failing: AtomicBool::new(false),
                traces: Mutex::default(),
            }),
        }
    }

    /// What Nova has for these stacks; none when it does not tell, which is logged when it begins and when it ends.
    async fn servers(&self, stacks: &[StackRef]) -> Option<Servers> {
        let names: BTreeSet<_> = stacks.iter().map(|stack| stack.name.as_str()).collect();
        if names.is_empty() {
            return Some(Servers::default());
        }
        let names: Vec<_> = names.into_iter().collect();
        let failing = &self.shared.nova_failing;
        match self.shared.nova.servers(&name_pattern(&names)).await {
            Ok(servers) => {
                if failing.swap(false, Ordering::Relaxed) {
                    tracing::info!("servers can be listed again");
                }
                Some(Servers::of_stacks(&names, servers))
            }
            Err(error) => {
                if !failing.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "servers cannot be listed; a server deleted behind Heat's back is not noticed");
                }
                None
            }
        }
    }
}

#[async_trait]
impl Driver for HeatDriver {
    async fn look(&self, groups: &[Asked<'_>]) -> Vec<Result<Box<dyn Look>, CloudError>> {
        let readers: Vec<_> = groups
            .iter()
            .map(|asked| GroupReader {
                heat: &self.heat,
                group: asked.record,
                before: self.shared.traces().get(&asked.record.uuid).cloned(),
                reuse: asked.reuse,
            })
            .collect();
        let stacks = join_all(readers.iter().map(GroupReader::stack)).await;
        let found: Vec<StackRef> = stacks.iter().filter_map(|stack| stack.clone().ok()).collect();
        let traces =
            join_all(readers.iter().zip(stacks).map(async |(reader, stack)| reader.trace(&stack?).await));
        let (traces, servers) = tokio::join!(traces, self.servers(&found));
        let servers = servers.map(Arc::new);
        let look = |trace| -> Box<dyn Look> {
            Box::new(HeatLook { trace, servers: servers.clone(), shared: Arc::clone(&self.shared) })
        };
        traces.into_iter().map(|trace| trace.map(look)).collect()
    }

    async fn resize(&self, cluster: &str, group: NodeGroupUuid, resize: &Resize) -> Result<(), CloudError> {
        // The only names that Heat matches whatever the templates say.
        let names: Vec<_> = resize.remove.iter().map(|removal| removal.key.to_string()).collect();
        self.magnum.resize(cluster, group, resize.count, &names).await
    }

    fn retain(&self, exists: &dyn Fn(NodeGroupUuid) -> bool) {
        self.shared.traces().retain(|uuid, _| exists(*uuid));
    }
}

/// What was seen of one group in Heat and Nova.
#[derive(Debug)]
struct HeatLook {
    trace: Trace,
    /// None when Nova does not tell.
    servers: Option<Arc<Servers>>,
    shared: Arc<Shared>,
}

#[async_trait]
impl Look for HeatLook {
    async fn members(
        self: Box<Self>,
        detail: &NodeGroupRecord,
        before: Option<&Reading>,
    ) -> Result<Members, CloudError> {
        let Trace { stacks, listing } = self.trace;
        let listing = believed(listing, detail)?;
        let (stack, servers) = (&stacks.stack.name, self.servers.as_deref());
        let known = before.map(known).unwrap_or_default();
        let mut members = assemble(&listing, stack, servers, &known, detail.parsed_status().in_progress());
        if servers.is_none() && members.iter().any(|member| listing.hides(member)) {
            return Err(CloudError::Incomplete(format!(
                "the servers of node group {} are known to Nova only, and Nova does not list them",
                detail.name
            )));
        }
        confirm_losses(&self.shared.nova, &mut members, &known).await;
        let servers = servers.map(|servers| servers.of_stack(stack));
        self.shared.traces().insert(detail.uuid, Trace { stacks, listing });
        Ok(Members { members, servers, capabilities: Arc::default() })
    }
}
