//! Where Kubernetes is and who asks: the service account of the pod, or a kubeconfig.

use std::{env, ffi::OsStr, time::Duration};

use kube::{
    Client, Config,
    config::{InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError},
};
use thiserror::Error;

/// How long a connection may be silent. A watch hears something every few minutes: the server ends it after 290 s.
const MAX_SILENCE: Duration = Duration::from_secs(400);
/// How long it may take to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Why Kubernetes cannot be asked, whatever it would answer: a matter of configuration. Never with a line of the file, which
/// may hold a token.
#[derive(Debug, Error)]
pub enum AccessError {
    /// The kubeconfig cannot be used.
    #[error("kubeconfig {file}: {reason}")]
    Kubeconfig {
        /// The files.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// There is no kubeconfig, and this is no pod.
    #[error(
        "--kube-lookup and --kube-events need access to Kubernetes, and there is neither a kubeconfig (--kubeconfig FILE) nor the \
         service account of a pod: {0}; in a pod, mount the token of its service account (the chart does with kubeLookup.enabled)"
    )]
    NoServiceAccount(String),
    /// The client cannot be made.
    #[error("the access to Kubernetes at {url} cannot be set up: {reason}")]
    Client {
        /// The API server.
        url: String,
        /// What is wrong.
        reason: String,
    },
}

/// A client and where it asks.
#[derive(Clone)]
pub struct Access {
    /// The client.
    pub client: Client,
    /// URL of the API server, for messages.
    pub url: String,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Access {
    /// By these kubeconfig files, as `KUBECONFIG` lists them, or as the pod's service account. Asks nobody yet.
    ///
    /// # Errors
    /// [`AccessError`].
    pub async fn new(kubeconfig: Option<&OsStr>) -> Result<Self, AccessError> {
        let mut config = match kubeconfig.filter(|files| !files.is_empty()) {
            Some(files) => from_files(files).await?,
            None => Config::incluster().map_err(|error| AccessError::NoServiceAccount(in_cluster(&error)))?,
        };
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        config.read_timeout = Some(MAX_SILENCE);
        // The watch has a pace of its own.
        config.default_retry = false;
        let url = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        let client = Client::try_from(config)
            .map_err(|error| AccessError::Client { url: url.clone(), reason: error.to_string() })?;
        Ok(Self { client, url })
    }
}

async fn from_files(files: &OsStr) -> Result<Config, AccessError> {
    let failed = |error: &KubeconfigError| AccessError::Kubeconfig {
        file: files.display().to_string(),
        reason: kubeconfig(error),
    };
    let mut merged = Kubeconfig::default();
    for file in env::split_paths(files).filter(|file| !file.as_os_str().is_empty()) {
        let read = Kubeconfig::read_from(&file).and_then(|read| merged.merge(read));
        merged = read.map_err(|error| failed(&error))?;
    }
    let config = Config::from_custom_kubeconfig(merged, &KubeConfigOptions::default()).await;
    let mut config = config.map_err(|error| failed(&error))?;
    // HTTPS_PROXY is for OpenStack's side; Kubernetes is near.
    config.proxy_url = None;
    Ok(config)
}

/// The error in words, without the parser's excerpt of the file.
fn kubeconfig(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::ReadConfig(source, _) => format!("cannot be read: {source}"),
        KubeconfigError::Parse(error) => {
            let line = error.location().map(|place| format!(" (line {})", place.line())).unwrap_or_default();
            format!("not the YAML of a kubeconfig{line}")
        }
        KubeconfigError::CurrentContextNotSet => {
            "has no current-context; set one: kubectl config use-context NAME".to_owned()
        }
        other => other.to_string(),
    }
}

fn in_cluster(error: &InClusterError) -> String {
    match error {
        InClusterError::ReadEnvironmentVariable(_) => "KUBERNETES_SERVICE_HOST is not set".to_owned(),
        other => other.to_string(),
    }
}
