//! Which decisions are events on nodes: those about a node that failed, or that could not be removed.

use super::events::NodeEvent;
use crate::core::{
    decision::{Decision, DecisionKind, RequestedChange},
    instance::{DELETE_FAILED, InstanceId, SERVER_GONE, advice},
    machine_id::MachineId,
    nodes::NodeIndex,
    registration::Registrations,
};

/// What tells how the node of a server is called in Kubernetes.
#[derive(Debug, Clone, Copy)]
pub struct NodeNames<'a> {
    /// The Node objects, while they are known (`--kube-lookup`).
    pub nodes: Option<&'a NodeIndex>,
    /// What cluster-autoscaler has shown.
    pub registrations: &'a Registrations,
}

impl NodeNames<'_> {
    /// The name of the node of this server, as Kubernetes has it as far as it can be known: kubectl shows an event with the
    /// node of that name alone. A node that has not registered is called as its server.
    fn of(&self, server_name: Option<&str>, server: Option<MachineId>) -> Option<String> {
        let on_server = || Some(self.nodes?.on_server(server?)?.name.clone());
        let registered = || Some(self.registrations.node_name(server?)?.to_owned());
        let named = || Some(self.nodes?.named_as(server_name?)?.name.clone());
        on_server().or_else(registered).or_else(named).or_else(|| server_name.map(str::to_owned))
    }
}

/// What was done to a node of which the cloud tells a failure with this code.
fn action(code: &str) -> &'static str {
    match code {
        DELETE_FAILED => "DeleteNode",
        SERVER_GONE => "ReadServer",
        _ => "CreateNode",
    }
}

impl NodeEvent {
    /// The events that a decision is; none for most. A node that was only asked for has no name to tell of.
    #[must_use]
    pub fn of(decision: &Decision, names: NodeNames<'_>) -> Vec<Self> {
        let event = |node: String, action, reason: &str, message: String| Self {
            node,
            action,
            reason: reason.to_owned(),
            message: format!("node group {}: {message}", decision.group),
            warning: true,
        };
        let not_removed = |request: &RequestedChange, reason: &str, message: &str| {
            let RequestedChange::Delete(nodes) = request else { return Vec::new() };
            let nodes = nodes.iter().filter_map(|(name, id)| match id {
                InstanceId::Server(server) => names.of(name.as_deref(), Some(*server)),
                InstanceId::Placeholder(_) => names.of(name.as_deref(), None),
            });
            nodes.map(|node| event(node, "DeleteNode", reason, message.to_owned())).collect()
        };
        match &decision.kind {
            DecisionKind::MembersFailed { code, members, has_reason } => members
                .iter()
                .filter_map(|(node, reason)| {
                    let message = match (*has_reason, reason.as_str()) {
                        (false, _) | (true, "") => advice(code).to_owned(),
                        (true, reason) => format!("{reason}; {}", advice(code)),
                    };
                    let name = names.of(Some(&node.name), node.server)?;
                    Some(event(name, action(code), code, message))
                })
                .collect(),
            DecisionKind::NotCarriedOut { request, error } => not_removed(
                request,
                "RemovalRefused",
                &format!("its removal was accepted and cannot be carried out: {error}"),
            ),
            DecisionKind::GivenUp { request } => not_removed(
                request,
                "RemovalGivenUp",
                "its removal was given up after several attempts without effect",
            ),
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::Arc, time::Instant};

    use crate::core::{decision::NodeName, nodes::NodeObject, request::RequestError, sample};

    fn decided(kind: DecisionKind) -> Vec<NodeEvent> {
        let registrations = Registrations::default();
        told(kind, NodeNames { nodes: None, registrations: &registrations })
    }

    fn told(kind: DecisionKind, names: NodeNames<'_>) -> Vec<NodeEvent> {
        NodeEvent::of(&Decision { group: "pool-b-ca5b234b".to_owned(), kind }, names)
    }

    fn failed(code: &'static str, reasons: &[&str], has_reason: bool) -> DecisionKind {
        let names = (1..).map(|number| NodeName::of(&sample::member(number)));
        let members = names.zip(reasons.iter().map(|reason| (*reason).to_owned())).collect();
        DecisionKind::MembersFailed { code, members, has_reason }
    }

    fn shown(events: &[NodeEvent]) -> Vec<(&str, &str, &str)> {
        events.iter().map(|event| (event.node.as_str(), event.action, event.reason.as_str())).collect()
    }

    #[test]
    fn each_member_that_failed_is_an_event_on_its_node_with_its_own_reason() {
        let (first, second) = (sample::member(1).name, sample::member(2).name);
        let events = decided(failed("QuotaExceeded", &["Quota exceeded for cores", ""], true));
        assert_eq!(
            shown(&events),
            [(&*first, "CreateNode", "QuotaExceeded"), (&*second, "CreateNode", "QuotaExceeded")]
        );
        let [of_first, of_second] = [0, 1].map(|at: usize| events[at].message.as_str());
        assert!(of_first.starts_with("node group pool-b-ca5b234b: Quota exceeded for cores; "), "{of_first}");
        assert!(of_second.starts_with("node group pool-b-ca5b234b: the quota"), "{of_second}");
        assert!(events.iter().all(|event| event.warning));
    }

    #[test]
    fn an_event_tells_what_was_done_and_no_reason_that_is_none() {
        for (code, done) in
            [(DELETE_FAILED, "DeleteNode"), (SERVER_GONE, "ReadServer"), ("CreateTimedOut", "CreateNode")]
        {
            let events = decided(failed(code, &["state changed"], false));
            assert_eq!(events[0].action, done, "{code}");
            assert_eq!(events[0].message, format!("node group pool-b-ca5b234b: {}", advice(code)));
        }
    }

    #[test]
    fn an_event_is_on_the_node_object_of_the_server() {
        let names_of = |nodes: &[(&str, &str)], shown: Option<&str>| {
            let node = |(name, system_uuid): &(&str, &str)| {
                let (name, system_uuid) = ((*name).to_owned(), (*system_uuid).to_owned());
                Arc::new(NodeObject { name, system_uuid, ..NodeObject::default() })
            };
            let index: NodeIndex = nodes.iter().map(node).collect();
            let mut registrations = Registrations::default();
            registrations.record(sample::server(1), "", shown, Instant::now());
            let names = NodeNames {
                nodes: Some(&index).filter(|nodes| !nodes.is_empty()),
                registrations: &registrations,
            };
            let request = RequestedChange::Delete(vec![(
                Some(sample::member(1).name),
                InstanceId::Server(sample::server(1)),
            )]);
            let [created, removed] =
                [failed("QuotaExceeded", &[""], true), DecisionKind::GivenUp { request }].map(|kind| {
                    let [event] = &told(kind, names)[..] else { panic!("one event") };
                    event.node.clone()
                });
            assert_eq!(created, removed);
            created
        };
        let (server, uuid) = (sample::member(1).name, sample::server(1).to_string());
        let with_domain = format!("{server}.novalocal");
        assert_eq!(names_of(&[], None), server);
        assert_eq!(names_of(&[], Some("worker-1")), "worker-1", "as cluster-autoscaler has shown it");
        assert_eq!(names_of(&[("worker-1", &uuid), (&server, "")], Some("old")), "worker-1");
        assert_eq!(names_of(&[(&with_domain, "")], None), with_domain);
        assert_eq!(names_of(&[(&with_domain, "")], Some("worker-1")), "worker-1");
        assert_eq!(names_of(&[("other", "")], None), server);
    }

    #[test]
    fn a_removal_that_comes_to_nothing_is_an_event_on_each_of_its_nodes() {
        let request = RequestedChange::Delete(vec![
            (Some("a".to_owned()), InstanceId::Server(sample::server(1))),
            (None, InstanceId::Server(sample::server(2))),
            (Some("b".to_owned()), InstanceId::Server(sample::server(3))),
        ]);
        let error = RequestError::GroupDeleted { id: "pool-b-ca5b234b".to_owned() };
        let refused = DecisionKind::NotCarriedOut { request: request.clone(), error: error.clone() };
        let events = decided(refused);
        assert_eq!(
            shown(&events),
            [("a", "DeleteNode", "RemovalRefused"), ("b", "DeleteNode", "RemovalRefused")]
        );
        assert!(events[0].message.ends_with(&error.to_string()), "{}", events[0].message);
        let events = decided(DecisionKind::GivenUp { request });
        assert_eq!(
            shown(&events),
            [("a", "DeleteNode", "RemovalGivenUp"), ("b", "DeleteNode", "RemovalGivenUp")]
        );
        for kind in [
            DecisionKind::GivenUp { request: RequestedChange::Increase(2) },
            DecisionKind::Adopted { count: 1 },
        ] {
            assert_eq!(decided(kind), []);
        }
    }
}
