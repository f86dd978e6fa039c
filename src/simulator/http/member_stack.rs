//! The nested stack of one member: its parts and its outputs (`heat-resources-depth-3.http`).

use serde_json::{Value, json};

use super::stack_resource::{href, resource};
use crate::simulator::{
    member_parts::PARTS,
    stack::{Member, Minions},
    world::World,
};

/// The resources that there are of it.
pub(super) fn resources(
    world: &World,
    minions: &Minions,
    index: u32,
    member: &Member,
    base: &str,
) -> Vec<Value> {
    let parent = href(base, &minions.member_stack_name(index, member), member.id);
    let times = (member.created, member.created);
    PARTS
        .iter()
        .filter(|part| part.is_of(member))
        .map(|part| {
            let state = part.state(member);
            let mut body = resource(world, (part.name, part.kind), times, &state, &parent, None);
            if let Some(fields) = body.as_object_mut() {
                let id = part.physical_id(member).map(|id| id.to_string()).unwrap_or_default();
                fields.insert("physical_resource_id".to_owned(), json!(id));
                fields.insert("required_by".to_owned(), json!(part.required_by));
                fields.insert("parent_resource".to_owned(), json!(index.to_string()));
            }
            body
        })
        .collect()
}

/// The outputs of kubeminion.yaml, which are the attributes of the member in its group as well.
pub(super) fn outputs(minions: &Minions, index: u32, member: &Member) -> Vec<(&'static str, Value)> {
    let reference = minions.references().remove(&index);
    vec![
        ("OS::stack_id", json!(reference)),
        ("kube_minion_ip", json!(member.address)),
        ("kube_minion_external_ip", Value::Null),
    ]
}
