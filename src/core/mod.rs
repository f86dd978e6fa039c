//! What may be done, and nothing else: types and pure functions without I/O and without a clock.
//!
//! Time comes in as arguments and the cloud through the trait [`cloud::Cloud`]. Data walks one way: a
//! [`cloud::Reading`] of a node group and the [`ledger::Ledger`] of what was accepted for it become a
//! [`snapshot::Snapshot`] to read from, and, when something is to be done, a [`plan::Plan`].

pub mod cloud;
pub mod flavor;
pub mod identity;
pub mod instance;
pub mod ledger;
pub mod machine_id;
pub mod member;
pub mod node_group;
pub mod nodes;
pub mod plan;
pub mod pricing;
pub mod quantity;
pub mod quote;
pub mod registration;
pub mod request;
pub mod settings;
pub mod settle;
pub mod snapshot;
pub mod status;
pub mod template;
pub mod verify;
pub mod witnesses;
