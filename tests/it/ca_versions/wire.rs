//! The messages in which versions differ, written down a second time: what one of them sends and reads of both forms.

use std::{collections::HashMap, time::Duration};

use prost::Message;
use tonic::Code;

use super::version::{Fields, Version};

/// Why an answer is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The call ended with this code, as this version takes it.
    Error(Code),
    /// The process ends: what the answer left out is dereferenced.
    Crash(&'static str),
}

/// `k8s.io/api` core/v1 Node, as much as decides over a scale-up.
#[derive(Clone, PartialEq, Message)]
pub struct KubernetesNode {
    #[prost(message, optional, tag = "1")]
    pub metadata: Option<Metadata>,
    #[prost(message, optional, tag = "3")]
    pub status: Option<NodeStatus>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Metadata {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(map = "string, string", tag = "11")]
    pub labels: HashMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
pub struct NodeStatus {
    #[prost(map = "string, message", tag = "1")]
    pub capacity: HashMap<String, Quantity>,
    #[prost(map = "string, message", tag = "2")]
    pub allocatable: HashMap<String, Quantity>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Quantity {
    #[prost(string, tag = "1")]
    pub text: String,
}

impl KubernetesNode {
    pub fn labels(&self) -> HashMap<String, String> {
        self.metadata.clone().unwrap_or_default().labels
    }

    /// The first of cpu, memory and pods that a node like this would not have: nothing fits on it then. The scheduler's
    /// simulation counts what is allocatable (`NodeInfo.SetNode` of kube-scheduler), the limits of the cluster what
    /// there is (`GetNodeCoresAndMemory`).
    pub fn lacks(&self) -> Option<String> {
        let NodeStatus { capacity, allocatable } = self.status.clone().unwrap_or_default();
        for (name, list) in [("capacity", capacity), ("allocatable", allocatable)] {
            for resource in ["cpu", "memory", "pods"] {
                if !list.get(resource).is_some_and(Quantity::is_some) {
                    return Some(format!("{name} without {resource}"));
                }
            }
        }
        None
    }
}

impl Quantity {
    /// A number above 0, whatever its unit.
    fn is_some(&self) -> bool {
        let digits: String = self.text.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().is_ok_and(|number: u64| number > 0)
    }
}

/// `NodeGroupTemplateNodeInfoResponse`: both hold an encoded Node.
#[derive(Clone, PartialEq, Message)]
pub struct Template {
    #[prost(bytes = "vec", optional, tag = "1")]
    pub node_info: Option<Vec<u8>>,
    #[prost(bytes = "vec", optional, tag = "2")]
    pub node_bytes: Option<Vec<u8>>,
}

impl Template {
    /// The node in it. Without one the client answers (nil, nil), and the core dereferences it
    /// (`externalgrpc_node_group.go`, `TemplateNodeInfo`; seen with 1.31).
    pub fn read_by(&self, version: &Version) -> Result<KubernetesNode, Trouble> {
        let bytes = match version.fields {
            Fields::Old => self.node_info.as_ref(),
            Fields::Both => self.node_bytes.as_ref().or(self.node_info.as_ref()),
            Fields::New => self.node_bytes.as_ref(),
        };
        let bytes = bytes.ok_or(Trouble::Crash("no node in the template"))?;
        KubernetesNode::decode(bytes.as_slice()).map_err(|_| Trouble::Error(Code::Internal))
    }
}

/// `k8s.io/apimachinery` Duration.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct OldDuration {
    #[prost(int64, tag = "1")]
    pub nanoseconds: i64,
}

/// `k8s.io/apimachinery` Time.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct OldTime {
    #[prost(int64, tag = "1")]
    pub seconds: i64,
    #[prost(int32, tag = "2")]
    pub nanos: i32,
}

/// `NodeGroupAutoscalingOptions`.
#[derive(Clone, PartialEq, Message)]
pub struct Options {
    #[prost(double, tag = "1")]
    pub utilization_threshold: f64,
    #[prost(double, tag = "2")]
    pub gpu_utilization_threshold: f64,
    #[prost(message, optional, tag = "3")]
    pub old_unneeded: Option<OldDuration>,
    #[prost(message, optional, tag = "4")]
    pub old_unready: Option<OldDuration>,
    #[prost(message, optional, tag = "5")]
    pub old_provision: Option<OldDuration>,
    #[prost(message, optional, tag = "8")]
    pub unneeded: Option<prost_types::Duration>,
    #[prost(message, optional, tag = "9")]
    pub unready: Option<prost_types::Duration>,
    #[prost(message, optional, tag = "10")]
    pub provision: Option<prost_types::Duration>,
}

/// `NodeGroupAutoscalingOptionsRequest`.
#[derive(Clone, PartialEq, Message)]
pub struct OptionsRequest {
    #[prost(string, tag = "1")]
    pub id: String,
    #[prost(message, optional, tag = "2")]
    pub defaults: Option<Options>,
}

/// `NodeGroupAutoscalingOptionsResponse`.
#[derive(Clone, PartialEq, Message)]
pub struct OptionsAnswer {
    #[prost(message, optional, tag = "1")]
    pub options: Option<Options>,
}

/// What of a group's options decides here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupOptions {
    /// How long a node has to be idle.
    pub unneeded: Duration,
    /// How long a node that was asked for may take to register.
    pub provision: Duration,
    /// How long a node that has registered may take to be ready.
    pub startup: Duration,
}

impl GroupOptions {
    /// The flags' defaults (`config/flags/flags.go`: `--scale-down-unneeded-time`, `--max-node-provision-time`,
    /// `--max-node-startup-time`).
    pub const DEFAULTS: Self = Self {
        unneeded: Duration::from_secs(600),
        provision: Duration::from_secs(900),
        startup: Duration::from_secs(900),
    };
}

impl Options {
    /// The defaults as this version sends them with its question.
    pub fn sent_by(version: &Version) -> Self {
        const UNREADY: Duration = Duration::from_secs(1200);
        let GroupOptions { unneeded, provision, .. } = GroupOptions::DEFAULTS;
        let (old, new) = (version.fields != Fields::New, version.fields != Fields::Old);
        let old_form = |duration: Duration| {
            old.then(|| OldDuration { nanoseconds: duration.as_nanos().try_into().unwrap() })
        };
        let new_form = |duration: Duration| new.then(|| prost_types::Duration::try_from(duration).unwrap());
        Self {
            utilization_threshold: 0.5,
            gpu_utilization_threshold: 0.5,
            old_unneeded: old_form(unneeded),
            old_unready: old_form(UNREADY),
            old_provision: old_form(provision).filter(|_| version.provision_time_of_group),
            unneeded: new_form(unneeded),
            unready: new_form(UNREADY),
            provision: new_form(provision),
        }
    }
}

impl OptionsAnswer {
    /// The options in it; without any the group has the defaults (`externalgrpc_node_group.go`, `GetOptions` answers
    /// (nil, nil), in all versions that are played; `processors/nodegroupconfig/node_group_config_processor.go`).
    ///
    /// A missing duration is dereferenced where the old fields are the last resort, and 0 where they are gone.
    pub fn read_by(&self, version: &Version) -> Result<GroupOptions, Trouble> {
        let Some(options) = &self.options else { return Ok(GroupOptions::DEFAULTS) };
        let read = |old: Option<OldDuration>, new: Option<prost_types::Duration>| {
            let old = || {
                let nanoseconds = old.ok_or(Trouble::Crash("a duration is missing"))?.nanoseconds;
                Ok(Duration::from_nanos(nanoseconds.try_into().unwrap()))
            };
            let new = new.map(|duration| Duration::try_from(duration).unwrap());
            match version.fields {
                Fields::Old => old(),
                Fields::Both => new.map_or_else(old, Ok),
                Fields::New => Ok(new.unwrap_or_default()),
            }
        };
        let GroupOptions { provision, startup, .. } = GroupOptions::DEFAULTS;
        read(options.old_unready, options.unready)?;
        Ok(GroupOptions {
            unneeded: read(options.old_unneeded, options.unneeded)?,
            provision: match version.provision_time_of_group {
                true => read(options.old_provision, options.provision)?,
                false => provision,
            },
            startup: if version.options_zero_startup { Duration::ZERO } else { startup },
        })
    }
}

/// `ExternalGrpcNode`, without what does not identify it.
#[derive(Clone, PartialEq, Message)]
pub struct Node {
    #[prost(string, tag = "1")]
    pub provider_id: String,
    #[prost(string, tag = "2")]
    pub name: String,
    #[prost(map = "string, string", tag = "3")]
    pub labels: HashMap<String, String>,
}

/// `PricingNodePriceRequest`.
#[derive(Clone, PartialEq, Message)]
pub struct NodePriceRequest {
    #[prost(message, optional, tag = "1")]
    pub node: Option<Node>,
    #[prost(message, optional, tag = "2")]
    pub old_start: Option<OldTime>,
    #[prost(message, optional, tag = "3")]
    pub old_end: Option<OldTime>,
    #[prost(message, optional, tag = "4")]
    pub start: Option<prost_types::Timestamp>,
    #[prost(message, optional, tag = "5")]
    pub end: Option<prost_types::Timestamp>,
}

/// `PricingPodPriceRequest`; the old field embeds the Pod, which is the same on the wire as its bytes.
#[derive(Clone, PartialEq, Message)]
pub struct PodPriceRequest {
    #[prost(message, optional, tag = "1")]
    pub old_pod: Option<KubernetesPod>,
    #[prost(message, optional, tag = "2")]
    pub old_start: Option<OldTime>,
    #[prost(message, optional, tag = "3")]
    pub old_end: Option<OldTime>,
    #[prost(bytes = "vec", optional, tag = "4")]
    pub pod: Option<Vec<u8>>,
    #[prost(message, optional, tag = "5")]
    pub start: Option<prost_types::Timestamp>,
    #[prost(message, optional, tag = "6")]
    pub end: Option<prost_types::Timestamp>,
}

/// `k8s.io/api` core/v1 Pod.
#[derive(Clone, PartialEq, Message)]
pub struct KubernetesPod {
    #[prost(message, optional, tag = "1")]
    pub metadata: Option<Metadata>,
}

/// The next hour, as the price expander asks (`expander/price/price.go`), in the fields that a version sends.
fn hour(version: &Version) -> ([Option<OldTime>; 2], [Option<prost_types::Timestamp>; 2]) {
    let ends = [1_700_000_000, 1_700_003_600];
    let (old, new) = (version.fields != Fields::New, version.fields != Fields::Old);
    (
        ends.map(|seconds| old.then_some(OldTime { seconds, nanos: 0 })),
        ends.map(|seconds| new.then_some(prost_types::Timestamp { seconds, nanos: 0 })),
    )
}

impl NodePriceRequest {
    pub fn sent_by(version: &Version, node: Node) -> Self {
        let ([old_start, old_end], [start, end]) = hour(version);
        Self { node: Some(node), old_start, old_end, start, end }
    }
}

impl PodPriceRequest {
    pub fn sent_by(version: &Version, pod: KubernetesPod) -> Self {
        let ([old_start, old_end], [start, end]) = hour(version);
        let (old, new) = (version.fields != Fields::New, version.fields != Fields::Old);
        let bytes = new.then(|| pod.encode_to_vec());
        Self { old_pod: old.then_some(pod), old_start, old_end, pod: bytes, start, end }
    }
}
