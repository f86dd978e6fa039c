//! Which version of its API Magnum speaks.

use std::{fmt, str::FromStr};

use bytes::Bytes;
use http::Response;
use serde::Deserialize;
use url::Url;

use super::Magnum;
use crate::{
    core::cloud::{CloudError, Service},
    openstack::{
        diagnosis::shown,
        session::{Call, extend_path, malformed, parse},
    },
};

/// The newest version that is asked for: it has groups of size 0 and everything else that is needed here.
/// Newer ones take `stack_id` from the cluster (Magnum 23, 1.13), so that `latest` would break one day.
const NEWEST: Microversion = Microversion { major: 1, minor: 10 };
/// The oldest that is of use: that of Magnum 5 to 7 (docs/openstack-behaviour.md#api-versions).
const OLDEST: Microversion = Microversion { major: 1, minor: 6 };
/// The first with a resize (Magnum 8).
const WITH_RESIZE: Microversion = Microversion { major: 1, minor: 7 };
/// The first with node groups (Magnum 9.1). Before it a cluster has its masters and one group of nodes.
const WITH_NODE_GROUPS: Microversion = Microversion { major: 1, minor: 9 };
/// The first that takes a size of 0 (Magnum 12).
const WITH_SIZE_ZERO: Microversion = Microversion { major: 1, minor: 10 };
/// The first that tells the labels and taints of a group's nodes (Magnum 23). Asked for that alone.
pub(super) const WITH_NODE_LABELS: Microversion = Microversion { major: 1, minor: 14 };

/// A version of Magnum's API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Microversion {
    major: u16,
    minor: u16,
}

impl FromStr for Microversion {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (major, minor) = text.split_once('.').ok_or(())?;
        Ok(Self { major: major.parse().map_err(|_| ())?, minor: minor.parse().map_err(|_| ())? })
    }
}

impl Microversion {
    /// Whether there is a resize, which names the nodes that go.
    #[must_use]
    pub fn has_resize(self) -> bool {
        self >= WITH_RESIZE
    }

    /// Whether a cluster has node groups.
    #[must_use]
    pub fn has_node_groups(self) -> bool {
        self >= WITH_NODE_GROUPS
    }

    /// Fewest nodes that a group may have.
    #[must_use]
    pub fn least_size(self) -> u32 {
        u32::from(self < WITH_SIZE_ZERO)
    }
}

impl fmt::Display for Microversion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[derive(Deserialize)]
struct Root {
    versions: Vec<RootVersion>,
}

#[derive(Deserialize)]
struct RootVersion {
    id: String,
    max_version: Option<String>,
}

impl Magnum {
    /// The version that is spoken: the server's newest, but not beyond 1.10. Asked for once.
    ///
    /// # Errors
    /// [`CloudError::Unsuitable`] when the server is too old.
    pub async fn microversion(&self) -> Result<Microversion, CloudError> {
        Ok(self.newest().await?.min(NEWEST))
    }

    /// The newest version that the server speaks.
    pub(super) async fn newest(&self) -> Result<Microversion, CloudError> {
        self.newest.get_or_try_init(|| self.negotiate()).await.copied()
    }

    async fn negotiate(&self) -> Result<Microversion, CloudError> {
        let (root, api) = addresses(self.session.endpoint(Service::ContainerInfra).await?);
        let newest = match self.newest_by_root(&root).await {
            Ok(newest) => newest,
            // Nobody answers: asking elsewhere would only take longer.
            Err(error @ CloudError::Unreachable { .. }) => return Err(error),
            Err(error) => self.newest_by_answers(&api, error).await?,
        };
        if newest < OLDEST {
            return Err(CloudError::Unsuitable(format!(
                "magnum at {} speaks API {newest}; {OLDEST} is needed (Magnum 5, Pike, or newer)",
                shown(&root)
            )));
        }
        Ok(newest)
    }

    /// What the version document at the root says; it needs no token.
    async fn newest_by_root(&self, root: &Url) -> Result<Microversion, CloudError> {
        let call = Call::get(Service::ContainerInfra, "versions", root.clone(), &[""]);
        let document: Root = parse(&call, &self.session.send_without_token(&call).await?)?;
        let v1 = document.versions.iter().find(|version| version.id == "v1");
        v1.and_then(|version| version.max_version.as_deref()?.parse().ok())
            .ok_or_else(|| malformed(&call, "the version document has no max_version of v1".to_owned()))
    }

    /// What the answers below `/v1` say, each of which names the newest version
    /// (docs/openstack-behaviour.md#api-versions): some clouds show nothing but that to the outside. `of_root` is why
    /// the root does not tell.
    async fn newest_by_answers(&self, api: &Url, of_root: CloudError) -> Result<Microversion, CloudError> {
        tracing::debug!("magnum's root does not tell its versions: {of_root}");
        let document = Call::get(Service::ContainerInfra, "versions", api.clone(), &[]);
        let list =
            Call::get(Service::ContainerInfra, "versions", api.clone(), &["clusters"]).query("limit", "1");
        let mut failure = of_root;
        for call in [document, list] {
            match self.session.send(&call).await {
                Ok(answer) => match newest_in(&answer) {
                    Some(newest) => return Ok(newest),
                    None => {
                        failure = malformed(&call, "it names no OpenStack-API-Maximum-Version".to_owned());
                    }
                },
                Err(error) => failure = error,
            }
        }
        // That the root says 404 does not mean that there is no cluster.
        Err(match failure {
            CloudError::Refused { status: 404, request, message, .. } => CloudError::Unsuitable(format!(
                "there is no magnum at {} ({request}: HTTP 404: {message}); its URL in the service catalog is wrong",
                shown(api)
            )),
            other => other,
        })
    }
}

/// The newest version that an answer names: `container-infra 1.10`.
fn newest_in(answer: &Response<Bytes>) -> Option<Microversion> {
    let newest = answer.headers().get("openstack-api-maximum-version")?.to_str().ok()?;
    newest.split_whitespace().last()?.parse().ok()
}

/// The root with the version document and the `/v1` below it, of an endpoint that may name either.
pub(super) fn addresses(endpoint: Url) -> (Url, Url) {
    let mut root = endpoint.clone();
    let mut api = endpoint;
    let ends_with_v1 = api
        .path_segments()
        .and_then(|mut segments| segments.rfind(|segment| !segment.is_empty()))
        .is_some_and(|last| last == "v1");
    if ends_with_v1 {
        if let Ok(mut segments) = root.path_segments_mut() {
            segments.pop_if_empty().pop();
        }
    } else {
        extend_path(&mut api, &["v1"]);
    }
    (root, api)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_of_either_form() {
        for (endpoint, root, api) in [
            ("http://h:9511/v1", "http://h:9511/", "http://h:9511/v1"),
            ("http://h:9511/v1/", "http://h:9511/", "http://h:9511/v1/"),
            ("http://h:9511", "http://h:9511/", "http://h:9511/v1"),
            ("https://h/container-infra", "https://h/container-infra", "https://h/container-infra/v1"),
            ("https://h/container-infra/v1", "https://h/container-infra", "https://h/container-infra/v1"),
        ] {
            let (actual_root, actual_api) = addresses(endpoint.parse().unwrap());
            assert_eq!((actual_root.as_str(), actual_api.as_str()), (root, api), "{endpoint}");
        }
    }

    #[test]
    fn versions_are_ordered_by_number() {
        let version = |text: &str| text.parse::<Microversion>().unwrap();
        assert!(version("1.9") < version("1.10"));
        assert_eq!(version("1.12").min(NEWEST).to_string(), "1.10");
        assert_eq!("latest".parse::<Microversion>(), Err(()));
    }

    #[test]
    fn the_version_document_of_the_lab_is_understood() {
        let root: Root =
            serde_json::from_str(include_str!("../../../tests/fixtures/magnum-root-versions.json")).unwrap();
        assert_eq!(root.versions[0].max_version.as_deref(), Some("1.10"));
    }
}
