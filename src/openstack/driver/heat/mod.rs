//! Magnum's own driver: one Heat stack a group, with the nodes in a `ResourceGroup` named `kube_minions`.

mod anatomy;
pub mod api;
mod first_seen;
mod look;
pub mod members;
pub mod names;
mod reading;
pub mod servers;
mod shared;
pub mod stacks;
mod two_steps;
mod updates;

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
};

use async_trait::async_trait;
use futures_util::future::{OptionFuture, join_all};

use self::{
    api::StackRef,
    look::HeatLook,
    names::NOBODY,
    reading::GroupReader,
    servers::{Servers, name_pattern},
    shared::{BY_HEAT, BY_MAGNUM, Shared},
    two_steps::{Request, foreign_template},
};
use super::{
    DriverKind, ResizeMethod,
    port::{Asked, Driver, Look},
};
use crate::{
    core::{cloud::CloudError, node_group::NodeGroupUuid, resize::Resize},
    openstack::{
        magnum::{Magnum, NodeGroupRecord},
        session::Session,
    },
};

/// The Heat driver of a cluster.
#[derive(Debug)]
pub(crate) struct HeatDriver {
    method: ResizeMethod,
    shared: Arc<Shared>,
}

impl HeatDriver {
    pub(crate) fn new(session: Arc<Session>, magnum: Arc<Magnum>, method: ResizeMethod) -> Self {
        Self { method, shared: Arc::new(Shared::new(session, magnum)) }
    }

    /// Whether nodes are removed by updates of the stacks.
    async fn updates_stacks(&self) -> Result<bool, CloudError> {
        Ok(match self.method {
            ResizeMethod::Auto => !self.shared.magnum.microversion().await?.has_resize(),
            ResizeMethod::Magnum => false,
            ResizeMethod::Heat => true,
        })
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

    /// The first of two steps: Heat is told who goes. Magnum is told when they are gone.
    async fn remove_by_update(&self, group: NodeGroupUuid, resize: &Resize) -> Result<(), CloudError> {
        let Shared { heat, updates, .. } = &*self.shared;
        let stack = self.shared.traces().get(&group).map(|trace| trace.stacks.stack.clone());
        let stack =
            stack.ok_or_else(|| CloudError::Incomplete(format!("node group {group} was not read yet")))?;
        let state = heat.state(&stack).await?;
        let request = Request::of(&state.parameters).ok_or_else(|| foreign_template(&group.to_string()))?;
        if !request.fits(resize, &state.status) {
            return Err(CloudError::Inconsistent(format!("node group {group}")));
        }
        updates.begin(group, resize.count);
        let answer = heat.update(&stack, request.parameters(resize)).await;
        if answer.as_ref().is_err_and(CloudError::certainly_without_effect) {
            updates.forget(group);
        }
        answer
    }
}

#[async_trait]
impl Driver for HeatDriver {
    async fn describe(&self) -> Result<String, CloudError> {
        let way = if self.updates_stacks().await? { BY_HEAT } else { BY_MAGNUM };
        Ok(format!("{}, {way}", DriverKind::Heat.name()))
    }

    async fn look(&self, groups: &[Asked<'_>]) -> Vec<Result<Box<dyn Look>, CloudError>> {
        let Shared { heat, .. } = &*self.shared;
        let updates_stacks = match self.updates_stacks().await {
            Ok(updates_stacks) => updates_stacks,
            Err(error) => return groups.iter().map(|_| Err(error.clone())).collect(),
        };
        let readers: Vec<_> = groups
            .iter()
            .map(|asked| GroupReader {
                heat,
                group: asked.record,
                before: self.shared.traces().get(&asked.record.uuid).cloned(),
                reuse: asked.reuse,
            })
            .collect();
        let stacks = join_all(readers.iter().map(GroupReader::stack)).await;
        let found: Vec<StackRef> = stacks.iter().filter_map(|stack| stack.clone().ok()).collect();
        let traces = join_all(readers.iter().zip(stacks).map(async |(reader, stack)| {
            let stack = stack?;
            let state = OptionFuture::from(updates_stacks.then(|| heat.state(&stack)));
            let (trace, state) = tokio::join!(reader.trace(&stack), state);
            Ok((trace?, state.transpose()?))
        }));
        let (traces, servers) = tokio::join!(traces, self.servers(&found));
        let servers = servers.map(Arc::new);
        let look = |(trace, state)| -> Box<dyn Look> {
            Box::new(HeatLook { trace, state, servers: servers.clone(), shared: Arc::clone(&self.shared) })
        };
        traces.into_iter().map(|looked: Result<_, CloudError>| looked.map(look)).collect()
    }

    async fn resize(&self, cluster: &str, group: NodeGroupUuid, resize: &Resize) -> Result<(), CloudError> {
        let magnum = &self.shared.magnum;
        // Indices are the only names that Heat matches whatever the templates say.
        let mut names: Vec<_> = resize.remove.iter().map(|removal| removal.key.to_string()).collect();
        if names.is_empty() {
            names.push(NOBODY.to_owned());
        }
        if self.updates_stacks().await? {
            // Without a change Magnum would do nothing, and Heat tries what failed again.
            if !resize.remove.is_empty() || resize.additions == 0 {
                return self.remove_by_update(group, resize).await;
            }
            return updates::tell_magnum(magnum, cluster, group, resize.count, &names).await;
        }
        magnum.resize(cluster, group, resize.count, &names).await
    }

    async fn finish(&self, cluster: &str, record: &NodeGroupRecord) {
        self.shared.updates.finish(&self.shared.magnum, cluster, record).await;
    }

    fn retain(&self, exists: &dyn Fn(NodeGroupUuid) -> bool) {
        self.shared.traces().retain(|uuid, _| exists(*uuid));
        self.shared.first_seen.retain(exists);
        self.shared.updates.retain(exists);
    }
}
