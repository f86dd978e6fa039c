//! The port to the cloud: what this service reads from it and the one thing it does to it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use thiserror::Error;

pub use super::reading::Reading;
use super::{node_group::NodeGroupUuid, resize::Resize};

/// What became of the observation of one group. One broken group leaves the others whole (I6).
#[derive(Debug, Clone)]
pub struct GroupObservation {
    /// The group's UUID.
    pub uuid: NodeGroupUuid,
    /// The group's name, for messages.
    pub name: String,
    /// The reading, or why there is none.
    pub reading: Result<Arc<Reading>, CloudError>,
}

/// All node groups that this service may scale.
#[derive(Debug, Clone)]
pub struct Observation {
    /// Name of the cluster.
    pub cluster_name: String,
    /// The groups in Magnum's order; a group that is not here does not exist (any more), or is one of `unscaled`.
    pub groups: Vec<GroupObservation>,
    /// Groups that are there and not scaled, since they have no maximum.
    pub unscaled: Vec<UnscaledGroup>,
}

/// A group without a maximum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnscaledGroup {
    /// Its UUID.
    pub uuid: NodeGroupUuid,
    /// Its name.
    pub name: String,
    /// How it gets one, in the words of the cloud.
    pub remedy: String,
}

/// Which service an error comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// Keystone.
    Identity,
    /// Magnum.
    ContainerInfra,
    /// Heat.
    Orchestration,
    /// Nova.
    Compute,
}

impl Service {
    /// The usual name of the project behind the service, in lower case; also the metric label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Identity => "keystone",
            Self::ContainerInfra => "magnum",
            Self::Orchestration => "heat",
            Self::Compute => "nova",
        }
    }
}

impl std::fmt::Display for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Why the cloud did not do or tell what was asked. No message holds a credential (I8).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Error)]
pub enum CloudError {
    /// No answer: refused, reset, cut or timed out. The request may or may not have been carried out.
    #[error("{service} at {url} did not answer: {reason}")]
    Unreachable {
        /// The service.
        service: Service,
        /// Where it was looked for.
        url: String,
        /// What went wrong.
        reason: String,
    },
    /// A 5xx or 429 after all retries. The request may or may not have been carried out.
    #[error("{service} answered HTTP {status} to {request}: {message}{}", request_id_suffix(.request_id.as_ref()))]
    Unavailable {
        /// The service.
        service: Service,
        /// Method and path.
        request: String,
        /// HTTP status code.
        status: u16,
        /// The service's own words.
        message: String,
        /// `x-openstack-request-id`, to look the request up in the service's logs.
        request_id: Option<String>,
        /// How long the service wants to be left alone, when it says so.
        retry_after: Option<Duration>,
    },
    /// A 4xx: the request was understood and not carried out.
    #[error("{service} refused {request} with HTTP {status}: {message}{}", request_id_suffix(.request_id.as_ref()))]
    Refused {
        /// The service.
        service: Service,
        /// Method and path.
        request: String,
        /// HTTP status code.
        status: u16,
        /// The service's own words.
        message: String,
        /// `x-openstack-request-id`, to look the request up in the service's logs.
        request_id: Option<String>,
    },
    /// Keystone does not accept the credentials.
    #[error("authentication failed at {url} as {user}: {message}")]
    Authentication {
        /// Keystone's URL.
        url: String,
        /// Who tried to log in: a user's or an application credential's name or id.
        user: String,
        /// Keystone's own words.
        message: String,
    },
    /// An answer that makes no sense: not JSON, a field missing, cut short.
    #[error("{service} returned an invalid response to {request}: {reason}")]
    Malformed {
        /// The service.
        service: Service,
        /// Method and path.
        request: String,
        /// What is wrong with the answer.
        reason: String,
    },
    /// The cluster, group or endpoint is not there, or is of a kind that this service cannot scale.
    #[error("{0}")]
    Unsuitable(String),
    /// A part is missing without which the rest says nothing safe.
    #[error("{0}")]
    Incomplete(String),
    /// Two answers that contradict each other, read in the middle of a change. Reading again helps.
    #[error("{0} is changing; its readings contradict each other")]
    Inconsistent(String),
}

fn request_id_suffix(request_id: Option<&String>) -> String {
    request_id.map(|id| format!(" ({id})")).unwrap_or_default()
}

impl CloudError {
    /// Whether the thing asked for certainly was not carried out. Otherwise only a new reading can tell.
    #[must_use]
    pub const fn certainly_without_effect(&self) -> bool {
        match self {
            Self::Refused { .. }
            | Self::Authentication { .. }
            | Self::Unsuitable(_)
            | Self::Incomplete(_)
            | Self::Inconsistent(_) => true,
            Self::Unreachable { .. } | Self::Unavailable { .. } | Self::Malformed { .. } => false,
        }
    }

    /// Whether a refusal is one of the moment, so that the same may be taken soon: a service that does not accept a token which
    /// Keystone has just given cannot check it, and what is incomplete or inconsistent now need not be at the next reading.
    #[must_use]
    pub const fn passes(&self) -> bool {
        matches!(self, Self::Refused { status: 401, .. } | Self::Incomplete(_) | Self::Inconsistent(_))
    }

    /// How long the service wants to be left alone, if it says so.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether it is the same trouble, whatever differs from one request to the next.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Unreachable { service, .. }, Self::Unreachable { service: others, .. })
            | (Self::Malformed { service, .. }, Self::Malformed { service: others, .. }) => service == others,
            (
                Self::Unavailable { service, status, .. },
                Self::Unavailable { service: others, status: others_status, .. },
            )
            | (
                Self::Refused { service, status, .. },
                Self::Refused { service: others, status: others_status, .. },
            ) => (service, status) == (others, others_status),
            (Self::Unsuitable(text), Self::Unsuitable(others))
            | (Self::Incomplete(text), Self::Incomplete(others)) => text == others,
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }

    /// Whether the service says that the thing asked about does not exist.
    #[must_use]
    pub const fn not_found(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }
}

/// What can be read from and done to a cluster. Implemented for Magnum in `openstack`.
#[async_trait]
pub trait Cloud: Send + Sync + 'static {
    /// Reads all groups, reusing of `previous` what cannot have changed.
    ///
    /// # Errors
    /// When the cluster or the list of its groups cannot be read. A single group's trouble is in its
    /// [`GroupObservation`].
    async fn observe(&self, previous: Option<&Observation>) -> Result<Observation, CloudError>;

    /// Reads one group anew, nothing reused, for a decision or for its verification.
    ///
    /// # Errors
    /// When any part of it cannot be read, or the parts contradict each other.
    async fn read_group(&self, group: NodeGroupUuid) -> Result<Reading, CloudError>;

    /// Asks for a size and for the removal of the members that it names. `Ok` means heard, not done.
    ///
    /// # Errors
    /// [`CloudError::certainly_without_effect`] tells whether it may have been heard nevertheless.
    async fn resize(&self, group: NodeGroupUuid, resize: &Resize) -> Result<(), CloudError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_trouble_is_known_by_another_request_id() {
        let refused = |status, id: &str| CloudError::Refused {
            service: Service::Orchestration,
            request: "GET /stacks".to_owned(),
            status,
            message: "no".to_owned(),
            request_id: Some(id.to_owned()),
        };
        assert!(refused(403, "req-1").is_like(&refused(403, "req-2")));
        assert!(!refused(403, "req-1").is_like(&refused(404, "req-1")));
        let unsuitable = |text: &str| CloudError::Unsuitable(text.to_owned());
        assert!(unsuitable("a").is_like(&unsuitable("a")));
        assert!(!unsuitable("a").is_like(&unsuitable("b")));
        assert!(!unsuitable("a").is_like(&refused(403, "req-1")));
        let down = |service| CloudError::Unreachable {
            service,
            url: "http://x".to_owned(),
            reason: "cut".to_owned(),
        };
        assert!(down(Service::Compute).is_like(&down(Service::Compute)));
        assert!(!down(Service::Compute).is_like(&down(Service::Identity)));
    }
}
