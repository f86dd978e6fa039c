//! Events on nodes, as `kubectl describe node` and `kubectl get events` show them. The same one again within six minutes
//! raises the count of the first. Telling never waits: what cannot be written in time is left out, it is in the log as well.

use std::{fmt, time::Duration};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{access::Access, error::KubernetesError};

/// How the events name their source.
const CONTROLLER: &str = "cluster-autoscaler-provider-magnum";
/// How many may wait to be written.
const MAX_WAITING: usize = 256;
/// The pause between two of them; the API server has better things to do when a hundred nodes fail.
const PAUSE: Duration = Duration::from_millis(200);
/// How long one may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest note and longest reason (`k8s.io/api/events/v1`).
const MAX_NOTE: usize = 1024;
const MAX_REASON: usize = 128;

/// What happened to a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeEvent {
    /// The node's name; it need not be registered.
    pub node: String,
    /// What was done, one word: `CreateNode`.
    pub action: &'static str,
    /// What came of it, one word: `QuotaExceeded`.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
    /// Whether somebody should look.
    pub warning: bool,
}

/// Writes events in the background.
#[derive(Clone)]
pub struct EventWriter {
    waiting: mpsc::Sender<NodeEvent>,
}

impl fmt::Debug for EventWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventWriter").finish_non_exhaustive()
    }
}

impl EventWriter {
    /// Writes what it is told until `stop`.
    #[must_use]
    pub fn start(access: Access, stop: CancellationToken) -> Self {
        let (waiting, told) = mpsc::channel(MAX_WAITING);
        tokio::spawn(async move { stop.run_until_cancelled(write(access, told)).await });
        Self { waiting }
    }

    /// Tells of an event; never waits.
    pub fn tell(&self, event: NodeEvent) {
        if let Err(error) = self.waiting.try_send(event) {
            tracing::debug!("an event is left out: {error}");
        }
    }
}

async fn write(access: Access, mut told: mpsc::Receiver<NodeEvent>) {
    let recorder = Recorder::new(access.client, Reporter::from(CONTROLLER));
    let mut pace = interval(PAUSE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut trouble: Option<KubernetesError> = None;
    while let Some(event) = told.recv().await {
        pace.tick().await;
        let (event, node) = (published(&event), reference(&event.node));
        let written = match timeout(PATIENCE, recorder.publish(&event, &node)).await {
            Ok(written) => {
                written.map_err(|error| KubernetesError::of_request(&access.url, "create", "events", &error))
            }
            Err(_) => Err(KubernetesError::Unreachable {
                url: access.url.clone(),
                reason: format!("no answer within {} s", PATIENCE.as_secs()),
            }),
        };
        match written {
            Ok(()) => {
                if trouble.take().is_some() {
                    tracing::info!("events are written again");
                }
            }
            Err(error) => {
                if !trouble.as_ref().is_some_and(|known| known.is_like(&error)) {
                    tracing::warn!("events on nodes cannot be written (--kube-events): {error}");
                }
                trouble = Some(error);
            }
        }
    }
}

fn published(event: &NodeEvent) -> Event {
    Event {
        type_: if event.warning { EventType::Warning } else { EventType::Normal },
        reason: cut(&event.reason, MAX_REASON),
        note: Some(cut(&event.message, MAX_NOTE)),
        action: event.action.to_owned(),
        secondary: None,
    }
}

/// The node as the kubelet's events name it: its name in place of its UID, by which kubectl finds them.
fn reference(node: &str) -> ObjectReference {
    ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Node".to_owned()),
        name: Some(node.to_owned()),
        uid: Some(node.to_owned()),
        ..ObjectReference::default()
    }
}

/// At most so many bytes.
fn cut(text: &str, most: usize) -> String {
    const MARK: &str = "…";
    if text.len() <= most {
        return text.to_owned();
    }
    let longest = most.saturating_sub(MARK.len());
    let end = (0..=longest).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    format!("{}{MARK}", text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_never_longer_than_kubernetes_takes() {
        assert_eq!(cut("short", MAX_NOTE), "short");
        for letter in ["a", "ü", "…", "🚀"] {
            let note = cut(&letter.repeat(2000), MAX_NOTE);
            assert!(note.len() <= MAX_NOTE && note.len() > MAX_NOTE - 8, "{letter}: {}", note.len());
            assert!(note.ends_with('…'));
        }
    }
}
