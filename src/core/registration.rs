//! What cluster-autoscaler has shown of the registered nodes, and what it is shown of their instances in turn.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use super::{
    instance::{Instance, InstanceId, InstanceState},
    machine_id::MachineId,
    node_group::NodeGroup,
    provider_id::ProviderIdPrefix,
    template::NodeTemplate,
};

/// How long the cloud provider takes at most to give a node its provider ID, where it works.
const PROVIDER_ID_USUAL: Duration = Duration::from_secs(60);

/// The registered nodes by their servers.
///
/// cluster-autoscaler takes an instance for registered only if its id is, byte for byte, what some node shows as its
/// provider ID; the others it deletes after `--max-node-provision-time`. So each node's own form is kept, the empty one
/// of a node without a provider ID included. After a restart the forms are learned anew within one loop, before
/// the instances are asked for.
#[derive(Debug, Default)]
pub struct Registrations {
    nodes: HashMap<MachineId, Registration>,
    /// The form last seen, or the one that the operator says, for nodes that are not registered yet.
    prefix: ProviderIdPrefix,
    /// Whether the operator says it.
    prefix_is_fixed: bool,
    /// Whether any node of the cluster, a control-plane node say, has shown a provider ID of the OpenStack cloud
    /// provider: then it gives one to each node.
    provider_ids_seen: bool,
    /// Whether the operator says that no node ever gets one.
    by_name: bool,
}

#[derive(Debug)]
struct Registration {
    provider_id: Box<str>,
    /// The node's name, where it is certain that it is this server's node.
    name: Option<Box<str>>,
    /// Since when it has shown this provider ID.
    since: Instant,
}

impl Registrations {
    /// None yet. With `by_name` the operator says that the nodes never get a provider ID.
    #[must_use]
    pub fn new(by_name: bool) -> Self {
        Self { by_name, ..Self::default() }
    }

    /// With the form that the operator says, for nodes that are not registered yet. A registered node is shown as it shows
    /// itself all the same: cluster-autoscaler would delete it otherwise.
    #[must_use]
    pub fn with_prefix(self, prefix: Option<ProviderIdPrefix>) -> Self {
        match prefix {
            Some(prefix) => Self { prefix, prefix_is_fixed: true, ..self },
            None => self,
        }
    }

    /// Whether [`Registrations::record`] would change anything.
    #[must_use]
    pub fn is_news(&self, machine: MachineId, provider_id: &str, name: Option<&str>) -> bool {
        self.nodes
            .get(&machine)
            .is_none_or(|known| *known.provider_id != *provider_id || known.name.as_deref() != name)
    }

    /// The name of this server's node, if cluster-autoscaler has shown it and it is certain.
    #[must_use]
    pub fn node_name(&self, machine: MachineId) -> Option<&str> {
        self.nodes.get(&machine)?.name.as_deref()
    }

    /// Whether a node of this server is known.
    #[must_use]
    pub fn is_registered(&self, machine: MachineId) -> bool {
        self.nodes.contains_key(&machine)
    }

    /// Remembers that this server's node is registered and what it shows; its name if it is certain that it is this
    /// server's node.
    pub fn record(&mut self, machine: MachineId, provider_id: &str, name: Option<&str>, now: Instant) {
        if !self.prefix_is_fixed
            && let Some(prefix) =
                ProviderIdPrefix::of(provider_id).filter(|prefix| prefix.provider_id(machine) == provider_id)
        {
            self.prefix = prefix;
        }
        let known = self.nodes.get(&machine).filter(|known| *known.provider_id == *provider_id);
        let since = known.map_or(now, |known| known.since);
        let registration =
            Registration { provider_id: provider_id.into(), name: name.map(Into::into), since };
        self.nodes.insert(machine, registration);
    }

    /// Whether a node has shown a provider ID that the OpenStack cloud provider gives.
    #[must_use]
    pub const fn provider_ids_seen(&self) -> bool {
        self.provider_ids_seen
    }

    /// Remembers that one has.
    pub const fn note_provider_id(&mut self) {
        self.provider_ids_seen = true;
    }

    /// Forgets servers that are no more.
    pub fn retain(&mut self, exists: impl Fn(MachineId) -> bool) {
        self.nodes.retain(|machine, _| exists(*machine));
    }

    /// Whether the nodes of a group get a provider ID, so that the name of one without is no identity. The label speaks
    /// for clusters that Magnum gave the cloud provider; other people install it themselves.
    #[must_use]
    pub fn gives_provider_ids(&self, group: &NodeGroup) -> bool {
        !self.by_name && group.has_cloud_provider() || self.provider_ids_count()
    }

    /// Whether the nodes of each group get a provider ID, by what the cluster's nodes have shown.
    #[must_use]
    pub const fn provider_ids_count(&self) -> bool {
        !self.by_name && self.provider_ids_seen
    }

    /// The provider ID of a group's template: in the form of nodes that are not registered yet, and empty where nodes have
    /// none.
    #[must_use]
    pub fn template_provider_id(&self, group: &NodeGroup, template: &NodeTemplate) -> String {
        if self.gives_provider_ids(group) { self.prefix.provider_id(template.server) } else { String::new() }
    }

    /// Whether this registered node has been without a provider ID for so long that a person should look why.
    #[must_use]
    pub fn waits_for_long(&self, machine: MachineId, now: Instant) -> bool {
        self.nodes.get(&machine).is_some_and(|known| {
            known.provider_id.is_empty() && now.saturating_duration_since(known.since) >= PROVIDER_ID_USUAL
        })
    }

    /// Makes of an instance what cluster-autoscaler should see: with the id to emit, and without its error when its node
    /// works in spite of it.
    ///
    /// An instance that is creating with an error is deleted without a drain, registered or not. But a node may have
    /// joined, and be at work, when Heat calls its creation failed: its signal never came, or too late.
    pub fn apply(&self, instance: &mut Instance) {
        let machine = match instance.id {
            InstanceId::Server(machine) => machine,
            InstanceId::Placeholder(placeholder) => {
                instance.provider_id = placeholder.to_string();
                return;
            }
        };
        let Some(known) = self.nodes.get(&machine) else {
            instance.provider_id = self.prefix.provider_id(machine);
            return;
        };
        let broken = instance.error.as_ref().filter(|_| instance.state == InstanceState::Creating);
        if broken.is_some() && !instance.server_is_gone {
            (instance.state, instance.error) = (InstanceState::Running, None);
        }
        // To be deleted by this id: one that names no server, an empty one say, would name nobody.
        let names_it = known.provider_id.parse() == Ok(InstanceId::Server(machine));
        let to_be_named = instance.error.is_some() && !names_it;
        instance.provider_id =
            if to_be_named { self.prefix.provider_id(machine) } else { known.provider_id.to_string() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::{
        failure::Reason,
        instance::{InstanceError, InstanceErrorClass, SERVER_GONE},
        member::MemberKey,
        node_group::Bounds,
        sample,
        status::Status,
    };

    const A: &str = "ca5b234b-f9a6-42b0-a77d-197636b29d52";
    const B: &str = "588d1f0e-661a-4aae-a7d7-607df3ea5a85";

    fn machine(text: &str) -> MachineId {
        text.parse().unwrap()
    }

    fn running(text: &str) -> Instance {
        Instance {
            id: InstanceId::Server(machine(text)),
            provider_id: String::new(),
            member: Some(MemberKey::Index(0)),
            name: String::new(),
            state: InstanceState::Running,
            error: None,
            server_is_gone: false,
        }
    }

    fn failed(text: &str, code: &'static str) -> Instance {
        let error = InstanceError { code, message: String::new(), class: InstanceErrorClass::Other };
        let server_is_gone = code == SERVER_GONE;
        Instance { state: InstanceState::Creating, error: Some(error), server_is_gone, ..running(text) }
    }

    fn shown(nodes: &Registrations, mut instance: Instance) -> Instance {
        nodes.apply(&mut instance);
        instance
    }

    fn id(nodes: &Registrations, text: &str) -> String {
        shown(nodes, running(text)).provider_id
    }

    fn learn(nodes: &mut Registrations, machine: MachineId, provider_id: &str) {
        nodes.record(machine, provider_id, None, Instant::now());
    }

    #[test]
    fn a_node_has_the_name_that_was_last_shown_for_certain() {
        let (mut nodes, now) = (Registrations::default(), Instant::now());
        let record = |nodes: &mut Registrations, name: Option<&str>| {
            let is_news = nodes.is_news(machine(A), "", name);
            nodes.record(machine(A), "", name, now);
            (is_news, nodes.node_name(machine(A)).map(str::to_owned))
        };
        assert_eq!(nodes.node_name(machine(A)), None);
        assert_eq!(record(&mut nodes, None), (true, None));
        assert_eq!(record(&mut nodes, Some("worker.novalocal")), (true, Some("worker.novalocal".to_owned())));
        assert_eq!(
            record(&mut nodes, Some("worker.novalocal")),
            (false, Some("worker.novalocal".to_owned()))
        );
        assert_eq!(nodes.node_name(machine(B)), None);
    }

    #[test]
    fn new_nodes_get_the_form_of_registered_ones() {
        let mut nodes = Registrations::default();
        assert_eq!(id(&nodes, B), format!("openstack:///{B}"));
        learn(&mut nodes, machine(A), &format!("openstack://RegionOne/{A}"));
        assert_eq!(id(&nodes, A), format!("openstack://RegionOne/{A}"));
        assert_eq!(id(&nodes, B), format!("openstack://RegionOne/{B}"));
    }

    #[test]
    fn each_registered_node_keeps_its_own_form() {
        let mut nodes = Registrations::default();
        let (old, new) = (format!("openstack:///{A}"), format!("openstack://RegionOne/{B}"));
        for _ in 0..2 {
            learn(&mut nodes, machine(A), &old);
            learn(&mut nodes, machine(B), &new);
            assert_eq!((id(&nodes, A), id(&nodes, B)), (old.clone(), new.clone()));
        }
        let odd = format!("openstack:///{}", A.to_uppercase());
        learn(&mut nodes, machine(A), &odd);
        assert_eq!(id(&nodes, A), odd);
        nodes.retain(|known| known != machine(A));
        assert_eq!(id(&nodes, A), format!("openstack://RegionOne/{A}"));
    }

    #[test]
    fn the_operators_form_is_for_nodes_that_are_not_registered() {
        let mut nodes =
            Registrations::new(false).with_prefix(Some("openstack://RegionOne/".parse().unwrap()));
        assert_eq!(id(&nodes, B), format!("openstack://RegionOne/{B}"));
        learn(&mut nodes, machine(A), &format!("openstack:///{A}"));
        assert_eq!(
            (id(&nodes, A), id(&nodes, B)),
            (format!("openstack:///{A}"), format!("openstack://RegionOne/{B}"))
        );
    }

    #[test]
    fn a_template_has_the_form_of_nodes_that_are_not_registered() {
        let template = NodeTemplate::default();
        let labelled = NodeGroup {
            labels: [("cloud_provider_enabled".to_owned(), "true".to_owned())].into(),
            ..sample::reading(Vec::new()).group
        };
        let plain = NodeGroup { labels: [].into(), ..labelled.clone() };
        let fixed = Registrations::new(false).with_prefix(Some("openstack://RegionOne/".parse().unwrap()));
        let expected = |prefix: &str| format!("{prefix}{}", template.server);
        assert_eq!(fixed.template_provider_id(&labelled, &template), expected("openstack://RegionOne/"));
        assert_eq!(fixed.template_provider_id(&plain, &template), "", "its nodes have none");
        let mut seen = Registrations::default();
        assert_eq!(seen.template_provider_id(&labelled, &template), expected("openstack:///"));
        learn(&mut seen, machine(A), &format!("ovh:///{A}"));
        seen.note_provider_id();
        for group in [&labelled, &plain] {
            assert_eq!(seen.template_provider_id(group, &template), expected("ovh:///"));
        }
        assert_eq!(Registrations::new(true).template_provider_id(&labelled, &template), "");
    }

    #[test]
    fn a_provider_id_that_names_no_server_is_shown_until_the_server_has_to_be_named() {
        let mut nodes = Registrations::default();
        learn(&mut nodes, machine(A), "k3s://k8s-abc-node-1");
        assert_eq!(
            (id(&nodes, A), id(&nodes, B)),
            ("k3s://k8s-abc-node-1".into(), format!("openstack:///{B}"))
        );
        assert_eq!(shown(&nodes, failed(A, SERVER_GONE)).provider_id, format!("openstack:///{A}"));
    }

    #[test]
    fn a_node_without_provider_id_is_shown_without() {
        let mut nodes = Registrations::default();
        learn(&mut nodes, machine(A), "");
        assert_eq!((id(&nodes, A), id(&nodes, B)), (String::new(), format!("openstack:///{B}")));
        // Its server is gone: now it has to be named.
        assert_eq!(shown(&nodes, failed(A, SERVER_GONE)).provider_id, format!("openstack:///{A}"));
    }

    #[test]
    fn a_registered_node_works_whatever_heat_says_of_its_creation() {
        let mut nodes = Registrations::default();
        let late = failed(A, "CreateTimedOut");
        let provider_id = format!("openstack:///{A}");
        let as_it_is = |instance: Instance| Instance { provider_id: provider_id.clone(), ..instance };
        assert_eq!(shown(&nodes, late.clone()), as_it_is(late.clone()), "it never joined");
        learn(&mut nodes, machine(A), &provider_id);
        assert_eq!(shown(&nodes, late), as_it_is(running(A)));
        assert_eq!(shown(&nodes, failed(A, SERVER_GONE)), as_it_is(failed(A, SERVER_GONE)));
        // Its creation failed too late, and its server went after that.
        let gone = Instance { server_is_gone: true, ..failed(A, "CreateTimedOut") };
        assert_eq!(shown(&nodes, gone.clone()), as_it_is(gone));
    }

    #[test]
    fn the_label_or_any_node_tells_that_nodes_get_a_provider_id() {
        let bounds = Bounds { min: 0, max: 1 };
        let group = |label: Option<&str>| NodeGroup {
            uuid: A.parse().unwrap(),
            name: "pool".into(),
            bounds,
            magnum_bounds: bounds,
            node_count: 1,
            status: Status::parse("UPDATE_COMPLETE"),
            status_reason: Reason::default(),
            updated_at: String::new(),
            written_at: None,
            flavor_id: String::new(),
            labels: label.iter().map(|label| ("cloud_provider_enabled".into(), (*label).into())).collect(),
        };
        for (label, seen, by_name, expected) in [
            (Some("true"), false, false, true),
            (Some("True"), false, false, true),
            (Some("false"), false, false, false),
            (None, false, false, false),
            (Some("false"), true, false, true),
            (None, true, false, true),
            (Some("true"), true, true, false),
        ] {
            let mut nodes = Registrations::new(by_name);
            if seen {
                nodes.note_provider_id();
            }
            assert_eq!(nodes.gives_provider_ids(&group(label)), expected, "{label:?} {seen} {by_name}");
        }
    }

    #[test]
    fn a_node_waits_for_its_provider_id_for_long_only_after_a_while() {
        let (mut nodes, now) = (Registrations::default(), Instant::now());
        let later = now + PROVIDER_ID_USUAL;
        nodes.record(machine(A), "", None, now);
        assert!(!nodes.waits_for_long(machine(A), later - Duration::from_secs(1)));
        nodes.record(machine(A), "", Some("worker"), later);
        assert!(nodes.waits_for_long(machine(A), later));
        assert!(!nodes.waits_for_long(machine(B), later));
        nodes.record(machine(A), &format!("openstack:///{A}"), None, now);
        assert!(!nodes.waits_for_long(machine(A), later));
    }
}
