//! The one set of rules by which the settings of any source become a [`CloudConfig`].

use std::path::PathBuf;

use super::{
    ConfigError, ConfigProblem, ConfigWarning, auth_url,
    cloud::{ClientCertificate, CloudConfig, EndpointOverride, EndpointOverrides, Interface},
    files,
    settings::{Settings, parse_boolean},
};

impl Settings {
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
