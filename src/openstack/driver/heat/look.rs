//! What was seen of one group in Heat and Nova, made into its members.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;

use super::{
    api::StackState,
    members::{assemble, known},
    reading::{Trace, accept_or_reject, confirm_losses},
    servers::Servers,
    shared::{BY_HEAT, BY_MAGNUM, Shared},
    two_steps::{Evidence, Request, Standing, foreign_template},
};
use crate::{
    core::{
        capabilities::Capabilities,
        cloud::{CloudError, Reading},
        machine_id::MachineId,
        member::{Member, MemberKey},
        status::{Progress as Stage, Status},
    },
    openstack::{
        driver::{
            DriverKind,
            port::{Look, Members, Progress},
        },
        magnum::{ClusterRecord, Microversion, NodeGroupRecord},
    },
};

/// What was seen of one group.
#[derive(Debug)]
pub(super) struct HeatLook {
    pub(super) trace: Trace,
    /// The group's own stack, where that is what is resized.
    pub(super) state: Option<StackState>,
    /// None when Nova does not tell.
    pub(super) servers: Option<Arc<Servers>>,
    pub(super) shared: Arc<Shared>,
}

#[async_trait]
impl Look for HeatLook {
    async fn members(
        self: Box<Self>,
        _cluster: &ClusterRecord,
        detail: &NodeGroupRecord,
        before: Option<&Reading>,
    ) -> Result<Members, CloudError> {
        let Self { trace, state, servers, shared } = *self;
        let Trace { stacks, listing, anatomy } = trace;
        let listing = accept_or_reject(listing, detail)?;
        let (stack, servers) = (&stacks.stack.name, servers.as_deref());
        let first_seen = &shared.first_seen;
        let is_in_any_answer = |server| first_seen.is_in_any_answer(detail.uuid, server);
        let known = before.map(|before| known(before, is_in_any_answer)).unwrap_or_default();
        let in_progress = detail.parsed_status().in_progress()
            || state.as_ref().is_some_and(|state| state.status.in_progress());
        let mut members = assemble(&listing, stack, servers, &known, in_progress);
        if servers.is_none() && members.iter().any(|member| listing.has_unknown_server(member)) {
            return Err(CloudError::Incomplete(format!(
                "the servers of node group {} are known to Nova only, and Nova does not list them",
                detail.name
            )));
        }
        confirm_losses(&shared.nova, &mut members, &known).await;
        first_seen.note(detail.uuid, &members);
        let servers = servers.map(|servers| servers.of_stack(stack));
        let version = shared.magnum.microversion().await?;
        let progress = match &state {
            Some(state) => Some(progress(&shared, version, state, detail, &members, servers.as_ref())?),
            None => None,
        };
        let summary = format!(
            "Magnum API {version}, driver {}, {}{}{}",
            DriverKind::Heat.name(),
            if state.is_some() { BY_HEAT } else { BY_MAGNUM },
            if listing.names_stacks() { ", refs_map names stacks" } else { "" },
            anatomy.map(|anatomy| anatomy.to_string()).unwrap_or_default()
        );
        // Without a resize Magnum adds nodes only to a cluster that is complete, and an update of the stack is the other way.
        let adds_apart = state.is_some() && version.has_resize();
        let no_increase = state.and_then(|_| obstacle_to_increase(detail, version));
        let awaits_magnum = shared.updates.awaits_magnum(detail.uuid);
        let capabilities =
            Capabilities { summary, no_increase, adds_apart, awaits_magnum, ..Capabilities::default() };
        shared.traces().insert(detail.uuid, Trace { stacks, listing, anatomy });
        Ok(Members { members, servers, capabilities: Arc::new(capabilities), progress })
    }
}

/// Why Magnum takes no higher count, for good, where it has no resize.
fn obstacle_to_increase(detail: &NodeGroupRecord, version: Microversion) -> Option<Arc<str>> {
    let status = detail.parsed_status();
    if version.has_resize() || matches!(status.progress, Stage::Complete | Stage::InProgress) {
        return None;
    }
    let reason = detail.status_reason.as_deref().unwrap_or_default();
    let words = format!(
        "Magnum of this version (API {version}) takes a higher node count only for a cluster that is …_COMPLETE, and this one \
         is {status}: {reason}; mend what failed and set the cluster's status right"
    );
    Some(words.into())
}

/// How far the group is, by Magnum's record and the stack's, which Magnum does not follow.
fn progress(
    shared: &Shared,
    version: Microversion,
    state: &StackState,
    detail: &NodeGroupRecord,
    members: &[Member],
    servers: Option<&BTreeMap<MachineId, MemberKey>>,
) -> Result<Progress, CloudError> {
    let request = Request::of(&state.parameters).ok_or_else(|| foreign_template(&detail.name))?;
    let ours = shared.updates.is_ours(detail.uuid, request.count);
    let evidence = Evidence {
        stack: state,
        request: &request,
        magnum: detail,
        members,
        servers,
        magnum_has_resize: version.has_resize(),
        ours,
    };
    let standing = evidence.standing();
    let (id, magnum) = (detail.uuid.wire_id(&detail.name), detail.node_count.unwrap_or_default());
    if shared.updates.note(detail.uuid, standing, request.count) {
        match standing {
            Standing::Unfinished(count) if !ours => tracing::info!(
                "{id}: Heat was told to remove {} and has {count} nodes, Magnum counts {magnum}: a removal of before a restart \
                 that is being finished",
                request.removed.join(",")
            ),
            Standing::Differs => tracing::warn!(
                "{id}: Magnum counts {magnum} nodes and the Heat stack was told {}; Magnum's count is left as it is, since no \
                 removal of this service explains it",
                request.count
            ),
            _ => {}
        }
    }
    let (status, reason) = (detail.parsed_status(), detail.status_reason.clone().unwrap_or_default());
    let is_between =
        !status.in_progress() && matches!(standing, Standing::HeatWorks | Standing::Unfinished(_));
    let (status, reason) = match status.progress {
        _ if is_between => (Status::parse("UPDATE_IN_PROGRESS"), state.reason.clone()),
        // Magnum has not heard of an update that failed.
        Stage::Complete if state.status.failed() => (state.status.clone(), state.reason.clone()),
        _ => (status, reason),
    };
    let updated_at = format!("{} {}", detail.updated_at.as_deref().unwrap_or_default(), state.updated_time);
    let node_count = if is_between { request.count } else { magnum };
    Ok(Progress { status, reason, updated_at, node_count })
}
