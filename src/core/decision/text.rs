//! Decisions in words: the lines of the log.

use std::fmt::{self, Display, Write as _};

use super::{
    BlockedBy, Decision, DecisionKind, Ended, GoneWith, Moving, NodeName, RequestedChange, Severity,
};
use crate::core::{instance::advice, member::Member, verify::Verdict};

/// How many nodes a line names.
const MAX_NAMED: usize = 10;

/// How many members a line about waiting names.
const MAX_MOVING_NAMED: usize = 3;

impl Decision {
    /// How much it concerns a person.
    #[must_use]
    pub fn severity(&self) -> Severity {
        use DecisionKind as Kind;
        match &self.kind {
            Kind::ScalingBegins { .. }
            | Kind::ScalingEnds { .. }
            | Kind::BoundsChanged { .. }
            | Kind::ReadableAgain { .. }
            | Kind::Accepted { .. }
            | Kind::Refused { .. }
            | Kind::Sent { .. }
            | Kind::SentAgain { .. }
            | Kind::Adopted { .. }
            | Kind::ThereAgain { .. }
            | Kind::MembersRecovered { .. }
            | Kind::FailedMembersGone { .. }
            | Kind::ForeignResize { under_way: None, .. }
            | Kind::Waiting(
                BlockedBy::JustStarted
                | BlockedBy::UnexpectedLoss
                | BlockedBy::UnexpectedReturn
                | BlockedBy::Repetition
                | BlockedBy::NoMember { .. }
                | BlockedBy::AnotherServer { .. }
                | BlockedBy::Change { .. },
            ) => Severity::Info,
            Kind::Waiting(BlockedBy::Contradiction(_))
            | Kind::Unreadable { .. }
            | Kind::AnswerUnclear { .. }
            | Kind::RefusedForNow { .. }
            | Kind::ForeignResize { under_way: Some(_), .. }
            | Kind::ServerReplaced { .. }
            | Kind::NodesGone { .. }
            | Kind::MembersFailed { .. } => Severity::Warning,
            Kind::ResizeRefused { .. } | Kind::NotCarriedOut { .. } | Kind::GivenUp { .. } => Severity::Error,
            Kind::Ended(ended) => ended.severity(),
            Kind::AdoptedEnded { count, size, status, .. } => {
                if *count == *size && !status.failed() {
                    Severity::Info
                } else {
                    Severity::Warning
                }
            }
        }
    }
}

impl Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = &self.group;
        match &self.kind {
            DecisionKind::ScalingBegins { nodes, bounds, cluster_status, is_full } => {
                write!(f, "scaling {id}, {nodes} of {bounds} nodes")?;
                match cluster_status {
                    Some(status) => write!(f, "; it cannot be resized now: the cluster is {status}"),
                    None if *is_full => {
                        f.write_str("; cluster-autoscaler cannot scale it up: it has its maximum")
                    }
                    None => Ok(()),
                }
            }
            kind => write!(f, "{id}: {kind}"),
        }
    }
}

impl Display for DecisionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ScalingBegins { .. } | Self::ScalingEnds { .. } | Self::BoundsChanged { .. } => {
                self.write_scaling(f)
            }
            Self::Unreadable { error, is_served } => {
                let consequence =
                    if *is_served { "serving its last known state" } else { "it is not served until then" };
                write!(f, "cannot be read, {consequence}: {error}")
            }
            Self::ReadableAgain { after } => write!(f, "can be read again after {} s", after.as_secs()),
            Self::Accepted { request, waits_for: Some(count) } => write!(
                f,
                "{request} is accepted and waits for the end of the resize to {count} that is under way"
            ),
            Self::Accepted { request, waits_for: None } => {
                write!(f, "{request} is accepted and waits until the group has settled")
            }
            Self::Refused { error } => write!(f, "refused: {error}"),
            Self::Waiting(blocked_by) => blocked_by.fmt(f),
            Self::Sent { size, count, remove, additions } => write_sent(f, *size, *count, remove, *additions),
            Self::SentAgain { count, losses } => {
                write!(f, "sending the very same resize to {count} again, which had no effect {losses} times")
            }
            Self::AnswerUnclear { error } => write!(f, "{error}; looking whether it took effect"),
            Self::RefusedForNow { error } => write!(f, "{error}; trying again soon"),
            Self::ResizeRefused { error } => error.fmt(f),
            Self::Ended(ended) => ended.fmt(f),
            Self::NotCarriedOut { request, error } => {
                write!(f, "{request} was accepted and cannot be carried out: {error}")
            }
            Self::GivenUp { request } => {
                write!(f, "{request} was given up after several attempts without effect")
            }
            _ => self.write_seen(f),
        }
    }
}

impl DecisionKind {
    fn write_scaling(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ScalingBegins { nodes, bounds, .. } => write!(f, "scaling, {nodes} of {bounds} nodes"),
            Self::ScalingEnds { is_there: true } => f.write_str("no longer scaled: it has no maximum"),
            Self::ScalingEnds { is_there: false } => f.write_str("no longer scaled: the node group is gone"),
            Self::BoundsChanged { now, before } => write!(f, "bounds now {now} (before: {before})"),
            _ => Ok(()),
        }
    }

    /// What happened without any request to this service.
    fn write_seen(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ForeignResize { count, under_way: Some(asked), .. } => write!(
                f,
                "somebody else resized the group to {count} nodes while the resize to {asked} of this service is under way"
            ),
            Self::ForeignResize { before, count, under_way: None } => {
                write!(f, "somebody else resized the group, {before} → {count} nodes")
            }
            Self::Adopted { count } => {
                write!(f, "a resize to {count} that this process did not send is in progress; adopted")
            }
            Self::AdoptedEnded { count, size, status, .. } if count == size && !status.failed() => {
                write!(f, "the adopted resize ended, {size} {} as asked", nodes(*size))
            }
            Self::AdoptedEnded { count, nodes, status, .. } => {
                write!(f, "the adopted resize to {count} ended with {nodes} nodes ({status})")
            }
            Self::ServerReplaced { was, server } => {
                write!(f, "the server of {was} is gone; {server} has taken its place")
            }
            Self::NodesGone { nodes, with } => {
                match with {
                    GoneWith::ForeignResize(count) => {
                        write!(f, "gone with somebody else's resize to {count} nodes: ")?;
                    }
                    GoneWith::OwnResize => f.write_str("gone although nobody named it, looking again: ")?,
                    GoneWith::AdoptedResize => f.write_str("gone with the adopted resize: ")?,
                    GoneWith::GivenUpRemoval => {
                        f.write_str("gone after all, by a removal that was given up: ")?;
                    }
                    GoneWith::Nothing => f.write_str("gone without any request of this service: ")?,
                }
                f.write_str(&list(nodes))
            }
            Self::ThereAgain { nodes } => write!(f, "there again, or never gone: {}", list(nodes)),
            Self::MembersFailed { code, members, has_reason } => {
                let count = u32::try_from(members.len()).unwrap_or(u32::MAX);
                let names: Vec<&NodeName> = members.iter().map(|(name, _)| name).collect();
                write!(f, "{count} {} failed, {code}: {}: {}", nodes(count), list(&names), advice(code))?;
                match members.first() {
                    Some((_, reason)) if *has_reason => write!(f, " ({reason})"),
                    _ => Ok(()),
                }
            }
            Self::MembersRecovered { nodes } => write!(f, "no longer failed: {}", list(nodes)),
            Self::FailedMembersGone { names } => write!(f, "gone after their failure: {}", list(names)),
            _ => Ok(()),
        }
    }
}

fn write_sent(
    f: &mut fmt::Formatter<'_>,
    size: u32,
    count: u32,
    remove: &[NodeName],
    additions: u32,
) -> fmt::Result {
    let removed = u32::try_from(remove.len()).unwrap_or(u32::MAX);
    match (removed, additions) {
        (0, added) => write!(f, "increasing size by {added}, {size} → {count}"),
        (removed, 0) => {
            write!(f, "removing {removed} {} ({}), {size} → {count}", nodes(removed), join(remove))
        }
        (removed, added) => write!(
            f,
            "removing {removed} {} ({}) and adding {added}, {size} → {count}",
            nodes(removed),
            join(remove)
        ),
    }
}

impl NodeName {
    /// This member.
    #[must_use]
    pub fn of(member: &Member) -> Self {
        Self { name: member.name.clone(), server: member.server }
    }
}

impl Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.server {
            Some(server) => write!(f, "{} ({server})", self.name),
            None => write!(f, "{} (no server)", self.name),
        }
    }
}

impl Display for RequestedChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Increase(size) => write!(f, "an increase by {size}"),
            Self::Decrease(size) => write!(f, "the cancellation of {size}"),
            Self::Delete(nodes) => {
                f.write_str("the removal of ")?;
                for (position, (name, id)) in nodes.iter().enumerate() {
                    f.write_str(if position == 0 { "" } else { ", " })?;
                    match name {
                        Some(name) => write!(f, "{name} ({id})")?,
                        None => id.fmt(f)?,
                    }
                }
                Ok(())
            }
        }
    }
}

impl Display for BlockedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::JustStarted => f.write_str(
                "accepted requests wait a few seconds, since a resize from before this process knew the group may be under \
                 way",
            ),
            Self::UnexpectedLoss => {
                f.write_str("accepted requests wait for another reading, since members disappeared unexpectedly")
            }
            Self::UnexpectedReturn => {
                f.write_str("accepted requests wait for another reading, since members that had gone are shown again")
            }
            Self::Repetition => {
                f.write_str("accepted requests wait a few seconds, since the last resize was sent more than once")
            }
            Self::NoMember { server } => write!(
                f,
                "accepted requests wait for another reading, since server {server} is to be removed and Nova lists it, but it \
                 is no member at the moment"
            ),
            Self::AnotherServer { server } => write!(
                f,
                "accepted requests wait for another reading, since Nova lists server {server} in the place of a member that is \
                 to be removed, and Heat does not know it at the moment"
            ),
            Self::Contradiction(contradiction) => {
                write!(f, "not resized while its readings contradict each other: {contradiction}")
            }
            Self::Change { status, moving } => {
                write!(f, "accepted requests wait until the group has settled ({status}{})", Changing(moving))
            }
        }
    }
}

impl Ended {
    fn severity(&self) -> Severity {
        match self.verdict {
            Verdict::WrongRemoval | Verdict::Lost | Verdict::PartlyLost | Verdict::Failed => Severity::Error,
            Verdict::Superseded => Severity::Warning,
            Verdict::Done if self.is_unfinished() => {
                if self.moving_are_named {
                    Severity::Info
                } else {
                    Severity::Warning
                }
            }
            Verdict::Done if self.status.failed() => Severity::Warning,
            Verdict::Done => Severity::Info,
        }
    }

    /// Whether all that was asked for is there, and Heat is not done: nodes that hang.
    fn is_unfinished(&self) -> bool {
        self.status.in_progress()
    }

    fn write_failed(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { asked, nodes: size, status, reason, .. } = self;
        write!(f, "the resize to {asked} ended {status} with {size} {}", nodes(*size))?;
        let Some((_, code)) = self.failed.first() else {
            return write!(f, ", {} too few: {reason}", self.shortage);
        };
        let names: Vec<String> = self.failed.iter().map(|(name, code)| format!("{name} ({code})")).collect();
        let advice = advice(code);
        write!(f, "; {} failed: {}: {advice} (Magnum: {reason})", names.len(), names.join(", "))
    }

    fn write_done(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (size, seconds, status) = (self.nodes, self.took.as_secs_f64(), &self.status);
        let moving = Changing(&self.moving);
        if self.is_unfinished() && self.moving_are_named {
            write!(f, "no longer waiting for what is to be removed after {seconds:.1} s ({status}{moving})")
        } else if self.is_unfinished() {
            write!(
                f,
                "has {size} {} after {seconds:.1} s, but is {status} without a change for too long; no longer waited \
                 for{moving}",
                nodes(size)
            )
        } else {
            write!(f, "reached {size} {} after {seconds:.1} s", nodes(size))?;
            if status.failed() { write!(f, ", but is {status}: {}", self.reason) } else { Ok(()) }
        }
    }
}

impl Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { asked, status, reason, .. } = self;
        match self.verdict {
            Verdict::WrongRemoval => write!(
                f,
                "WRONG REMOVAL: nodes that nobody named are gone after the resize: {}",
                join(&self.gone_unnamed)
            ),
            Verdict::Lost => {
                write!(f, "the resize to {asked} had no effect within {:.1} s", self.took.as_secs_f64())
            }
            Verdict::PartlyLost => {
                write!(f, "the removal of {} was lost ({status} {reason})", join(&self.remaining))
            }
            Verdict::Superseded => {
                write!(
                    f,
                    "the resize to {asked} ended with {} {}, since somebody else resized the group to {} meanwhile",
                    self.nodes,
                    nodes(self.nodes),
                    self.magnum_count
                )?;
                match self.gone_unnamed.as_slice() {
                    [] => Ok(()),
                    gone => write!(f, "; gone without our asking: {}", join(gone)),
                }
            }
            Verdict::Failed => self.write_failed(f),
            Verdict::Done => self.write_done(f),
        }
    }
}

/// What keeps a group busy, where that is told.
struct Changing<'a>(&'a [Moving]);

impl Display for Changing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, status) in self.0.iter().take(MAX_MOVING_NAMED) {
            write!(f, "; {name} is {status}")?;
        }
        match self.0.len().saturating_sub(MAX_MOVING_NAMED) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

const fn nodes(count: u32) -> &'static str {
    if count == 1 { "node" } else { "nodes" }
}

fn join(names: &[impl Display]) -> String {
    let mut text = String::new();
    for (position, name) in names.iter().enumerate() {
        let _ = write!(text, "{}{name}", if position == 0 { "" } else { ", " });
    }
    text
}

/// The first ones, and how many more.
fn list(names: &[impl Display]) -> String {
    let named = join(names.get(..MAX_NAMED).unwrap_or(names));
    match names.len().saturating_sub(MAX_NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}
