//! What the members of a group are made of, which differs between Magnum's releases and the options of a cluster.

use std::fmt;

use super::api::MemberResource;

/// What was found by looking at one member.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Anatomy {
    /// Whether its server boots from a volume (Magnum 9.0 and newer, `boot_volume_size` above 0).
    boot_from_volume: bool,
    /// Whether it tells that it is ready by a wait condition, as up to Magnum 8.
    wait_condition: bool,
}

impl Anatomy {
    /// By the resources of a member's own stack.
    pub(super) fn of(resources: &[MemberResource]) -> Self {
        let has = |name: &str| resources.iter().any(|resource| resource.name == name);
        Self { boot_from_volume: has("kube-minion-bfv"), wait_condition: has("minion_wait_condition") }
    }
}

impl fmt::Display for Anatomy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.boot_from_volume {
            f.write_str(", nodes boot from volumes")?;
        }
        if self.wait_condition {
            f.write_str(", nodes report by wait conditions")?;
        }
        Ok(())
    }
}
