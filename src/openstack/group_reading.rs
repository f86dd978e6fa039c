//! Reads one node group: its stacks, its members and what Nova says of them.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use serde_json::Value;
use tokio::time::sleep;

use super::{
    cluster::MagnumCluster,
    heat::{Heat, ListedMember, RefsMap, StackRef},
    magnum::NodeGroupRecord,
    members::{KnownMembers, Listing, NovaAnswer, assemble},
    memory::Picture,
    nova::Nova,
    stacks::{GroupStacks, find_minions, find_stack, heat_stack_id},
};
use crate::core::{
    cloud::{CloudError, Reading},
    member::{Member, ServerPresence},
    node_group::{Bounds, NodeGroup},
    status::Status,
};

/// How often the members and `refs_map` are read while they contradict each other.
const READS: u32 = 3;
/// The pause between two such reads.
const PAUSE: Duration = Duration::from_millis(200);
/// How many suspected losses of servers are looked into at once; the others wait for the next time.
const MOST_SUSPECTS: usize = 20;

/// A group that is being read.
pub(super) struct GroupReader<'a> {
    pub(super) heat: &'a Heat,
    /// Magnum's record; its detail is not needed.
    pub(super) group: &'a NodeGroupRecord,
    /// All groups of the cluster: they tell the driver.
    pub(super) siblings: &'a [NodeGroupRecord],
    /// What was read before and may still hold.
    pub(super) before: Option<&'a Picture>,
    /// Whether anything of the members may be reused.
    pub(super) reuse: bool,
}

impl GroupReader<'_> {
    /// The group's own stack, as remembered where the id is the same.
    pub(super) async fn stack(&self) -> Result<StackRef, CloudError> {
        let id = heat_stack_id(self.group, self.siblings)?;
        match self.before.map(|before| &before.stacks.stack).filter(|stack| stack.id == id) {
            Some(stack) => Ok(stack.clone()),
            None => find_stack(self.heat, self.group, id).await,
        }
    }

    /// The members of the group with this stack. A contradiction that persists is returned as it is, for [`believed`].
    pub(super) async fn listing(&self, stack: &StackRef) -> Result<(GroupStacks, Listing), CloudError> {
        if let Some(before) = self.before.filter(|before| before.stacks.stack == *stack)
            && let Some(minions) = &before.stacks.minions
        {
            match self.listing_of(minions, Some(&before.listing)).await {
                // Somebody made the group anew under the same stack; look it up again.
                Err(error) if error.not_found() => {}
                result => return result.map(|listing| (before.stacks.clone(), listing)),
            }
        }
        let stack = find_stack_again(self, stack).await?;
        let minions = find_minions(self.heat, self.group, &stack).await?;
        let listing = match &minions {
            Some(minions) => self.listing_of(minions, None).await?,
            None => Listing::default(),
        };
        Ok((GroupStacks { stack, minions }, listing))
    }

    async fn listing_of(&self, minions: &StackRef, before: Option<&Listing>) -> Result<Listing, CloudError> {
        let at_rest = !status(self.group).in_progress();
        if let Some(before) = before.filter(|_| self.reuse && at_rest) {
            let members = self.heat.members(minions).await?;
            if before.still_describes(&members) {
                return Ok(before.clone());
            }
            let listing = listing(members, self.heat.refs_map(minions).await?);
            if listing.is_consistent() {
                return Ok(listing);
            }
            sleep(PAUSE).await;
        }
        let mut listings = Vec::new();
        for read in 1..=READS {
            let (members, refs_map) =
                tokio::try_join!(self.heat.members(minions), self.heat.refs_map(minions))?;
            let listing = listing(members, refs_map);
            if listing.is_consistent() {
                return Ok(listing);
            }
            listings.push(listing);
            if read < READS {
                sleep(PAUSE).await;
            }
        }
        let lasts = listings.windows(2).all(|pair| pair.first() == pair.last());
        listings.into_iter().next().filter(|_| lasts).ok_or_else(|| inconsistent(self.group))
    }
}

fn status(group: &NodeGroupRecord) -> Status {
    Status::parse(group.status.as_deref().unwrap_or_default())
}

/// The listing, where it is free of contradictions; or else where Magnum agrees with `refs_map` on the size in the middle of
/// an update: an engine of Heat that died there leaves a contradiction for an hour, the stack's time-out.
fn believed(listing: Listing, group: &NodeGroupRecord) -> Result<Listing, CloudError> {
    let status = status(group);
    let interrupted = status.in_progress() || status.failed();
    let agreed = u32::try_from(listing.refs_map.len()).ok() == group.node_count;
    if listing.is_consistent() {
        Ok(listing)
    } else if interrupted && agreed {
        Ok(listing.by_definition())
    } else {
        Err(inconsistent(group))
    }
}

fn inconsistent(group: &NodeGroupRecord) -> CloudError {
    CloudError::Inconsistent(format!("node group {}", group.name))
}

/// A remembered stack that has proved stale is asked for anew; one just found is good as it is.
async fn find_stack_again(reader: &GroupReader<'_>, stack: &StackRef) -> Result<StackRef, CloudError> {
    match reader.before {
        Some(before) if before.stacks.stack == *stack => {
            find_stack(reader.heat, reader.group, &stack.id).await
        }
        _ => Ok(stack.clone()),
    }
}

fn listing(members: Vec<ListedMember>, refs_map: Option<RefsMap>) -> Listing {
    Listing { members, refs_map: refs_map.unwrap_or_default() }
}

/// Everything that was read of a group.
pub(super) struct Parts<'a> {
    pub(super) cluster_status: Status,
    pub(super) detail: &'a NodeGroupRecord,
    pub(super) bounds: Bounds,
    /// The stacks and their members, as [`GroupReader::listing`] found them.
    pub(super) listed: (GroupStacks, Listing),
    pub(super) nova: NovaAnswer<'a>,
    /// What is known from earlier.
    pub(super) known: &'a KnownMembers,
    pub(super) before: Option<&'a Picture>,
}

impl Parts<'_> {
    /// Makes one picture of it.
    pub(super) async fn picture(self, cluster: &MagnumCluster) -> Result<Picture, CloudError> {
        let (stacks, listing) = self.listed;
        let listing = believed(listing, self.detail)?;
        let group = node_group(self.detail, self.bounds);
        let stack_name = stacks.stack.name.clone();
        let mut members = assemble(&listing, &stack_name, self.nova, self.known, group.status.in_progress());
        if matches!(self.nova, NovaAnswer::Failed) && members.iter().any(|member| listing.hides(member)) {
            return Err(CloudError::Incomplete(format!(
                "the servers of node group {} are known to Nova only, and Nova does not list them",
                self.detail.name
            )));
        }
        confirm_losses(&cluster.nova, &mut members, self.known).await;
        let servers = match self.nova {
            NovaAnswer::Listed(servers) => Some(servers.of_stack(&stack_name)),
            NovaAnswer::NotAsked => self.before.and_then(|before| before.reading.servers.clone()),
            NovaAnswer::Failed => None,
        };
        let template = Arc::new(cluster.template(&group, &members, self.detail));
        let cluster_status = self.cluster_status;
        let reading = Reading { cluster_status, group, stack_name, members, servers, template };
        // Where nothing changed, comparing and keeping it costs nothing.
        let reading = match self.before {
            Some(before) if *before.reading == reading => Arc::clone(&before.reading),
            _ => Arc::new(reading),
        };
        Ok(Picture { stacks, listing, reading })
    }
}

fn node_group(detail: &NodeGroupRecord, bounds: Bounds) -> NodeGroup {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let label = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let labels = detail.labels.iter().flatten().map(|(name, value)| (name.clone(), label(value)));
    NodeGroup {
        uuid: detail.uuid,
        name: detail.name.clone(),
        bounds,
        magnum_bounds: Bounds {
            min: detail.min_node_count.unwrap_or(0),
            max: detail.max_node_count.unwrap_or(u32::MAX),
        },
        node_count: detail.node_count.unwrap_or(0),
        status: status(detail),
        status_reason: text(&detail.status_reason),
        updated_at: text(&detail.updated_at),
        flavor_id: text(&detail.flavor_id),
        labels: labels.collect(),
    }
}

/// Asks for each server by its id before it is called gone: the list goes by names, and a server may have been
/// renamed.
async fn confirm_losses(nova: &Nova, members: &mut [Member], known: &KnownMembers) {
    let suspects = members.iter_mut().filter_map(|member| {
        let server = member.server.filter(|_| member.presence == ServerPresence::Gone)?;
        let confirmed = known.get(&member.index) == Some(&(server, ServerPresence::Gone));
        (!confirmed).then_some((member, server))
    });
    let (mut asked, mut waiting) = (Vec::new(), Vec::new());
    for (number, suspect) in suspects.enumerate() {
        if number < MOST_SUSPECTS { asked.push(suspect) } else { waiting.push(suspect) }
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
