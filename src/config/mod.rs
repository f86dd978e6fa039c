//! Where the cloud is, who logs in, which node groups are meant, and what is set for single ones ([`settings_file`]).
//!
//! [`load`] finds the cloud the way the command line promises: `--cloud-config FILE` (the `[Global]` file of
//! cluster-autoscaler's Magnum provider and of the OpenStack cloud provider), else `--os-cloud` or `OS_CLOUD`
//! (`clouds.yaml`), else the `OS_*` variables, else the only cloud of `clouds.yaml`. The variables fill what a file
//! leaves out. Whatever the source, the settings become one [`cloud::CloudConfig`] by the same rules ([`settings`]).

use std::{collections::BTreeMap, fmt, path::PathBuf};

use thiserror::Error;

use settings::Settings;

mod auth_url;
pub mod cloud;
pub mod cloud_conf;
mod cloud_entry;
pub mod clouds_yaml;
pub mod environment;
mod files;
pub mod gcfg;
mod likeness;
mod login;
mod names;
pub mod node_groups;
mod precedence;
pub mod settings;
pub mod settings_file;
pub mod warning;
mod yaml;

pub use cloud::{CloudConfig, Credentials};
pub use warning::{ConfigWarning, Place};

/// The process's environment, or a test's.
pub type Environment = BTreeMap<String, String>;

/// There is no usable configuration. No message holds a password, secret or token (I8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// Why.
    pub problem: ConfigProblem,
    /// What was passed over before: a misspelt key is often the cause.
    pub warnings: Vec<ConfigWarning>,
}

impl std::error::Error for ConfigError {}

impl From<ConfigProblem> for ConfigError {
    fn from(problem: ConfigProblem) -> Self {
        Self { problem, warnings: Vec::new() }
    }
}

/// One line.
impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.problem)?;
        let warnings: Vec<_> = self.warnings.iter().map(ToString::to_string).collect();
        if warnings.is_empty() { Ok(()) } else { write!(f, " (noticed before: {})", warnings.join("; ")) }
    }
}

/// Why there is no usable configuration.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigProblem {
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
    /// What was passed over or may be meant otherwise.
    pub warnings: Vec<ConfigWarning>,
}

/// Finds and reads the configuration of the cloud.
///
/// # Errors
/// [`ConfigError`] names the file or variable and what is missing.
pub fn load(choice: &CloudChoice, environment: &Environment) -> Result<Loaded, ConfigError> {
    let variables = environment::read(environment);
    let mut settings = if let Some(file) = &choice.cloud_config {
        cloud_conf::read(file, environment)?
    } else if let Some(name) = chosen_cloud(choice, environment)? {
        clouds_yaml::read(None, clouds_yaml::Choice { cloud: Some(name), region: None }, environment)?
    } else if environment::names_a_cloud(environment) {
        return finish(variables);
    } else {
        clouds_yaml::read(None, clouds_yaml::Choice::default(), environment)?
    };
    settings.fill_up_from(variables);
    finish(settings)
}

fn finish(mut settings: Settings) -> Result<Loaded, ConfigError> {
    settings.leave_out_blank_files();
    let (config, origin, warnings) = settings.resolve()?;
    Ok(Loaded { config, origin, warnings })
}

/// The cloud of clouds.yaml that is asked for. `envvars`, or `OS_CLOUD_NAME`, is the name that the other clients give to
/// the cloud that the variables describe (openstacksdk `config/loader.py`).
fn chosen_cloud<'a>(
    choice: &'a CloudChoice,
    environment: &'a Environment,
) -> Result<Option<&'a str>, ConfigError> {
    let given = choice.os_cloud.as_deref().or_else(|| environment.get("OS_CLOUD").map(String::as_str));
    let Some(name) = given.map(settings::without_line_ends).filter(|name| !name.is_empty()) else {
        return Ok(None);
    };
    if name == "envvars" {
        return Ok(None);
    }
    let of_variables = environment::variable(environment, "OS_CLOUD_NAME") == Some(name);
    if !of_variables || !environment::names_a_cloud(environment) {
        return Ok(Some(name));
    }
    if clouds_yaml::has_cloud(name, environment) {
        return Err(ConfigProblem::Setting {
            origin: "environment".to_owned(),
            reason: format!(
                "OS_CLOUD_NAME gives the cloud of the OS_* variables the name {name:?}, which a cloud of clouds.yaml has as \
                 well; unset OS_CLOUD_NAME to use that one, or OS_CLOUD to use the variables"
            ),
        }
        .into());
    }
    Ok(None)
}
