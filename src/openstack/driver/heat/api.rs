//! Heat: the stack of a node group, its `kube_minions` and their members.

use std::{collections::BTreeMap, sync::Arc};

use http::{Method, header};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::names::MemberIndex;
use crate::core::{
    cloud::{CloudError, Service},
    status::Status,
};
use crate::openstack::session::{Call, Session, malformed, parse, redirected};

/// A stack by name and id; only both together address everything about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackRef {
    /// The stack's name.
    pub name: String,
    /// The stack's id.
    pub id: String,
}

impl StackRef {
    /// Takes the last two segments of a URL that points to a stack; the rest of it may be internal to the cloud.
    /// Nothing in them is ever escaped (Heat `engine/stack.py`: letters, digits, `_`, `-` and `.`).
    fn from_url(url: &str) -> Option<Self> {
        let path = url.split(['?', '#']).next()?;
        let mut segments = path.trim_end_matches('/').rsplit('/');
        let (id, name) = (segments.next()?, segments.next()?);
        (segments.next()? == "stacks").then(|| Self { name: name.to_owned(), id: id.to_owned() })
    }
}

/// A member as the listing of `kube_minions` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedMember {
    /// The member's name.
    pub index: MemberIndex,
    /// The id of its own nested stack; empty before that is made.
    pub stack_id: String,
    /// Status of that stack.
    pub status: Status,
    /// Reason of the status.
    pub reason: String,
    /// When the resource last changed; compared, never read.
    pub updated_time: String,
    /// Its own nested stack, where Heat links to it.
    pub nested: Option<StackRef>,
}

/// What `refs_map` says of each member (docs/openstack-behaviour.md#refs_map).
pub type RefsMap = BTreeMap<MemberIndex, String>;

#[derive(Deserialize)]
struct ResourceAnswer {
    resource: Resource,
}

#[derive(Deserialize)]
struct ResourcesAnswer {
    resources: Vec<Resource>,
}

#[derive(Deserialize)]
struct Resource {
    resource_name: String,
    physical_resource_id: Option<String>,
    resource_status: Option<String>,
    resource_status_reason: Option<String>,
    updated_time: Option<String>,
    parent_resource: Option<String>,
    #[serde(default)]
    links: Vec<Link>,
}

#[derive(Deserialize)]
struct Link {
    rel: String,
    href: String,
}

#[derive(Deserialize)]
struct StackAnswer {
    stack: Stack,
}

#[derive(Deserialize)]
struct Stack {
    stack_name: String,
    id: String,
    #[serde(default)]
    outputs: Vec<Output>,
    stack_status: Option<String>,
    stack_status_reason: Option<String>,
    updated_time: Option<String>,
    #[serde(default)]
    parameters: Map<String, Value>,
}

/// What a stack says of its last update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackState {
    /// Its status.
    pub status: Status,
    /// The reason of the status.
    pub reason: String,
    /// When it was last updated, in Heat's words; empty where it never was.
    pub updated_time: String,
    /// The parameters that it has.
    pub parameters: Map<String, Value>,
}

/// A part of a member's own stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberResource {
    /// `kube-minion`, `node_config_deployment` or the like.
    pub name: String,
    /// The member that it is of, where the list was one of several members.
    pub member: Option<MemberIndex>,
    /// What it stands for; a server's UUID.
    pub physical_id: String,
}

#[derive(Deserialize)]
struct OutputAnswer {
    output: Output,
}

#[derive(Deserialize)]
struct Output {
    output_key: String,
    output_value: Option<Value>,
    output_error: Option<String>,
}

/// The calls to Heat.
#[derive(Debug)]
pub struct Heat {
    session: Arc<Session>,
}

impl Heat {
    /// Calls within a session.
    #[must_use]
    pub const fn new(session: Arc<Session>) -> Self {
        Self { session }
    }

    async fn get(&self, kind: &'static str, path: &[&str]) -> Result<Call, CloudError> {
        let endpoint = self.session.endpoint(Service::Orchestration).await?;
        Ok(Call::get(Service::Orchestration, kind, endpoint, path))
    }

    /// Finds a stack's name by its id: Heat redirects to the address with both, of which only those two are taken.
    ///
    /// # Errors
    /// When it cannot be found out; [`CloudError::not_found`] when there is no such stack.
    pub async fn stack(&self, id: &str) -> Result<StackRef, CloudError> {
        let call = self.get("stack", &["stacks", id]).await?;
        let answer = self.session.send(&call).await?;
        let found = if answer.status().is_redirection() {
            answer
                .headers()
                .get(header::LOCATION)
                .and_then(|location| StackRef::from_url(location.to_str().ok()?))
                .ok_or_else(|| redirected(&call, &answer))?
        } else {
            let StackAnswer { stack } = parse(&call, &answer)?;
            StackRef { name: stack.stack_name, id: stack.id }
        };
        if found.id == id { Ok(found) } else { Err(malformed(&call, "it is another stack".to_owned())) }
    }

    /// What a stack says of its last update, without its outputs, which take long.
    ///
    /// # Errors
    /// When it cannot be read; [`CloudError::not_found`] when there is no such stack.
    pub async fn state(&self, stack: &StackRef) -> Result<StackState, CloudError> {
        let call = self.get("stack", &["stacks", &stack.name, &stack.id]).await?;
        let StackAnswer { stack } = self.session.fetch(&call.query("resolve_outputs", "False")).await?;
        Ok(StackState {
            status: Status::parse(stack.stack_status.as_deref().unwrap_or_default()),
            reason: stack.stack_status_reason.unwrap_or_default(),
            updated_time: stack.updated_time.unwrap_or_default(),
            parameters: stack.parameters,
        })
    }

    /// Changes parameters of a stack; template and other parameters stay. Sent once, or again only where it was
    /// certainly not heard. A parameter that the template does not have is taken without a word
    /// (docs/openstack-behaviour.md#heat).
    ///
    /// # Errors
    /// [`CloudError::certainly_without_effect`] tells whether it may have been heard.
    pub async fn update(&self, stack: &StackRef, parameters: Value) -> Result<(), CloudError> {
        let mut call = self.get("update", &["stacks", &stack.name, &stack.id]).await?;
        call.method = Method::PATCH;
        call.body = Some(json!({"existing": true, "parameters": parameters}));
        let answer = self.session.send(&call).await?;
        if answer.status().is_success() {
            Ok(())
        } else if answer.status().is_redirection() {
            Err(redirected(&call, &answer))
        } else {
            Err(malformed(&call, format!("HTTP {} instead of 202", answer.status().as_u16())))
        }
    }

    /// The parts of one member's own stack.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn parts(&self, member: &StackRef) -> Result<Vec<MemberResource>, CloudError> {
        let call = self.get("parts", &["stacks", &member.name, &member.id, "resources"]).await?;
        self.fetch_parts(&call).await
    }

    /// The servers in the stacks of all members, in one list.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn servers(&self, minions: &StackRef) -> Result<Vec<MemberResource>, CloudError> {
        let call = self.get("servers", &["stacks", &minions.name, &minions.id, "resources"]).await?;
        self.fetch_parts(&call.query("nested_depth", "1").query("type", "OS::Nova::Server")).await
    }

    async fn fetch_parts(&self, call: &Call) -> Result<Vec<MemberResource>, CloudError> {
        let ResourcesAnswer { resources } = self.session.fetch(call).await?;
        let part = |resource: Resource| MemberResource {
            name: resource.resource_name,
            member: resource.parent_resource.and_then(|parent| parent.parse().ok()),
            physical_id: resource.physical_resource_id.unwrap_or_default(),
        };
        Ok(resources.into_iter().map(part).collect())
    }

    /// The nested stack behind a stack's `kube_minions`; none while it is not made yet.
    ///
    /// # Errors
    /// When it cannot be read; [`CloudError::not_found`] when there is no such stack or resource.
    pub async fn kube_minions(&self, stack: &StackRef) -> Result<Option<StackRef>, CloudError> {
        let path = ["stacks", &stack.name, &stack.id, "resources", "kube_minions"];
        let call = self.get("kube_minions", &path).await?;
        let ResourceAnswer { resource } = self.session.fetch(&call).await?;
        let Some(id) = resource.physical_resource_id.filter(|id| !id.is_empty()) else { return Ok(None) };
        match nested_stack(&resource.links).filter(|nested| nested.id == id) {
            Some(nested) => Ok(Some(nested)),
            // Without the link, as for a user who may not see it, the id still finds the name.
            None => self.stack(&id).await.map(Some),
        }
    }

    /// The members of `kube_minions` by rising index.
    ///
    /// # Errors
    /// When they cannot be read; [`CloudError::not_found`] when the stack is gone.
    pub async fn members(&self, minions: &StackRef) -> Result<Vec<ListedMember>, CloudError> {
        let call = self.get("members", &["stacks", &minions.name, &minions.id, "resources"]).await?;
        let ResourcesAnswer { resources } = self.session.fetch(&call).await?;
        let mut members: Vec<_> = resources.into_iter().filter_map(listed_member).collect();
        // A member that is on its way out and one that takes its index again: the latter is the one meant.
        members.sort_by_key(|member| (member.index, is_leaving(member)));
        members.dedup_by_key(|member| member.index);
        Ok(members)
    }

    /// `refs_map` of `kube_minions`. None where the stack has no such output.
    ///
    /// # Errors
    /// When it cannot be read; [`CloudError::not_found`] when the stack is gone.
    pub async fn refs_map(&self, minions: &StackRef) -> Result<Option<RefsMap>, CloudError> {
        let path = ["stacks", &minions.name, &minions.id, "outputs", "refs_map"];
        let call = self.get("refs_map", &path).await?;
        let (call, output) = match self.session.fetch::<OutputAnswer>(&call).await {
            Ok(answer) => (call, Some(answer.output)),
            Err(error) if error.not_found() => {
                let call = self.get("stack_outputs", &["stacks", &minions.name, &minions.id]).await?;
                let StackAnswer { stack } = self.session.fetch(&call).await?;
                let output = stack.outputs.into_iter().find(|output| output.output_key == "refs_map");
                (call, output)
            }
            Err(error) => return Err(error),
        };
        let Some(output) = output else { return Ok(None) };
        match output.output_value {
            Some(Value::Object(values)) => Ok(Some(read_refs_map(values))),
            None | Some(Value::Null) if output.output_error.is_none() => Ok(None),
            _ => {
                let error = output.output_error.unwrap_or_else(|| "it is not a map".to_owned());
                Err(malformed(&call, format!("refs_map: {error}")))
            }
        }
    }
}

/// Values that are not text say no more than that the member is there.
fn read_refs_map(values: serde_json::Map<String, Value>) -> RefsMap {
    values
        .into_iter()
        .filter_map(|(index, value)| {
            Some((index.parse().ok()?, value.as_str().map(str::to_owned).unwrap_or_default()))
        })
        .collect()
}

fn is_leaving(member: &ListedMember) -> bool {
    member.status.action == crate::core::status::Action::Delete
}

fn listed_member(resource: Resource) -> Option<ListedMember> {
    let Ok(index) = resource.resource_name.parse() else {
        tracing::debug!("a resource of kube_minions is not named by an index; passed over");
        return None;
    };
    Some(ListedMember {
        index,
        stack_id: resource.physical_resource_id.unwrap_or_default(),
        status: Status::parse(resource.resource_status.as_deref().unwrap_or_default()),
        reason: resource.resource_status_reason.unwrap_or_default(),
        updated_time: resource.updated_time.unwrap_or_default(),
        nested: nested_stack(&resource.links),
    })
}

fn nested_stack(links: &[Link]) -> Option<StackRef> {
    let nested = links.iter().find(|link| link.rel == "nested")?;
    StackRef::from_url(&nested.href)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_is_taken_from_the_end_of_a_url() {
        let stack = |url: &str| StackRef::from_url(url).map(|stack| (stack.name, stack.id));
        let expected = Some(("k8s-lab-ff".to_owned(), "c5a5fec4".to_owned()));
        for url in [
            "http://127.0.0.1:8004/v1/10545de7/stacks/k8s-lab-ff/c5a5fec4",
            "https://internal/heat/v1/10545de7/stacks/k8s-lab-ff/c5a5fec4/?resolve_outputs=False",
            "/v1/10545de7/stacks/k8s-lab-ff/c5a5fec4",
        ] {
            assert_eq!(stack(url), expected, "{url}");
        }
        for url in ["", "http://h", "http://h/v1/t/stacks/name", "http://h/v1/t/stacks/n/i/resources"] {
            assert_eq!(stack(url), None, "{url}");
        }
    }

    #[test]
    fn members_of_the_lab_are_understood() {
        let answer: ResourcesAnswer =
            serde_json::from_str(include_str!("../../../../tests/fixtures/heat-members-during-delete.json"))
                .unwrap();
        let members: Vec<_> = answer.resources.into_iter().filter_map(listed_member).collect();
        assert_eq!(members.iter().map(|member| member.index.to_string()).collect::<Vec<_>>(), ["12", "13"]);
        assert!(is_leaving(&members[0]) && !is_leaving(&members[1]));
        assert_eq!(members[1].stack_id, "c3132b64-099d-4836-8374-60c528b011f8");
        let answer: StackAnswer =
            serde_json::from_str(include_str!("../../../../tests/fixtures/heat-stack-quota-failed.json"))
                .unwrap();
        let output = answer.stack.outputs.into_iter().find(|output| output.output_key == "refs_map").unwrap();
        let Some(Value::Object(values)) = output.output_value else { panic!("no map") };
        let refs_map = read_refs_map(values);
        assert_eq!(refs_map.get(&MemberIndex::new(9)).map(String::as_str), Some("kube-minion"));
        assert_eq!(refs_map.len(), 4);
    }
}
