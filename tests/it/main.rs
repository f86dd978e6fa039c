//! All the tests that are quick in one process: one program to link, and `cargo test --test it engine::` for a part.
//!
//! They run side by side, so none changes what belongs to the whole process: variables, the current directory, the
//! logger (`captured_log` sets it once, to one that takes nothing). Programs of their own are `tests/histories`, which has
//! a runner of its own, and `tests/live`, which needs a cloud.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "a panic is the failure report, and no module has users outside"
)]

mod acceptance;
mod ca_versions;
mod captured_log;
mod cluster_api;
mod config_fixture;
mod config_inputs;
mod config_properties;
mod demo;
mod deploy;
mod engine;
mod free_address;
mod grpc_cli;
mod grpc_contract;
mod grpc_fixture;
mod grpc_server;
mod grpc_templates;
mod grpc_wire;
mod heat_updates;
mod identity_properties;
#[cfg(feature = "kubernetes")]
mod kubernetes;
mod kubernetes_types;
mod log_trouble;
mod openstack_bodies;
mod openstack_clients;
mod openstack_cluster;
mod openstack_config;
mod openstack_fake;
mod openstack_login;
mod openstack_secrets;
mod openstack_session;
mod openstack_templates;
mod openstack_tls;
mod plan_properties;
mod repository;
mod router_transport;
mod scenarios;
mod scripted_cluster;
mod service_process;
mod simulated;
mod simulator;
mod snapshot_views;
mod stopping;
mod told;
