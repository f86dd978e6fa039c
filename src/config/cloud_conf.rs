//! The cloud-config file: the `[Global]` section that cluster-autoscaler's Magnum provider and the OpenStack cloud
//! provider read, and that Magnum writes to `/etc/kubernetes/cloud-config` of every node.

use std::path::{Path, PathBuf};

use super::{
    ConfigError, Environment, clouds_yaml, gcfg, read_file,
    settings::{Settings, Spelling, parse_boolean},
};

/// Sections of the OpenStack cloud provider's file that have nothing to say here.
const FOREIGN_SECTIONS: &[&str] =
    &["loadbalancer", "loadbalancerclass", "blockstorage", "networking", "metadata", "route", "keymanager"];
/// Keys of `[Global]` that have nothing to say here, without being mistakes.
const FOREIGN_KEYS: &[&str] = &["secret-name", "secret-namespace", "kubeconfig-path"];

/// Reads a cloud-config file.
///
/// # Errors
/// [`ConfigError`] when the file cannot be read, breaks the rules of its format, or has no `[Global]` section;
/// likewise for the clouds.yaml that it may refer to.
pub fn read(file: &Path, environment: &Environment) -> Result<Settings, ConfigError> {
    parse(&read_file(file)?, file, environment)
}

fn parse(text: &str, file: &Path, environment: &Environment) -> Result<Settings, ConfigError> {
    let entries = gcfg::parse(text).map_err(|error| ConfigError::Syntax {
        file: file.to_owned(),
        line: error.line,
        reason: error.reason,
    })?;
    let origin = format!("{} [Global]", file.display());
    let mut settings = Settings::new(origin, Spelling::CloudConf);
    let mut clouds = CloudsReference::default();
    let mut found = false;
    for entry in entries {
        let is_global = entry.section == "global" && entry.subsection.is_none();
        let Some(key) = entry.key else {
            found |= is_global;
            if !is_global && !FOREIGN_SECTIONS.contains(&entry.section.as_str()) {
                let line = entry.line;
                settings
                    .warnings
                    .push(format!("line {line}: unknown section [{}] is ignored", entry.section));
            }
            continue;
        };
        if !is_global || FOREIGN_KEYS.contains(&key.as_str()) {
            continue;
        }
        let syntax = |reason| ConfigError::Syntax { file: file.to_owned(), line: entry.line, reason };
        let value = match entry.value {
            Some(value) => value,
            None if matches!(key.as_str(), "tls-insecure" | "use-clouds") => "true".to_owned(),
            None => {
                let reason = format!(
                    "{key} has no value; if the file is just being written, write it under another name and rename it"
                );
                return Err(syntax(reason));
            }
        };
        match key.as_str() {
            "use-clouds" => {
                clouds.used = parse_boolean(&value)
                    .ok_or_else(|| syntax("use-clouds must be true or false".to_owned()))?;
            }
            "clouds-file" => clouds.file = Some(PathBuf::from(value)),
            "cloud" => clouds.cloud = Some(value),
            _ if settings.set(&canonical(&key), &value) => {}
            _ => {
                let line = entry.line;
                settings.warnings.push(format!("line {line}: unknown key {key:?} in [Global] is ignored"));
            }
        }
    }
    if !found {
        return Err(ConfigError::Syntax {
            file: file.to_owned(),
            line: text.lines().count().max(1),
            reason: "there is no [Global] section; if the file is just being written, write it under another name \
                     and rename it"
                .to_owned(),
        });
    }
    if clouds.used {
        // What the file itself says goes before clouds.yaml (cloud-provider-openstack `client.go:204-239`).
        let name = clouds.cloud.as_deref().or_else(|| environment.get("OS_CLOUD").map(String::as_str));
        settings.fill_up_from(clouds_yaml::read(clouds.file.as_deref(), name, environment)?);
    }
    Ok(settings)
}

#[derive(Default)]
struct CloudsReference {
    used: bool,
    file: Option<PathBuf>,
    cloud: Option<String>,
}

/// The key's name in [`settings`](super::settings); `project-*` is taken for `tenant-*`.
fn canonical(key: &str) -> String {
    match key {
        "region" => "region_name".to_owned(),
        "os-endpoint-type" => "interface".to_owned(),
        "ca-file" => "cacert".to_owned(),
        "cert-file" => "cert".to_owned(),
        "key-file" => "key".to_owned(),
        "tls-insecure" => "insecure".to_owned(),
        // Names of other sources that mean something else, or nothing, in this file.
        "region-name" | "interface" | "cacert" | "cert" | "key" | "insecure" | "auth-type"
        | "default-domain" => String::new(),
        _ => key.replace("tenant-", "project-").replace('-', "_"),
    }
}
