//! Where the cloud is, who logs in, which node groups are meant, and what is set for single ones ([`mod@file`]).
//!
//! [`load`] finds the cloud the way the command line promises: `--cloud-config FILE` (the `[Global]` file of
//! cluster-autoscaler's Magnum provider and of the OpenStack cloud provider), else `--os-cloud` or `OS_CLOUD`
//! (`clouds.yaml`), else the `OS_*` variables, else the only cloud of `clouds.yaml`. Whatever the source, the
//! settings become one [`cloud::CloudConfig`] by the same rules ([`settings`]).

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use thiserror::Error;

pub mod cloud;
pub mod cloud_conf;
pub mod clouds_yaml;
pub mod environment;
pub mod file;
pub mod gcfg;
mod login;
pub mod node_groups;
pub mod settings;

pub use cloud::{CloudConfig, Credentials};

/// The process's environment, or a test's.
pub type Environment = BTreeMap<String, String>;

/// Why there is no usable configuration. No message holds a password, secret or token (I8).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// A file that was named cannot be read.
    #[error("{}: {reason}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The operating system's words.
        reason: String,
    },
    /// A file that breaks the rules of its format.
    #[error("{}, line {line}: {reason}", file.display())]
    Syntax {
        /// The file.
        file: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// What is wrong and what to do about it.
        reason: String,
    },
    /// A setting is missing, contradicts another or makes no sense.
    #[error("{origin}: {reason}")]
    Setting {
        /// Where the settings come from: file and section, file and cloud, or the environment.
        origin: String,
        /// What is wrong, with the key's name in the source's own spelling.
        reason: String,
    },
    /// Nothing says where the cloud is.
    #[error(
        "no cloud is configured: give --cloud-config FILE, or --os-cloud NAME with a clouds.yaml, or set \
         OS_AUTH_URL and the other OS_* variables (looked for clouds.yaml in {searched})"
    )]
    NoCloud {
        /// Where a `clouds.yaml` was looked for.
        searched: String,
    },
    /// `clouds.yaml` lacks the cloud, or has several and none was chosen.
    #[error("{}: {reason}", file.display())]
    Choice {
        /// The file.
        file: PathBuf,
        /// What to choose from.
        reason: String,
    },
}

/// What the command line says about the cloud.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CloudChoice {
    /// `--cloud-config`.
    pub cloud_config: Option<PathBuf>,
    /// `--os-cloud`; `OS_CLOUD` is read from the environment.
    pub os_cloud: Option<String>,
}

/// A configuration with where it came from.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: CloudConfig,
    /// Its source, for a message: `/etc/kubernetes/cloud-config [Global]`.
    pub origin: String,
    /// What was passed over: unknown keys and sections, settings that have no effect. For the log, after the origin.
    pub warnings: Vec<String>,
}

/// Finds and reads the configuration of the cloud.
///
/// # Errors
/// [`ConfigError`] names the file or variable and what is missing.
pub fn load(choice: &CloudChoice, environment: &Environment) -> Result<Loaded, ConfigError> {
    let settings = if let Some(file) = &choice.cloud_config {
        cloud_conf::read(file, environment)?
    } else if let Some(name) = chosen_cloud(choice, environment) {
        clouds_yaml::read(None, Some(name), environment)?
    } else if environment::names_a_cloud(environment) {
        environment::read(environment)
    } else {
        clouds_yaml::read(None, None, environment)?
    };
    let (config, origin, warnings) = settings.resolve()?;
    Ok(Loaded { config, origin, warnings })
}

/// `envvars` is the name that the other clients give to the cloud that the variables describe
/// (openstacksdk `config/loader.py`).
fn chosen_cloud<'a>(choice: &'a CloudChoice, environment: &'a Environment) -> Option<&'a str> {
    choice
        .os_cloud
        .as_deref()
        .or_else(|| environment.get("OS_CLOUD").map(String::as_str))
        .filter(|name| !name.is_empty() && *name != "envvars")
}

/// Reads a text file; an error names it.
fn read_file(file: &Path) -> Result<String, ConfigError> {
    let unreadable = |reason| ConfigError::Unreadable { file: file.to_owned(), reason };
    let bytes = std::fs::read(file).map_err(|error| unreadable(error.to_string()))?;
    String::from_utf8(bytes).map_err(|_| unreadable("not a text file (invalid UTF-8)".to_owned()))
}
