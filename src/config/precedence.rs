//! Which source counts where two speak: the first one, and the second fills what it leaves out.
//!
//! Who logs in, how, and for what are taken as wholes: a password of the environment beside a file's application
//! credential, or a project beside its trust, would make another login of it.

use super::{
    login::LoginMethod,
    settings::{Setting, Settings},
};

/// What becomes of a setting of the second source that the first one lacks.
enum Use {
    Fill,
    /// For a reason that is told.
    PassOver(String),
    /// It says nothing about this login.
    Silent,
}

impl Settings {
    /// Takes over whatever `other` says and this leaves out, with a warning of each that differs or has no effect.
    pub(super) fn merge_defaults(&mut self, other: Self) {
        let method = self.said_method().or_else(|| self.method_with(&other));
        let mut filled = Vec::new();
        let mut passed_over = Vec::new();
        for (name, setting) in &other.values {
            if let Some(mine) = self.values.get(name) {
                if mine.text != setting.text {
                    let text = format!("differs from {} in {}, which counts", mine.key, mine.place);
                    passed_over.push((setting.clone(), text));
                }
                continue;
            }
            match self.use_of(name, method) {
                Use::Fill => filled.push((*name, setting.clone())),
                Use::PassOver(reason) => passed_over.push((setting.clone(), reason)),
                Use::Silent => {}
            }
        }
        self.warnings.extend(other.warnings);
        for (Setting { key, place, .. }, text) in passed_over {
            self.warn(&place, Some(&key), text);
        }
        self.values.extend(filled);
    }

    /// How to log in where this source leaves it to the other: with what it names, as far as the other has the secret.
    fn method_with(&self, other: &Self) -> Option<LoginMethod> {
        let names_user = ["user_id", "username", "trust_id"].iter().any(|name| self.get(name).is_some());
        if names_user && other.get("password").is_some() {
            return Some(LoginMethod::Password);
        }
        other.said_method()
    }

    fn use_of(&self, name: &str, method: Option<LoginMethod>) -> Use {
        let says = |names: &[&'static str]| names.iter().find_map(|name| self.values.get(name));
        let counts = |setting: &Setting| {
            Use::PassOver(format!("has no effect: {} in {} counts", setting.key, setting.place))
        };
        let by = |wanted: LoginMethod| match method {
            Some(method) if method != wanted => Use::PassOver(format!(
                "has no effect: {} logs in with {}",
                self.origin,
                match method {
                    LoginMethod::Password => "a password",
                    LoginMethod::ApplicationCredential => "an application credential",
                    LoginMethod::Token => "a token",
                }
            )),
            _ => Use::Fill,
        };
        let needs_domain = |whose: &str, name: &str| {
            self.get(&format!("{whose}_id")).is_none()
                && (self.get(name).is_some() || !self.names(whose))
                && self.domain_of(whose).is_none()
        };
        let needs_user_domain = needs_domain("user", "username");
        let needs_project_domain = needs_domain("project", "project_name");
        match name {
            "auth_type" if self.said_method().is_some() => Use::Silent,
            "identity_api_version" => Use::Silent,
            "trustee_id" | "trustee_password" if self.get("password").is_some() => Use::Silent,
            "password" | "trustee_id" | "trustee_password" => by(LoginMethod::Password),
            "application_credential_secret" => by(LoginMethod::ApplicationCredential),
            "application_credential_id" | "application_credential_name" => {
                says(&["application_credential_id", "application_credential_name"])
                    .map_or_else(|| by(LoginMethod::ApplicationCredential), counts)
            }
            "token" => by(LoginMethod::Token),
            "user_id" | "username" => says(&["user_id", "username"]).map_or(Use::Fill, counts),
            "project_id" | "project_name" | "trust_id" | "system_scope" => {
                match says(&["project_id", "project_name", "trust_id", "system_scope"]) {
                    Some(setting) => counts(setting),
                    None if method == Some(LoginMethod::ApplicationCredential) => Use::Silent,
                    None => Use::Fill,
                }
            }
            "user_domain_id" | "user_domain_name" => fill_if(needs_user_domain),
            "project_domain_id" | "project_domain_name" => fill_if(needs_project_domain),
            "domain_id" | "domain_name" | "default_domain" | "default_domain_id" | "default_domain_name" => {
                fill_if(needs_user_domain || needs_project_domain)
            }
            "key" | "cert" => says(&["cert", "key"]).map_or(Use::Fill, counts),
            _ => Use::Fill,
        }
    }

    /// Whether the settings name a user or a project at all.
    fn names(&self, whose: &str) -> bool {
        let names: &[&str] = if whose == "user" {
            &["user_id", "username"]
        } else {
            &["project_id", "project_name", "trust_id"]
        };
        names.iter().any(|name| self.get(name).is_some())
    }
}

const fn fill_if(needed: bool) -> Use {
    if needed { Use::Fill } else { Use::Silent }
}
