//! What changed in a group from one look to the next, told when it is seen: members that nobody named and that are
//! gone, other people's resizes, new bounds, nodes that failed.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    cloud::Reading,
    decision::{DecisionKind, GoneWith, NodeName},
    instance::{InstanceId, InstanceState},
    machine_id::MachineId,
    member::{Member, MemberKey, ServerPresence},
    pending::PendingRequests,
    resize::InFlightResize,
    snapshot::GroupView,
    status::Progress,
};

/// How many nodes that are gone are remembered.
const MAX_LOST: usize = 1000;

/// What was told of a group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct History {
    /// The size that this service last asked for.
    last_sent: Option<u32>,
    /// The size that somebody else asked for last, until this service asks again.
    foreign: Option<u32>,
    /// Whether a resize of somebody else is being followed.
    adopted: bool,
    /// Nodes that were told to be gone; an answer of a lagging replica may have said so.
    lost: BTreeSet<(MemberKey, MachineId)>,
    /// The members that failed, at what, and their names.
    failures: BTreeMap<MemberKey, (&'static str, String)>,
}

impl History {
    /// A group that is scaled from now on.
    pub fn begin(
        &mut self,
        reading: &Reading,
        flight: Option<&InFlightResize>,
        busy: bool,
    ) -> Vec<DecisionKind> {
        let bounds = reading.group.bounds;
        let status = &reading.cluster_status;
        let mut news = vec![DecisionKind::ScalingBegins {
            nodes: reading.nodes(),
            bounds,
            cluster_status: (!status.allows_resize()).then(|| status.clone()),
            is_full: reading.size() >= bounds.max,
        }];
        news.extend(self.progress(None, reading, flight.is_some() || busy));
        news
    }

    /// What happened between two readings, while `flight` is on its way. `busy` says whether this service knows of a change
    /// that is going on.
    pub fn change(
        &mut self,
        before: &Reading,
        after: &Reading,
        flight: Option<&InFlightResize>,
        pending: &PendingRequests,
        busy: bool,
    ) -> Vec<DecisionKind> {
        let mut news = Vec::new();
        let bounds = after.group.bounds;
        if bounds != before.group.bounds {
            news.push(DecisionKind::BoundsChanged { now: bounds, before: before.group.bounds });
        }
        if let Some(flight) = flight {
            self.last_sent = Some(flight.resize.count);
        }
        news.extend(self.resized(before, after, flight, busy));
        news.extend(self.progress(Some(before.group.status.in_progress()), after, flight.is_some() || busy));
        self.gone(before, after, flight, pending, &mut news);
        news
    }

    /// Whether somebody else resized the group.
    fn resized(
        &mut self,
        before: &Reading,
        after: &Reading,
        flight: Option<&InFlightResize>,
        busy: bool,
    ) -> Option<DecisionKind> {
        let (count, asked_before) = (after.group.node_count, before.group.node_count);
        // As an answer from a lagging replica may be.
        let is_old = flight.is_some_and(|flight| flight.is_count_of_before(count));
        if count == asked_before || is_old {
            return None;
        }
        if self.last_sent == Some(count) {
            self.foreign = None;
            return None;
        }
        self.foreign = Some(count);
        self.last_sent = None;
        let under_way = flight.map(|flight| flight.resize.count);
        // Told as the progress that it is.
        let begins = after.group.status.in_progress() && !before.group.status.in_progress() && !busy;
        (under_way.is_some() || !begins).then_some(DecisionKind::ForeignResize {
            before: asked_before,
            count,
            under_way,
        })
    }

    /// Resizes that this process did not send: an operator's, or its own from before a restart.
    fn progress(
        &mut self,
        was_in_progress: Option<bool>,
        reading: &Reading,
        busy: bool,
    ) -> Option<DecisionKind> {
        if busy {
            self.adopted = false;
            return None;
        }
        let count = reading.group.node_count;
        match (was_in_progress.unwrap_or(false), reading.group.status.in_progress()) {
            (false, true) => {
                self.adopted = true;
                Some(DecisionKind::Adopted { count })
            }
            (true, false) if std::mem::take(&mut self.adopted) => Some(DecisionKind::AdoptedEnded {
                count,
                size: reading.size(),
                nodes: reading.nodes(),
                status: reading.group.status.clone(),
            }),
            _ => None,
        }
    }

    /// Members that are gone although this service named them nowhere.
    fn gone(
        &mut self,
        before: &Reading,
        after: &Reading,
        flight: Option<&InFlightResize>,
        pending: &PendingRequests,
        news: &mut Vec<DecisionKind>,
    ) {
        let id = |member: &Member| InstanceId::of_member(after.group.uuid, member.key, member.server);
        let named = |member: &Member| {
            flight.is_some_and(|flight| flight.resize.removes(member)) || pending.queue_removes(id(member))
        };
        news.extend(self.there_again(after));
        let (mut nodes, mut late) = (Vec::new(), Vec::new());
        // What never had a server was no node yet.
        for member in before.counted().filter(|member| !named(member) && !member.is_serverless()) {
            match after.counted().find(|other| other.key == member.key) {
                None => {
                    self.lost.extend(member.server.map(|server| (member.key, server)));
                    let gone = if pending.may_still_remove(id(member)) { &mut late } else { &mut nodes };
                    gone.push(NodeName::of(member));
                }
                Some(Member { server: Some(server), .. })
                    if was_a_node(member) && member.server != Some(*server) =>
                {
                    let was = NodeName::of(member);
                    news.push(DecisionKind::ServerReplaced { was, server: *server });
                }
                Some(_) => {}
            }
        }
        if !late.is_empty() {
            news.push(DecisionKind::NodesGone { nodes: late, with: GoneWith::GivenUpRemoval });
        }
        if !nodes.is_empty() {
            let with = match (self.foreign, flight) {
                (Some(count), _) => GoneWith::ForeignResize(count),
                (None, Some(_)) => GoneWith::OwnResize,
                (None, None) if self.adopted => GoneWith::AdoptedResize,
                (None, None) => GoneWith::Nothing,
            };
            news.push(DecisionKind::NodesGone { nodes, with });
        }
    }

    /// Nodes that were told to be gone and are not.
    fn there_again(&mut self, after: &Reading) -> Option<DecisionKind> {
        let there = after
            .counted()
            .filter(|member| member.server.is_some_and(|server| self.lost.remove(&(member.key, server))));
        let nodes: Vec<NodeName> = there.map(NodeName::of).collect();
        // What went long ago does not come back.
        if self.lost.len() > MAX_LOST {
            self.lost.clear();
        }
        (!nodes.is_empty()).then_some(DecisionKind::ThereAgain { nodes })
    }

    /// Nodes that failed since this was last told, and those that are over it. What was only asked for is told when its
    /// resize ends.
    pub fn failures(&mut self, reading: &Reading, view: &GroupView) -> Vec<DecisionKind> {
        let mut failed: BTreeMap<&'static str, Vec<&Member>> = BTreeMap::new();
        let mut recovered = Vec::new();
        let member_of = |key| reading.member(key);
        for instance in &view.instances {
            let Some(member) = instance.member.and_then(member_of) else { continue };
            match &instance.error {
                Some(error) => {
                    let told = self.failures.insert(member.key, (error.code, member.name.clone()));
                    if told.is_none_or(|(code, _)| code != error.code) {
                        failed.entry(error.code).or_default().push(member);
                    }
                }
                // What is still made or deleted may have its error hidden for a while.
                None if instance.state == InstanceState::Running
                    && self.failures.remove(&member.key).is_some() =>
                {
                    recovered.push(NodeName::of(member));
                }
                None => {}
            }
        }
        let is_there = |index| view.instances.iter().any(|instance| instance.member == Some(index));
        let mut gone = Vec::new();
        self.failures.retain(|key, (_, name)| {
            let stays = is_there(*key);
            if !stays {
                gone.push(std::mem::take(name));
            }
            stays
        });
        let mut news: Vec<DecisionKind> = failed
            .into_iter()
            .map(|(code, members)| DecisionKind::MembersFailed {
                code,
                has_reason: members.first().is_some_and(|member| member.status.failed()),
                members: members
                    .into_iter()
                    .map(|member| (NodeName::of(member), member.reason.text.clone()))
                    .collect(),
            })
            .collect();
        if !recovered.is_empty() {
            news.push(DecisionKind::MembersRecovered { nodes: recovered });
        }
        if !gone.is_empty() {
            news.push(DecisionKind::FailedMembersGone { names: gone });
        }
        news
    }
}

/// Whether the member was a whole node, as far as anybody knows.
fn was_a_node(member: &Member) -> bool {
    member.status.progress == Progress::Complete && member.presence != ServerPresence::Gone
}
