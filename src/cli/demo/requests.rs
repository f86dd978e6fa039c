//! What the service asks OpenStack to change, written down on its way.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Request, Response, Uri};

use crate::openstack::{HttpTransport, Transport, transport::TransportError};

/// The changes asked for so far, in order, each with its answer.
#[derive(Debug, Clone, Default)]
pub struct Changes(Arc<Mutex<Vec<String>>>);

impl Changes {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// Those from the given number on.
    #[must_use]
    pub fn since(&self, number: usize) -> Vec<String> {
        self.lock().iter().skip(number).cloned().collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The network, with all changes written down.
#[derive(Debug)]
pub(super) struct RecordingTransport {
    network: HttpTransport,
    changes: Changes,
}

impl RecordingTransport {
    pub(super) const fn new(network: HttpTransport, changes: Changes) -> Self {
        Self { network, changes }
    }
}

#[async_trait]
impl Transport for RecordingTransport {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let change = describe(request.method(), request.uri(), request.body());
        let answer = self.network.send(request).await;
        if let Some(change) = change {
            let outcome = match &answer {
                Ok(answer) => format!("HTTP {}", answer.status()),
                Err(error) => error.to_string(),
            };
            self.changes.lock().push(format!("{change} → {outcome}"));
        }
        answer
    }
}

/// A request that changes something. A login changes nothing, and its body holds a password.
fn describe(method: &Method, uri: &Uri, body: &[u8]) -> Option<String> {
    if method == Method::GET || uri.path().starts_with("/identity") {
        return None;
    }
    Some(format!("{method} {} {}", uri.path(), String::from_utf8_lossy(body)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_changes_are_written_down_and_no_password() {
        let resize: Uri =
            "http://127.0.0.1:1/container-infra/v1/clusters/k8s/actions/resize".parse().unwrap();
        let login: Uri = "http://127.0.0.1:1/identity/v3/auth/tokens".parse().unwrap();
        assert_eq!(
            describe(&Method::POST, &resize, br#"{"node_count":3}"#).as_deref(),
            Some(r#"POST /container-infra/v1/clusters/k8s/actions/resize {"node_count":3}"#)
        );
        assert_eq!(describe(&Method::GET, &resize, b""), None);
        assert_eq!(describe(&Method::POST, &login, br#"{"password":"x"}"#), None);
    }
}
