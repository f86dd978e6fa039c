//! The settings of any source, and the one set of rules by which they become a [`CloudConfig`].

use std::{collections::BTreeMap, fmt, path::PathBuf};

use super::{
    ConfigError, ConfigProblem, auth_url,
    cloud::{ClientCertificate, CloudConfig, EndpointOverride, EndpointOverrides, Interface},
    files,
    names::{NAMES, Spelling},
    warning::{ConfigWarning, Place},
};

/// What a source says, before anything is made of it.
pub struct Settings {
    /// Where the settings come from, for messages.
    pub origin: String,
    /// How that source spells names.
    pub spelling: Spelling,
    /// What was passed over, and what may be meant otherwise.
    pub warnings: Vec<ConfigWarning>,
    pub(super) values: BTreeMap<&'static str, Setting>,
}

/// One value with where it is written.
#[derive(Clone)]
pub(super) struct Setting {
    pub(super) text: String,
    /// The key as the source spells it.
    pub(super) key: String,
    pub(super) place: Place,
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

    /// Takes a value that is written at a place under a key. Line ends at its end do not count; an empty value counts
    /// as not given, as with the other clients. False where the name is not known.
    pub(super) fn set(&mut self, name: &str, value: &str, key: &str, place: &Place) -> bool {
        let Some(name) = NAMES.iter().find(|known| **known == name) else { return false };
        let text = without_line_ends(value);
        if text.len() < value.len() {
            self.warn(place, Some(key), LINE_END);
        }
        if self.spelling == Spelling::Environment && is_in_quotes(text) {
            self.warn(place, Some(key), QUOTES_KEPT);
        }
        if text.is_empty() {
            self.values.remove(name);
        } else {
            let setting = Setting { text: text.to_owned(), key: key.to_owned(), place: place.clone() };
            self.values.insert(name, setting);
        }
        true
    }

    pub(super) fn warn(&mut self, place: &Place, key: Option<&str>, text: impl Into<String>) {
        let warning = ConfigWarning { place: place.clone(), key: key.map(str::to_owned), text: text.into() };
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// Warns of a setting at its own place.
    pub(super) fn warn_of(&mut self, name: &str, text: &str) {
        if let Some(setting) = self.values.get(name).cloned() {
            self.warn(&setting.place, Some(&setting.key), text);
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|setting| setting.text.as_str())
    }

    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        self.values.remove(name).map(|setting| setting.text)
    }

    /// An error about a setting, told where and as it is written.
    pub(super) fn error(&self, name: &str, reason: &str) -> ConfigProblem {
        let (origin, key) = match self.values.get(name) {
            Some(setting) => (setting.place.to_string(), setting.key.clone()),
            None => (self.origin.clone(), self.spelling.of(name)),
        };
        ConfigProblem::Setting { origin, reason: format!("{key} {reason}") }
    }

    pub(super) fn missing(&self, names: &[&str], why: &str) -> ConfigProblem {
        let names: Vec<_> = names.iter().map(|name| self.spelling.of(name)).collect();
        let reason = format!("{} is missing: {why}", names.join(" or "));
        ConfigProblem::Setting { origin: self.origin.clone(), reason }
    }

    /// Makes a configuration of the settings; with it come the origin and the warnings.
    ///
    /// # Errors
    /// [`ConfigProblem::Setting`] names what is missing or wrong.
    pub fn resolve(mut self) -> Result<(CloudConfig, String, Vec<ConfigWarning>), ConfigError> {
        match self.build() {
            Ok(config) => Ok((config, self.origin, self.warnings)),
            Err(problem) => Err(ConfigError { problem, warnings: self.warnings }),
        }
    }

    fn build(&mut self) -> Result<CloudConfig, ConfigProblem> {
        let endpoint_overrides = self.endpoint_overrides()?;
        let auth_url = self.auth_url(&endpoint_overrides)?;
        if let Some(version) = self.get("identity_api_version")
            && !version.trim_start_matches(['v', 'V']).starts_with('3')
        {
            let reason = format!("is {version:?}; only Keystone v3 is supported");
            return Err(self.error("identity_api_version", &reason));
        }
        let credentials = self.credentials()?;
        let interface = self.interface()?;
        let insecure = self.boolean("insecure")?;
        let client_certificate = self.client_certificate()?;
        if insecure {
            self.warn_of("cacert", "has no effect: certificates are not checked at all");
        }
        Ok(CloudConfig {
            auth_url,
            credentials,
            region: self.take("region_name"),
            interface,
            endpoint_overrides,
            ca_file: self.take("cacert").map(PathBuf::from),
            client_certificate,
            insecure,
        })
    }

    /// The login goes to `auth_url` whatever the endpoint of the identity service (keystoneauth), which stands in only
    /// where there is none.
    fn auth_url(&self, overrides: &EndpointOverrides) -> Result<url::Url, ConfigProblem> {
        match (self.get("auth_url"), &overrides.identity) {
            (Some(text), _) => auth_url::parse(text).map_err(|reason| self.error("auth_url", &reason)),
            (None, Some(_)) => {
                let name = "identity_endpoint_override";
                let text = self.get(name).unwrap_or_default();
                auth_url::parse(text).map_err(|reason| self.error(name, &reason))
            }
            (None, None) => Err(self.missing(&["auth_url"], "the URL of Keystone is not known")),
        }
    }

    fn endpoint_overrides(&self) -> Result<EndpointOverrides, ConfigProblem> {
        let parse = |name: &str| {
            let parse =
                |text: &str| EndpointOverride::parse(text).map_err(|reason| self.error(name, &reason));
            self.get(name).map(parse).transpose()
        };
        Ok(EndpointOverrides {
            identity: parse("identity_endpoint_override")?,
            container_infra: parse("container_infra_endpoint_override")?,
            orchestration: parse("orchestration_endpoint_override")?,
            compute: parse("compute_endpoint_override")?,
        })
    }

    fn interface(&self) -> Result<Interface, ConfigProblem> {
        let Some(text) = self.get("interface") else { return Ok(Interface::default()) };
        Interface::parse(text).ok_or_else(|| {
            self.error("interface", &format!("is {text:?}; it must be public, internal or admin"))
        })
    }

    fn boolean(&self, name: &str) -> Result<bool, ConfigProblem> {
        let Some(text) = self.get(name) else { return Ok(false) };
        parse_boolean(text).ok_or_else(|| self.error(name, &format!("is {text:?}; it must be true or false")))
    }

    fn client_certificate(&mut self) -> Result<Option<ClientCertificate>, ConfigProblem> {
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

    /// Leaves out certificate files in which there is nothing: templates mount them always.
    pub(super) fn leave_out_blank_files(&mut self) {
        for (name, meaning) in [
            (
                "cacert",
                "the file is empty; the system's certificate authorities are used. Leave the setting out",
            ),
            ("cert", "the file is empty; no client certificate is shown. Leave the setting out"),
        ] {
            if self.get(name).is_some_and(|file| files::is_blank(file.as_ref())) {
                self.warn_of(name, meaning);
                self.values.remove(name);
                if name == "cert" {
                    self.values.remove("key");
                }
            }
        }
    }
}

/// Said of a value or variable that ended with a line end.
pub(super) const LINE_END: &str =
    "the line end at the end of the value is cut off (made with echo? use printf or echo -n)";

/// Said of a value that has quotes around it.
pub(super) const QUOTES_KEPT: &str = "the quotes around the value are taken for a part of it";

/// A value without the line ends at its end. Blanks stay: they may belong to a password.
pub(crate) fn without_line_ends(text: &str) -> &str {
    text.trim_end_matches(['\n', '\r'])
}

/// Whether a value begins and ends with quotes of some kind.
pub(super) fn is_in_quotes(text: &str) -> bool {
    const PAIRS: &[(char, char)] =
        &[('\'', '\''), ('"', '"'), ('`', '`'), ('“', '”'), ('„', '“'), ('‘', '’'), ('«', '»')];
    let inner = |open: char, close: char| text.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
    PAIRS.iter().any(|(open, close)| inner(*open, *close).is_some())
}

/// The words that gcfg takes for true and false; YAML's and the environment's are among them.
pub(super) fn parse_boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}
