//! Heat's records: the stack of a worker node group, its `kube_minions`, and their members.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio::time::Instant;
use uuid::Uuid;

use super::{
    chance::Chance,
    credentials::CREDENTIALS,
    profile::{NodeSignal, Profile},
    state::{Action, Phase, State},
};

/// The stack of a worker node group; the default group's is the cluster's.
#[derive(Debug, Clone)]
pub(super) struct Stack {
    pub(super) id: Uuid,
    /// Also the prefix of its servers' names.
    pub(super) name: String,
    pub(super) created: Instant,
    pub(super) updated: Option<Instant>,
    pub(super) state: State,
    /// The parameter `number_of_minions`.
    pub(super) number_of_minions: u32,
    /// The parameter `minions_to_remove`, kept from update to update until another list replaces it.
    pub(super) minions_to_remove: Vec<String>,
    /// Counts the accepted updates; what an older one had begun is superseded.
    pub(super) traversal: u64,
    /// When the last update was accepted.
    pub(super) patched: Option<Instant>,
    /// How long an update takes to come to `kube_minions`.
    pub(super) walk: Duration,
    /// Flavor of its nodes, by name or id.
    pub(super) flavor_id: String,
    /// Between its name and the index in the names of its servers.
    pub(super) node_word: &'static str,
    pub(super) minions: Minions,
}

/// What a stack is made with.
#[derive(Debug)]
pub(super) struct StackPlan {
    pub(super) walk: Duration,
    pub(super) flavor_id: String,
    pub(super) profile: Profile,
}

/// The nested stack behind the resource `kube_minions`.
#[derive(Debug, Clone)]
pub(super) struct Minions {
    pub(super) id: Uuid,
    pub(super) name: String,
    pub(super) created: Instant,
    pub(super) updated: Option<Instant>,
    pub(super) state: State,
    /// Whether the stack above has come to make it.
    pub(super) exists: bool,
    /// Whether an update is going on that waits for its members.
    pub(super) running: bool,
    /// The update of the stack above that its own current one belongs to.
    pub(super) traversal: u64,
    /// What its members are like.
    pub(super) profile: Profile,
    /// Indices that are never used again.
    pub(super) skip_list: BTreeSet<u32>,
    pub(super) members: BTreeMap<u32, Member>,
    /// Members on their way out: no longer in `refs_map`, still in the list of resources.
    pub(super) leaving: Vec<Leaving>,
}

/// A member that is being removed.
#[derive(Debug, Clone)]
pub(super) struct Leaving {
    pub(super) index: u32,
    pub(super) member: Member,
}

/// One node of the group with its own nested stack.
#[derive(Debug, Clone)]
pub(super) struct Member {
    /// Id of its nested stack.
    pub(super) id: Uuid,
    /// End of that stack's name.
    pub(super) suffix: String,
    pub(super) created: Instant,
    pub(super) updated: Instant,
    /// What its nested stack really is at.
    pub(super) stage: Stage,
    pub(super) server: Option<Uuid>,
    /// With what its node reports.
    pub(super) signal: NodeSignal,
    /// What the list of resources says of it; it stays behind the stage once an update has failed.
    pub(super) shown: State,
    /// Private address of its port; the port outlives a refused server.
    pub(super) address: Option<String>,
    /// Counts its attempts at becoming a node; what an older one had begun is void.
    pub(super) attempt: u32,
    /// Whether the current update has not come to it yet.
    pub(super) awaits_update: bool,
    /// Whether a cancelled update will make its present one fail.
    pub(super) cancelled: bool,
}

/// How far a member has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Known to the group, no nested stack yet.
    Known,
    /// A nested stack without a server.
    StackMade,
    /// Nova builds the server.
    Building,
    /// The server is ACTIVE, the node has not reported.
    Booting,
    Complete,
    Failed,
    /// The nested stack vanished under Heat's feet (docs/openstack-behaviour.md#failures).
    StackGone,
}

/// Why a member failed, in the parts that Heat puts together differently in each place.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    /// The exception, such as `Forbidden`.
    pub(super) kind: &'static str,
    /// The resource of the member's stack that failed.
    pub(super) resource: &'static str,
    pub(super) text: String,
}

impl Stack {
    pub(super) fn new(
        name: String,
        number_of_minions: u32,
        StackPlan { walk, flavor_id, profile }: StackPlan,
        now: Instant,
        chance: &mut Chance,
    ) -> Self {
        let minions = Minions {
            id: chance.uuid(),
            name: format!("{name}-kube_minions-{}", chance.suffix()),
            created: now,
            updated: None,
            state: State::untouched(),
            exists: false,
            running: false,
            traversal: 0,
            profile,
            skip_list: BTreeSet::new(),
            members: BTreeMap::new(),
            leaving: Vec::new(),
        };
        Self {
            id: chance.uuid(),
            name,
            created: now,
            updated: None,
            state: State::started(Action::Create),
            number_of_minions,
            minions_to_remove: Vec::new(),
            traversal: 0,
            patched: None,
            walk,
            flavor_id,
            node_word: profile.node_word(),
            minions,
        }
    }

    pub(super) fn server_name(&self, index: u32) -> String {
        format!("{}-{}-{index}", self.name, self.node_word)
    }
}

impl Minions {
    /// The value of the output `refs_map`: what each member is referred to by
    /// (docs/openstack-behaviour.md#refs_map; Heat `template_resource.py` get_reference_id).
    pub(super) fn references(&self) -> BTreeMap<u32, String> {
        self.members.iter().map(|(index, member)| (*index, self.reference(*index, member))).collect()
    }

    fn reference(&self, index: u32, member: &Member) -> String {
        match (member.stage, member.server) {
            (Stage::StackGone, _) => format!(
                "arn:openstack:heat::{}:stacks/{}/{}",
                CREDENTIALS.project_id,
                self.member_stack_name(index, member),
                member.id
            ),
            (Stage::Known, None) => index.to_string(),
            _ if !self.profile.refers_to_servers() => member.id.to_string(),
            (_, Some(server)) => server.to_string(),
            (_, None) => "kube-minion".to_owned(),
        }
    }

    pub(super) fn member_stack_name(&self, index: u32, member: &Member) -> String {
        format!("{}-{index}-{}", self.name, member.suffix)
    }

    pub(super) fn member_mut(&mut self, id: Uuid) -> Option<(u32, &mut Member)> {
        self.members.iter_mut().find(|(_, member)| member.id == id).map(|(index, member)| (*index, member))
    }

    pub(super) fn index_of(&self, id: Uuid) -> Option<u32> {
        self.members.iter().find(|(_, member)| member.id == id).map(|(index, _)| *index)
    }

    pub(super) fn leaving_member(&self, id: Uuid) -> Option<&Leaving> {
        self.leaving.iter().find(|leaving| leaving.member.id == id)
    }

    /// Whether every member is what the current update wants it to be.
    pub(super) fn settled(&self) -> bool {
        self.leaving.is_empty()
            && self
                .members
                .values()
                .all(|member| member.stage == Stage::Complete && member.shown.phase == Phase::Complete)
    }
}

impl Member {
    /// A member that its group has come to know of.
    pub(super) fn known(profile: Profile, now: Instant, chance: &mut Chance) -> Self {
        Self {
            id: chance.uuid(),
            suffix: chance.suffix(),
            created: now,
            updated: now,
            stage: Stage::Known,
            server: None,
            signal: profile.node_signal(),
            shown: State::untouched(),
            address: None,
            attempt: 0,
            awaits_update: false,
            cancelled: false,
        }
    }
}

impl Failure {
    /// What the list of resources says (`heat-kube_minions-quota-failed-resources.http`, and for a retry
    /// `heat-kube_minions-quota-failed-2-resources.http`).
    pub(super) fn of_resource(&self, index: u32, action: Action) -> String {
        let Self { kind, resource, text } = self;
        match action {
            Action::Create => format!("{kind}: resources[{index}].resources.{resource}: {text}"),
            _ => format!("resources[{index}]: Resource CREATE failed: {kind}: resources.{resource}: {text}"),
        }
    }

    /// What the group's own stack says after a retry (docs/openstack-behaviour.md#failures); a first failure is put
    /// together from the resource's reason.
    pub(super) fn of_stack_after_retry(&self, index: u32) -> String {
        let Self { kind, resource, text } = self;
        format!(
            "Resource UPDATE failed: resources[{index}]: resources.kube_minions.Resource CREATE failed: \
             {kind}: resources.{resource}: {text}"
        )
    }
}
