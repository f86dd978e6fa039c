//! What is known about the cloud once the configuration is read.

use std::{fmt, path::PathBuf};

use secrecy::SecretString;
use url::Url;

use super::auth_url;
use crate::core::cloud::Service;

/// Where the cloud is and who logs in.
#[derive(Debug, Clone)]
pub struct CloudConfig {
    /// Keystone, without `/v3` and without a slash at the end of the path.
    pub auth_url: Url,
    pub credentials: Credentials,
    /// The region whose endpoints are used; none where the catalog has only one.
    pub region: Option<String>,
    /// Which of the endpoints of a service are used.
    pub interface: Interface,
    /// Endpoints that are used instead of the catalog's.
    pub endpoint_overrides: EndpointOverrides,
    /// PEM file with the only certificate authorities to trust; the system's where there is none.
    pub ca_file: Option<PathBuf>,
    /// The certificate to show to the services.
    pub client_certificate: Option<ClientCertificate>,
    /// Whether certificates of the services are taken unchecked.
    pub insecure: bool,
}

/// A client certificate with its key, as PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The certificate, with its chain after it.
    pub cert_file: PathBuf,
    /// Its private key; may be the same file.
    pub key_file: PathBuf,
}

/// Which endpoint of a service is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Interface {
    /// For everybody.
    #[default]
    Public,
    /// For the cloud's own networks.
    Internal,
    /// For the cloud's operators.
    Admin,
}

impl Interface {
    /// Reads a name in either form, `internal` or the older `internalURL`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_suffix("URL").unwrap_or(text) {
            "public" => Some(Self::Public),
            "internal" => Some(Self::Internal),
            "admin" => Some(Self::Admin),
            _ => None,
        }
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Admin => "admin",
        })
    }
}

/// Endpoints that the configuration names, so that the catalog is not asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndpointOverrides {
    /// Keystone; the login goes to [`CloudConfig::auth_url`] nevertheless.
    pub identity: Option<EndpointOverride>,
    /// Magnum.
    pub container_infra: Option<EndpointOverride>,
    /// Heat.
    pub orchestration: Option<EndpointOverride>,
    /// Nova.
    pub compute: Option<EndpointOverride>,
}

impl EndpointOverrides {
    /// The endpoint of a service, where it is named; `project` is the id of the token's project.
    #[must_use]
    pub fn url(&self, service: Service, project: &str) -> Option<Url> {
        let mut url = match service {
            Service::Identity => self.identity.as_ref(),
            Service::ContainerInfra => self.container_infra.as_ref(),
            Service::Orchestration => self.orchestration.as_ref(),
            Service::Compute => self.compute.as_ref(),
        }
        .and_then(|endpoint| endpoint.url(project))?;
        // Heat has nothing without the project in the path.
        if service == Service::Orchestration && url.path().trim_end_matches('/').ends_with("/v1") {
            let path = format!("{}/{project}", url.path().trim_end_matches('/'));
            url.set_path(&path);
        }
        Some(url)
    }
}

/// A URL in which `%(project_id)s`, `$(project_id)s` and the same with `tenant_id` stand for the project
/// (keystoneauth `adapter.py`, `_StringFormatter`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointOverride(String);

impl EndpointOverride {
    /// Takes a URL of a service.
    ///
    /// # Errors
    /// What is wrong with it, behind the setting's name.
    pub fn parse(text: &str) -> Result<Self, String> {
        let endpoint = Self(text.trim().to_owned());
        let filled = endpoint.filled("project");
        auth_url::parse_http(&filled)?;
        if ["%(", "$("].iter().any(|opening| filled.contains(opening)) {
            return Err("has a placeholder that is not known; there is %(project_id)s".to_owned());
        }
        Ok(endpoint)
    }

    fn filled(&self, project: &str) -> String {
        ["%(project_id)s", "%(tenant_id)s", "$(project_id)s", "$(tenant_id)s"]
            .iter()
            .fold(self.0.clone(), |text, placeholder| text.replace(placeholder, project))
    }

    fn url(&self, project: &str) -> Option<Url> {
        Url::parse(&self.filled(project)).ok()
    }
}

/// How to log in. Combinations that Keystone refuses cannot be represented: an application credential with a scope, a
/// trust besides a project (docs/openstack-behaviour.md#logging-in).
#[derive(Debug, Clone)]
pub enum Credentials {
    Password {
        user: Identity,
        password: SecretString,
        /// What to be let in to.
        scope: Scope,
    },
    /// An application credential, which carries its project within.
    ApplicationCredential { credential: ApplicationCredential, secret: SecretString },
    /// A token that somebody else obtained. It keeps its expiry and cannot be renewed beyond it.
    Token {
        token: SecretString,
        /// What to be let in to; the token's own project where there is none.
        scope: Option<Scope>,
    },
}

/// Something that Keystone knows by an id, or by a name within a domain: a user or a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    Id(String),
    Name {
        name: String,
        /// The domain within which the name is unique.
        domain: Domain,
    },
}

/// A Keystone domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Domain {
    Id(String),
    Name(String),
}

/// What a login is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    Project(Identity),
    /// A trust, which names project and trustor within (the way of Magnum's own clusters).
    Trust(String),
}

/// How an application credential is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApplicationCredential {
    Id(String),
    /// By its name, unique only with its user.
    Name {
        name: String,
        /// Whose it is; a name is unique only with its user.
        user: Identity,
    },
}

impl Identity {
    /// The name, or the id where there is no name; for messages.
    #[must_use]
    pub fn label(&self) -> &str {
        match self {
            Self::Id(id) => id,
            Self::Name { name, .. } => name,
        }
    }
}

impl Credentials {
    /// Who logs in, for messages: never a secret.
    #[must_use]
    pub fn label(&self) -> String {
        match self {
            Self::Password { user, scope: Scope::Trust(trust), .. } => {
                format!("user {} with trust {trust}", user.label())
            }
            Self::Password { user, .. } => format!("user {}", user.label()),
            Self::ApplicationCredential { credential: ApplicationCredential::Id(id), .. } => {
                format!("application credential {id}")
            }
            Self::ApplicationCredential {
                credential: ApplicationCredential::Name { name, user }, ..
            } => {
                format!("application credential {name} of user {}", user.label())
            }
            Self::Token { .. } => "the holder of a token".to_owned(),
        }
    }

    /// The secret itself, to be scrubbed from whatever comes back.
    pub(crate) const fn secret(&self) -> &SecretString {
        match self {
            Self::Password { password, .. } => password,
            Self::ApplicationCredential { secret, .. } => secret,
            Self::Token { token, .. } => token,
        }
    }
}
