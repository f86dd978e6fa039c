//! The `CloudProvider` service as cluster-autoscaler speaks it: wire types to and from [`crate::core`].
//!
//! - [`externalgrpc`]: the generated messages and service
//! - [`service`]: the 15 methods
//! - [`wire`]: what a snapshot looks like on the wire
//! - `template`, `options`, `pricing`: what cluster-autoscaler asks of a group beside its size
//! - [`status`]: which error becomes which gRPC code
//! - [`deadline`]: how much time is left to answer a call
//! - [`method`]: the methods that are served, by name
//! - [`call_layer`]: what surrounds each call: metrics, log, and a panic that ends only this call
//! - [`codec`]: how messages are read, and which are too large for it
//! - `accept`: who gets in, and what is said of those who do not
//! - [`connection`]: when a connection ends that nothing comes of
//! - [`tls`]: mutual TLS from three files
//! - [`certificate`]: when they expire
//! - [`server`]: the listening server with health and reflection

mod accept;
pub mod call_layer;
pub mod certificate;
pub mod codec;
pub mod connection;
pub mod deadline;
pub mod method;
mod options;
mod pricing;
pub mod server;
pub mod service;
pub mod status;
mod template;
pub mod tls;
pub mod wire;

/// Generated from `proto/externalgrpc.proto`, which is the documentation.
#[allow(
    clippy::missing_errors_doc,
    clippy::too_many_lines,
    reason = "generated; the proto file documents it"
)]
pub mod externalgrpc {
    tonic::include_proto!("clusterautoscaler.cloudprovider.v1.externalgrpc");

    /// The encoded file descriptor set, for reflection.
    pub const FILE_DESCRIPTOR_SET: &[u8] =
        include_bytes!(concat!(env!("OUT_DIR"), "/externalgrpc_descriptor.bin"));
}
