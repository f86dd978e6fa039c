//! The cloud-config file: the `[Global]` section that cluster-autoscaler's Magnum provider and the OpenStack cloud
//! provider read, and that Magnum writes to `/etc/kubernetes/cloud-config` of every node.

use std::path::{Path, PathBuf};

use super::{
    ConfigError, ConfigProblem, Environment, clouds_yaml, environment, files, gcfg, likeness,
    names::{KeyStyle, NAMES, canonical, nearest, unknown},
    settings::{Settings, parse_boolean, without_line_ends},
    warning::Place,
};

/// Sections of the OpenStack cloud provider's file that have nothing to say here.
const IGNORED_SECTIONS: &[&str] =
    &["loadbalancer", "loadbalancerclass", "blockstorage", "networking", "metadata", "route", "keymanager"];
/// Keys of `[Global]` that have nothing to say here, without being mistakes.
const IGNORED_KEYS: &[&str] = &["secret-name", "secret-namespace", "kubeconfig-path"];
/// Keys of `[Global]` that say which clouds.yaml to use.
const REFERENCE_KEYS: &[&str] = &["use-clouds", "clouds-file", "cloud"];
/// Names of other sources that mean something else, or nothing, in this file.
const OTHER_SOURCES: &[&str] =
    &["region-name", "interface", "cacert", "cert", "key", "insecure", "auth-type", "default-domain"];

/// What a cloud-config file says: its own settings, and the clouds.yaml that it refers to.
#[derive(Debug)]
pub struct CloudConf {
    /// The settings of `[Global]`.
    pub settings: Settings,
    /// The clouds.yaml that fills what they leave out.
    pub clouds: CloudsReference,
}

/// Which cloud of a clouds.yaml is meant.
#[derive(Debug, Default)]
pub struct CloudsReference {
    /// Whether one is used at all.
    pub used: bool,
    /// The file; searched for where there is none.
    pub file: Option<PathBuf>,
    pub cloud: Option<String>,
}

/// Reads a cloud-config file.
///
/// # Errors
/// [`ConfigError`] when the file cannot be read, breaks the rules of its format, or has no `[Global]` section;
/// likewise for the clouds.yaml that it may refer to.
pub fn read(file: &Path, environment: &Environment) -> Result<Settings, ConfigError> {
    let CloudConf { mut settings, clouds } = parse(&files::read(file)?, file)?;
    if clouds.used {
        // What the file itself says goes before clouds.yaml (cloud-provider-openstack `client.go:204-239`).
        let name = clouds.cloud.as_deref().or_else(|| environment::variable(environment, "OS_CLOUD"));
        let choice = clouds_yaml::Choice { cloud: name, region: settings.get("region_name") };
        let filling = clouds_yaml::read(clouds.file.as_deref(), choice, environment)?;
        settings.merge_defaults(filling);
    }
    Ok(settings)
}

/// Reads a cloud-config file's text; `file` is its name in messages.
///
/// # Errors
/// As [`read`].
pub fn parse(text: &str, file: &Path) -> Result<CloudConf, ConfigError> {
    let entries =
        gcfg::parse(text).map_err(|error| broken(file, error.line, &error.reason, likeness_of(text)))?;
    let mut conf = CloudConf {
        settings: Settings::new(format!("{} [Global]", file.display()), KeyStyle::CloudConf),
        clouds: CloudsReference::default(),
    };
    let mut found = false;
    for entry in entries {
        let is_global = entry.section == "global" && entry.subsection.is_none();
        if entry.key.is_some() {
            if is_global {
                conf.take(entry, file)?;
            }
            continue;
        }
        found |= is_global;
        if !is_global && !IGNORED_SECTIONS.contains(&entry.section.as_str()) {
            let section = if entry.plausible { format!(" [{}]", entry.section) } else { String::new() };
            let suggestion = nearest(&entry.section, ["Global".to_owned()]).map(|name| format!("[{name}]"));
            let what = if entry.section == "global" { "a subsection of" } else { "unknown section" };
            let text = unknown(&format!("{what}{section}"), suggestion);
            conf.settings.warn(&line_of(file, entry.line), None, text);
        }
    }
    if !found {
        let reason = "there is no [Global] section; if the file is just being written, write it under another name and \
                      rename it";
        return Err(ConfigError {
            warnings: conf.settings.warnings,
            ..broken(file, text.lines().count().max(1), reason, likeness_of(text))
        });
    }
    Ok(conf)
}

impl CloudConf {
    /// Takes an entry of `[Global]`.
    fn take(&mut self, entry: gcfg::Entry, file: &Path) -> Result<(), ConfigError> {
        let gcfg::Entry { key: Some(key), value, line, plausible, doubts, .. } = entry else { return Ok(()) };
        if IGNORED_KEYS.contains(&key.as_str()) {
            return Ok(());
        }
        let place = line_of(file, line);
        let name = name_of(&key);
        let Some(name) = name else {
            if REFERENCE_KEYS.contains(&key.as_str()) {
                return self.take_reference(&key, value.as_deref(), file, line);
            }
            let what = if plausible { format!("unknown key {key:?}") } else { "an unknown key".to_owned() };
            let suggestion = nearest(&key, known_keys());
            let text = unknown(&format!("{what} in [Global]"), suggestion);
            self.settings.warn(&place, None, text);
            return Ok(());
        };
        let value = match value {
            Some(value) => value,
            None if key == "tls-insecure" => "true".to_owned(),
            None => return Err(without_value(&key, file, line)),
        };
        for doubt in doubts {
            self.settings.warn(&place, Some(&key), doubt.text());
        }
        self.settings.set(&name, &value, &key, &place);
        Ok(())
    }

    fn take_reference(
        &mut self,
        key: &str,
        value: Option<&str>,
        file: &Path,
        line: usize,
    ) -> Result<(), ConfigError> {
        let text = value.map(without_line_ends);
        if key == "use-clouds" {
            self.clouds.used = parse_boolean(text.unwrap_or("true"))
                .ok_or_else(|| broken(file, line, "use-clouds must be true or false", None))?;
            return Ok(());
        }
        let text = text.ok_or_else(|| without_value(key, file, line))?;
        let text = Some(text).filter(|text| !text.is_empty());
        if key == "cloud" {
            self.clouds.cloud = text.map(str::to_owned);
        } else {
            self.clouds.file = text.map(PathBuf::from);
        }
        Ok(())
    }
}

fn without_value(key: &str, file: &Path, line: usize) -> ConfigError {
    let reason = format!(
        "{key} has no value; if the file is just being written, write it under another name and rename it"
    );
    broken(file, line, &reason, None)
}

fn line_of(file: &Path, line: usize) -> Place {
    Place { source: file.display().to_string(), line: Some(line) }
}

/// The file as something else than a cloud.conf; none where it may be one.
fn likeness_of(text: &str) -> Option<&'static str> {
    likeness::of(text).filter(|likeness| !likeness.contains("(INI)"))
}

fn broken(file: &Path, line: usize, reason: &str, likeness: Option<&str>) -> ConfigError {
    let reason = likeness.map_or_else(|| reason.to_owned(), |likeness| format!("{likeness} ({reason})"));
    ConfigProblem::Syntax { file: file.to_owned(), line, reason }.into()
}

fn known_keys() -> impl Iterator<Item = String> {
    NAMES
        .iter()
        .flat_map(|name| [KeyStyle::CloudConf.of(name), name.replace('_', "-")])
        .filter(|key| name_of(key).is_some())
        .chain(REFERENCE_KEYS.iter().map(|key| (*key).to_owned()))
}

/// The key's name in [`settings`](super::settings); `project-*` is taken for `tenant-*`.
fn name_of(key: &str) -> Option<String> {
    let name = match key {
        "region" => "region_name",
        "os-endpoint-type" => "interface",
        "ca-file" => "cacert",
        "cert-file" => "cert",
        "key-file" => "key",
        "tls-insecure" => "insecure",
        _ if OTHER_SOURCES.contains(&key) => return None,
        _ => {
            let name = key.replace('-', "_");
            let name = name.replace("tenant_", "project_");
            return NAMES.contains(&canonical(&name)).then(|| canonical(&name).to_owned());
        }
    };
    Some(name.to_owned())
}
