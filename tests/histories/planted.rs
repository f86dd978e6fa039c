//! Bugs put in on purpose, between the engine and the cloud or between the caller and the engine. A set of
//! histories that does not notice them proves nothing.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use cluster_autoscaler_provider_magnum::core::{
    cloud::{Cloud, CloudError, Observation, Reading},
    member::{Member, MemberKey},
    node_group::NodeGroupUuid,
    resize::{Removal, Resize},
    sample,
    status::Status,
};
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
}

impl Bug {
    /// All of them.
    pub(crate) const ALL: [Self; 6] = [
        Self::RemovalByCount,
        Self::NoReadingBeforeResize,
        Self::NoVerification,
        Self::UnknownIdPassedOn,
        Self::DeleteNotIdempotent,
        Self::HeatAlone,
    ];
}

/// A cloud with a bug in front of it.
pub(crate) struct Planted {
    pub(crate) cloud: Arc<dyn Cloud>,
    pub(crate) bug: Bug,
    memory: Mutex<HashMap<NodeGroupUuid, (Reading, Instant)>>,
}

impl Planted {
    pub(crate) fn new(cloud: Arc<dyn Cloud>, bug: Bug) -> Self {
        Self { cloud, bug, memory: Mutex::default() }
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
        next = MemberKey::Index(next.to_string().parse::<u32>().unwrap() + 1);
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
            Bug::UnknownIdPassedOn | Bug::DeleteNotIdempotent | Bug::HeatAlone => {}
        }
        self.cloud.resize(group, resize).await
    }
}
