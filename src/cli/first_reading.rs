//! What the first look at the cloud says about the configuration.
//!
//! Wrong credentials and a missing cluster end the service at once; a cloud that is down does not. The first reading
//! that the engine makes tells them apart, so no request is made for that alone.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::core::{
    cloud::{Cloud, CloudError, Observation, Reading},
    member::MemberIndex,
    node_group::NodeGroupUuid,
};

/// A cloud of which the first readings are told: the first failure, if it comes before any success, and the first
/// success; then no more.
pub struct FirstReading {
    cloud: Arc<dyn Cloud>,
    listener: Mutex<Listener>,
}

/// Whom to tell, and what was told.
struct Listener {
    readings: Option<UnboundedSender<Result<Observation, CloudError>>>,
    failure_told: bool,
}

impl std::fmt::Debug for FirstReading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FirstReading").finish_non_exhaustive()
    }
}

impl FirstReading {
    /// Listens to a cloud; the receiver ends after the first success.
    #[must_use]
    pub fn listen(
        cloud: Arc<dyn Cloud>,
    ) -> (Arc<dyn Cloud>, UnboundedReceiver<Result<Observation, CloudError>>) {
        let (sender, receiver) = unbounded_channel();
        let listener = Mutex::new(Listener { readings: Some(sender), failure_told: false });
        (Arc::new(Self { cloud, listener }), receiver)
    }

    /// Whether somebody was told.
    fn tell(&self, reading: &Result<Observation, CloudError>) -> bool {
        let mut listener = self.listener.lock().unwrap_or_else(PoisonError::into_inner);
        if reading.is_err() && std::mem::replace(&mut listener.failure_told, true) {
            return false;
        }
        let Some(readings) = &listener.readings else { return false };
        let told = readings.send(reading.clone()).is_ok();
        if reading.is_ok() {
            listener.readings = None;
        }
        told
    }
}

#[async_trait]
impl Cloud for FirstReading {
    async fn observe(&self, previous: Option<&Observation>) -> Result<Observation, CloudError> {
        let reading = self.cloud.observe(previous).await;
        if self.tell(&reading) && reading.as_ref().is_err_and(is_fatal) {
            // The service ends because of it; the engine need not complain as well.
            return std::future::pending().await;
        }
        reading
    }

    async fn read_group(&self, group: NodeGroupUuid) -> Result<Reading, CloudError> {
        self.cloud.read_group(group).await
    }

    async fn resize(
        &self,
        group: NodeGroupUuid,
        count: u32,
        remove: &[MemberIndex],
    ) -> Result<(), CloudError> {
        self.cloud.resize(group, count, remove).await
    }
}

/// Whether trying again is pointless until somebody changes the configuration.
#[must_use]
pub const fn is_fatal(error: &CloudError) -> bool {
    matches!(error, CloudError::Authentication { .. } | CloudError::Unsuitable(_)) || error.not_found()
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use futures_util::FutureExt as _;

    use super::*;
    use crate::core::cloud::Service;

    struct Scripted(Mutex<VecDeque<Result<Observation, CloudError>>>);

    #[async_trait]
    impl Cloud for Scripted {
        async fn observe(&self, _previous: Option<&Observation>) -> Result<Observation, CloudError> {
            self.0.lock().unwrap().pop_front().unwrap()
        }
        async fn read_group(&self, _group: NodeGroupUuid) -> Result<Reading, CloudError> {
            unreachable!("not part of a first reading")
        }
        async fn resize(&self, _: NodeGroupUuid, _: u32, _: &[MemberIndex]) -> Result<(), CloudError> {
            unreachable!("not part of a first reading")
        }
    }

    fn down(reason: &str) -> CloudError {
        CloudError::Unreachable {
            service: Service::Identity,
            url: "http://127.0.0.1:5000".to_owned(),
            reason: reason.to_owned(),
        }
    }

    fn observation() -> Observation {
        Observation { cluster_name: "k8s".to_owned(), groups: Vec::new(), unscaled: Vec::new() }
    }

    #[tokio::test]
    async fn tells_the_first_failure_and_the_first_success_and_nothing_else() {
        let script = [Err(down("1")), Err(down("2")), Ok(observation()), Err(down("3")), Ok(observation())];
        let (cloud, mut readings) = FirstReading::listen(Arc::new(Scripted(Mutex::new(script.into()))));
        for _ in 0..5 {
            let _ = cloud.observe(None).await;
        }
        assert_eq!(readings.recv().await.unwrap().unwrap_err(), down("1"));
        assert_eq!(readings.recv().await.unwrap().unwrap().cluster_name, "k8s");
        assert!(readings.recv().await.is_none());
    }

    #[tokio::test]
    async fn a_fatal_failure_is_told_to_the_listener_alone() {
        let fatal = || CloudError::Unsuitable("there is no cluster k8s".to_owned());
        let (cloud, mut readings) =
            FirstReading::listen(Arc::new(Scripted(Mutex::new([Err(fatal())].into()))));
        assert!(cloud.observe(None).now_or_never().is_none());
        assert_eq!(readings.recv().await.unwrap().unwrap_err(), fatal());
    }

    #[test]
    fn only_what_will_not_pass_is_fatal() {
        let authentication = CloudError::Authentication {
            url: "http://127.0.0.1:5000".to_owned(),
            user: "autoscaler".to_owned(),
            message: "no".to_owned(),
        };
        assert!(is_fatal(&authentication));
        assert!(is_fatal(&CloudError::Unsuitable("there is no cluster k8s".to_owned())));
        assert!(!is_fatal(&down("refused")));
        assert!(!is_fatal(&CloudError::Inconsistent("k8s".to_owned())));
    }
}
