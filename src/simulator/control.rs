//! What a person or a test does to the cloud, and what there is to see of it besides the API.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use uuid::Uuid;

use super::{
    cluster::{Group, MASTER},
    faults::{CastOutcome, Fault, FaultPlan, Faults},
    handle::Simulator,
    machine_deployment::{Machine, MachineDeployment, MachineStage},
    node_rule::NodeRule,
    options::GroupOptions,
    queue::{Cast, GroupNumber, Order},
    records::{GroupRecord, MemberRecord, RequestKey, ResizeRecord, ServerRecord},
    resizing::{ResizeRefusal, ResizeRequest},
    stack::{Stack, Stage},
    state::{Action, State},
    world::World,
};

/// Changes to the cloud.
impl Simulator {
    /// How many servers the project may have, masters included; `None` for no limit.
    pub fn set_quota(&self, instances: Option<u32>) {
        self.lock().world.instance_quota = instances;
    }

    /// Whether Nova finds no host for new servers: they go to ERROR.
    pub fn no_valid_host(&self, no_valid_host: bool) {
        self.lock().world.no_valid_host = no_valid_host;
    }

    /// What nodes do whose server's name matches a glob; of several rules the first one set wins. Nodes that have
    /// not reported yet go by it as well, from now on.
    pub fn set_node_rule(&self, glob: &str, rule: NodeRule) {
        self.change(|inner| {
            inner.world.node_rules.push((glob.to_owned(), rule));
            inner.world.wake_hanging_nodes();
        });
    }

    /// Drops all rules: nodes that hang boot.
    pub fn clear_node_rules(&self) {
        self.change(|inner| {
            inner.world.node_rules.clear();
            inner.world.wake_hanging_nodes();
        });
    }

    /// Deletes a server in Nova, of which neither Heat nor Magnum hears; tells whether there was one.
    pub fn delete_server(&self, uuid: &str) -> bool {
        Uuid::try_parse(uuid).is_ok_and(|id| self.delete_server_with_id(id))
    }

    pub(super) fn delete_server_with_id(&self, id: Uuid) -> bool {
        self.change(|inner| inner.world.delete_server(id))
    }

    /// What `openstack coe cluster resize` does: a resize from somebody else, to which no fault happens.
    ///
    /// # Errors
    /// When Magnum would refuse it.
    pub fn operator_resize(&self, group: &str, count: u32, remove: &[String]) -> Result<(), ResizeRefusal> {
        self.change(|inner| {
            let Some((number, _)) = inner.world.find_group(group).filter(|(number, _)| *number != MASTER)
            else {
                return Err(ResizeRefusal::NoSuchGroup(group.to_owned()));
            };
            inner.resize(ResizeRequest {
                group: number,
                node_count: count,
                remove: remove.to_vec(),
                outcome: CastOutcome::default(),
                by_operator: true,
            })
        })
    }

    /// Sets a group's bounds, which runs it and the cluster through UPDATE_IN_PROGRESS without any change in Heat.
    /// Tells whether there is the group.
    pub fn set_bounds(&self, group: &str, min: u32, max: Option<u32>) -> bool {
        self.change(|inner| {
            let Some((number, _)) = inner.world.find_group(group) else { return false };
            let order = Order::SetBounds { min, max };
            inner.world.cast(Cast { group: number, order, refused: false }, Duration::ZERO);
            true
        })
    }

    /// Makes a node group, with a stack of its own. Tells whether the cloud knows of groups and the name was free.
    pub fn add_group(&self, options: GroupOptions) -> bool {
        self.change(|inner| {
            let world = &inner.world;
            if !world.options.profile.has_node_groups() || world.find_group(&options.name).is_some() {
                return false;
            }
            inner.world.create_group(options);
            true
        })
    }

    /// Deletes a node group with its nodes. Tells whether there was one; the default groups stay.
    pub fn delete_group(&self, group: &str) -> bool {
        self.change(|inner| {
            let Some((number, _)) = inner.world.find_group(group) else { return false };
            if number <= super::cluster::DEFAULT_WORKER {
                return false;
            }
            let cast = Cast { group: number, order: Order::Delete, refused: false };
            inner.world.cast(cast, Duration::ZERO);
            true
        })
    }

    /// Makes the cluster show this status whatever happens, `DELETE_IN_PROGRESS` say; `None` for the true one.
    pub fn set_cluster_status(&self, status: Option<&str>) {
        self.lock().world.cluster.forced_status = status.map(str::to_owned);
    }

    /// Loses a member's nested stack under Heat's feet, its server with it: from then on every update of the group
    /// fails until the member is removed (docs/openstack-behaviour.md#failures). Tells whether there is the member.
    pub fn break_member(&self, group: &str, index: u32) -> bool {
        self.change(|inner| {
            let Some((number, _)) = inner.world.find_group(group) else { return false };
            let world = &mut inner.world;
            let stack = world.stacks.get_mut(&World::stack_number(number));
            let Some(member) = stack.and_then(|stack| stack.minions.members.get_mut(&index)) else {
                return false;
            };
            member.stage = Stage::StackGone;
            member.attempt += 1;
            if let Some(server) = member.server.take() {
                world.servers.remove(server);
            }
            true
        })
    }

    /// Deletes the machines of Cluster API that failed or lost their servers, as an operator does by hand where the health
    /// check leaves them alone, since too many are not well. Others are made for them.
    pub fn replace_broken_machines(&self) {
        self.change(|inner| inner.world.replace_all_broken_machines());
    }

    /// Makes all tokens invalid.
    pub fn expire_tokens(&self) {
        self.lock().tokens.clear();
    }

    /// From now on these go wrong and no others.
    pub fn set_faults(&self, plan: FaultPlan) {
        self.lock().faults = Faults::new(plan);
    }

    /// Stops Magnum's conductor for this long: what is asked of it waits in its queue.
    pub fn stop_conductor(&self, pause: Duration) {
        let world = &mut self.lock().world;
        world.conductor_back = world.conductor_back.max(world.now + pause);
    }

    /// The next updates of a stack fail before they come to the nodes, as when Heat cannot reach Nova for a moment. Heat keeps
    /// the count that it was told.
    pub fn fail_next_updates(&self, count: u32) {
        self.lock().world.updates_to_fail = count;
    }

    /// The next resizes over HTTP get their 202 and nothing comes of them.
    pub fn lose_next_casts(&self, count: u32) {
        self.lock().casts_to_lose = count;
    }
}

/// What there is to see.
impl Simulator {
    /// UUID of the cluster.
    #[must_use]
    pub fn cluster_uuid(&self) -> String {
        self.lock().world.cluster.uuid.to_string()
    }

    /// Name of the cluster.
    #[must_use]
    pub fn cluster_name(&self) -> String {
        self.lock().world.cluster.name.clone()
    }

    /// Status of the cluster as Magnum shows it.
    #[must_use]
    pub fn cluster_status(&self) -> String {
        self.lock().world.cluster.shown_status().to_owned()
    }

    /// All servers in the order they were made.
    #[must_use]
    pub fn servers(&self) -> Vec<ServerRecord> {
        let inner = self.lock();
        let world = &inner.world;
        let mut servers: Vec<_> =
            world.servers.newest_first().map(|(id, _)| server_record(world, id)).collect();
        servers.reverse();
        servers
    }

    /// The UUIDs of the servers whose machines Cluster API, or an operator, replaced because they were no good.
    #[must_use]
    pub fn replaced_servers(&self) -> BTreeSet<String> {
        self.lock().world.replaced.iter().map(Uuid::to_string).collect()
    }

    /// The UUIDs of the servers that are gone and were in ERROR to the end.
    #[must_use]
    pub fn servers_gone_in_error(&self) -> BTreeSet<String> {
        self.lock().world.servers.gone_in_error.iter().map(Uuid::to_string).collect()
    }

    /// A node group, by name or UUID.
    #[must_use]
    pub fn group(&self, name_or_uuid: &str) -> Option<GroupRecord> {
        let inner = self.lock();
        let (number, group) = inner.world.find_group(name_or_uuid)?;
        if let Some(deployment) = inner.world.deployments.get(&number) {
            return Some(deployment_record(group, deployment));
        }
        let stack = inner.world.stacks.get(&World::stack_number(number))?;
        Some(group_record(number, group, stack))
    }

    /// Whether nothing will change any more by itself, save that stacks can time out. With a node that hangs
    /// there is no rest: Magnum keeps looking.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.lock().world.is_at_rest()
    }

    /// How many requests there were of each kind.
    #[must_use]
    pub fn request_counts(&self) -> HashMap<RequestKey, u64> {
        self.lock().request_counts.clone()
    }

    /// Starts counting anew.
    pub fn reset_request_counts(&self) {
        self.lock().request_counts.clear();
    }

    /// All resizes that were answered with 202, in order.
    #[must_use]
    pub fn resizes(&self) -> Vec<ResizeRecord> {
        self.lock().resizes.clone()
    }

    /// What goes wrong at present, with what is left of each rule's times.
    #[must_use]
    pub fn faults(&self) -> FaultPlan {
        self.lock().faults.plan.clone()
    }

    /// How often each rule of the present plan was drawn, in its order.
    #[must_use]
    pub fn fault_counts(&self) -> Vec<(Fault, u64)> {
        self.lock().faults.counts()
    }
}

fn server_record(world: &World, id: Uuid) -> ServerRecord {
    let server = world.servers.get(id);
    let owner = server.and_then(|server| server.member);
    let index = owner.and_then(|(group, member)| {
        if let Some(deployment) = world.deployments.get(&group) {
            return deployment.machine(member).map(|(_, machine)| machine.ordinal);
        }
        let minions = &world.stacks.get(&group)?.minions;
        let holder = minions.members.iter().find(|(_, member)| member.server == Some(id));
        holder.map(|(index, _)| *index)
    });
    let group = owner.and_then(|(group, _)| world.groups.get(&group));
    ServerRecord {
        uuid: id.to_string(),
        name: server.map(|server| server.name.clone()).unwrap_or_default(),
        group: group.map(|group| group.name.clone()),
        status: server.map(|server| server.status.name()).unwrap_or_default().to_owned(),
        index,
    }
}

fn group_record(number: GroupNumber, group: &Group, stack: &Stack) -> GroupRecord {
    let references = stack.minions.references();
    let staying = stack.minions.members.iter().map(|(index, member)| (*index, member));
    let leaving = stack.minions.leaving.iter().map(|leaving| (leaving.index, &leaving.member));
    let members = staying.chain(leaving).map(|(index, member)| MemberRecord {
        index,
        reference: references.get(&index).filter(|_| member.shown.action != Action::Delete).cloned(),
        server: member.server.map(|server| server.to_string()),
        status: member.shown.status(),
        reason: member.shown.reason.clone(),
    });
    GroupRecord {
        number_of_minions: stack.number_of_minions,
        minions_to_remove: stack.minions_to_remove.clone(),
        stack_name: stack.name.clone(),
        stack_status: stack.state.status(),
        members: if number == MASTER { Vec::new() } else { members.collect() },
        ..magnum_record(group)
    }
}

fn deployment_record(group: &Group, deployment: &MachineDeployment) -> GroupRecord {
    GroupRecord {
        number_of_minions: deployment.replicas,
        stack_name: deployment.machine_set.clone(),
        stack_status: if deployment.observed && deployment.running { "Running" } else { "Scaling" }
            .to_owned(),
        members: deployment.machines.values().map(machine_record).collect(),
        ..magnum_record(group)
    }
}

/// What Magnum has of a group, whatever its driver.
fn magnum_record(group: &Group) -> GroupRecord {
    GroupRecord {
        uuid: group.uuid.to_string(),
        name: group.name.clone(),
        node_count: group.node_count,
        status: group.state.status(),
        status_reason: group.state.reason.clone(),
        min: group.min,
        max: group.max,
        ..GroupRecord::default()
    }
}

fn machine_record(machine: &Machine) -> MemberRecord {
    let status = match machine.stage {
        _ if machine.deleting => "Deleting",
        MachineStage::Requested | MachineStage::Building => "Provisioning",
        MachineStage::Booting => "Provisioned",
        MachineStage::Joined => "Running",
        MachineStage::Failed => "Failed",
    };
    MemberRecord {
        index: machine.ordinal,
        reference: machine.provider_id().filter(|_| !machine.deleting).map(|server| server.to_string()),
        server: machine.server.map(|server| server.to_string()),
        status: status.to_owned(),
        reason: String::new(),
    }
}

impl World {
    /// Takes a new group into Magnum's records and tells the conductor.
    pub(super) fn create_group(&mut self, options: GroupOptions) -> GroupNumber {
        let number = self.next_group;
        self.next_group += 1;
        let stack_walk = options.stack_walk;
        self.insert_group(number, options, Vec::new());
        if let Some(group) = self.groups.get_mut(&number) {
            // Magnum has no reason yet.
            group.state = State { reason: String::new(), ..State::started(Action::Create) };
        }
        let order = Order::Create { stack_walk };
        self.cast(Cast { group: number, order, refused: false }, Duration::ZERO);
        number
    }
}
