//! An external gRPC cloud provider for the Kubernetes cluster-autoscaler on OpenStack Magnum.
//!
//! cluster-autoscaler decides; this service carries it out on Magnum and never removes a node that was not named.
//! The rooms, from the wire inwards and out to the cloud:
//!
//! - [`grpc`]: the `CloudProvider` service, wire types to and from [`core`]
//! - [`core`]: what may be done; pure, with the port [`core::cloud::Cloud`]
//! - [`engine`]: what runs: the observer and one resizer per node group
//! - [`openstack`]: Keystone, Magnum, Heat and Nova over HTTP, and the port's implementation
//! - [`kubernetes`]: the watch of Node objects and the writer of events
//! - [`config`]: where the cloud is and who logs in
//! - [`telemetry`]: logs, metrics and the admin address
//! - [`simulator`]: an OpenStack in memory behind real HTTP
//! - [`cli`]: the commands; the only room that knows all others

pub mod cli;
pub mod config;
pub mod core;
pub mod engine;
pub mod grpc;
#[cfg(feature = "kubernetes")]
pub mod kubernetes;
pub mod openstack;
pub mod simulator;
pub mod telemetry;
