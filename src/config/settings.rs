//! The settings of any source, and the one set of rules by which they become a [`CloudConfig`].

use std::{collections::BTreeMap, fmt, path::PathBuf};

use secrecy::SecretString;
use url::Url;

use super::{
    ConfigError,
    cloud::{
        ApplicationCredential, ClientCertificate, CloudConfig, Credentials, Domain, Identity, Interface,
        Scope,
    },
};

/// How the source of the settings spells their names, for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    /// `tenant-id`, in the `[Global]` section of a cloud-config file.
    CloudConf,
    /// `auth.project_id`, in clouds.yaml.
    CloudsYaml,
    /// `OS_PROJECT_ID`.
    Environment,
}

/// All names, as this module has them.
pub(super) const NAMES: &[&str] = &[
    "auth_url",
    "auth_type",
    "username",
    "user_id",
    "password",
    "project_id",
    "project_name",
    "domain_id",
    "domain_name",
    "user_domain_id",
    "user_domain_name",
    "project_domain_id",
    "project_domain_name",
    "default_domain",
    "trust_id",
    "trustee_id",
    "trustee_password",
    "application_credential_id",
    "application_credential_name",
    "application_credential_secret",
    "token",
    "system_scope",
    "region_name",
    "interface",
    "cacert",
    "cert",
    "key",
    "insecure",
    "identity_api_version",
];

impl Spelling {
    /// The name of a setting as the source spells it.
    #[must_use]
    pub fn of(self, name: &str) -> String {
        match self {
            Self::CloudConf => match name {
                "region_name" => "region".to_owned(),
                "interface" => "os-endpoint-type".to_owned(),
                "cacert" => "ca-file".to_owned(),
                "cert" => "cert-file".to_owned(),
                "key" => "key-file".to_owned(),
                "insecure" => "tls-insecure".to_owned(),
                _ => name.replace("project_", "tenant_").replace('_', "-"),
            },
            Self::CloudsYaml => match name {
                "insecure" => "verify".to_owned(),
                "region_name"
                | "interface"
                | "cacert"
                | "cert"
                | "key"
                | "auth_type"
                | "identity_api_version" => name.to_owned(),
                _ => format!("auth.{name}"),
            },
            Self::Environment => format!("OS_{}", name.to_ascii_uppercase()),
        }
    }
}

/// What a source says, before anything is made of it.
pub struct Settings {
    /// Where the settings come from, for messages.
    pub origin: String,
    /// How that source spells names.
    pub spelling: Spelling,
    values: BTreeMap<&'static str, String>,
    /// What was passed over.
    pub warnings: Vec<String>,
}

/// The values may be secrets.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("origin", &self.origin)
            .field("names", &self.values.keys())
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// No settings yet.
    #[must_use]
    pub const fn new(origin: String, spelling: Spelling) -> Self {
        Self { origin, spelling, values: BTreeMap::new(), warnings: Vec::new() }
    }

    /// Takes a value; an empty one counts as not given, as with the other clients. False where the name is
    /// not known.
    pub(super) fn set(&mut self, name: &str, value: &str) -> bool {
        let Some(name) = NAMES.iter().find(|known| **known == name) else { return false };
        if value.is_empty() {
            self.values.remove(name);
        } else {
            self.values.insert(name, value.to_owned());
        }
        true
    }

    /// Takes over whatever `other` says and this does not.
    pub(super) fn fill_up_from(&mut self, other: Self) {
        for (name, value) in other.values {
            self.values.entry(name).or_insert(value);
        }
        self.warnings.extend(other.warnings);
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    fn take(&mut self, name: &str) -> Option<String> {
        self.values.remove(name)
    }

    fn error(&self, reason: String) -> ConfigError {
        ConfigError::Setting { origin: self.origin.clone(), reason }
    }

    fn missing(&self, names: &[&str], why: &str) -> ConfigError {
        let names: Vec<_> = names.iter().map(|name| self.spelling.of(name)).collect();
        self.error(format!("{} is missing: {why}", names.join(" or ")))
    }

    /// Makes a configuration of the settings; with it come the origin and the warnings.
    ///
    /// # Errors
    /// [`ConfigError::Setting`] names what is missing or wrong.
    pub fn resolve(mut self) -> Result<(CloudConfig, String, Vec<String>), ConfigError> {
        let auth_url = self.auth_url()?;
        if let Some(version) = self.get("identity_api_version")
            && !version.starts_with('3')
        {
            let name = self.spelling.of("identity_api_version");
            return Err(self.error(format!("{name} is {version:?}; only Keystone v3 is supported")));
        }
        let credentials = self.credentials()?;
        let interface = self.interface()?;
        let insecure = self.boolean("insecure")?;
        let client_certificate = self.client_certificate()?;
        let config = CloudConfig {
            auth_url,
            credentials,
            region: self.take("region_name"),
            interface,
            ca_file: self.take("cacert").map(PathBuf::from),
            client_certificate,
            insecure,
        };
        Ok((config, self.origin, self.warnings))
    }

    /// The URL is not repeated in errors: somebody may have put a password into it.
    fn auth_url(&self) -> Result<Url, ConfigError> {
        let name = self.spelling.of("auth_url");
        let text = self
            .get("auth_url")
            .ok_or_else(|| self.missing(&["auth_url"], "the URL of Keystone is not known"))?;
        let mut url =
            Url::parse(text.trim()).map_err(|error| self.error(format!("{name} is not a URL: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") || url.cannot_be_a_base() {
            return Err(self.error(format!("{name} must begin with http:// or https://")));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(
                self.error(format!("{name} must not hold a user or password; they have keys of their own"))
            );
        }
        let path = url.path().trim_end_matches('/');
        let path = ["/v3", "/v2.0"].iter().find_map(|version| path.strip_suffix(version)).unwrap_or(path);
        let path = path.trim_end_matches('/').to_owned();
        url.set_path(&path);
        url.set_query(None);
        url.set_fragment(None);
        Ok(url)
    }

    fn interface(&self) -> Result<Interface, ConfigError> {
        let Some(text) = self.get("interface") else { return Ok(Interface::default()) };
        Interface::parse(text).ok_or_else(|| {
            let name = self.spelling.of("interface");
            self.error(format!("{name} is {text:?}; it must be public, internal or admin"))
        })
    }

    fn boolean(&self, name: &str) -> Result<bool, ConfigError> {
        let Some(text) = self.get(name) else { return Ok(false) };
        parse_boolean(text).ok_or_else(|| {
            let name = self.spelling.of(name);
            self.error(format!("{name} is {text:?}; it must be true or false"))
        })
    }

    fn client_certificate(&mut self) -> Result<Option<ClientCertificate>, ConfigError> {
        match (self.take("cert"), self.take("key")) {
            (None, None) => Ok(None),
            // A PEM file may hold both.
            (Some(cert), key) => Ok(Some(ClientCertificate {
                key_file: key.as_deref().unwrap_or(&cert).into(),
                cert_file: cert.into(),
            })),
            (None, Some(_)) => Err(self.missing(&["cert"], "a key without its certificate is of no use")),
        }
    }

    fn credentials(&mut self) -> Result<Credentials, ConfigError> {
        let method = self.method()?;
        if self.get("system_scope").is_some() {
            let name = self.spelling.of("system_scope");
            return Err(self.error(format!("{name} cannot reach a cluster; give a project")));
        }
        match method {
            Method::Password => self.password(),
            Method::ApplicationCredential => self.application_credential(),
            Method::Token => {
                let token =
                    self.take("token").ok_or_else(|| self.missing(&["token"], "the login is by token"))?;
                let scope = match self.scope() {
                    Ok(scope) => Some(scope),
                    Err(_) if self.get("project_name").is_none() => None,
                    Err(error) => return Err(error),
                };
                Ok(Credentials::Token { token: token.into(), scope })
            }
        }
    }

    /// Where nothing is said, a password goes before an application credential and that before a token
    /// (gophercloud `auth_options.go`, `ToTokenV3CreateMap`).
    fn method(&mut self) -> Result<Method, ConfigError> {
        let application_credential = self.get("application_credential_id").is_some()
            || self.get("application_credential_name").is_some();
        match self.get("auth_type") {
            Some("password" | "v3password" | "v3trust") => return Ok(Method::Password),
            Some("token" | "v3token") => return Ok(Method::Token),
            Some("v3applicationcredential") => return Ok(Method::ApplicationCredential),
            Some(other) => {
                let name = self.spelling.of("auth_type");
                return Err(self.error(format!(
                    "{name} {other:?} is not supported; use password, v3applicationcredential or token"
                )));
            }
            None => {}
        }
        if self.get("password").is_some() || self.get("trustee_password").is_some() {
            if application_credential {
                self.warnings.push(format!(
                    "{}: the application credential is not used, since there is a password",
                    self.origin
                ));
            }
            return Ok(Method::Password);
        }
        if application_credential {
            return Ok(Method::ApplicationCredential);
        }
        if self.get("token").is_some() {
            return Ok(Method::Token);
        }
        Err(self.missing(&["password", "application_credential_id"], "nothing says who logs in"))
    }

    fn password(&mut self) -> Result<Credentials, ConfigError> {
        // The trustee is who logs in with a trust (cloud-provider-openstack `client.go:296-308`).
        if self.get("trust_id").is_some() {
            for (trustee, name) in [("trustee_id", "user_id"), ("trustee_password", "password")] {
                if let Some(value) = self.take(trustee) {
                    self.set(name, &value);
                }
            }
        }
        let user = self.user("the login is by password")?;
        let password = self
            .take("password")
            .ok_or_else(|| self.missing(&["password"], &format!("user {} needs one", user.label())))?;
        let scope = self.scope()?;
        Ok(Credentials::Password { user, password: password.into(), scope })
    }

    fn application_credential(&mut self) -> Result<Credentials, ConfigError> {
        let credential =
            match (self.take("application_credential_id"), self.take("application_credential_name")) {
                (Some(id), _) => ApplicationCredential::Id(id),
                (None, Some(name)) => {
                    let user = self.user("an application credential's name is unique only with its user")?;
                    ApplicationCredential::Name { name, user }
                }
                (None, None) => {
                    return Err(self.missing(
                        &["application_credential_id", "application_credential_name"],
                        "the login is by application credential",
                    ));
                }
            };
        let secret: SecretString = self
            .take("application_credential_secret")
            .ok_or_else(|| {
                self.missing(&["application_credential_secret"], "the application credential needs it")
            })?
            .into();
        let ignored: Vec<_> = ["project_id", "project_name", "trust_id"]
            .into_iter()
            .filter(|name| self.get(name).is_some())
            .map(|name| self.spelling.of(name))
            .collect();
        if !ignored.is_empty() {
            self.warnings.push(format!(
                "{}: {} is not used: an application credential carries its project within",
                self.origin,
                ignored.join(", ")
            ));
        }
        Ok(Credentials::ApplicationCredential { credential, secret })
    }

    fn user(&mut self, why: &str) -> Result<Identity, ConfigError> {
        if let Some(id) = self.take("user_id") {
            return Ok(Identity::Id(id));
        }
        let name = self.take("username").ok_or_else(|| self.missing(&["user_id", "username"], why))?;
        let domain = self.domain_of("user").ok_or_else(|| {
            self.missing(
                &["user_domain_name", "user_domain_id"],
                "a user's name is unique only within its domain",
            )
        })?;
        Ok(Identity::Name { name, domain })
    }

    /// A trust is the only scope there may be, so that it goes before a project (FINDINGS, Logging in).
    fn scope(&mut self) -> Result<Scope, ConfigError> {
        if let Some(trust) = self.take("trust_id") {
            if self.get("project_id").is_some() || self.get("project_name").is_some() {
                self.warnings.push(format!(
                    "{}: {} is not used: the trust names its project",
                    self.origin,
                    self.spelling.of(if self.get("project_id").is_some() {
                        "project_id"
                    } else {
                        "project_name"
                    })
                ));
            }
            return Ok(Scope::Trust(trust));
        }
        if let Some(id) = self.take("project_id") {
            return Ok(Scope::Project(Identity::Id(id)));
        }
        let name = self
            .get("project_name")
            .ok_or_else(|| {
                self.missing(&["project_id", "project_name", "trust_id"], "nothing says whose cluster it is")
            })?
            .to_owned();
        let domain = self.domain_of("project").ok_or_else(|| {
            self.missing(
                &["project_domain_name", "project_domain_id"],
                "a project's name is unique only within its domain",
            )
        })?;
        Ok(Scope::Project(Identity::Name { name, domain }))
    }

    /// The domain of a user or project, with the fall-backs of the other clients.
    fn domain_of(&self, whose: &str) -> Option<Domain> {
        let get = |name: &str| self.get(name).map(str::to_owned);
        get(&format!("{whose}_domain_id"))
            .map(Domain::Id)
            .or_else(|| get(&format!("{whose}_domain_name")).map(Domain::Name))
            .or_else(|| get("domain_id").map(Domain::Id))
            .or_else(|| get("domain_name").map(Domain::Name))
            .or_else(|| get("default_domain").map(Domain::Id))
    }
}

enum Method {
    Password,
    ApplicationCredential,
    Token,
}

/// The words that gcfg takes for true and false; YAML's and the environment's are among them.
pub(super) fn parse_boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}
