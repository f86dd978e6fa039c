//! When a group may be resized: one resize of a group at a time, and none into a change that goes on.
//!
//! Magnum takes a second resize at any time. What comes of it depends on the gap: a removal is lost without an
//! error, the update ends as «cancelled», or a member is left whose nested stack is gone
//! (docs/openstack-behaviour.md#overlapping-resizes).

use std::time::Duration;

use super::{
    cloud::Reading,
    member::{Member, MemberKey},
    status::Progress,
};

/// How old an answer may be that comes from a replica of a service's database.
pub const OLDEST_ANSWER: Duration = Duration::from_secs(300);

/// How long a group must have shown no change before it counts as settled although something is still marked as
/// in progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SettleTimeouts {
    /// After the group's update failed: Heat lets siblings of the failed member finish and forgets to say so
    /// (docs/openstack-behaviour.md#failures).
    pub after_failure: Duration,
    /// When nothing but members that are to be removed keeps the update going: a node that never reports, which
    /// would otherwise block its own removal until the stack's time-out of an hour.
    pub hanging_removal: Duration,
    /// When other members are still being made; a node may take minutes to boot.
    pub in_progress: Duration,
    /// After members vanished that nobody named, or are back that had gone, or when a resize does not look as asked: time for a reading that
    /// came from a lagging replica to be overtaken by a true one. A size computed from too few members would cost
    /// a node.
    pub stale_read_guard: Duration,
    /// After a resize was sent, when nodes are missing and nobody but Nova tells the members. The nodes were listed before the
    /// resize, so that no answer of later than this lacks one that is there.
    pub oldest_answer: Duration,
    /// After a resize that was sent more than once: a conductor that was down carries out all of them when it is back,
    /// and the last must not meet a newer one.
    pub after_repetition: Duration,
    /// After the start of the process: the one before it may have sent a resize that nothing shows of yet. It takes
    /// effect by its own absolute count, and would take away what was added in between.
    pub after_start: Duration,
}

impl Default for SettleTimeouts {
    fn default() -> Self {
        Self {
            after_failure: Duration::from_secs(15),
            hanging_removal: Duration::from_secs(20),
            in_progress: Duration::from_secs(600),
            stale_read_guard: Duration::from_secs(3),
            oldest_answer: OLDEST_ANSWER,
            after_repetition: Duration::from_secs(20),
            after_start: Duration::from_secs(10),
        }
    }
}

impl SettleTimeouts {
    /// The longest of them.
    #[must_use]
    pub fn longest(&self) -> Duration {
        let Self {
            after_failure,
            hanging_removal,
            in_progress,
            stale_read_guard,
            oldest_answer,
            after_repetition,
            after_start,
        } = *self;
        let others =
            [hanging_removal, in_progress, stale_read_guard, oldest_answer, after_repetition, after_start];
        others.into_iter().fold(after_failure, Duration::max)
    }
}

/// Whether a group that has shown no change for `unchanged_for` may be resized, removing the members `named`. A status that is not
/// known is taken for one in progress.
#[must_use]
pub fn settled(
    reading: &Reading,
    named: &[MemberKey],
    unchanged_for: Duration,
    timeouts: &SettleTimeouts,
) -> bool {
    if reading.capabilities.awaits_magnum {
        return unchanged_for >= timeouts.in_progress;
    }
    let nothing_moves = moving(reading).next().is_none();
    if reading.group.status.failed() {
        return nothing_moves || unchanged_for >= timeouts.after_failure;
    }
    if reading.group.status.progress == Progress::Complete && nothing_moves {
        return true;
    }
    let only_named = only_named_move(reading, named);
    unchanged_for >= if only_named { timeouts.hanging_removal } else { timeouts.in_progress }
}

/// Whether members are being changed, and all of them are `named` and not being removed yet.
#[must_use]
pub fn only_named_move(reading: &Reading, named: &[MemberKey]) -> bool {
    let mut moving = moving(reading).peekable();
    moving.peek().is_some() && moving.all(|member| member.counted && named.contains(&member.key))
}

fn moving(reading: &Reading) -> impl Iterator<Item = &Member> {
    reading.members.iter().filter(|member| member.status.in_progress())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::core::{capabilities::Capabilities, sample, status::Status};

    /// What Magnum was told would undo what is done meanwhile.
    #[test]
    fn a_group_is_not_settled_before_magnum_has_acted() {
        let timeouts = SettleTimeouts::default();
        let capabilities = Arc::new(Capabilities { awaits_magnum: true, ..Capabilities::default() });
        let mut reading = sample::reading((0..2).map(sample::member).collect());
        let named = [MemberKey::Index(1)];
        for (status, member) in [
            ("UPDATE_COMPLETE", "UPDATE_COMPLETE"),
            ("UPDATE_FAILED", "UPDATE_COMPLETE"),
            ("UPDATE_IN_PROGRESS", "UPDATE_IN_PROGRESS"),
        ] {
            reading.group.status = Status::parse(status);
            reading.members[1].status = Status::parse(member);
            let moment = Duration::from_millis(1);
            let is_settled = |reading: &Reading, after| settled(reading, &named, after, &timeouts);
            assert!(is_settled(&reading, timeouts.hanging_removal), "{status}");
            let waiting = Reading { capabilities: Arc::clone(&capabilities), ..reading.clone() };
            assert!(!is_settled(&waiting, timeouts.in_progress - moment), "{status}");
            assert!(is_settled(&waiting, timeouts.in_progress), "{status}");
        }
    }

    #[test]
    fn the_longest_timeout_is_that_of_any_of_them() {
        let usual = SettleTimeouts::default();
        assert_eq!(usual.longest(), usual.in_progress);
        let long = Duration::from_secs(1000);
        for timeouts in [
            SettleTimeouts { after_failure: long, ..usual },
            SettleTimeouts { hanging_removal: long, ..usual },
            SettleTimeouts { stale_read_guard: long, ..usual },
            SettleTimeouts { oldest_answer: long, ..usual },
            SettleTimeouts { after_repetition: long, ..usual },
            SettleTimeouts { after_start: long, ..usual },
        ] {
            assert_eq!(timeouts.longest(), long, "{timeouts:?}");
        }
    }
}
