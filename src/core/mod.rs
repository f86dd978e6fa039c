//! What may be done, and nothing else: types and pure functions without I/O and without a clock.
//!
//! Time comes in as arguments and the cloud through the trait [`cloud::Cloud`]. Data walks one way: a
//! [`cloud::Reading`] of a node group and the [`pending::PendingRequests`] that were accepted for it become a
//! [`snapshot::Snapshot`] to read from, and, when something is to be done, a [`plan::Plan`]. When that is, and what becomes
//! of it, is the business of [`lifecycle::Lifecycle`].

pub mod ambiguity;
pub mod capabilities;
pub mod cloud;
pub mod decision;
pub mod failure;
pub mod flavor;
pub mod group_view;
pub mod history;
pub mod identity;
pub mod instance;
pub mod lifecycle;
pub mod machine_id;
pub mod member;
pub mod node_group;
pub mod node_name;
pub mod nodes;
pub mod pending;
pub mod plan;
pub mod pricing;
pub mod provider_id;
pub mod quantity;
pub mod queue;
pub mod quote;
pub mod reading;
pub mod registration;
pub mod request;
pub mod resize;
#[doc(hidden)]
pub mod sample;
pub mod settings;
pub mod settle;
pub mod snapshot;
pub mod status;
pub mod template;
pub mod verify;
pub mod witnesses;
