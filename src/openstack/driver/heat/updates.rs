//! Which groups are between the two steps of a removal, as far as this process knows; and the second step.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::two_steps::Standing;
use crate::{
    core::{cloud::CloudError, node_group::NodeGroupUuid, settle::OLDEST_ANSWER},
    openstack::magnum::{Magnum, NodeGroupRecord},
};

/// How long a removal that another process may have begun has to look unfinished before it is finished: time for an
/// answer of a lagging replica to be overtaken by a true one.
const DOUBT: Duration = Duration::from_secs(15);
/// How long Magnum is given to act upon the second step before it is told again. A message that waits for a conductor that
/// is dead is carried out when it is back, however the group was resized meanwhile. So none is sent on the ground of an
/// old answer, when the first one was carried out long ago.
const REPEAT: Duration = OLDEST_ANSWER;
/// When Magnum is told again what it has refused.
const RETRY: Duration = Duration::from_secs(60);

/// What is known of one group.
#[derive(Debug, Default)]
struct Update {
    /// The count that this process asked Heat for.
    asked: Option<u32>,
    /// What it looked like last, and since when it has.
    standing: Option<(Standing, Instant)>,
    /// When Magnum may be told again, if it was told.
    again_at: Option<Instant>,
}

impl Update {
    /// Whether Magnum was told so lately that it may still act upon it.
    fn is_told(&self) -> bool {
        self.again_at.is_some_and(|at| Instant::now() < at)
    }
}

/// The groups.
#[derive(Debug, Default)]
pub(super) struct Updates(Mutex<BTreeMap<NodeGroupUuid, Update>>);

impl Updates {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeGroupUuid, Update>> {
        // Nothing is left half-done in here when a holder panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that Heat is asked for this count, for the first time or again.
    pub(super) fn begin(&self, group: NodeGroupUuid, count: u32) {
        let mut updates = self.lock();
        let update = updates.entry(group).or_default();
        let again_at = update.again_at.filter(|_| update.asked == Some(count));
        *update = Update { asked: Some(count), standing: None, again_at };
    }

    pub(super) fn forget(&self, group: NodeGroupUuid) {
        self.lock().remove(&group);
    }

    pub(super) fn retain(&self, exists: &dyn Fn(NodeGroupUuid) -> bool) {
        self.lock().retain(|group, _| exists(*group));
    }

    /// Whether this process asked Heat for this count.
    pub(super) fn is_ours(&self, group: NodeGroupUuid, count: u32) -> bool {
        self.lock().get(&group).is_some_and(|update| update.asked == Some(count))
    }

    /// Notes how far a group is whose stack was told this count. True when it is not as it was.
    pub(super) fn note(&self, group: NodeGroupUuid, standing: Standing, count: u32) -> bool {
        let mut updates = self.lock();
        if standing == Standing::Rest {
            let Some(update) = updates.get_mut(&group) else { return false };
            // What was just asked for, or told, may not show yet; or somebody else has resized the group.
            let may_still_show = update.again_at.is_none() || update.is_told();
            if update.asked.is_some_and(|asked| asked != count) && may_still_show {
                update.standing = None;
                return false;
            }
            return updates.remove(&group).is_some_and(|update| update.standing.is_some());
        }
        let update = updates.entry(group).or_default();
        if update.standing.is_some_and(|(known, _)| known == standing) {
            return false;
        }
        update.standing = Some((standing, Instant::now()));
        true
    }

    /// Whether the second step is to be done, or was begun and has not shown: what was resized meanwhile would be undone by it.
    pub(super) fn awaits_magnum(&self, group: NodeGroupUuid) -> bool {
        let is_unfinished = |update: &Update| matches!(update.standing, Some((Standing::Unfinished(_), _)));
        self.lock().get(&group).is_some_and(|update| update.is_told() || is_unfinished(update))
    }

    /// The count that Magnum is to be told now, if any.
    fn due(&self, group: NodeGroupUuid) -> Option<u32> {
        let mut updates = self.lock();
        let update = updates.get_mut(&group)?;
        let Some((Standing::Unfinished(count), since)) = update.standing else { return None };
        let is_ours = update.asked == Some(count);
        if update.is_told() || (!is_ours && since.elapsed() < DOUBT) {
            return None;
        }
        update.again_at = Some(Instant::now() + REPEAT);
        Some(count)
    }

    /// Notes that Magnum has refused what it was told.
    fn note_refused(&self, group: NodeGroupUuid) {
        if let Some(update) = self.lock().get_mut(&group) {
            update.again_at = Some(Instant::now() + RETRY);
        }
    }

    /// The second step, when it is due. A failure is told and tried again with a later reading.
    pub(super) async fn finish(&self, magnum: &Magnum, cluster: &str, record: &NodeGroupRecord) {
        let Some(count) = self.due(record.uuid) else { return };
        let id = record.uuid.wire_id(&record.name);
        let known = record.node_count.unwrap_or_default();
        match tell_magnum(magnum, cluster, record.uuid, count, &[]).await {
            Ok(()) => {
                tracing::info!("{id}: Heat has removed what was named; told Magnum, {known} → {count} nodes");
            }
            Err(error) => {
                if error.certainly_without_effect() {
                    self.note_refused(record.uuid);
                }
                tracing::warn!(
                    "{id}: Heat has removed what was named, and Magnum still counts {known} nodes instead of {count}: {error}; \
                     it is told again"
                );
            }
        }
    }
}

/// Tells Magnum how many nodes there are to be, by its resize with these names, or by a change of its record, which names
/// nobody.
pub(super) async fn tell_magnum(
    magnum: &Magnum,
    cluster: &str,
    group: NodeGroupUuid,
    count: u32,
    names: &[String],
) -> Result<(), CloudError> {
    if magnum.microversion().await?.has_resize() {
        magnum.resize(cluster, group, count, names).await
    } else {
        magnum.set_node_count(cluster, count).await
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn magnum_is_told_again_after_a_while() {
        let group: NodeGroupUuid = "531cd801-d372-468e-b865-e775c513c86f".parse().unwrap();
        let updates = Updates::default();
        updates.begin(group, 3);
        assert!(!updates.note(group, Standing::Rest, 4), "a reading of before");
        assert!(updates.is_ours(group, 3) && !updates.is_ours(group, 4));
        assert!(updates.note(group, Standing::HeatWorks, 3));
        assert_eq!(updates.due(group), None);
        assert!(!updates.awaits_magnum(group), "Heat works");
        assert!(updates.note(group, Standing::Unfinished(3), 3));
        assert!(updates.awaits_magnum(group), "it is to be told");
        assert_eq!((updates.due(group), updates.due(group)), (Some(3), None));
        assert!(updates.note(group, Standing::Differs, 3));
        assert!(updates.awaits_magnum(group), "an old answer changes nothing about it");
        assert!(updates.note(group, Standing::Unfinished(3), 3));
        advance(RETRY).await;
        assert_eq!(updates.due(group), None, "it may be on its way");
        updates.begin(group, 3);
        assert!(updates.note(group, Standing::Unfinished(3), 3));
        assert_eq!(updates.due(group), None, "what Heat is asked again was told Magnum before");
        advance(REPEAT).await;
        assert_eq!(updates.due(group), Some(3));
        updates.note_refused(group);
        advance(RETRY).await;
        assert_eq!(updates.due(group), Some(3));
        assert!(updates.note(group, Standing::Rest, 3) && !updates.is_ours(group, 3));
        assert!(!updates.awaits_magnum(group), "Magnum has acted");

        // Magnum is not told again of a removal upon which somebody else has resized the group.
        updates.begin(group, 3);
        assert!(updates.note(group, Standing::Unfinished(3), 3));
        assert_eq!(updates.due(group), Some(3));
        assert!(!updates.note(group, Standing::Rest, 5));
        advance(REPEAT).await;
        assert_eq!(updates.due(group), None);
        updates.note(group, Standing::Rest, 5);
        assert!(!updates.is_ours(group, 3));

        assert!(updates.note(group, Standing::Unfinished(2), 2));
        assert_eq!(updates.due(group), None);
        advance(DOUBT).await;
        assert!(!updates.note(group, Standing::Unfinished(2), 2));
        assert_eq!(updates.due(group), Some(2));
    }
}
