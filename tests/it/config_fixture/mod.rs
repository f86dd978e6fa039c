//! Configurations of each source, read from files that are made for it.

use std::fs;

use cluster_autoscaler_provider_magnum::config::{
    self, CloudChoice, CloudConfig, ConfigError, Credentials, Environment, Loaded,
    cloud::{Domain, Identity, Scope},
};
use secrecy::ExposeSecret;
use tempfile::TempDir;

pub(crate) const SECRET: &str = "hunter2";

pub(crate) fn environment(variables: &[(&str, &str)]) -> Environment {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

pub(crate) fn write(directory: &TempDir, name: &str, text: &str) -> String {
    let file = directory.path().join(name);
    fs::write(&file, text).unwrap();
    file.display().to_string()
}

pub(crate) fn cloud_conf_with(text: &str, environment: &Environment) -> Result<Loaded, ConfigError> {
    let directory = TempDir::new().unwrap();
    let file = write(&directory, "cloud.conf", text);
    config::load(&CloudChoice { cloud_config: Some(file.into()), os_cloud: None }, environment)
}

pub(crate) fn cloud_conf(lines: &str) -> Result<Loaded, ConfigError> {
    let text = format!("[Global]\nauth-url=https://keystone:5000/v3\n{lines}\n");
    cloud_conf_with(&text, &Environment::new())
}

/// A `clouds.yaml`, a `secure.yaml` and a `clouds-public.yaml` in one directory.
pub(crate) fn clouds_yaml(
    clouds: &str,
    secure: &str,
    public: &str,
    os_cloud: Option<&str>,
) -> Result<Loaded, ConfigError> {
    let directory = TempDir::new().unwrap();
    let environment = environment(&[
        ("OS_CLIENT_CONFIG_FILE", &write(&directory, "clouds.yaml", clouds)),
        ("OS_CLIENT_SECURE_FILE", &write(&directory, "secure.yaml", secure)),
        ("OS_CLIENT_VENDOR_FILE", &write(&directory, "clouds-public.yaml", public)),
        ("HOME", "/home/me"),
    ]);
    config::load(&CloudChoice { cloud_config: None, os_cloud: os_cloud.map(str::to_owned) }, &environment)
}

pub(crate) fn named(name: &str, domain: Domain) -> Identity {
    Identity::Name { name: name.to_owned(), domain }
}

pub(crate) fn default_domain() -> Domain {
    Domain::Name("Default".to_owned())
}

pub(crate) fn id(id: &str) -> Identity {
    Identity::Id(id.to_owned())
}

pub(crate) fn trust() -> Scope {
    Scope::Trust("t".to_owned())
}

pub(crate) fn password(config: &CloudConfig) -> (Identity, String, Scope) {
    match &config.credentials {
        Credentials::Password { user, password, scope } => {
            (user.clone(), password.expose_secret().to_owned(), scope.clone())
        }
        other => panic!("{other:?}"),
    }
}

/// The warnings' texts.
pub(crate) fn warnings(loaded: &Loaded) -> Vec<String> {
    loaded.warnings.iter().map(ToString::to_string).collect()
}
