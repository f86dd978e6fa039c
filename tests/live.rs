//! The service against a real OpenStack: exactly the nodes that are named go, and what fails is told.
//!
//! Each test starts the service as an operator would, calls it as cluster-autoscaler does, and looks at Nova and Magnum
//! itself for what became of it. `CONTRIBUTING.md` says what to set; without that the tests say so and pass.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is the failure report"
)]

#[path = "live/autoscaler.rs"]
mod autoscaler;
#[path = "live/chaos/mod.rs"]
mod chaos;
#[path = "live/failures.rs"]
mod failures;
#[path = "live/lab.rs"]
mod lab;
#[path = "live/openstack.rs"]
mod openstack;
#[path = "live/operator.rs"]
mod operator;
#[path = "live/outage.rs"]
mod outage;
#[path = "live/removal.rs"]
mod removal;
#[path = "live/restart.rs"]
mod restart;
#[path = "live/scene.rs"]
mod scene;
#[path = "live/service.rs"]
mod service;
#[path = "live/site.rs"]
mod site;
