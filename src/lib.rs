//! An external gRPC cloud provider for the Kubernetes cluster-autoscaler on OpenStack Magnum.
//!
//! cluster-autoscaler decides; this service carries it out on Magnum and never removes a node that was not named.
//! The modules, each with those that it uses (`tests/it/repository/layers.rs` checks it):
//!
//! - [`core`]: what may be done; pure, with the port [`core::cloud::Cloud`]. Uses none.
//! - [`config`]: where the cloud is and who logs in. Uses `core`.
//! - [`engine`]: what runs: the observer and one resizer per node group. Uses `core`.
//! - [`openstack`]: Keystone, Magnum, Heat and Nova over HTTP, and the port's implementation. Uses `core`, `config`.
//! - [`grpc`]: the `CloudProvider` service, wire types to and from [`core`]. Uses `core`, `engine`.
//! - `kubernetes`: the watch of Node objects and the writer of events, behind the feature of its name. Uses `core`.
//! - `simulator`: an OpenStack in memory behind real HTTP, behind the feature of its name. Uses none.
//! - [`telemetry`]: logs, metrics and the admin address. Uses `core`, `engine`, `openstack`, `grpc`.
//! - [`cli`]: the commands; the only module that uses all others.

pub mod cli;
pub mod config;
pub mod core;
pub mod engine;
pub mod grpc;
#[cfg(feature = "kubernetes")]
pub mod kubernetes;
pub mod openstack;
#[cfg(feature = "simulator")]
pub mod simulator;
pub mod telemetry;
