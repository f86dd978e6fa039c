//! What all of Heat's routes share: the paths of stacks, and what is not there.

use axum::response::Response;
use http::StatusCode;
use uuid::Uuid;

use super::{
    answer::heat_error,
    stack_bodies::{self, StackView},
};
use crate::simulator::world::World;

/// Where a request's stack is: project, name, id.
pub(super) type StackPath = (String, String, String);
/// The same with a resource or an output.
pub(super) type PartPath = (String, String, String, String);

/// 404 for a stack.
pub(super) fn no_stack(name: &str) -> Response {
    let message = format!("The Stack ({name}) could not be found.");
    heat_error(StatusCode::NOT_FOUND, "EntityNotFound", &message)
}

/// The stack with this name and this id.
pub(super) fn find<'a>(world: &'a World, name: &str, id: &str) -> Option<StackView<'a>> {
    let wanted = Uuid::try_parse(id).ok()?;
    stack_bodies::stacks(world).find(|stack| stack.id() == wanted && stack.name() == name)
}
