//! Why Kubernetes' API does not answer as it should, in words that say what to do.

use kube::{client::AuthError, runtime::watcher};
use thiserror::Error;

/// What went wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KubernetesError {
    /// A right is missing.
    #[error(
        "Kubernetes at {url} does not let this service {verb} {resource} (403: {message}); {}",
        remedy(.resource)
    )]
    Forbidden {
        /// The API server.
        url: String,
        /// The verb of the missing right.
        verb: &'static str,
        /// The resource of it.
        resource: &'static str,
        /// The server's own words.
        message: String,
    },
    /// The credentials are not taken.
    #[error("Kubernetes at {url} does not accept the credentials: {message}")]
    Unauthenticated {
        /// The API server.
        url: String,
        /// What is wrong.
        message: String,
    },
    /// The server refuses or fails.
    #[error("Kubernetes at {url} answers {code}: {message}")]
    Refused {
        /// The API server.
        url: String,
        /// The HTTP status.
        code: u16,
        /// The server's own words.
        message: String,
    },
    /// There is no answer, or none that can be read.
    #[error("Kubernetes at {url} cannot be asked: {reason}")]
    Unreachable {
        /// The API server.
        url: String,
        /// Why.
        reason: String,
    },
    /// A list did not come in time.
    #[error("Kubernetes at {url} has not listed its nodes within {seconds} s")]
    Silent {
        /// The API server.
        url: String,
        /// How long was waited, in seconds.
        seconds: u64,
    },
}

fn remedy(resource: &str) -> &'static str {
    match resource {
        "nodes" => {
            "give its service account a ClusterRole with get, list and watch on nodes (in the chart: kubeLookup.enabled)"
        }
        _ => {
            "give its service account a Role with create and patch on events of events.k8s.io in the namespace default (in the \
             chart: kubeEvents.enabled)"
        }
    }
}

impl KubernetesError {
    /// Whether both are the same kind of trouble.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    /// What went wrong when `verb` was asked for.
    pub(super) fn of_request(
        url: &str,
        verb: &'static str,
        resource: &'static str,
        error: &kube::Error,
    ) -> Self {
        let url = url.to_owned();
        match error {
            kube::Error::Api(status) => Self::of_status(url, verb, resource, status),
            kube::Error::Auth(error) => Self::Unauthenticated { url, message: of_credentials(error) },
            error => Self::Unreachable { url, reason: with_causes(error) },
        }
    }

    fn of_status(
        url: String,
        verb: &'static str,
        resource: &'static str,
        status: &kube::core::Status,
    ) -> Self {
        let message = if status.message.is_empty() { &status.reason } else { &status.message }.clone();
        match status.code {
            403 => Self::Forbidden { url, verb, resource, message },
            401 => Self::Unauthenticated { url, message: format!("401: {message}") },
            code => Self::Refused { url, code, message },
        }
    }

    /// What ended a watch of nodes.
    pub(super) fn of_watch(url: &str, error: &watcher::Error) -> Self {
        match error {
            watcher::Error::InitialListFailed(error) => Self::of_request(url, "list", "nodes", error),
            watcher::Error::WatchStartFailed(error) | watcher::Error::WatchFailed(error) => {
                Self::of_request(url, "watch", "nodes", error)
            }
            watcher::Error::WatchError(status) => Self::of_status(url.to_owned(), "watch", "nodes", status),
            watcher::Error::NoResourceVersion => {
                Self::Unreachable { url: url.to_owned(), reason: error.to_string() }
            }
        }
    }
}

/// Without the output of a plugin, which holds the token.
fn of_credentials(error: &AuthError) -> String {
    match error {
        AuthError::AuthExecRun { cmd, out } => {
            format!("the plugin {cmd:?} of the kubeconfig failed, {}", out.status)
        }
        AuthError::AuthExecParse(_) => "the plugin of the kubeconfig answers nonsense".to_owned(),
        other => other.to_string(),
    }
}

/// The outermost error of a client says little.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let reason = error.to_string();
        if !text.contains(&reason) {
            text = format!("{text}: {reason}");
        }
        cause = error.source();
    }
    text
}
