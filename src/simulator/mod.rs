//! An OpenStack in memory behind real HTTP: Keystone, Magnum, Heat and Nova with one cluster.
//!
//! For tests, benchmarks and demonstrations. It answers as the services of the Zed release do, or of another that a
//! [`Profile`] names, and behaves as they were seen to behave, traps included: `nodes_to_remove` that match nothing take
//! the highest index, overlapping resizes get lost, failed members stay, `node_count` says what was asked for
//! (docs/openstack-behaviour.md). The tests compare its answers with recorded ones (`tests/transcripts`).
//!
//! All time is tokio's: with a paused clock everything happens in virtual time. Nothing runs in the background; the
//! cloud catches up whenever it is looked at. With the same seed and the same requests it is the same cloud.

mod chance;
mod clock;
mod cluster;
mod compute;
mod conductor;
mod control;
mod creation;
mod credentials;
mod events;
mod faults;
mod handle;
mod health_check;
mod http;
mod machine_controllers;
mod machine_deployment;
mod member_parts;
mod node_rule;
mod options;
mod profile;
mod queue;
mod records;
mod removal;
mod resizing;
mod running;
mod slow_sync;
mod stack;
mod state;
mod status_sync;
mod traversal;
mod world;

pub use self::{
    credentials::Credentials,
    faults::{Fault, FaultPlan, FaultRule},
    handle::Simulator,
    http::ConnectionCut,
    node_rule::NodeRule,
    options::{GroupOptions, SimulatorOptions},
    profile::Profile,
    records::{GroupRecord, MemberRecord, RequestKey, ResizeMethod, ResizeRecord, ServerRecord, Service},
    resizing::ResizeRefusal,
    running::RunningSimulator,
};
