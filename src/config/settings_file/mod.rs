//! The settings file (`--config`): YAML, its keys named as the options of the command line are.
//!
//! The module `values` reads single values, this module what they are part of. Whoever adds a setting adds a field here; the known
//! keys of an error and its suggestion come from the fields.

mod values;

use std::{collections::BTreeMap, path::Path, time::Duration};

use serde::Deserialize;
use wildmatch::WildMatch;

use self::values::{
    Amount, Architecture, Count, Cpu, EvictionThreshold, Flag, Key, Nodes, Period, Positive, Price, Resource,
    Share, TaintText, Value,
};
use super::{ConfigError, ConfigProblem, files};
use crate::core::{
    node_group::MAX_NODES,
    settings::{AutoscalingOptions, GroupRule, GroupSettings, Prices, Settings},
    template::{
        devices::DeviceNames,
        resources::{Amounts, Reservation},
    },
};

/// Reads a settings file.
///
/// # Errors
/// [`ConfigError`] when it cannot be read; with the line when a key is not known or a value makes no sense.
pub fn read(file: &Path) -> Result<Settings, ConfigError> {
    parse(&files::read(file)?)
        .map_err(|(line, reason)| ConfigProblem::Syntax { file: file.to_owned(), line, reason }.into())
}

/// Line and reason of an error.
fn parse(text: &str) -> Result<Settings, (usize, String)> {
    // A file of comments alone says nothing, and that is fine.
    let contents: Option<Contents> = serde_saphyr::from_str(text).map_err(|error| {
        let line = error.location().and_then(|place| usize::try_from(place.line()).ok()).unwrap_or(1);
        (line, reason(error.without_snippet()))
    })?;
    contents.unwrap_or_default().settings().map_err(|reason| (1, reason))
}

fn reason(error: &serde_saphyr::Error) -> String {
    match error {
        serde_saphyr::Error::SerdeUnknownField { field, expected, .. } => unknown_key(field, expected),
        serde_saphyr::Error::Message { msg, .. } => msg.clone(),
        serde_saphyr::Error::DuplicateMappingKey { key: Some(key), .. } => {
            format!("the key {key:?} is there twice; keep one of them")
        }
        error => {
            // Its place is told before it.
            let text = error.render_with_formatter(&serde_saphyr::UserMessageFormatter);
            text.split(" at line ").next().unwrap_or_default().to_owned()
        }
    }
}

fn unknown_key(key: &str, known: &[&str]) -> String {
    let meant = key.to_lowercase().replace('_', "-");
    let nearest = known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(&meant, known), known))
        .filter(|(distance, known)| *distance <= known.len().max(6) / 3)
        .min();
    let suggestion = nearest.map(|(_, nearest)| format!("did you mean {nearest:?}? ")).unwrap_or_default();
    format!("unknown key {key:?}; {suggestion}Known here: {}", known.join(", "))
}

/// The whole file.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Contents {
    gpu_label: Option<Key>,
    gpu_resource: Option<Resource>,
    pci_aliases: BTreeMap<String, Option<Resource>>,
    prices: PriceSection,
    node_groups: Vec<GroupSection>,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct PriceSection {
    per_flavor_hour: BTreeMap<String, Price>,
    per_vcpu_hour: Option<Price>,
    per_gib_hour: Option<Price>,
    per_gpu_hour: Option<Price>,
}

/// An element of `node-groups`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct GroupSection {
    name: String,
    min: Option<Nodes>,
    max: Option<Nodes>,
    #[serde(default)]
    capacity: CapacitySection,
    #[serde(default)]
    extended_resources: BTreeMap<Resource, Count>,
    #[serde(default)]
    labels: BTreeMap<Key, Option<Value>>,
    #[serde(default)]
    taints: Vec<TaintText>,
    kernel_reserved: Option<Amount>,
    #[serde(default)]
    kube_reserved: ReservedSection,
    #[serde(default)]
    system_reserved: ReservedSection,
    #[serde(default)]
    eviction_hard: EvictionSection,
    architecture: Option<Architecture>,
    gpu_type: Option<Value>,
    #[serde(default)]
    options: OptionSection,
    price_per_hour: Option<Price>,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct CapacitySection {
    cpu: Option<Positive<Cpu>>,
    memory: Option<Positive<Amount>>,
    ephemeral_storage: Option<Positive<Amount>>,
    pods: Option<Positive<Count>>,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct ReservedSection {
    cpu: Option<Cpu>,
    memory: Option<Amount>,
    ephemeral_storage: Option<Amount>,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct EvictionSection {
    #[serde(rename = "memory.available")]
    memory: Option<EvictionThreshold>,
    #[serde(rename = "nodefs.available")]
    nodefs: Option<EvictionThreshold>,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct OptionSection {
    scale_down_utilization_threshold: Option<Share>,
    scale_down_gpu_utilization_threshold: Option<Share>,
    scale_down_unneeded_time: Option<Period>,
    scale_down_unready_time: Option<Period>,
    max_node_provision_time: Option<Period>,
    zero_or_max_node_scaling: Option<Flag>,
    ignore_daemonsets_utilization: Option<Flag>,
}

impl Contents {
    fn settings(self) -> Result<Settings, String> {
        let defaults = DeviceNames::default();
        let aliases = self.pci_aliases.into_iter().map(|(alias, name)| (alias, name.map(|name| name.0)));
        let prices = self.prices;
        Ok(Settings {
            devices: DeviceNames {
                gpu_label: self.gpu_label.map_or(defaults.gpu_label, |label| label.0),
                gpu_resource: self.gpu_resource.map_or(defaults.gpu_resource, |name| name.0),
                aliases: aliases.collect(),
            },
            prices: Prices {
                flavors: prices.per_flavor_hour.into_iter().map(|(name, price)| (name, price.0)).collect(),
                vcpu: prices.per_vcpu_hour.map(|price| price.0),
                gib: prices.per_gib_hour.map(|price| price.0),
                gpu: prices.per_gpu_hour.map(|price| price.0),
            },
            rules: self.node_groups.into_iter().map(GroupSection::rule).collect::<Result<_, _>>()?,
        })
    }
}

impl GroupSection {
    fn rule(self) -> Result<GroupRule, String> {
        let (name, min, max) = (self.name, self.min.map(|size| size.0), self.max.map(|size| size.0));
        if name.is_empty() {
            return Err("node-groups: a name is empty; \"*\" stands for every group".to_owned());
        }
        if let Some(size) = [min, max].into_iter().flatten().find(|size| *size > MAX_NODES) {
            return Err(format!("node-groups: {name}: {size} is more than {MAX_NODES} nodes"));
        }
        if let (Some(min), Some(max)) = (min, max)
            && min > max
        {
            return Err(format!("node-groups: {name}: min {min} is above max {max}"));
        }
        let settings = GroupSettings {
            min,
            max,
            capacity: self.capacity.amounts(),
            extended: self.extended_resources.into_iter().map(|(name, count)| (name.0, count.0)).collect(),
            reservation: Reservation {
                kernel_memory: self.kernel_reserved.map(|amount| amount.0),
                kube: self.kube_reserved.amounts(),
                system: self.system_reserved.amounts(),
                eviction_memory: self.eviction_hard.memory.map(|threshold| threshold.0),
                eviction_nodefs: self.eviction_hard.nodefs.map(|threshold| threshold.0),
            },
            labels: self.labels.into_iter().map(|(key, value)| (key.0, value.map(|value| value.0))).collect(),
            taints: self.taints.into_iter().map(|taint| taint.0).collect(),
            architecture: self.architecture.map(|architecture| architecture.0),
            gpu_type: self.gpu_type.map(|kind| kind.0),
            options: self.options.options(),
            price_per_hour: self.price_per_hour.map(|price| price.0),
        };
        Ok(GroupRule { pattern: WildMatch::new(&name), settings })
    }
}

impl CapacitySection {
    fn amounts(self) -> Amounts {
        Amounts {
            cpu_millis: self.cpu.map(|cpu| cpu.0.0),
            memory: self.memory.map(|amount| amount.0.0),
            ephemeral_storage: self.ephemeral_storage.map(|amount| amount.0.0),
            pods: self.pods.map(|count| count.0.0),
        }
    }
}

impl ReservedSection {
    fn amounts(self) -> Amounts {
        Amounts {
            cpu_millis: self.cpu.map(|cpu| cpu.0),
            memory: self.memory.map(|amount| amount.0),
            ephemeral_storage: self.ephemeral_storage.map(|amount| amount.0),
            pods: None,
        }
    }
}

impl OptionSection {
    fn options(self) -> AutoscalingOptions {
        let duration = |period: Option<Period>| -> Option<Duration> { period.map(|period| period.0) };
        AutoscalingOptions {
            scale_down_utilization_threshold: self.scale_down_utilization_threshold.map(|share| share.0),
            scale_down_gpu_utilization_threshold: self
                .scale_down_gpu_utilization_threshold
                .map(|share| share.0),
            scale_down_unneeded_time: duration(self.scale_down_unneeded_time),
            scale_down_unready_time: duration(self.scale_down_unready_time),
            max_node_provision_time: duration(self.max_node_provision_time),
            zero_or_max_node_scaling: self.zero_or_max_node_scaling.map(|flag| flag.0),
            ignore_daemonsets_utilization: self.ignore_daemonsets_utilization.map(|flag| flag.0),
        }
    }
}

#[cfg(test)]
mod tests;
