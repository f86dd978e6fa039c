//! Which version of its API Magnum speaks.

use bytes::Bytes;
use http::Response;
use serde::Deserialize;
use url::Url;

use super::{
    Magnum,
    addresses::addresses,
    microversion::{Microversion, NEWEST, OLDEST},
};
use crate::{
    core::cloud::{CloudError, Service},
    openstack::{
        diagnosis::shown,
        session::{Call, malformed, parse},
    },
};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_document_of_the_lab_is_understood() {
        let root: Root =
            serde_json::from_str(include_str!("../../../tests/fixtures/magnum-root-versions.json")).unwrap();
        assert_eq!(root.versions[0].max_version.as_deref(), Some("1.10"));
    }
}
