//! The identity of a node: the UUID of the Nova server behind it.

use std::{fmt, str::FromStr};

use thiserror::Error;
use uuid::Uuid;

use super::quote::quoted;

/// The UUID of a Nova server.
///
/// Parses the dashed and the dashless form (the machine id of a node) in either case; displays as lower-case
/// dashed, the only form that OpenStack matches.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MachineId(Uuid);

/// The text is no UUID, dashed or dashless.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{} is not a server UUID (32 hexadecimal digits, with or without dashes)", quoted(.0))]
pub struct MachineIdError(String);

impl MachineId {
    /// Takes a UUID that is known to be a server's.
    #[must_use]
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// What an id of the machine says that Linux tells (`nodeInfo.machineID`, `nodeInfo.systemUUID`); `None` for one that
    /// is not set: firmware without one shows only zeros or only ones (SMBIOS 3.7, 7.2.1).
    #[must_use]
    pub fn of_firmware(text: &str) -> Option<Self> {
        text.trim().parse().ok().filter(|Self(uuid)| !uuid.is_nil() && !uuid.is_max())
    }

    /// With the bytes of its first three fields the other way round, as firmware of some hypervisors, and tables before
    /// SMBIOS 2.6, have them (SMBIOS 3.7, 7.2.1; kubernetes#58927 on VMware).
    #[must_use]
    pub fn swapped(self) -> Self {
        Self(Uuid::from_bytes_le(*self.0.as_bytes()))
    }
}

impl FromStr for MachineId {
    type Err = MachineIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_uuid(text).map(Self).ok_or_else(|| MachineIdError(text.to_owned()))
    }
}

impl fmt::Display for MachineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl fmt::Debug for MachineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Accepts only the two forms in use; the uuid crate alone would also take braces and URNs.
pub(super) fn parse_uuid(text: &str) -> Option<Uuid> {
    if !matches!(text.len(), 32 | 36) {
        return None;
    }
    Uuid::try_parse(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_firmware_may_have_fields_the_other_way_round() {
        // kubernetes#58927: product_uuid and product_serial of one machine.
        let product_uuid = MachineId::of_firmware("743F0E42-84EA-A2F9-7736-6106BB5DBF6B").unwrap();
        let serial: MachineId = "420e3f74ea84f9a277366106bb5dbf6b".parse().unwrap();
        assert_eq!((product_uuid.swapped(), serial.swapped()), (serial, product_uuid));
        for unset in ["", "00000000000000000000000000000000", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", "none"]
        {
            assert_eq!(MachineId::of_firmware(unset), None, "{unset}");
        }
        assert_eq!(MachineId::of_firmware(" 743F0E42-84EA-A2F9-7736-6106BB5DBF6B\n"), Some(product_uuid));
    }
}
