//! Why it is not certain which server a node is on.

use thiserror::Error;

use super::{machine_id::MachineId, quote::named};

/// Why it is not certain which server a node is on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Ambiguity {
    /// Its ids are those of different members.
    #[error(
        "its Node object states machineID {} and systemUUID {}, which are the ids of different servers of the cluster: {first} and \
         {second}",
        named(.machine_id), named(.system_uuid)
    )]
    IdsContradict {
        /// `nodeInfo.machineID`.
        machine_id: String,
        /// `nodeInfo.systemUUID`.
        system_uuid: String,
        /// One of the servers.
        first: MachineId,
        /// The other one.
        second: MachineId,
    },
    /// Other Node objects state the same.
    #[error(
        "the id {id} is stated by several Node objects ({nodes}) and so identifies none of them. If it is a machineID that was \
         baked into an image, empty /etc/machine-id in the image; if one of these nodes is gone for good, delete its Node object"
    )]
    Shared {
        /// The id.
        id: MachineId,
        /// Names of the nodes.
        nodes: String,
    },
    /// Its name is that of another member's server.
    #[error(
        "its name is that of server {by_name}, and its Node object states the id of server {by_ids}; look which of them it runs \
         on (kubectl get node NAME -o yaml, nodeInfo)"
    )]
    NameContradicts {
        /// The server of this name.
        by_name: MachineId,
        /// The server of these ids.
        by_ids: MachineId,
    },
    /// The Node object of this name has got a provider ID that names another server.
    #[error("the node of this name is registered with provider ID {}", named(.provider_id))]
    RegisteredOtherwise {
        /// What the Node object shows.
        provider_id: String,
    },
}
