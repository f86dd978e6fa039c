//! Who logs in: the rules by which settings become [`Credentials`].

use secrecy::SecretString;

use super::{
    ConfigProblem,
    cloud::{ApplicationCredential, Credentials, Domain, Identity, Scope},
    settings::Settings,
};

impl Settings {
    /// Who logs in, and for what.
    pub(super) fn credentials(&mut self) -> Result<Credentials, ConfigProblem> {
        let method = self.method()?;
        if self.get("system_scope").is_some() {
            return Err(self.error("system_scope", "cannot reach a cluster; give a project"));
        }
        match method {
            LoginMethod::Password => self.password(),
            LoginMethod::ApplicationCredential => self.application_credential(),
            LoginMethod::Token => {
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

    fn method(&mut self) -> Result<LoginMethod, ConfigProblem> {
        if let Some(other) = self.get("auth_type").filter(|kind| LoginMethod::of_auth_type(kind).is_none()) {
            let reason =
                format!("{other:?} is not supported; use password, v3applicationcredential or token");
            return Err(self.error("auth_type", &reason));
        }
        let method = self.said_method().ok_or_else(|| {
            self.missing(&["password", "application_credential_id"], "nothing says who logs in")
        })?;
        if method == LoginMethod::Password && self.get("auth_type").is_none() {
            for name in ["application_credential_id", "application_credential_name"] {
                self.warn_of(name, "the application credential is not used, since there is a password");
            }
        }
        if self.get("trust_id").is_none() {
            for name in ["trustee_id", "trustee_password"] {
                self.warn_of(name, "has no effect without a trust");
            }
        }
        Ok(method)
    }

    /// How to log in, as far as the settings say. Where they do not say it outright, a password goes before an
    /// application credential and that before a token (gophercloud `auth_options.go`, `ToTokenV3CreateMap`; its
    /// `clientconfig` prefers a token, which cannot be renewed). A trustee's password is one only with a trust.
    pub(super) fn said_method(&self) -> Option<LoginMethod> {
        let has = |name| self.get(name).is_some();
        if let Some(kind) = self.get("auth_type") {
            return LoginMethod::of_auth_type(kind);
        }
        if has("password") || (has("trustee_password") && has("trust_id")) {
            Some(LoginMethod::Password)
        } else if has("application_credential_id") || has("application_credential_name") {
            Some(LoginMethod::ApplicationCredential)
        } else if has("token") {
            Some(LoginMethod::Token)
        } else if has("application_credential_secret") {
            Some(LoginMethod::ApplicationCredential)
        } else {
            None
        }
    }

    fn password(&mut self) -> Result<Credentials, ConfigProblem> {
        // The trustee is who logs in with a trust (cloud-provider-openstack `client.go:296-308`).
        if self.get("trust_id").is_some() {
            for (trustee, name) in [("trustee_id", "user_id"), ("trustee_password", "password")] {
                if let Some(setting) = self.values.remove(trustee) {
                    self.values.insert(name, setting);
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

    fn application_credential(&mut self) -> Result<Credentials, ConfigProblem> {
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
        for name in ["project_id", "project_name", "trust_id"] {
            self.warn_of(name, "is not used: an application credential carries its project within");
        }
        Ok(Credentials::ApplicationCredential { credential, secret })
    }

    fn user(&mut self, why: &str) -> Result<Identity, ConfigProblem> {
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

    /// A trust is the only scope there may be, so that it goes before a project
    /// (docs/openstack-behaviour.md#logging-in).
    fn scope(&mut self) -> Result<Scope, ConfigProblem> {
        if let Some(trust) = self.take("trust_id") {
            for name in ["project_id", "project_name"] {
                self.warn_of(name, "is not used: the trust names its project");
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
    pub(super) fn domain_of(&self, whose: &str) -> Option<Domain> {
        let get = |name: &str| self.get(name).map(str::to_owned);
        get(&format!("{whose}_domain_id"))
            .map(Domain::Id)
            .or_else(|| get(&format!("{whose}_domain_name")).map(Domain::Name))
            .or_else(|| get("domain_id").map(Domain::Id))
            .or_else(|| get("domain_name").map(Domain::Name))
            .or_else(|| get("default_domain_id").map(Domain::Id))
            .or_else(|| get("default_domain_name").map(Domain::Name))
            .or_else(|| get("default_domain").map(Domain::Id))
    }
}

/// With what to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LoginMethod {
    Password,
    ApplicationCredential,
    Token,
}

impl LoginMethod {
    fn of_auth_type(kind: &str) -> Option<Self> {
        match kind {
            "password" | "v3password" | "v3trust" => Some(Self::Password),
            "token" | "v3token" => Some(Self::Token),
            "v3applicationcredential" => Some(Self::ApplicationCredential),
            _ => None,
        }
    }
}
