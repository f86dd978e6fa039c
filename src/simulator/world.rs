//! The whole state of the cloud, and how it moves on.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tokio::time::Instant;
use uuid::Uuid;

use super::{
    chance::Chance,
    clock::Clock,
    cluster::{Cluster, DEFAULT_WORKER, Group, MASTER},
    compute::{Server, ServerStatus, Servers},
    events::EventLog,
    machine_deployment::MachineDeployment,
    node_rule::NodeRule,
    options::{GroupOptions, SimulatorOptions},
    queue::{Event, GroupNumber, Queue},
    stack::{Member, Stack, StackPlan, Stage},
    state::{Action, Phase, State},
};

/// The simulated cloud. It moves only when it is looked at: all events that have come due are then processed in
/// order, each at its own time, so that there is nothing that runs in the background.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) options: SimulatorOptions,
    pub(super) clock: Clock,
    pub(super) chance: Chance,
    /// The time of the event at hand.
    pub(super) now: Instant,
    /// Until when Magnum's conductor does nothing.
    pub(super) conductor_back: Instant,
    pub(super) queue: Queue,
    pub(super) sync_scheduled: bool,
    /// Whether another look follows the slow one that is going on.
    pub(super) sync_again: bool,
    pub(super) cluster: Cluster,
    /// Magnum's node groups by their number.
    pub(super) groups: BTreeMap<GroupNumber, Group>,
    pub(super) next_group: GroupNumber,
    /// Heat's stacks by the number of their worker group.
    pub(super) stacks: BTreeMap<GroupNumber, Stack>,
    /// What Heat keeps of their changes.
    pub(super) events: EventLog,
    /// Cluster API's MachineDeployments by the number of their worker group.
    pub(super) deployments: BTreeMap<GroupNumber, MachineDeployment>,
    pub(super) servers: Servers,
    /// The servers of machines that were replaced because they were no good.
    pub(super) replaced: BTreeSet<Uuid>,
    pub(super) master_address: String,
    addresses_given: u32,
    pub(super) instance_quota: Option<u32>,
    pub(super) no_valid_host: bool,
    /// How many updates of a stack fail before they come to `kube_minions`.
    pub(super) updates_to_fail: u32,
    pub(super) node_rules: Vec<(String, NodeRule)>,
}

impl World {
    pub(super) fn new(options: SimulatorOptions) -> Self {
        let options = options.fitted();
        let clock = Clock::start();
        let now = clock.started();
        let mut chance = Chance::seeded(options.seed);
        let status = if options.groups.len() > 1 { "UPDATE_COMPLETE" } else { "CREATE_COMPLETE" };
        let cluster = Cluster {
            uuid: chance.uuid(),
            name: options.cluster_name.clone(),
            template: chance.uuid(),
            capi_name: capi_name(&options, &mut chance),
            status: status.to_owned(),
            status_reason: None,
            forced_status: None,
            created: now,
            updated: now,
        };
        let mut world = Self {
            instance_quota: options.instance_quota,
            clock,
            chance,
            now,
            conductor_back: now,
            queue: Queue::default(),
            sync_scheduled: false,
            sync_again: false,
            cluster,
            groups: BTreeMap::new(),
            next_group: DEFAULT_WORKER,
            stacks: BTreeMap::new(),
            events: EventLog::default(),
            deployments: BTreeMap::new(),
            servers: Servers::default(),
            replaced: BTreeSet::new(),
            master_address: String::new(),
            addresses_given: 0,
            no_valid_host: false,
            updates_to_fail: 0,
            node_rules: Vec::new(),
            options,
        };
        for group in world.options.groups.clone() {
            world.add_initial_group(group);
        }
        world.observe_stacks();
        world
    }

    /// A group by its name or UUID.
    pub(super) fn find_group(&self, name_or_uuid: &str) -> Option<(GroupNumber, &Group)> {
        self.groups
            .iter()
            .find(|(_, group)| group.name == name_or_uuid || group.uuid.to_string() == name_or_uuid)
            .map(|(number, group)| (*number, group))
    }

    /// Number of the stack that a group is in.
    pub(super) fn stack_number(group: GroupNumber) -> GroupNumber {
        if group == MASTER { DEFAULT_WORKER } else { group }
    }

    /// Magnum's `stack_id` of a group; the cluster's is that of the default groups. Cluster API knows the others by
    /// none (docs/openstack-behaviour.md#cluster-api-drivers).
    pub(super) fn stack_id(&self, group: GroupNumber) -> Option<String> {
        match &self.cluster.capi_name {
            Some(name) => (group <= DEFAULT_WORKER).then(|| name.clone()),
            None => self.stacks.get(&Self::stack_number(group)).map(|stack| stack.id.to_string()),
        }
    }

    /// Puts a group there as if it had been complete for long.
    fn add_initial_group(&mut self, options: GroupOptions) {
        let number = self.next_group;
        self.next_group += 1;
        if self.options.profile.is_cluster_api() {
            self.add_initial_deployment(number, &options);
            self.insert_group(number, options, Vec::new());
            return;
        }
        let base = self.options.cluster_name.chars().take(20).collect::<String>();
        let stack_name = if number == DEFAULT_WORKER {
            format!("{base}-{}", self.chance.suffix())
        } else {
            format!("{base}-{}-{}", options.name.chars().take(9).collect::<String>(), self.chance.suffix())
        };
        let plan = self.stack_plan(options.stack_walk, options.flavor_id.clone());
        let mut stack = Stack::new(stack_name, options.node_count, plan, self.now, &mut self.chance);
        stack.state = State::completed(Action::Create);
        stack.minions.state = State::completed(Action::Create);
        stack.minions.exists = true;
        if number == DEFAULT_WORKER {
            self.add_initial_master(&stack.name);
        }
        for index in 0..options.node_count {
            let member = self.add_initial_member(number, stack.server_name(index), &options.flavor_id);
            stack.minions.members.insert(index, member);
        }
        let addresses = stack.minions.members.values().filter_map(|member| member.address.clone()).collect();
        self.insert_group(number, options, addresses);
        self.stacks.insert(number, stack);
    }

    pub(super) fn stack_plan(&self, walk: Duration, flavor_id: String) -> StackPlan {
        StackPlan { walk, flavor_id, profile: self.options.profile }
    }

    fn add_initial_member(&mut self, group: GroupNumber, server_name: String, flavor_id: &str) -> Member {
        let mut member = Member::known(self.options.profile, self.now, &mut self.chance);
        let server = self.chance.uuid();
        let address = self.next_address();
        let owner = Some((group, member.id));
        self.add_initial_server(server, server_name, flavor_id.to_owned(), address.clone(), owner);
        member.stage = Stage::Complete;
        member.shown = State::resource(Action::Create, Phase::Complete);
        member.server = Some(server);
        member.address = Some(address);
        member
    }

    pub(super) fn add_initial_master(&mut self, stack_name: &str) {
        let server = self.chance.uuid();
        let address = self.next_address();
        self.master_address.clone_from(&address);
        let name = format!("{stack_name}-master-0");
        self.add_initial_server(server, name, "m1.master".to_owned(), address.clone(), None);
        let (name, flavor_id) = ("default-master".to_owned(), "m1.master".to_owned());
        let role = "master".to_owned();
        let least = self.options.profile.least_size();
        let options = GroupOptions { flavor_id, role, ..GroupOptions::new(name, 1, least, None) };
        self.insert_group(MASTER, options, vec![address]);
    }

    pub(super) fn add_initial_server(
        &mut self,
        id: Uuid,
        name: String,
        flavor_id: String,
        address: String,
        member: Option<(GroupNumber, Uuid)>,
    ) {
        let server = Server {
            status: ServerStatus::Active,
            launched: Some(self.now),
            ..Server::building(name, flavor_id, address, self.now, member)
        };
        self.servers.insert(id, server);
    }

    pub(super) fn insert_group(
        &mut self,
        number: GroupNumber,
        options: GroupOptions,
        addresses: Vec<String>,
    ) {
        let GroupOptions {
            name,
            node_count,
            min,
            max,
            role,
            labels,
            flavor_id,
            node_labels,
            node_taints,
            ..
        } = options;
        let group = Group {
            uuid: self.chance.uuid(),
            name,
            role,
            labels,
            flavor_id,
            min,
            max,
            node_count,
            state: self.initial_state(),
            followed: false,
            created: self.now,
            updated: self.now,
            addresses,
            node_labels,
            node_taints,
        };
        self.groups.insert(number, group);
    }

    /// Without a stack there is nobody to give a reason.
    fn initial_state(&self) -> State {
        if self.options.profile.is_cluster_api() {
            State { action: Action::Create, phase: Phase::Complete, reason: String::new() }
        } else {
            State::completed(Action::Create)
        }
    }

    /// An address of the private network 10.0.0.0/16 that nobody has.
    pub(super) fn next_address(&mut self) -> String {
        self.addresses_given += 1;
        let host = self.addresses_given + 9;
        format!("10.0.{}.{}", host / 250 % 250, host % 250 + 1)
    }

    /// Lets everything happen that is due by `now`.
    pub(super) fn advance(&mut self, now: Instant) {
        while let Some((due, event)) = self.queue.next_due(now) {
            self.now = due;
            let group = match &event {
                Event::ServerBuilt { server } => self.owner_of(*server),
                other => other.group(),
            };
            self.happen(event);
            if let Some((group, stack)) = group.and_then(|group| self.stacks.get_key_value(&group)) {
                self.events.observe(*group, stack, self.now);
            }
        }
        self.now = self.now.max(now);
    }

    fn owner_of(&self, server: Uuid) -> Option<GroupNumber> {
        self.servers.get(server).and_then(|server| server.member).map(|(group, _)| group)
    }

    /// Takes down what somebody else than an event has changed.
    pub(super) fn observe_stacks(&self) {
        for (group, stack) in &self.stacks {
            self.events.observe(*group, stack, self.now);
        }
    }

    /// Whether nothing is going to happen but the end of some stack's time, and looks at machines that are well.
    pub(super) fn is_at_rest(&self) -> bool {
        self.queue.events().all(|event| match event {
            Event::StackTimesOut { .. } => true,
            Event::MachineExamined { group, machine } => !self.may_find_unhealthy(*group, *machine),
            _ => false,
        })
    }

    /// Deletes a server in Nova, of which neither Heat nor Magnum hears; tells whether there was one.
    pub(super) fn delete_server(&mut self, id: Uuid) -> bool {
        let Some(server) = self.servers.remove(id) else { return false };
        if let Some((group, machine)) = server.member {
            self.notice_lost_server(group, machine);
        }
        true
    }

    /// When the next event is due.
    pub(super) fn next_event_time(&self) -> Option<Instant> {
        self.queue.next_time()
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Conductor(cast) => self.conduct(cast),
            Event::ClusterAggregates => self.aggregate(),
            Event::Sync => self.sync(),
            Event::SlowSyncReads { group, took } => self.slow_sync_reads(group, took),
            Event::SlowSyncWrites(sighting) => self.slow_sync_writes(sighting),
            Event::SlowSyncEnds => self.slow_sync_ends(),
            Event::GroupReached { group, traversal } => self.group_reached(group, traversal),
            Event::GroupResumes { group, traversal } => self.group_resumes(group, traversal),
            Event::StackGoneFound { group, traversal } => self.stack_gone_found(group, traversal),
            Event::StackSettles { group, traversal, state } => self.stack_settles(group, traversal, state),
            Event::StackTimesOut { group, traversal } => self.stack_times_out(group, traversal),
            Event::MemberUpdateBegins { group, member, traversal } => {
                self.member_update_begins(group, member, traversal);
            }
            Event::MemberUpdated { group, member, traversal } => {
                self.member_updated(group, member, traversal);
            }
            Event::MemberStackMade { group, member } => self.member_stack_made(group, member),
            Event::MemberAsksNova { group, member, attempt } => self.member_asks_nova(group, member, attempt),
            Event::ServerBuilt { server } => self.server_built(server),
            Event::NodeReports { group, member, attempt, failure } => {
                self.node_reports(group, member, attempt, failure);
            }
            Event::LeavingServerDeleted { group, member } => self.leaving_server_deleted(group, member),
            Event::LeavingGone { group, member } => self.leaving_gone(group, member),
            Event::MachinesReconciled { group } => self.reconcile_machines(group),
            Event::MachineAsksNova { group, machine } => self.machine_asks_nova(group, machine),
            Event::MachineJoins { group, machine, attempt } => self.machine_joins(group, machine, attempt),
            Event::MachineExamined { group, machine } => self.examine_machine(group, machine),
            Event::MachineServerDeleted { group, machine } => self.machine_server_deleted(group, machine),
            Event::MachineGone { group, machine } => self.machine_gone(group, machine),
        }
    }
}

/// What Cluster API knows the cluster by, Magnum's `stack_id` (docs/openstack-behaviour.md#cluster-api-drivers); none with Heat.
fn capi_name(options: &SimulatorOptions, chance: &mut Chance) -> Option<String> {
    let profile = options.profile;
    profile.is_cluster_api().then(|| {
        if profile.marks_named_machines() {
            return format!("kube-{}", chance.kubernetes_suffix());
        }
        let name: String = options.cluster_name.chars().take(30).collect();
        format!("{}-{}", name.to_lowercase(), chance.suffix())
    })
}
