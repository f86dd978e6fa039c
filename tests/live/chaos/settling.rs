//! The end of a chaos: everything is mended, and cluster-autoscaler goes on until all agree.

use super::*;

/// How long the cluster may take to settle after a long chaos.
const LONG_SETTLING: Duration = Duration::from_secs(45 * 60);
/// After which an operator looks at a disagreement that stays as it is.
const FORGOTTEN: Duration = Duration::from_secs(5 * 60);
/// How many times in a row everything must agree before the cluster counts as settled.
const AGREEMENTS: u32 = 3;

impl Chaos<'_> {
    /// A failed node of a group at its minimum can go only once there is another.
    pub(super) async fn make_room(&mut self) {
        for group in std::mem::take(&mut self.at_minimum) {
            let coming = |node: &Node| node.state == InstanceState::InstanceCreating && node.error.is_none();
            if !self.nodes(&group).await.iter().any(coming) {
                self.call_increase(&group, 1).await;
            }
        }
    }

    /// A heat-engine that is killed may forget a server that it was about to delete: the group is complete without it. The service
    /// says what to do, and an operator does it. The verdict sees to it that its removal was asked for.
    async fn delete_forgotten(&self, picture: &Picture) {
        let known: BTreeSet<_> = picture.nodes.iter().filter_map(Node::server).collect();
        let complete = !picture.status.ends_with("IN_PROGRESS") && known.len() == picture.node_count;
        for server in picture.servers.keys().filter(|server| complete && !known.contains(server.as_str())) {
            self.scene.openstack.delete_server(server).await;
            self.say(&format!("an operator deleted server {server}, which Heat has forgotten"));
        }
    }

    /// After an update that failed, Heat may never tell that another new member is complete (docs/openstack-behaviour.md#failures and
    /// #overlapping-resizes): its node is shown as being made, and is at work. The next resize sets it right.
    async fn resize_after_a_failure(&mut self, group: &Group, picture: &Picture) {
        let is_untold =
            |node: &Node| node.state == InstanceState::InstanceCreating && node.server().is_some();
        if picture.status.ends_with("FAILED") && picture.nodes.iter().any(is_untold) {
            self.call_increase(group, 1).await;
        }
    }

    /// Lifts all faults and goes on as cluster-autoscaler would until everything agrees.
    pub(super) async fn settle(&mut self) {
        self.await_restart().await;
        self.lift_faults(true).await;
        self.say("all faults are lifted");
        self.at_minimum.clear();
        let give_up = Instant::now() + if self.lasts >= LONG { LONG_SETTLING } else { CHANGE };
        let mut agreements = 0;
        let (mut last, mut changed) = (String::new(), Instant::now());
        while agreements < AGREEMENTS {
            let failed = self.clean_up().await;
            self.make_room().await;
            let mut disagreements = String::new();
            for group in self.scene.groups.clone() {
                let agreed = match self.scene.picture(&group).await {
                    Ok(picture) => {
                        if changed.elapsed() > FORGOTTEN {
                            self.delete_forgotten(&picture).await;
                            self.resize_after_a_failure(&group, &picture).await;
                        }
                        picture.agree(picture.servers.len())
                    }
                    Err(error) => Err(error),
                };
                if let Err(seen) = agreed {
                    let _ = write!(disagreements, "{}: {seen}; ", group.id);
                }
            }
            agreements = if failed == 0 && disagreements.is_empty() { agreements + 1 } else { 0 };
            if disagreements != last {
                self.say(&format!("not settled: {disagreements}"));
                last.clone_from(&disagreements);
                changed = Instant::now();
            }
            assert!(Instant::now() < give_up, "the cluster does not settle: {disagreements}");
            sleep(Duration::from_secs(4)).await;
        }
        self.note_counters().await;
        self.say("settled");
    }
}
