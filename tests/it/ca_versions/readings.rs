//! That the versions differ in the table as they do in their sources: answers that no service should give, too.

use std::{collections::HashMap, time::Duration};

use prost::Message;
use tonic::Code;

use super::{
    version::{VERSIONS, Version},
    wire::{
        GroupOptions, KubernetesNode, KubernetesPod, Metadata, NodePriceRequest, NodeStatus, OldDuration,
        Options, OptionsAnswer, PodPriceRequest, Quantity, Template, Trouble,
    },
};

/// What all versions make of something, by name.
fn by_version<T>(read: impl Fn(&Version) -> T) -> Vec<(&'static str, T)> {
    VERSIONS.iter().map(|version| (version.name, read(version))).collect()
}

fn node(name: &str) -> Vec<u8> {
    let metadata = Some(Metadata { name: name.to_owned(), labels: HashMap::new() });
    KubernetesNode { metadata, status: None }.encode_to_vec()
}

#[test]
fn a_template_is_read_from_the_field_of_the_version() {
    let read = |template: &Template| {
        by_version(|version| template.read_by(version).map(|node| node.metadata.unwrap().name))
    };
    let is = |name: &str| Ok(name.to_owned());
    let crash = || Err(Trouble::Crash("no node in the template"));
    let (old, new) = (Some(node("old")), Some(node("new")));
    let both = Template { node_info: old.clone(), node_bytes: new.clone() };
    assert_eq!(
        read(&both),
        [
            ("1.25", is("old")),
            ("1.28", is("old")),
            ("1.31", is("old")),
            ("1.34", is("new")),
            ("1.35", is("new")),
            ("1.37", is("new")),
        ]
    );
    let only_old = Template { node_info: old, node_bytes: None };
    assert_eq!(read(&only_old)[3..], [("1.34", is("old")), ("1.35", crash()), ("1.37", crash())]);
    let only_new = Template { node_info: None, node_bytes: new };
    assert_eq!(
        read(&only_new)[..4],
        [("1.25", crash()), ("1.28", crash()), ("1.31", crash()), ("1.34", is("new"))]
    );
    assert!(read(&Template::default()).iter().all(|(_, node)| *node == crash()));
    let no_node = Template { node_info: Some(vec![0xff]), node_bytes: Some(vec![0xff]) };
    assert!(read(&no_node).iter().all(|(_, node)| *node == Err(Trouble::Error(Code::Internal))));
}

#[test]
fn a_template_without_resources_takes_no_pod() {
    let some = |text: &str| Quantity { text: text.to_owned() };
    let all = |cpu: &str| {
        [("cpu", some(cpu)), ("memory", some("8Gi")), ("pods", some("110"))]
            .map(|(name, quantity)| (name.to_owned(), quantity))
            .into()
    };
    let lacks = |capacity, allocatable| {
        KubernetesNode { metadata: None, status: Some(NodeStatus { capacity, allocatable }) }.lacks()
    };
    assert_eq!(lacks(all("4"), all("3800m")), None);
    assert_eq!(lacks(all("4"), all("0")), Some("allocatable without cpu".to_owned()));
    assert_eq!(lacks(HashMap::new(), all("4")), Some("capacity without cpu".to_owned()));
    assert_eq!(KubernetesNode::default().lacks(), Some("capacity without cpu".to_owned()));
}

#[test]
fn durations_are_read_from_the_fields_of_the_version() {
    let answer = |options| OptionsAnswer { options };
    let read = |options: &Options| {
        let answer = answer(Some(options.clone()));
        by_version(|version| answer.read_by(version).map(|options| options.unneeded.as_secs()))
    };
    let crash = || Err(Trouble::Crash("a duration is missing"));
    assert!(
        by_version(|version| answer(None).read_by(version))
            .iter()
            .all(|(_, options)| *options == Ok(GroupOptions::DEFAULTS))
    );
    let old = Some(OldDuration { nanoseconds: 1_000_000_000 });
    let new = Some(prost_types::Duration { seconds: 2, nanos: 0 });
    let only_old = Options { old_unneeded: old, old_unready: old, old_provision: old, ..Options::default() };
    let only_new = Options { unneeded: new, unready: new, provision: new, ..Options::default() };
    let both = Options { unneeded: new, unready: new, provision: new, ..only_old.clone() };
    let values = |read: Vec<(&'static str, Result<u64, Trouble>)>| {
        read.into_iter().map(|(_, value)| value).collect::<Vec<_>>()
    };
    assert_eq!(values(read(&only_old)), [Ok(1), Ok(1), Ok(1), Ok(1), Ok(0), Ok(0)]);
    assert_eq!(values(read(&only_new)), [crash(), crash(), crash(), Ok(2), Ok(2), Ok(2)]);
    assert_eq!(values(read(&both)), [Ok(1), Ok(1), Ok(1), Ok(2), Ok(2), Ok(2)]);
    // 1.25 knows no field for the time to come; the others read it like the rest.
    let without = Options { old_provision: None, ..only_old };
    assert_eq!(values(read(&without)), [Ok(1), crash(), crash(), crash(), Ok(0), Ok(0)]);
    let startups = by_version(|version| answer(Some(both.clone())).read_by(version).unwrap().startup);
    let zero = startups.iter().filter(|(_, startup)| *startup == Duration::ZERO);
    assert_eq!(zero.map(|(name, _)| *name).collect::<Vec<_>>(), ["1.35", "1.37"]);
}

#[test]
fn questions_have_the_fields_of_the_version() {
    let sent = by_version(|version| {
        let options = Options::sent_by(version);
        let price = NodePriceRequest::sent_by(version, super::wire::Node::default());
        let pod = PodPriceRequest::sent_by(version, KubernetesPod::default());
        assert_eq!(
            (pod.old_pod.is_some(), pod.pod.is_some()),
            (price.old_end.is_some(), price.end.is_some())
        );
        let old = (options.old_unneeded.is_some(), options.old_provision.is_some(), price.old_end.is_some());
        let new = (options.unneeded.is_some(), options.provision.is_some(), price.end.is_some());
        (old, new)
    });
    let (all, none) = ((true, true, true), (false, false, false));
    assert_eq!(
        sent,
        [
            ("1.25", ((true, false, true), none)),
            ("1.28", (all, none)),
            ("1.31", (all, none)),
            ("1.34", (all, all)),
            ("1.35", (none, all)),
            ("1.37", (none, all)),
        ]
    );
}
