//! What the operator says of node groups beside Magnum: the settings file, whose syntax is `config::settings_file`'s.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use wildmatch::WildMatch;

use super::template::{
    devices::DeviceNames,
    labels::{Taint, add_taints},
    resources::{Amounts, Reservation},
};

/// All settings.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Settings {
    /// What Kubernetes calls the cloud's devices.
    pub devices: DeviceNames,
    /// What nodes and pods cost.
    pub prices: Prices,
    /// Rules for node groups, the later before the earlier ones.
    pub rules: Vec<GroupRule>,
}

/// Settings for the groups of which a pattern is the name.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupRule {
    /// Name of the group; `*` stands for any characters, `?` for one.
    pub pattern: WildMatch,
    /// What is said of these groups.
    pub settings: GroupSettings,
}

/// What is said of one group; nothing is by default.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GroupSettings {
    /// Fewest nodes; Magnum's own minimum counts too.
    pub min: Option<u32>,
    /// Most nodes; Magnum's own maximum counts too.
    pub max: Option<u32>,
    /// What a node has, instead of what the flavor says.
    pub capacity: Amounts,
    /// Devices by their resource's name, instead of what the flavor says; 0 for none.
    pub extended: BTreeMap<String, u64>,
    /// What the kubelet keeps from pods.
    pub reservation: Reservation,
    /// Labels of a node; `None` takes one away that another source gives.
    pub labels: BTreeMap<String, Option<String>>,
    /// Taints of a node.
    pub taints: Vec<Taint>,
    /// Architecture of a node, in Kubernetes' words.
    pub architecture: Option<&'static str>,
    /// Kind of its GPUs: the value of the GPU label.
    pub gpu_type: Option<String>,
    /// Options of cluster-autoscaler.
    pub options: AutoscalingOptions,
    /// What a node costs per hour.
    pub price_per_hour: Option<f64>,
}

impl GroupSettings {
    /// What this says goes before what `weaker` says; maps are merged key by key.
    #[must_use]
    pub fn or(&self, weaker: &Self) -> Self {
        let mut labels = weaker.labels.clone();
        labels.extend(self.labels.clone());
        let mut extended = weaker.extended.clone();
        extended.extend(self.extended.clone());
        let mut taints = weaker.taints.clone();
        add_taints(&mut taints, &self.taints);
        Self {
            min: self.min.or(weaker.min),
            max: self.max.or(weaker.max),
            capacity: self.capacity.or(&weaker.capacity),
            extended,
            reservation: self.reservation.or(&weaker.reservation),
            labels,
            taints,
            architecture: self.architecture.or(weaker.architecture),
            gpu_type: self.gpu_type.clone().or_else(|| weaker.gpu_type.clone()),
            options: self.options.or(&weaker.options),
            price_per_hour: self.price_per_hour.or(weaker.price_per_hour),
        }
    }
}

/// Options of cluster-autoscaler that a group has for itself; what is not set is as cluster-autoscaler was started.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct AutoscalingOptions {
    /// `--scale-down-utilization-threshold`.
    pub scale_down_utilization_threshold: Option<f64>,
    /// `--scale-down-gpu-utilization-threshold`.
    pub scale_down_gpu_utilization_threshold: Option<f64>,
    /// `--scale-down-unneeded-time`.
    pub scale_down_unneeded_time: Option<Duration>,
    /// `--scale-down-unready-time`.
    pub scale_down_unready_time: Option<Duration>,
    /// `--max-node-provision-time`.
    pub max_node_provision_time: Option<Duration>,
    /// Whether the group is scaled from 0 to its maximum and back, and to nothing between.
    pub zero_or_max_node_scaling: Option<bool>,
    /// `--ignore-daemonsets-utilization`.
    pub ignore_daemonsets_utilization: Option<bool>,
}

impl AutoscalingOptions {
    /// What this sets goes before what `weaker` sets.
    #[must_use]
    pub fn or(&self, weaker: &Self) -> Self {
        Self {
            scale_down_utilization_threshold: self
                .scale_down_utilization_threshold
                .or(weaker.scale_down_utilization_threshold),
            scale_down_gpu_utilization_threshold: self
                .scale_down_gpu_utilization_threshold
                .or(weaker.scale_down_gpu_utilization_threshold),
            scale_down_unneeded_time: self.scale_down_unneeded_time.or(weaker.scale_down_unneeded_time),
            scale_down_unready_time: self.scale_down_unready_time.or(weaker.scale_down_unready_time),
            max_node_provision_time: self.max_node_provision_time.or(weaker.max_node_provision_time),
            zero_or_max_node_scaling: self.zero_or_max_node_scaling.or(weaker.zero_or_max_node_scaling),
            ignore_daemonsets_utilization: self
                .ignore_daemonsets_utilization
                .or(weaker.ignore_daemonsets_utilization),
        }
    }

    /// Whether nothing is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What nodes and pods cost, per hour, in any one currency.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Prices {
    /// A node, by its flavor's name.
    pub flavors: BTreeMap<String, f64>,
    /// A CPU.
    pub vcpu: Option<f64>,
    /// A GiB of memory.
    pub gib: Option<f64>,
    /// A GPU.
    pub gpu: Option<f64>,
}

impl Settings {
    /// Everything that the rules say of the group of this name.
    #[must_use]
    pub fn group(&self, name: &str) -> GroupSettings {
        self.rules_for(name).fold(GroupSettings::default(), |weaker, rule| rule.settings.or(&weaker))
    }

    /// The options alone of the group of this name.
    #[must_use]
    pub fn options(&self, name: &str) -> AutoscalingOptions {
        self.rules_for(name)
            .fold(AutoscalingOptions::default(), |weaker, rule| rule.settings.options.or(&weaker))
    }

    /// The price alone, per hour, of a node of the group of this name.
    #[must_use]
    pub fn price_per_hour(&self, name: &str) -> Option<f64> {
        self.rules_for(name).filter_map(|rule| rule.settings.price_per_hour).last()
    }

    fn rules_for<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a GroupRule> {
        self.rules.iter().filter(move |rule| rule.pattern.matches(name))
    }

    /// The patterns that are none of these groups' names: likely misspelt.
    #[must_use]
    pub fn idle_patterns(&self, names: &[&str]) -> BTreeSet<String> {
        let idle = |rule: &&GroupRule| !names.iter().any(|name| rule.pattern.matches(name));
        self.rules.iter().filter(idle).map(|rule| rule.pattern.to_string()).collect()
    }

    /// Whether anything has a price.
    #[must_use]
    pub fn has_prices(&self) -> bool {
        self.prices != Prices::default()
            || self.rules.iter().any(|rule| rule.settings.price_per_hour.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(pattern: &str, settings: GroupSettings) -> GroupRule {
        GroupRule { pattern: WildMatch::new(pattern), settings }
    }

    #[test]
    fn later_rules_go_before_earlier_ones_key_by_key() {
        let label = |value: Option<&str>| value.map(str::to_owned);
        let settings = Settings {
            rules: vec![
                rule(
                    "*",
                    GroupSettings {
                        max: Some(10),
                        min: Some(1),
                        labels: [("a".into(), label(Some("1"))), ("b".into(), label(Some("1")))].into(),
                        taints: vec!["x=1:NoSchedule".parse().unwrap()],
                        ..GroupSettings::default()
                    },
                ),
                rule(
                    "gpu-?",
                    GroupSettings {
                        max: Some(2),
                        labels: [("b".into(), None)].into(),
                        taints: vec!["x=2:NoSchedule".parse().unwrap(), "x=2:NoExecute".parse().unwrap()],
                        price_per_hour: Some(1.5),
                        ..GroupSettings::default()
                    },
                ),
            ],
            ..Settings::default()
        };
        let gpu = settings.group("gpu-1");
        assert_eq!((gpu.min, gpu.max, gpu.price_per_hour), (Some(1), Some(2), Some(1.5)));
        assert_eq!(gpu.labels, [("a".into(), label(Some("1"))), ("b".into(), None)].into());
        let taints: Vec<_> = gpu.taints.iter().map(ToString::to_string).collect();
        assert_eq!(taints, ["x=2:NoSchedule", "x=2:NoExecute"]);
        let other = settings.group("gpu-10");
        assert_eq!((other.max, other.price_per_hour), (Some(10), None));
        assert_eq!(settings.idle_patterns(&["gpu-1"]), BTreeSet::new());
        assert_eq!(settings.idle_patterns(&["pool"]), BTreeSet::from(["gpu-?".to_owned()]));
        assert!(settings.has_prices());
        assert!(!Settings::default().has_prices());
    }
}
