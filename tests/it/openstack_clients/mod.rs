//! Other clients against `simulate`: the openstack command line, which people and scripts use on a cluster beside the
//! autoscaler, and gophercloud, which most programs for OpenStack stand on. The former needs Python 3, the latter Go,
//! both their package registries; where they are missing the tests say so and pass.

mod client;
mod cloud;
mod commands;
mod gophercloud;
