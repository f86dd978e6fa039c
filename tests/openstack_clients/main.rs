//! The openstack command line against `simulate`: what people and scripts do with a cluster beside the autoscaler.
//! Needs Python 3 and its package registry; where they are missing it says so and passes.
#![allow(clippy::unwrap_used, reason = "a panic is the failure report")]

#[cfg(test)]
mod client;
#[cfg(test)]
mod cloud;
#[cfg(test)]
mod commands;
