//! Which decisions are events on nodes: those about a node that failed, or that could not be removed.

use super::events::NodeEvent;
use crate::core::{
    decision::{Decision, DecisionKind, RequestedChange},
    instance::{DELETE_FAILED, SERVER_GONE, advice},
};

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
    pub fn of(decision: &Decision) -> Vec<Self> {
        let event = |node: &str, action, reason: &str, message: String| Self {
            node: node.to_owned(),
            action,
            reason: reason.to_owned(),
            message: format!("node group {}: {message}", decision.group),
            warning: true,
        };
        let not_removed = |request: &RequestedChange, reason: &str, message: &str| {
            let RequestedChange::Delete(nodes) = request else { return Vec::new() };
            let names = nodes.iter().filter_map(|(name, _)| name.as_deref());
            names.map(|name| event(name, "DeleteNode", reason, message.to_owned())).collect()
        };
        match &decision.kind {
            DecisionKind::MembersFailed { code, members, has_reason } => members
                .iter()
                .map(|(node, reason)| {
                    let message = match (*has_reason, reason.as_str()) {
                        (false, _) | (true, "") => advice(code).to_owned(),
                        (true, reason) => format!("{reason}; {}", advice(code)),
                    };
                    event(&node.name, action(code), code, message)
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
    use crate::core::{decision::NodeName, request::RequestError, sample};

    fn decided(kind: DecisionKind) -> Vec<NodeEvent> {
        NodeEvent::of(&Decision { group: "pool-b-ca5b234b".to_owned(), kind })
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
    fn a_removal_that_comes_to_nothing_is_an_event_on_each_of_its_nodes() {
        let request = RequestedChange::Delete(vec![
            (Some("a".to_owned()), "openstack:///a".to_owned()),
            (None, "fake:///x/requested-1".to_owned()),
            (Some("b".to_owned()), "openstack:///b".to_owned()),
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
