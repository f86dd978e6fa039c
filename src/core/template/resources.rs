//! What a node has and what it leaves to pods: the kubelet's arithmetic (`pkg/kubelet/cm/node_container_manager_linux.go`,
//! `getNodeAllocatableAbsolute`), in which nothing becomes negative or overflows.

use std::collections::BTreeMap;

use crate::core::quantity::{GIB, MIB};

/// Pods that a kubelet takes unless told otherwise (`--max-pods`).
pub const DEFAULT_PODS: u64 = 110;
/// The kubelet's default of `memory.available` in `--eviction-hard`, in bytes.
pub const DEFAULT_EVICTION_MEMORY: u64 = 100 * MIB;
/// The kubelet's default of `nodefs.available` in `--eviction-hard`, in percent.
pub const DEFAULT_EVICTION_NODEFS: u64 = 10;

/// Resources of a node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resources {
    /// CPUs, in millicores.
    pub cpu_millis: u64,
    /// Memory, in bytes.
    pub memory: u64,
    /// Room on the file system of the kubelet, in bytes.
    pub ephemeral_storage: u64,
    /// Pods.
    pub pods: u64,
    /// Devices by their resource's name, like `nvidia.com/gpu`.
    pub extended: BTreeMap<String, u64>,
}

/// Resources of which some are set: an operator's word, or a reservation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Amounts {
    /// CPUs, in millicores.
    pub cpu_millis: Option<u64>,
    /// Memory, in bytes.
    pub memory: Option<u64>,
    /// Room on the file system of the kubelet, in bytes.
    pub ephemeral_storage: Option<u64>,
    /// Pods.
    pub pods: Option<u64>,
}

impl Amounts {
    /// What this sets goes before what `weaker` sets.
    #[must_use]
    pub fn or(&self, weaker: &Self) -> Self {
        Self {
            cpu_millis: self.cpu_millis.or(weaker.cpu_millis),
            memory: self.memory.or(weaker.memory),
            ephemeral_storage: self.ephemeral_storage.or(weaker.ephemeral_storage),
            pods: self.pods.or(weaker.pods),
        }
    }

    /// Whether it says all that a flavor would.
    #[must_use]
    pub const fn is_a_whole_node(&self) -> bool {
        self.cpu_millis.is_some() && self.memory.is_some() && self.ephemeral_storage.is_some()
    }
}

/// A threshold of the kubelet's eviction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threshold {
    /// So many bytes.
    Bytes(u64),
    /// So many hundredths of a percent of the capacity.
    BasisPoints(u64),
}

impl Threshold {
    fn of(self, capacity: u64) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::BasisPoints(share) => {
                let part = u128::from(capacity) * u128::from(share) / 10_000;
                u64::try_from(part).unwrap_or(u64::MAX)
            }
        }
    }
}

/// What the kubelet keeps from pods. What is not set has the kubelet's default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reservation {
    /// Memory that the kernel keeps for itself and that the kubelet never sees, in bytes.
    pub kernel_memory: Option<u64>,
    /// `--kube-reserved`.
    pub kube: Amounts,
    /// `--system-reserved`.
    pub system: Amounts,
    /// `memory.available` of `--eviction-hard`.
    pub eviction_memory: Option<Threshold>,
    /// `nodefs.available` of `--eviction-hard`.
    pub eviction_nodefs: Option<Threshold>,
}

impl Reservation {
    /// What this sets goes before what `weaker` sets.
    #[must_use]
    pub fn or(&self, weaker: &Self) -> Self {
        Self {
            kernel_memory: self.kernel_memory.or(weaker.kernel_memory),
            kube: self.kube.or(&weaker.kube),
            system: self.system.or(&weaker.system),
            eviction_memory: self.eviction_memory.or(weaker.eviction_memory),
            eviction_nodefs: self.eviction_nodefs.or(weaker.eviction_nodefs),
        }
    }

    /// What is left of a server's memory when its kernel has started, in bytes.
    pub(super) fn memory_beside_the_kernel(&self, memory: u64) -> u64 {
        memory.saturating_sub(self.kernel_memory.unwrap_or_else(|| kernel_memory(memory)))
    }

    /// What pods may have.
    pub(super) fn allocatable(&self, capacity: &Resources) -> Resources {
        let sum = |amounts: [Option<u64>; 2]| amounts.into_iter().flatten().fold(0_u64, u64::saturating_add);
        let cpu = sum([self.kube.cpu_millis, self.system.cpu_millis]);
        let eviction = self.eviction_memory.unwrap_or(Threshold::Bytes(DEFAULT_EVICTION_MEMORY));
        let memory = sum([self.kube.memory, self.system.memory]).saturating_add(eviction.of(capacity.memory));
        let eviction = self.eviction_nodefs.unwrap_or(Threshold::BasisPoints(DEFAULT_EVICTION_NODEFS * 100));
        let storage = sum([self.kube.ephemeral_storage, self.system.ephemeral_storage])
            .saturating_add(eviction.of(capacity.ephemeral_storage));
        Resources {
            cpu_millis: capacity.cpu_millis.saturating_sub(cpu),
            memory: capacity.memory.saturating_sub(memory),
            ephemeral_storage: capacity.ephemeral_storage.saturating_sub(storage),
            pods: capacity.pods,
            extended: capacity.extended.clone(),
        }
    }
}

/// What Linux keeps of a server's memory, as cluster-autoscaler reckons it for GCE (`gce/gce_reserved.go`,
/// `CalculateKernelReserved`). A template that promises more than a node has makes cluster-autoscaler add nodes on which
/// the pod does not fit.
fn kernel_memory(memory: u64) -> u64 {
    let bounce_buffers = if memory > 3 * GIB { 64 * MIB } else { 0 };
    memory / 64 + 16 * MIB + bounce_buffers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allocatable_is_what_the_kubelet_reckons() {
        let capacity = Resources {
            cpu_millis: 4000,
            memory: 8 * GIB,
            ephemeral_storage: 20 * GIB,
            pods: 110,
            extended: [("nvidia.com/gpu".to_owned(), 2)].into(),
        };
        let defaults = Reservation::default().allocatable(&capacity);
        assert_eq!(
            (defaults.cpu_millis, defaults.memory, defaults.ephemeral_storage, defaults.pods),
            (4000, 8 * GIB - 100 * MIB, 18 * GIB, 110)
        );
        assert_eq!(defaults.extended, capacity.extended);
        let reserved = Reservation {
            kube: Amounts { cpu_millis: Some(100), memory: Some(GIB), ..Amounts::default() },
            system: Amounts { cpu_millis: Some(200), ephemeral_storage: Some(GIB), ..Amounts::default() },
            eviction_memory: Some(Threshold::BasisPoints(500)),
            eviction_nodefs: Some(Threshold::Bytes(2 * GIB)),
            kernel_memory: None,
        }
        .allocatable(&capacity);
        assert_eq!(
            (reserved.cpu_millis, reserved.memory, reserved.ephemeral_storage),
            (3700, 7 * GIB - 8 * GIB / 20, 17 * GIB)
        );
    }

    #[test]
    fn the_kernels_share_is_that_of_a_linux_machine() {
        let left = |gib: u64| Reservation::default().memory_beside_the_kernel(gib * GIB) / MIB;
        assert_eq!((left(8), left(2), left(0)), (8192 - 128 - 16 - 64, 2048 - 32 - 16, 0));
        let told = Reservation { kernel_memory: Some(0), ..Reservation::default() };
        assert_eq!(told.memory_beside_the_kernel(8 * GIB), 8 * GIB);
    }
}
