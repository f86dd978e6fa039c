//! What the simulator tells about itself.

use std::time::Duration;

use http::Method;

/// A simulated service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// Keystone.
    Identity,
    /// Magnum.
    ContainerInfra,
    /// Heat.
    Orchestration,
    /// Nova.
    Compute,
}

/// A server as Nova has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerRecord {
    /// Its UUID.
    pub uuid: String,
    /// Its name, `<stack>-node-<index>` of a worker, or its machine's.
    pub name: String,
    /// The node group that it was made for; `None` for a master.
    pub group: Option<String>,
    /// `BUILD`, `ACTIVE`, `ERROR` or `DELETED`.
    pub status: String,
    /// Index of its member in the group, or ordinal of its machine; `None` for a master and for a server that its
    /// group has let go of.
    pub index: Option<u32>,
}

/// A member of a group as Heat has it, or a machine as Cluster API has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberRecord {
    /// Its name in the `ResourceGroup`; of a machine, how many its group had before it.
    pub index: u32,
    /// Its value in `refs_map`; `None` once it is being removed. Of a machine the server in its provider ID.
    pub reference: Option<String>,
    /// Its server, when there is or was one.
    pub server: Option<String>,
    /// Its resource status, such as `CREATE_FAILED`; of a machine its phase.
    pub status: String,
    /// The reason with it.
    pub reason: String,
}

/// A node group as Magnum and Heat have it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GroupRecord {
    /// Magnum's UUID.
    pub uuid: String,
    /// Magnum's name.
    pub name: String,
    /// The count that Magnum shows: what was last asked for.
    pub node_count: u32,
    /// Magnum's status.
    pub status: String,
    /// Magnum's reason.
    pub status_reason: String,
    /// Magnum's minimum.
    pub min: u32,
    /// Magnum's maximum; `None` for none.
    pub max: Option<u32>,
    /// The stack's `number_of_minions`; the MachineDeployment's replicas.
    pub number_of_minions: u32,
    /// The stack's `minions_to_remove`.
    pub minions_to_remove: Vec<String>,
    /// Name of its stack; of its MachineSet.
    pub stack_name: String,
    /// Status of its stack; `Running` or `Scaling` of a MachineDeployment.
    pub stack_status: String,
    /// All members, those being removed last.
    pub members: Vec<MemberRecord>,
}

/// A change of a group's size that was answered with 202.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResizeRecord {
    /// Name of the group.
    pub group: String,
    /// The count asked for.
    pub count: u32,
    /// The members named.
    pub remove: Vec<String>,
    /// When, since the simulator's start.
    pub at: Duration,
    /// Whether it came by [`super::Simulator::operator_resize`] and not over HTTP.
    pub by_operator: bool,
    /// What it was asked with.
    pub method: ResizeMethod,
}

/// With which request a size is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResizeMethod {
    /// Magnum's `actions/resize`.
    Resize,
    /// A PATCH of Magnum's cluster.
    ClusterPatch,
    /// A PATCH of Heat's stack; the record has its parameters, changed or not.
    StackPatch,
}

/// A kind of request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RequestKey {
    /// The service.
    pub service: Service,
    /// The method.
    pub method: Method,
    /// The path behind the service's prefix, with names for what varies: `/v1/clusters/{cluster}`.
    pub path: String,
}
