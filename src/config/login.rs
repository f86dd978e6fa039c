//! Who logs in: the rules by which settings become [`Credentials`].

use secrecy::SecretString;

use super::{
    ConfigError,
    cloud::{ApplicationCredential, Credentials, Domain, Identity, Scope},
    settings::Settings,
};

impl Settings {
    /// Who logs in, and for what.
    pub(super) fn credentials(&mut self) -> Result<Credentials, ConfigError> {
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
                self.warnings
                    .push("the application credential is not used, since there is a password".to_owned());
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
                "{} is not used: an application credential carries its project within",
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
                    "{} is not used: the trust names its project",
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
