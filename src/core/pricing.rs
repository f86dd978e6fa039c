//! What nodes and pods cost, by the operator's price table: for cluster-autoscaler's `--expander=price`.

use thiserror::Error;

use super::{quantity::GIB, settings::Settings, template::NodeTemplate};

/// Why there is no price.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PriceError {
    /// The operator gave no prices at all.
    #[error("prices are not offered: the settings file (--config) has none; cluster-autoscaler does without")]
    NotOffered,
    /// A node that cannot be told to be of a group or a flavor.
    #[error(
        "no price is known for node {node:?}: it is of no node group that is scaled, nor of a flavor with a price"
    )]
    UnknownNode {
        /// Its name.
        node: String,
    },
    /// A group without a price.
    #[error(
        "node group {group} has no price: give it price-per-hour, or its flavor one in prices.per-flavor-hour of the \
         settings file"
    )]
    UnpricedGroup {
        /// Magnum's name of it.
        group: String,
    },
    /// A pod without a price.
    #[error(
        "the pod fits no node with a price: give prices.per-vcpu-hour and per-gib-hour in the settings file"
    )]
    UnpricedPod,
    /// An end before the start, or times that are none.
    #[error("the period of the price ends before it begins")]
    Period,
    /// Bytes that are no pod.
    #[error("the pod cannot be decoded: {0}")]
    MalformedPod(String),
}

/// What a pod asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PodRequests {
    /// CPUs, in millicores.
    pub cpu_millis: u64,
    /// Memory, in bytes.
    pub memory: u64,
    /// GPUs.
    pub gpus: u64,
}

/// Prices need no exactness beyond that of a float.
#[allow(
    clippy::cast_precision_loss,
    reason = "amounts of CPUs and memory are far below 2^52 thousandths and KiB"
)]
fn number(amount: u64) -> f64 {
    amount as f64
}

/// What so much costs for an hour, if CPUs or memory have a price.
fn by_size(settings: &Settings, size: PodRequests) -> Option<f64> {
    let prices = &settings.prices;
    if prices.vcpu.is_none() && prices.gib.is_none() {
        return None;
    }
    let cpus = number(size.cpu_millis) / 1000.0 * prices.vcpu.unwrap_or(0.0);
    let memory = number(size.memory) / number(GIB) * prices.gib.unwrap_or(0.0);
    Some(cpus + memory + number(size.gpus) * prices.gpu.unwrap_or(0.0))
}

/// What a node of this template costs for an hour: as the group's settings say, else its flavor's price, else by its size.
///
/// # Errors
/// [`PriceError::UnpricedGroup`].
pub fn node_per_hour(settings: &Settings, template: &NodeTemplate) -> Result<f64, PriceError> {
    let of_flavor = || settings.prices.flavors.get(template.flavor.as_ref()?).copied();
    let size = PodRequests {
        cpu_millis: template.capacity.cpu_millis,
        memory: template.capacity.memory,
        gpus: template.gpus,
    };
    settings
        .price_per_hour(&template.node_group)
        .or_else(of_flavor)
        .or_else(|| by_size(settings, size))
        .ok_or_else(|| PriceError::UnpricedGroup { group: template.node_group.clone() })
}

/// What a pod costs for an hour: by its size, or its share of the node on which it is cheapest.
///
/// # Errors
/// [`PriceError::UnpricedPod`].
pub fn pod_per_hour<'a>(
    settings: &Settings,
    templates: impl Iterator<Item = &'a NodeTemplate>,
    pod: PodRequests,
) -> Result<f64, PriceError> {
    if let Some(price) = by_size(settings, pod) {
        return Ok(price);
    }
    templates
        .filter_map(|template| Some(share(template, pod)? * node_per_hour(settings, template).ok()?))
        .min_by(f64::total_cmp)
        .ok_or(PriceError::UnpricedPod)
}

/// The share of a node that a pod takes, by what it needs most of; none where it does not fit.
fn share(template: &NodeTemplate, pod: PodRequests) -> Option<f64> {
    let node = &template.allocatable;
    [(pod.cpu_millis, node.cpu_millis), (pod.memory, node.memory), (pod.gpus, template.gpus)]
        .into_iter()
        .try_fold(0.0_f64, |share, (asked, there)| match asked {
            0 => Some(share),
            asked if asked <= there => Some(share.max(number(asked) / number(there))),
            _ => None,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{
        settings::{GroupRule, GroupSettings, Prices},
        template::resources::Resources,
    };
    use wildmatch::WildMatch;

    fn template(group: &str, flavor: &str, cpus: u64, gib: u64) -> NodeTemplate {
        let size = Resources { cpu_millis: cpus * 1000, memory: gib * GIB, ..Resources::default() };
        NodeTemplate {
            node_group: group.to_owned(),
            flavor: Some(flavor.to_owned()),
            capacity: size.clone(),
            allocatable: size,
            ..NodeTemplate::default()
        }
    }

    fn pod(cpu_millis: u64, gib: u64, gpus: u64) -> PodRequests {
        PodRequests { cpu_millis, memory: gib * GIB, gpus }
    }

    #[test]
    fn a_node_costs_what_is_said_most_exactly() {
        let settings = Settings {
            prices: Prices {
                flavors: [("m1".to_owned(), 2.0)].into(),
                vcpu: Some(0.5),
                gib: Some(0.25),
                gpu: Some(1.0),
            },
            rules: vec![GroupRule {
                pattern: WildMatch::new("a"),
                settings: GroupSettings { price_per_hour: Some(3.0), ..GroupSettings::default() },
            }],
            ..Settings::default()
        };
        assert_eq!(node_per_hour(&settings, &template("a", "m1", 4, 8)), Ok(3.0));
        assert_eq!(node_per_hour(&settings, &template("b", "m1", 4, 8)), Ok(2.0));
        assert_eq!(node_per_hour(&settings, &template("b", "m2", 4, 8)), Ok(4.0));
        let gpu = NodeTemplate { gpus: 2, ..template("b", "m2", 4, 8) };
        assert_eq!(node_per_hour(&settings, &gpu), Ok(6.0));
        let unpriced = node_per_hour(&Settings::default(), &template("b", "m2", 4, 8));
        assert_eq!(unpriced, Err(PriceError::UnpricedGroup { group: "b".to_owned() }));
    }

    #[test]
    fn a_pod_costs_its_size_or_its_share_of_the_cheapest_node() {
        let by_size = Settings {
            prices: Prices { vcpu: Some(0.5), gib: Some(0.25), ..Prices::default() },
            ..Settings::default()
        };
        assert_eq!(pod_per_hour(&by_size, [].into_iter(), pod(500, 1, 0)), Ok(0.5));
        let by_flavor = Settings {
            prices: Prices { flavors: [("m1".into(), 4.0), ("m2".into(), 6.0)].into(), ..Prices::default() },
            ..Settings::default()
        };
        let templates = [template("a", "m1", 4, 8), template("b", "m2", 8, 32), template("c", "m3", 9, 9)];
        let price = |pod| pod_per_hour(&by_flavor, templates.iter(), pod);
        assert_eq!(price(pod(1000, 1, 0)), Ok(0.75), "an eighth of b is cheaper than a quarter of a");
        assert_eq!(price(pod(1000, 8, 0)), Ok(1.5), "a quarter of b is cheaper than the whole of a");
        assert_eq!(price(pod(0, 0, 0)), Ok(0.0));
        assert_eq!(price(pod(9000, 1, 0)), Err(PriceError::UnpricedPod));
        assert_eq!(price(pod(1000, 1, 1)), Err(PriceError::UnpricedPod));
    }
}
