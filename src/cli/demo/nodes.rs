//! The nodes of a group as cluster-autoscaler sees them, and how they change.

use std::time::Duration;

use crate::grpc::externalgrpc::{Instance, instance_status::InstanceState};

/// What ids of nodes begin with that have no server yet.
const PLACEHOLDER: &str = "fake:///";

/// Whether the id stands for a server.
#[must_use]
pub fn has_server(id: &str) -> bool {
    !id.starts_with(PLACEHOLDER)
}

/// What NodeGroupNodes says of an instance, in a word or two.
#[must_use]
pub fn state(instance: &Instance) -> String {
    let Some(status) = &instance.status else { return "unknown".to_owned() };
    let state = match status.instance_state() {
        InstanceState::InstanceRunning => "running",
        InstanceState::InstanceCreating => "creating",
        InstanceState::InstanceDeleting => "deleting",
        InstanceState::Unspecified => "unspecified",
    };
    match &status.error_info {
        Some(error) => format!("{state}, {}", error.error_code),
        None => state.to_owned(),
    }
}

/// A node and since when it is as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its provider ID.
    pub id: String,
    /// Its state in a word or two, `gone` at the end.
    pub state: String,
    /// When it came into that state, counted from the start of the demo.
    pub since: Duration,
}

/// The nodes of one group in the order of their appearance. Times count from wherever the caller likes.
#[derive(Debug, Default)]
pub struct Nodes {
    rows: Vec<Row>,
}

impl Nodes {
    /// Takes over what NodeGroupNodes answered at `now`, and tells what has changed.
    pub fn update(&mut self, instances: &[Instance], now: Duration) -> Vec<Row> {
        // An id without a server ends with the server, which has an id of its own.
        self.rows.retain(|row| has_server(&row.id) || instances.iter().any(|instance| instance.id == row.id));
        let present = instances.iter().map(|instance| (instance.id.clone(), state(instance)));
        let absent = self.rows.iter().filter(|row| instances.iter().all(|instance| instance.id != row.id));
        let absent: Vec<_> = absent.map(|row| (row.id.clone(), "gone".to_owned())).collect();
        let mut changed = Vec::new();
        for (id, state) in present.chain(absent) {
            let new = Row { id, state, since: now };
            match self.rows.iter_mut().find(|row| row.id == new.id) {
                Some(row) if row.state == new.state => continue,
                Some(row) => row.clone_from(&new),
                None => self.rows.push(new.clone()),
            }
            changed.push(new);
        }
        changed
    }

    /// Forgets those that are gone.
    pub fn forget_gone(&mut self) {
        self.rows.retain(|row| row.state != "gone");
    }

    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpc::externalgrpc::{InstanceErrorInfo, InstanceStatus};

    fn instance(id: &str, state: InstanceState, error: Option<&str>) -> Instance {
        let error_info = error
            .map(|code| InstanceErrorInfo { error_code: code.to_owned(), ..InstanceErrorInfo::default() });
        Instance {
            id: id.to_owned(),
            status: Some(InstanceStatus { instance_state: state.into(), error_info }),
        }
    }

    fn told(changes: &[Row]) -> Vec<(&str, &str)> {
        changes.iter().map(|row| (row.id.as_str(), row.state.as_str())).collect()
    }

    #[test]
    fn a_node_is_followed_from_its_request_to_its_end() {
        use InstanceState::{InstanceCreating, InstanceDeleting, InstanceRunning};
        let mut nodes = Nodes::default();
        let mut at = |seconds, instances: &[Instance]| {
            let changes = nodes.update(instances, Duration::from_secs(seconds));
            (
                told(&changes).into_iter().map(|(id, state)| format!("{id} {state}")).collect::<Vec<_>>(),
                nodes.rows().len(),
            )
        };
        let requested = instance("fake:///g/requested-1", InstanceCreating, None);
        assert_eq!(
            at(1, std::slice::from_ref(&requested)),
            (vec!["fake:///g/requested-1 creating".to_owned()], 1)
        );
        assert_eq!(at(2, &[requested]), (vec![], 1));
        let server = |state| [instance("openstack:///a", state, None)];
        // The placeholder has become a server: it is not gone.
        assert_eq!(at(3, &server(InstanceCreating)), (vec!["openstack:///a creating".to_owned()], 1));
        assert_eq!(at(4, &server(InstanceRunning)), (vec!["openstack:///a running".to_owned()], 1));
        assert_eq!(at(5, &server(InstanceDeleting)), (vec!["openstack:///a deleting".to_owned()], 1));
        assert_eq!(at(6, &[]), (vec!["openstack:///a gone".to_owned()], 1));
        assert_eq!(at(7, &[]), (vec![], 1));
        assert_eq!(nodes.rows()[0].since, Duration::from_secs(6));
        nodes.forget_gone();
        assert!(nodes.rows().is_empty());
    }

    #[test]
    fn an_error_is_told_with_its_code() {
        let failed = instance("fake:///g/1", InstanceState::InstanceCreating, Some("QuotaExceeded"));
        assert_eq!(
            told(&Nodes::default().update(&[failed], Duration::ZERO)),
            [("fake:///g/1", "creating, QuotaExceeded")]
        );
    }
}
