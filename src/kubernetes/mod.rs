//! Kubernetes' API, as far as it is asked: Node objects are watched (`--kube-lookup`) and events written (`--kube-events`).
//!
//! Nothing here decides anything. What Node objects mean is [`core::identity`](crate::core::identity)'s business and
//! [`core::template`](crate::core::template)'s.

mod access;
mod error;
mod events;
mod failures;
mod node;
mod watch;

pub use self::{
    access::{Access, AccessError},
    error::KubernetesError,
    events::{EventWriter, NodeEvent},
    failures::NodeNames,
    watch::NodeWatch,
};
