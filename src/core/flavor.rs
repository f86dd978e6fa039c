//! Nova's flavors: how big a server is.

use std::collections::BTreeMap;

/// A flavor as Nova tells it. Nothing in it is checked: an operator may write anything into a flavor.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Flavor {
    /// Nova's id.
    pub id: String,
    /// Its name; what nodes show as their instance type.
    pub name: String,
    /// Virtual CPUs.
    pub vcpus: u64,
    /// Memory, in MiB.
    pub ram_mib: u64,
    /// Root disk, in GiB; 0 where the image or a volume decides.
    pub disk_gib: u64,
    /// What Nova's scheduler and drivers are told: PCI devices, vGPUs, traits.
    pub extra_specs: BTreeMap<String, String>,
}
