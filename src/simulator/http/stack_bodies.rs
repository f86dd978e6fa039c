//! Heat's stacks, resources and outputs as JSON.

use std::borrow::Cow;

use serde_json::{Map, Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    member_stack,
    stack_resource::{href, resource},
};
use crate::simulator::{
    cluster::DEFAULT_WORKER,
    credentials::CREDENTIALS,
    queue::GroupNumber,
    stack::{Member, Minions, Stack, Stage},
    state::{Action, Phase, State},
    world::World,
};

/// What Heat calls the type of a member.
pub(super) const MEMBER_TYPE: &str = "file:///usr/lib/python3/dist-packages/magnum/drivers/k8s_fedora_coreos_v1/templates/\
    kubeminion.yaml";
const KUBE_MINIONS: &str = "kube_minions";
const MEMBER_DESCRIPTION: &str = "This is a nested stack that defines a single Kubernetes minion, This stack is \
    included by an AutoScalingGroup resource in the parent template (kubecluster.yaml).\n";
const DESCRIPTION: &str = "This template will boot a Kubernetes cluster with one or more minions (as specified by \
    the number_of_minions parameter, which defaults to 1).\n";

/// A stack that can be asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum StackView<'a> {
    /// The stack of a worker group.
    Group(GroupNumber, &'a Stack),
    /// The nested stack behind its `kube_minions`.
    Minions(&'a Stack),
    /// The nested stack of one of its members, by its index.
    Member(&'a Stack, u32, &'a Member),
}

impl StackView<'_> {
    pub(super) fn id(&self) -> Uuid {
        match self {
            Self::Group(_, stack) => stack.id,
            Self::Minions(stack) => stack.minions.id,
            Self::Member(_, _, member) => member.id,
        }
    }

    pub(super) fn name(&self) -> Cow<'_, str> {
        match self {
            Self::Group(_, stack) => Cow::Borrowed(&stack.name),
            Self::Minions(stack) => Cow::Borrowed(&stack.minions.name),
            Self::Member(stack, index, member) => Cow::Owned(stack.minions.member_stack_name(*index, member)),
        }
    }

    fn times(&self) -> (Instant, Option<Instant>) {
        match self {
            Self::Group(_, stack) => (stack.created, stack.updated),
            Self::Minions(stack) => (stack.minions.created, stack.minions.updated),
            Self::Member(_, _, member) => (member.created, Some(member.updated)),
        }
    }

    fn state(&self) -> Cow<'_, State> {
        match self {
            Self::Group(_, stack) => Cow::Borrowed(&stack.state),
            Self::Minions(stack) => Cow::Borrowed(&stack.minions.state),
            Self::Member(_, _, member) => Cow::Owned(member.stack_state()),
        }
    }

    /// Whether the group's stack, with all that is nested in it, is gone.
    pub(super) fn is_deleted(&self) -> bool {
        let (Self::Group(_, stack) | Self::Minions(stack) | Self::Member(stack, ..)) = self;
        stack.state.action == Action::Delete && stack.state.phase == Phase::Complete
    }

    /// Id of the stack that it is nested in.
    fn parent(&self) -> Option<Uuid> {
        match self {
            Self::Group(..) => None,
            Self::Minions(stack) => Some(stack.id),
            Self::Member(stack, ..) => Some(stack.minions.id),
        }
    }
}

/// All stacks that there are.
pub(super) fn stacks(world: &World) -> impl Iterator<Item = StackView<'_>> {
    world.stacks.iter().flat_map(|(number, stack)| {
        let nested = stack.minions.exists.then_some(StackView::Minions(stack));
        [StackView::Group(*number, stack)].into_iter().chain(nested).chain(member_stacks(stack))
    })
}

/// The nested stacks of a group's members, of those on their way out as well.
fn member_stacks(stack: &Stack) -> impl Iterator<Item = StackView<'_>> {
    let minions = &stack.minions;
    let staying = minions.members.iter().map(|(index, member)| (*index, member));
    let leaving = minions.leaving.iter().map(|leaving| (leaving.index, &leaving.member));
    staying
        .chain(leaving)
        .filter(|(_, member)| member.has_stack())
        .map(move |(index, member)| StackView::Member(stack, index, member))
}

/// The stacks that are nested in this one, one level deep.
pub(super) fn nested(view: StackView<'_>) -> Vec<StackView<'_>> {
    match view {
        StackView::Group(_, stack) if stack.minions.exists => vec![StackView::Minions(stack)],
        StackView::Minions(stack) => member_stacks(stack).collect(),
        StackView::Group(..) | StackView::Member(..) => Vec::new(),
    }
}

/// The group whose stacks this one is of.
pub(super) fn group_of(world: &World, view: StackView<'_>) -> Option<GroupNumber> {
    let (StackView::Group(_, own) | StackView::Minions(own) | StackView::Member(own, ..)) = view;
    world.stacks.iter().find(|(_, stack)| stack.id == own.id).map(|(group, _)| *group)
}

/// Where a stack is, by name and id.
pub(super) fn stack_href(stack: StackView<'_>, base: &str) -> String {
    href(base, &stack.name(), stack.id())
}

/// A stack as the list of stacks shows it.
pub(super) fn stack_in_list(world: &World, stack: StackView<'_>, base: &str) -> Value {
    let (created, updated) = stack.times();
    let state = stack.state();
    json!({
        "stack_name": stack.name(),
        "id": stack.id(),
        "links": [{"href": stack_href(stack, base), "rel": "self"}],
        "creation_time": world.clock.with_z(created),
        "updated_time": updated.map(|moment| world.clock.with_z(moment)),
        "deletion_time": null,
        "description": "",
        "stack_owner": CREDENTIALS.user_name,
        "parent": stack.parent(),
        "stack_user_project_id": CREDENTIALS.project_id,
        "tags": null,
        "stack_status": state.status(),
        "stack_status_reason": state.reason,
    })
}

/// A stack in full; its outputs only where they are asked for.
pub(super) fn stack(world: &World, stack: StackView<'_>, base: &str, resolve_outputs: bool) -> Value {
    let mut body = stack_in_list(world, stack, base);
    let Some(fields) = body.as_object_mut() else { return body };
    let description = match stack {
        StackView::Group(..) => DESCRIPTION,
        StackView::Minions(_) => "No description",
        StackView::Member(..) => MEMBER_DESCRIPTION,
    };
    let details = json!({
        "notification_topics": [],
        "parameters": parameters(world, stack),
        "description": description,
        "template_description": description,
        "capabilities": [],
        "disable_rollback": true,
        "timeout_mins": 60,
        "tags": [],
    });
    if let Value::Object(details) = details {
        fields.extend(details);
    }
    if resolve_outputs {
        fields.insert("outputs".to_owned(), Value::Array(outputs(world, stack)));
    }
    body
}

/// The parameters that matter here; the real stack of a group has some 150 more.
fn parameters(world: &World, view: StackView<'_>) -> Value {
    let mut parameters = json!({
        "OS::stack_id": view.id(),
        "OS::project_id": CREDENTIALS.project_id,
        "OS::stack_name": view.name(),
    });
    if let (StackView::Group(number, stack), Some(fields)) = (view, parameters.as_object_mut()) {
        let is_cluster_stack = if number == DEFAULT_WORKER { "True" } else { "False" };
        let own = json!({
            "is_cluster_stack": is_cluster_stack,
            "number_of_masters": "1",
            "number_of_minions": stack.number_of_minions.to_string(),
            "minions_to_remove": stack.minions_to_remove.join(","),
            "minion_flavor": stack.flavor_id,
            "cluster_uuid": world.cluster.uuid,
            "region_name": CREDENTIALS.region,
            "trust_id": "******",
        });
        if let Value::Object(own) = own {
            fields.extend(own);
        }
    }
    parameters
}

/// The outputs with their values.
pub(super) fn outputs(world: &World, view: StackView<'_>) -> Vec<Value> {
    match view {
        StackView::Minions(stack) => minions_outputs(&stack.minions),
        StackView::Member(stack, index, member) => member_stack::outputs(&stack.minions, index, member)
            .into_iter()
            .map(|(key, value)| json!({"output_key": key, "description": "", "output_value": value}))
            .collect(),
        StackView::Group(_, stack) => {
            let addresses: Vec<_> =
                stack.minions.members.values().map(|member| member.address.clone()).collect();
            let nothing: Vec<Value> = addresses.iter().map(|_| Value::Null).collect();
            [
                ("kube_masters", json!([null])),
                ("kube_masters_private", json!([world.master_address])),
                ("kube_minions_private", json!(addresses)),
                ("api_address", json!(world.master_address)),
                ("kube_minions", json!(nothing)),
                ("registry_address", json!("localhost:5000")),
            ]
            .map(|(key, value)| json!({"output_key": key, "description": "", "output_value": value}))
            .into()
        }
    }
}

fn minions_outputs(minions: &Minions) -> Vec<Value> {
    const DESCRIPTION: &str = "No description given";
    let gone = minions.members.iter().find(|(_, member)| member.stage == Stage::StackGone);
    let output = |key: &str, values: Vec<Value>| match gone {
        Some((index, _)) => json!({
            "output_key": key,
            "description": DESCRIPTION,
            "output_error": format!("The Referenced Attribute ({index} {key}) is incorrect."),
            "output_value": null,
        }),
        None => json!({"output_key": key, "description": DESCRIPTION, "output_value": values}),
    };
    let references: Map<String, Value> = minions
        .references()
        .into_iter()
        .map(|(index, reference)| (index.to_string(), json!(reference)))
        .collect();
    let addresses = minions.members.values().map(|member| json!(member.address)).collect();
    let nothing = minions.members.values().map(|_| Value::Null).collect();
    vec![
        output("kube_minion_external_ip", nothing),
        json!({"output_key": "refs_map", "description": DESCRIPTION, "output_value": references}),
        output("kube_minion_ip", addresses),
    ]
}

/// The resources of a stack: of `kube_minions` its members, of a group's stack what leads there.
pub(super) fn resources(world: &World, view: StackView<'_>, base: &str) -> Vec<Value> {
    match view {
        StackView::Minions(stack) => {
            let minions = &stack.minions;
            let members = minions.members.iter().map(|(index, member)| (*index, member));
            let leaving = minions.leaving.iter().map(|leaving| (leaving.index, &leaving.member));
            // A namesake that is being made again stands for both.
            let leaving = leaving.filter(|(index, _)| !minions.members.contains_key(index));
            let mut all: Vec<_> = members.chain(leaving).collect();
            all.sort_by_key(|(index, _)| *index);
            all.iter().map(|(index, member)| member_resource(world, minions, *index, member, base)).collect()
        }
        StackView::Group(_, stack) => {
            vec![group_resource(world, stack, base), server_group_resource(world, stack, base)]
        }
        StackView::Member(stack, index, member) => {
            member_stack::resources(world, &stack.minions, index, member, base)
        }
    }
}

/// The attributes that a resource shows; most of `kube_minions` are null (docs/openstack-behaviour.md#refs_map).
pub(super) fn attributes(view: StackView<'_>, resource: &str) -> Value {
    match view {
        StackView::Group(_, stack) if resource == KUBE_MINIONS => {
            let removed: Vec<String> = stack.minions.skip_list.iter().map(u32::to_string).collect();
            json!({"attributes": null, "refs": null, "refs_map": null, "removed_rsrc_list": removed})
        }
        StackView::Minions(stack) => {
            let minions = &stack.minions;
            let member = resource.parse().ok().and_then(|index| minions.members.get_key_value(&index));
            let outputs = member
                .map(|(index, member)| member_stack::outputs(minions, *index, member))
                .unwrap_or_default();
            outputs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
        }
        StackView::Group(..) | StackView::Member(..) => json!({}),
    }
}

/// Where Nova is told to keep the nodes apart.
fn server_group_resource(world: &World, stack: &Stack, base: &str) -> Value {
    let (name, kind) = ("worker_nodes_server_group", "OS::Nova::ServerGroup");
    let state = State::resource(Action::Create, Phase::Complete);
    let parent = href(base, &stack.name, stack.id);
    let mut resource = resource(world, (name, kind), (stack.created, stack.created), &state, &parent, None);
    if let Some(fields) = resource.as_object_mut() {
        let id = Uuid::new_v5(&stack.id, name.as_bytes());
        fields.insert("physical_resource_id".to_owned(), json!(id));
        fields.insert("required_by".to_owned(), json!([KUBE_MINIONS]));
    }
    resource
}

fn group_resource(world: &World, stack: &Stack, base: &str) -> Value {
    let minions = &stack.minions;
    let state = if minions.exists {
        let State { action, phase, reason } = &minions.state;
        match phase {
            Phase::Failed => State::failed(*action, reason.clone()),
            _ => State::resource(*action, *phase),
        }
    } else {
        State::untouched()
    };
    let name = KUBE_MINIONS;
    let nested = minions.exists.then(|| (href(base, &minions.name, minions.id), minions.id));
    let parent = href(base, &stack.name, stack.id);
    let times = (minions.created, minions.updated.unwrap_or(minions.created));
    let mut resource = resource(world, (name, "OS::Heat::ResourceGroup"), times, &state, &parent, nested);
    // Heat shows no parent of the resources of a stack that is nobody's.
    if let Some(fields) = resource.as_object_mut() {
        fields.remove("parent_resource");
    }
    resource
}

fn member_resource(world: &World, minions: &Minions, index: u32, member: &Member, base: &str) -> Value {
    let parent = href(base, &minions.name, minions.id);
    let made = member.stage != Stage::Known || member.shown.action != Action::Init;
    let name = minions.member_stack_name(index, member);
    let nested = made.then(|| (href(base, &name, member.id), member.id));
    let times = (member.created, member.updated);
    let mut resource =
        resource(world, (&index.to_string(), MEMBER_TYPE), times, &member.shown, &parent, nested);
    if let Some(fields) = resource.as_object_mut() {
        fields.insert("parent_resource".to_owned(), json!("kube_minions"));
    }
    resource
}
