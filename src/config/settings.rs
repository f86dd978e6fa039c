//! The settings of any source, and the one set of rules by which they become a [`CloudConfig`].

use std::{collections::BTreeMap, fmt, path::PathBuf};

use url::Url;

use super::{
    ConfigError,
    cloud::{ClientCertificate, CloudConfig, Interface},
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
    /// What was passed over, without the origin.
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
        self.warnings.extend(other.warnings.iter().map(|warning| format!("{}: {warning}", other.origin)));
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        self.values.remove(name)
    }

    pub(super) fn error(&self, reason: String) -> ConfigError {
        ConfigError::Setting { origin: self.origin.clone(), reason }
    }

    pub(super) fn missing(&self, names: &[&str], why: &str) -> ConfigError {
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
}

/// The words that gcfg takes for true and false; YAML's and the environment's are among them.
pub(super) fn parse_boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}
