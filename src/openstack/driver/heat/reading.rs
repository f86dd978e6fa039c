//! Reads one node group: its stacks and its members.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::{OptionFuture, join_all};
use tokio::time::sleep;

use super::{
    anatomy::Anatomy,
    api::{Heat, ListedMember, RefsMap, StackRef},
    members::{KnownMembers, Listing},
    names::MemberIndex,
    stacks::{GroupStacks, find_minions, find_stack, heat_stack_id},
};
use crate::{
    core::{
        cloud::CloudError,
        machine_id::MachineId,
        member::{Member, ServerPresence},
        status::Progress,
    },
    openstack::{magnum::NodeGroupRecord, nova::Nova},
};

/// How often the members and `refs_map` are read while they contradict each other.
const READS: u32 = 3;
/// The pause between two such reads.
const PAUSE: Duration = Duration::from_millis(200);
/// How many suspected losses of servers are looked into at once; the others wait for the next time.
const MAX_ASKED: usize = 20;

/// What was read of a group's stacks, and may still hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trace {
    pub(super) stacks: GroupStacks,
    pub(super) listing: Listing,
    /// What a member is made of, once one was looked at.
    pub(super) anatomy: Option<Anatomy>,
}

/// A group that is being read.
#[derive(Debug)]
pub(super) struct GroupReader<'a> {
    pub(super) heat: &'a Heat,
    /// Magnum's record; its detail is not needed.
    pub(super) group: &'a NodeGroupRecord,
    /// What was read before.
    pub(super) before: Option<Trace>,
    /// Whether anything of the members may be reused.
    pub(super) reuse: bool,
}

impl GroupReader<'_> {
    /// The group's own stack, as remembered where the id is the same.
    pub(super) async fn stack(&self) -> Result<StackRef, CloudError> {
        let id = heat_stack_id(self.group)?;
        match self.before.as_ref().map(|before| &before.stacks.stack).filter(|stack| stack.id == id) {
            Some(stack) => Ok(stack.clone()),
            None => find_stack(self.heat, self.group, id).await,
        }
    }

    /// The members of the group with this stack. A contradiction that persists is returned as it is, for [`accept_or_reject`].
    pub(super) async fn trace(&self, stack: &StackRef) -> Result<Trace, CloudError> {
        if let Some(before) = self.before.as_ref().filter(|before| before.stacks.stack == *stack)
            && let Some(minions) = &before.stacks.minions
        {
            let listing = self.listing_of(minions, Some(&before.listing));
            let (listing, anatomy) = tokio::join!(listing, self.anatomy(before));
            let before = Trace { anatomy, ..before.clone() };
            match listing {
                // Somebody made the group anew under the same stack; look it up again.
                Err(error) if error.not_found() => {}
                result => return result.map(|listing| Trace { listing, ..before }),
            }
        }
        let stack = find_stack_again(self, stack).await?;
        let minions = find_minions(self.heat, self.group, &stack).await?;
        let listing = match &minions {
            Some(minions) => self.listing_of(minions, None).await?,
            None => Listing::default(),
        };
        Ok(Trace { stacks: GroupStacks { stack, minions }, listing, anatomy: None })
    }

    /// What a member is made of, looked up once and in the background: nothing is decided by it.
    async fn anatomy(&self, before: &Trace) -> Option<Anatomy> {
        if before.anatomy.is_some() {
            return before.anatomy;
        }
        let whole = |member: &&ListedMember| member.status.progress == Progress::Complete;
        let nested = before.listing.members.iter().filter(whole).find_map(|member| member.nested.as_ref())?;
        match self.heat.parts(nested).await {
            Ok(parts) => Some(Anatomy::of(&parts)),
            // Who may not see it will not see it the next time.
            Err(error) => matches!(error, CloudError::Refused { .. }).then(Anatomy::default),
        }
    }

    /// The servers where `refs_map` does not tell them. Without them Nova's names of servers have to do.
    async fn servers(&self, minions: &StackRef) -> BTreeMap<MemberIndex, MachineId> {
        let parts = self.heat.servers(minions).await.unwrap_or_else(|error| {
            tracing::debug!("Heat does not tell the servers of {}: {error}", minions.name);
            Vec::new()
        });
        parts.iter().filter_map(|part| Some((part.member?, part.physical_id.parse().ok()?))).collect()
    }

    async fn listing_of(&self, minions: &StackRef, before: Option<&Listing>) -> Result<Listing, CloudError> {
        let at_rest = !self.group.parsed_status().in_progress();
        if let Some(before) = before.filter(|_| self.reuse && at_rest) {
            let members = self.heat.members(minions).await?;
            if before.still_describes(&members) {
                return Ok(before.clone());
            }
            let (refs_map, servers) = tokio::join!(
                self.heat.refs_map(minions),
                OptionFuture::from(before.names_stacks().then(|| self.servers(minions)))
            );
            let listing = listing(members, refs_map?, servers);
            if listing.is_consistent() {
                return Ok(listing);
            }
            sleep(PAUSE).await;
        }
        let mut names_stacks = before.is_some_and(Listing::names_stacks);
        let mut listings = Vec::new();
        for read in 1..=READS {
            let (members, refs_map, servers) = tokio::join!(
                self.heat.members(minions),
                self.heat.refs_map(minions),
                OptionFuture::from(names_stacks.then(|| self.servers(minions)))
            );
            let listing = listing(members?, refs_map?, servers);
            if listing.is_consistent() && !names_stacks && listing.names_stacks() {
                // Found out only now, and never again.
                return Ok(Listing { servers: self.servers(minions).await, ..listing });
            }
            if listing.is_consistent() {
                return Ok(listing);
            }
            names_stacks |= listing.names_stacks();
            listings.push(listing);
            if read < READS {
                sleep(PAUSE).await;
            }
        }
        let lasts = listings.windows(2).all(|pair| pair.first() == pair.last());
        listings.into_iter().next().filter(|_| lasts).ok_or_else(|| inconsistent(self.group))
    }
}

/// The listing, where it is free of contradictions; or else where Magnum agrees with `refs_map` on the size in the middle of
/// an update: an engine of Heat that died there leaves a contradiction for an hour, the stack's time-out.
pub(super) fn accept_or_reject(listing: Listing, group: &NodeGroupRecord) -> Result<Listing, CloudError> {
    let status = group.parsed_status();
    let interrupted = status.in_progress() || status.failed();
    let agreed = u32::try_from(listing.refs_map.len()).ok() == group.node_count;
    if listing.is_consistent() {
        Ok(listing)
    } else if interrupted && agreed {
        Ok(listing.from_refs_map())
    } else {
        Err(inconsistent(group))
    }
}

fn inconsistent(group: &NodeGroupRecord) -> CloudError {
    CloudError::Inconsistent(format!("node group {}", group.name))
}

/// A remembered stack that has proved stale is asked for anew; one just found is good as it is.
async fn find_stack_again(reader: &GroupReader<'_>, stack: &StackRef) -> Result<StackRef, CloudError> {
    match &reader.before {
        Some(before) if before.stacks.stack == *stack => {
            find_stack(reader.heat, reader.group, &stack.id).await
        }
        _ => Ok(stack.clone()),
    }
}

fn listing(
    members: Vec<ListedMember>,
    refs_map: Option<RefsMap>,
    servers: Option<BTreeMap<MemberIndex, MachineId>>,
) -> Listing {
    Listing { members, refs_map: refs_map.unwrap_or_default(), servers: servers.unwrap_or_default() }
}

/// Asks for each server by its id before it is called gone: the list goes by names, and a server may have been
/// renamed.
pub(super) async fn confirm_losses(nova: &Nova, members: &mut [Member], known: &KnownMembers) {
    let unconfirmed_losses = members.iter_mut().filter_map(|member| {
        let server = member.server.filter(|_| member.presence == ServerPresence::Gone)?;
        let confirmed = known
            .get(&member.key)
            .is_some_and(|known| (known.id, known.presence) == (server, ServerPresence::Gone));
        (!confirmed).then_some((member, server))
    });
    let (mut asked, mut waiting) = (Vec::new(), Vec::new());
    for (number, loss) in unconfirmed_losses.enumerate() {
        if number < MAX_ASKED { asked.push(loss) } else { waiting.push(loss) }
    }
    for (member, _) in waiting {
        member.presence = ServerPresence::Unknown;
    }
    join_all(asked.into_iter().map(async |(member, server)| {
        member.presence = match nova.server_exists(server).await {
            Ok(true) => ServerPresence::Present,
            Ok(false) => ServerPresence::Gone,
            Err(_) => ServerPresence::Unknown,
        };
    }))
    .await;
}
