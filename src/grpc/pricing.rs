//! The wire side of prices: periods, the node or pod that is meant, and the answer.

use k8s_pb::{
    api::core::v1::{Container, Pod},
    apimachinery::pkg::api::resource::Quantity as WireQuantity,
};
use prost::Message as _;
use std::collections::BTreeMap;

use super::externalgrpc::{
    ExternalGrpcNode, KubernetesTime, PricingNodePriceRequest, PricingPodPriceRequest,
};
use crate::core::{
    pricing::{PodRequests, PriceError, node_per_hour, pod_per_hour},
    quantity::Quantity,
    settings::Settings,
    snapshot::Snapshot,
};

const SECONDS_PER_HOUR: f64 = 3600.0;
/// Both are labels of live nodes and of templates alike.
const NODE_GROUP_LABEL: &str = "magnum.openstack.org/nodegroup";
const FLAVOR_LABELS: [&str; 2] = ["node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type"];

/// What a node costs in the period asked for.
pub(super) fn node_price(
    settings: &Settings,
    snapshot: &Snapshot,
    request: PricingNodePriceRequest,
) -> Result<f64, PriceError> {
    let PricingNodePriceRequest { node, start_time, end_time, start_timestamp, end_timestamp } = request;
    let hours = hours([start_time, end_time], [start_timestamp, end_timestamp])?;
    let node = node.unwrap_or_default();
    let template = node.labels.get(NODE_GROUP_LABEL).and_then(|name| {
        snapshot.groups().iter().map(|group| &group.template).find(|template| template.node_group == *name)
    });
    let per_hour = match template {
        Some(template) => node_per_hour(settings, template)?,
        None => of_flavor(settings, &node).ok_or(PriceError::UnknownNode { node: node.name })?,
    };
    Ok(per_hour * hours)
}

fn of_flavor(settings: &Settings, node: &ExternalGrpcNode) -> Option<f64> {
    let flavor = FLAVOR_LABELS.iter().find_map(|label| node.labels.get(*label))?;
    settings.prices.flavors.get(flavor).copied()
}

/// What a pod costs in the period asked for.
pub(super) fn pod_price(
    settings: &Settings,
    snapshot: &Snapshot,
    request: &PricingPodPriceRequest,
) -> Result<f64, PriceError> {
    let hours =
        hours([request.start_time, request.end_time], [request.start_timestamp, request.end_timestamp])?;
    let bytes = if request.pod_bytes.is_empty() { &request.pod } else { &request.pod_bytes };
    let pod = Pod::decode(bytes.as_slice()).map_err(|error| PriceError::MalformedPod(error.to_string()))?;
    let templates = snapshot.groups().iter().map(|group| group.template.as_ref());
    Ok(pod_per_hour(settings, templates, requests(&pod, &settings.devices.gpu_resource))? * hours)
}

/// The length of a period that is told in either form; an hour where none is told.
fn hours(
    old: [Option<KubernetesTime>; 2],
    new: [Option<prost_types::Timestamp>; 2],
) -> Result<f64, PriceError> {
    let new = new.map(|time| time.map(|time| (time.seconds, time.nanos)));
    let old = old.map(|time| time.map(|time| (time.seconds, time.nanos)));
    let (start, end) = match (new, old) {
        ([Some(start), Some(end)], _) | (_, [Some(start), Some(end)]) => (start, end),
        _ => return Ok(1.0),
    };
    let seconds = end.0.checked_sub(start.0).and_then(|seconds| i32::try_from(seconds).ok());
    let seconds =
        f64::from(seconds.ok_or(PriceError::Period)?) + (f64::from(end.1) - f64::from(start.1)) / 1e9;
    if seconds < 0.0 { Err(PriceError::Period) } else { Ok(seconds / SECONDS_PER_HOUR) }
}

/// What a pod asks for: its containers together, or the largest of those that run before them.
fn requests(pod: &Pod, gpu_resource: &str) -> PodRequests {
    let Some(spec) = &pod.spec else { return PodRequests::default() };
    let of_container = |container: &Container| {
        let requests = container.resources.as_ref().map(|resources| &resources.requests);
        requests.map(|requests| amounts(requests, gpu_resource)).unwrap_or_default()
    };
    let running = spec.containers.iter().map(of_container).fold(PodRequests::default(), sum);
    let largest = spec.init_containers.iter().map(of_container).fold(running, |one, other| PodRequests {
        cpu_millis: one.cpu_millis.max(other.cpu_millis),
        memory: one.memory.max(other.memory),
        gpus: one.gpus.max(other.gpus),
    });
    sum(largest, amounts(&spec.overhead, gpu_resource))
}

fn sum(one: PodRequests, other: PodRequests) -> PodRequests {
    PodRequests {
        cpu_millis: one.cpu_millis.saturating_add(other.cpu_millis),
        memory: one.memory.saturating_add(other.memory),
        gpus: one.gpus.saturating_add(other.gpus),
    }
}

fn amounts(amounts: &BTreeMap<String, WireQuantity>, gpu_resource: &str) -> PodRequests {
    let amount = |name: &str| -> Quantity {
        let text = amounts.get(name).and_then(|amount| amount.string.as_deref());
        text.and_then(|text| text.parse().ok()).unwrap_or_default()
    };
    PodRequests {
        cpu_millis: amount("cpu").thousandths(),
        memory: amount("memory").units(),
        gpus: amount(gpu_resource).units(),
    }
}

#[cfg(test)]
mod tests {
    use k8s_pb::api::core::v1::{PodSpec, ResourceRequirements};

    use super::*;
    use crate::core::quantity::MIB;

    fn time(seconds: i64, nanos: i32) -> Option<KubernetesTime> {
        Some(KubernetesTime { seconds, nanos })
    }

    fn stamp(seconds: i64, nanos: i32) -> Option<prost_types::Timestamp> {
        Some(prost_types::Timestamp { seconds, nanos })
    }

    #[test]
    fn the_period_is_read_in_either_form() {
        let none = [None, None];
        assert_eq!(hours([time(0, 0), time(7200, 0)], none), Ok(2.0));
        assert_eq!(hours([None, None], [stamp(0, 500_000_000), stamp(1800, 500_000_000)]), Ok(0.5));
        assert_eq!(hours([None, None], none), Ok(1.0));
        assert_eq!(hours([time(0, 0), None], none), Ok(1.0));
        assert_eq!(hours([time(5, 0), time(4, 0)], none), Err(PriceError::Period));
        assert_eq!(hours([time(i64::MIN, 0), time(i64::MAX, 0)], none), Err(PriceError::Period));
    }

    #[test]
    fn a_pod_asks_for_the_sum_of_its_containers() {
        let resources = |pairs: &[(&str, &str)]| -> BTreeMap<String, WireQuantity> {
            let quantity = |text: &str| WireQuantity { string: Some(text.to_owned()) };
            pairs.iter().map(|(name, amount)| ((*name).to_owned(), quantity(amount))).collect()
        };
        let container = |pairs: &[(&str, &str)]| Container {
            resources: Some(ResourceRequirements {
                requests: resources(pairs),
                ..ResourceRequirements::default()
            }),
            ..Container::default()
        };
        let spec = PodSpec {
            containers: vec![
                container(&[("cpu", "100m"), ("memory", "64Mi")]),
                container(&[("cpu", "1"), ("nvidia.com/gpu", "2"), ("memory", "nonsense")]),
                Container::default(),
            ],
            init_containers: vec![container(&[("memory", "1Gi")])],
            overhead: resources(&[("cpu", "50m")]),
            ..PodSpec::default()
        };
        let pod = Pod { spec: Some(spec), ..Pod::default() };
        let expected = PodRequests { cpu_millis: 1150, memory: 1024 * MIB, gpus: 2 };
        assert_eq!(requests(&pod, "nvidia.com/gpu"), expected);
        assert_eq!(requests(&Pod::default(), "nvidia.com/gpu"), PodRequests::default());
    }
}
