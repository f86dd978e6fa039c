//! What a flavor's extra specs say: GPUs and other devices, and the processor's architecture.

use std::collections::BTreeMap;

use crate::core::flavor::Flavor;

/// Most devices of a kind that are believed; a machine has at most some dozens.
const MAX_DEVICES: u64 = 256;

/// How Kubernetes names a cloud's devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceNames {
    /// The label that marks nodes with a GPU; its value is the GPU's kind.
    pub gpu_label: String,
    /// The resource that stands for a GPU, unless its alias says otherwise.
    pub gpu_resource: String,
    /// Resource by PCI alias; `None` for a device that pods do not ask for, like a network card.
    pub aliases: BTreeMap<String, Option<String>>,
}

impl Default for DeviceNames {
    fn default() -> Self {
        Self {
            // The in-tree provider's (`magnum_cloud_provider.go`, `GPULabel`), so that labelled groups stay so.
            gpu_label: "magnum.openstack.org/gpu".to_owned(),
            gpu_resource: "nvidia.com/gpu".to_owned(),
            aliases: BTreeMap::new(),
        }
    }
}

/// Devices of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Devices {
    /// The resource that pods ask for.
    pub(super) resource: String,
    /// How many there are.
    pub(super) number: u64,
    /// Their kind: the PCI alias, or `vgpu`.
    pub(super) kind: String,
}

/// The devices that Nova gives a server of this flavor. What makes no sense is left out.
///
/// `pci_passthrough:alias` is `NAME[:NUMBER][,…]` (nova `pci/request.py`); a virtual GPU is asked for as a resource of the
/// placement service, `resources:VGPU`, in a group of requests with a suffix, `resources1:VGPU` (nova `scheduler/utils.py`).
pub(super) fn devices(flavor: &Flavor, names: &DeviceNames) -> Vec<Devices> {
    let mut devices = Vec::new();
    for (key, value) in &flavor.extra_specs {
        if key == "pci_passthrough:alias" {
            devices.extend(value.split(',').filter_map(|alias| pci_devices(alias, names)));
        } else if key.starts_with("resources")
            && let Some((_, class @ ("VGPU" | "PGPU"))) = key.split_once(':')
            && let Some(number) = number(value)
        {
            let (resource, kind) = (names.gpu_resource.clone(), class.to_ascii_lowercase());
            devices.push(Devices { resource, number, kind });
        }
    }
    devices
}

fn pci_devices(alias: &str, names: &DeviceNames) -> Option<Devices> {
    let (name, many) = alias.split_once(':').unwrap_or((alias, "1"));
    let name = name.trim();
    if name.is_empty() {
        return None;
    }
    let resource = match names.aliases.get(name) {
        Some(resource) => resource.clone()?,
        None => names.gpu_resource.clone(),
    };
    Some(Devices { resource, number: number(many)?, kind: name.to_owned() })
}

fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|number| (1..=MAX_DEVICES).contains(number))
}

/// Extra specs that tell the architecture, by the part behind their last `:` (nova's `hw:` and the capabilities filter).
const ARCHITECTURE_KEYS: &[&str] =
    &["architecture", "emulation_architecture", "cpu_arch", "arch", "hw_architecture"];

/// The architecture of a flavor's servers as Kubernetes names it, if the extra specs tell.
pub(super) fn architecture(flavor: &Flavor) -> Option<&'static str> {
    flavor.extra_specs.iter().find_map(|(key, value)| {
        if let Some(trait_name) = key.strip_prefix("trait:HW_ARCH_") {
            return (value == "required").then(|| kubernetes_architecture(trait_name)).flatten();
        }
        let last = key.rsplit(':').next().unwrap_or(key);
        // A value may begin with the capabilities filter's operator: `s== aarch64`, `<in> aarch64`.
        let value = value.rsplit(' ').next().unwrap_or(value);
        ARCHITECTURE_KEYS.contains(&last).then(|| kubernetes_architecture(value)).flatten()
    })
}

/// Kubernetes' name of an architecture (Go's `GOARCH`), by that name or by the one that Linux and OpenStack have for it.
#[must_use]
pub fn kubernetes_architecture(name: &str) -> Option<&'static str> {
    Some(match name.to_ascii_lowercase().as_str() {
        "amd64" | "x86_64" | "x86-64" => "amd64",
        "arm64" | "aarch64" => "arm64",
        "arm" | "armv7" | "armv7l" => "arm",
        "ppc64le" => "ppc64le",
        "s390x" => "s390x",
        "riscv64" => "riscv64",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flavor(specs: &[(&str, &str)]) -> Flavor {
        let extra_specs = specs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Flavor { extra_specs: extra_specs.collect(), ..Flavor::default() }
    }

    #[test]
    fn gpus_are_counted_as_nova_gives_them() {
        let names = DeviceNames {
            aliases: [("mi210".to_owned(), Some("amd.com/gpu".to_owned())), ("fast-nic".to_owned(), None)]
                .into(),
            ..DeviceNames::default()
        };
        for (key, value, expected) in [
            ("pci_passthrough:alias", "a100:2", vec![("nvidia.com/gpu", 2, "a100")]),
            ("pci_passthrough:alias", "a100", vec![("nvidia.com/gpu", 1, "a100")]),
            (
                "pci_passthrough:alias",
                "a100:1, mi210:4,fast-nic:1",
                vec![("nvidia.com/gpu", 1, "a100"), ("amd.com/gpu", 4, "mi210")],
            ),
            ("resources:VGPU", "1", vec![("nvidia.com/gpu", 1, "vgpu")]),
            ("resources_gpu1:VGPU", "2", vec![("nvidia.com/gpu", 2, "vgpu")]),
            ("resources:PGPU", "1", vec![("nvidia.com/gpu", 1, "pgpu")]),
            ("resources:VGPU", "0", vec![]),
            ("resources:VGPU", "-1", vec![]),
            ("resources:CUSTOM_BAREMETAL", "1", vec![]),
            ("pci_passthrough:alias", "", vec![]),
            ("pci_passthrough:alias", ":2", vec![]),
            ("pci_passthrough:alias", "a100:two", vec![]),
            ("pci_passthrough:alias", "a100:99999999999999999999", vec![]),
            ("pci_passthrough:alias", "a100:1000", vec![]),
        ] {
            let found = devices(&flavor(&[(key, value)]), &names);
            let found: Vec<_> = found
                .iter()
                .map(|found| (found.resource.as_str(), found.number, found.kind.as_str()))
                .collect();
            assert_eq!(found, expected, "{key}={value}");
        }
    }

    #[test]
    fn the_architecture_is_told_in_several_ways() {
        for (key, value, expected) in [
            ("hw:emulation_architecture", "aarch64", Some("arm64")),
            ("capabilities:cpu_info:arch", "s== x86_64", Some("amd64")),
            ("capabilities:cpu_arch", "<in> ppc64le", Some("ppc64le")),
            ("trait:HW_ARCH_AARCH64", "required", Some("arm64")),
            ("trait:HW_ARCH_AARCH64", "forbidden", None),
            ("trait:HW_CPU_X86_AVX2", "required", None),
            ("hw:cpu_policy", "dedicated", None),
            ("hw:architecture", "vax", None),
        ] {
            assert_eq!(architecture(&flavor(&[(key, value)])), expected, "{key}={value}");
        }
    }
}
