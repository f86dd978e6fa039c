//! Bugs put in on purpose, between the engine and the cloud or between the caller and the engine. A set of
//! histories that does not notice them proves nothing.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use cluster_autoscaler_provider_magnum::{
    core::{
        cloud::{Cloud, CloudError, Observation, Reading},
        member::{Member, MemberKey},
        node_group::NodeGroupUuid,
        resize::{Removal, Resize},
        sample,
        status::Status,
    },
    openstack::{Transport, driver::heat::names::NOBODY, transport::TransportError},
    simulator::Simulator,
};
use http::{Method, Request, Response, StatusCode};
use serde_json::Value;
use tokio::time::Instant;

/// How long a planted memory lasts.
const MEMORY: Duration = Duration::from_secs(600);

/// The bugs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
#[value(rename_all = "PascalCase")]
pub(crate) enum Bug {
    /// A removal lowers the count and names nobody.
    RemovalByCount,
    /// A resize is reckoned from what was read up to ten minutes ago.
    NoReadingBeforeResize,
    /// A 202 is taken for done.
    NoVerification,
    /// A removal of an unknown node is sent nevertheless.
    UnknownIdPassedOn,
    /// A repeated removal lowers the count again.
    DeleteNotIdempotent,
    /// Heat's members are believed whatever Magnum and Nova say.
    HeatAlone,
    /// Magnum never hears of what was removed by an update of the Heat stack.
    SecondStepForgotten,
    /// Magnum is told the new count before Heat is told who goes.
    MagnumFirst,
    /// Another member is named than the one to be removed.
    AnotherNamed,
    /// A removal is sent a second time, as one of another node.
    SentTwice,
}

impl Bug {
    /// All of them.
    pub(crate) const ALL: [Self; 10] = [
        Self::RemovalByCount,
        Self::NoReadingBeforeResize,
        Self::NoVerification,
        Self::UnknownIdPassedOn,
        Self::DeleteNotIdempotent,
        Self::HeatAlone,
        Self::SecondStepForgotten,
        Self::MagnumFirst,
        Self::AnotherNamed,
        Self::SentTwice,
    ];

    /// Whether it is one of removals by updates of the Heat stack.
    pub(crate) const fn is_of_heat_updates(self) -> bool {
        matches!(self, Self::SecondStepForgotten | Self::MagnumFirst)
    }

    /// Whether there can be such a bug where Cluster API makes the nodes.
    pub(crate) fn is_of_cluster_api(self) -> bool {
        !self.is_of_heat_updates() && self != Self::HeatAlone
    }
}

/// A cloud with a bug in front of it.
pub(crate) struct Planted {
    pub(crate) cloud: Arc<dyn Cloud>,
    pub(crate) bug: Bug,
    simulator: Simulator,
    memory: Mutex<HashMap<NodeGroupUuid, (Reading, Instant)>>,
}

impl Planted {
    pub(crate) fn new(cloud: Arc<dyn Cloud>, bug: Bug, simulator: Simulator) -> Self {
        Self { cloud, bug, simulator, memory: Mutex::default() }
    }

    fn remembered(&self, group: NodeGroupUuid) -> Option<Reading> {
        let memory = self.memory.lock().unwrap();
        memory.get(&group).filter(|(_, at)| at.elapsed() < MEMORY).map(|(reading, _)| reading.clone())
    }

    fn remember(&self, group: NodeGroupUuid, reading: Reading) {
        self.memory.lock().unwrap().insert(group, (reading, Instant::now()));
    }
}

/// What the group would look like if a resize had been done at once.
fn pretended(mut reading: Reading, resize: &Resize) -> Reading {
    let count = resize.count;
    reading.members.retain(|member| member.counted && !resize.remove.contains(&Removal::of(member)));
    let mut next = reading.members.iter().map(|member| member.key).max().unwrap_or(MemberKey::Index(0));
    while reading.members.len() < usize::try_from(count).unwrap() {
        next = match next {
            MemberKey::Index(index) => MemberKey::Index(index + 1),
            MemberKey::Pending(number) => MemberKey::Pending(number + 1),
            MemberKey::Server(_) => MemberKey::Pending(1),
        };
        reading.members.push(Member { key: next, ..sample::serverless_member(0, "CREATE_COMPLETE") });
    }
    reading.group.node_count = count;
    reading.group.status = Status::parse("UPDATE_COMPLETE");
    reading.group.updated_at.push('\'');
    reading
}

#[async_trait]
impl Cloud for Planted {
    async fn observe(&self, previous: Option<&Observation>) -> Result<Observation, CloudError> {
        self.cloud.observe(previous).await
    }

    async fn read_group(&self, group: NodeGroupUuid) -> Result<Reading, CloudError> {
        if let Some(reading) = self.remembered(group) {
            if self.bug == Bug::NoVerification {
                self.memory.lock().unwrap().remove(&group);
            }
            return Ok(reading);
        }
        let mut reading = self.cloud.read_group(group).await?;
        if self.bug == Bug::HeatAlone {
            reading.servers = None;
            reading.group.node_count = reading.size();
        }
        if self.bug == Bug::NoReadingBeforeResize && !reading.group.status.in_progress() {
            self.remember(group, reading.clone());
        }
        Ok(reading)
    }

    async fn resize(&self, group: NodeGroupUuid, resize: &Resize) -> Result<(), CloudError> {
        match self.bug {
            Bug::RemovalByCount => {
                let resize = Resize { remove: Vec::new(), ..resize.clone() };
                return self.cloud.resize(group, &resize).await;
            }
            Bug::NoVerification => {
                let reading = self.cloud.read_group(group).await?;
                self.cloud.resize(group, resize).await?;
                self.remember(group, pretended(reading, resize));
                return Ok(());
            }
            Bug::NoReadingBeforeResize => {
                // What follows must see the effect, else the bug would only look like a lost resize.
                self.memory.lock().unwrap().remove(&group);
            }
            Bug::MagnumFirst if !resize.remove.is_empty() => {
                let reading = self.cloud.read_group(group).await?;
                let _ = self.simulator.operator_resize(&reading.group.name, resize.count, &[]);
            }
            Bug::AnotherNamed if !resize.remove.is_empty() => {
                let reading = self.cloud.read_group(group).await?;
                let other = reading.counted().map(Removal::of).find(|other| !resize.remove.contains(other));
                let mut resize = resize.clone();
                resize.remove.splice(..other.iter().len(), other);
                return self.cloud.resize(group, &resize).await;
            }
            Bug::SentTwice if !resize.remove.is_empty() => {
                self.cloud.resize(group, resize).await?;
                let again = Resize { count: resize.count.saturating_sub(1), ..resize.clone() };
                let _ = self.cloud.resize(group, &again).await;
                return Ok(());
            }
            Bug::AnotherNamed
            | Bug::SentTwice
            | Bug::UnknownIdPassedOn
            | Bug::DeleteNotIdempotent
            | Bug::HeatAlone
            | Bug::SecondStepForgotten
            | Bug::MagnumFirst => {}
        }
        self.cloud.resize(group, resize).await
    }
}

/// Swallows what Magnum is told after an update of a Heat stack.
#[derive(Debug)]
pub(crate) struct ForgetsSecondStep {
    transport: Arc<dyn Transport>,
    /// The counts that stacks were asked for.
    asked: Mutex<HashSet<u64>>,
}

impl ForgetsSecondStep {
    pub(crate) fn new(transport: Arc<dyn Transport>) -> Self {
        Self { transport, asked: Mutex::default() }
    }
}

#[async_trait]
impl Transport for ForgetsSecondStep {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        let path = request.uri().path();
        if request.method() == Method::PATCH
            && let Some(count) = body["parameters"]["number_of_minions"].as_u64()
        {
            self.asked.lock().unwrap().insert(count);
        }
        let is_nobody = |names: &Vec<Value>| names.iter().all(|name| name == NOBODY);
        let names_nobody = body["nodes_to_remove"].as_array().is_none_or(is_nobody);
        let count = body["node_count"].as_u64();
        if path.ends_with("/actions/resize")
            && names_nobody
            && count.is_some_and(|count| self.asked.lock().unwrap().contains(&count))
        {
            let answer = Response::builder().status(StatusCode::ACCEPTED);
            return Ok(answer.body(Bytes::from_static(b"{}")).unwrap());
        }
        self.transport.send(request).await
    }
}
