//! What the first look at the cloud says about the configuration.
//!
//! Wrong credentials and a missing cluster end the service at once; a cloud that is down does not. The first reading
//! that the engine makes tells them apart, so no request is made for that alone.

use std::ops::ControlFlow;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::{
    core::cloud::{CloudError, Observation},
    engine::OnReading,
};

/// Listens to the engine's readings. The receiver is told the first failure, if it comes before any success, and the first
/// success; then it ends. A failure that ends the service ends the readings, so that the engine need not complain as well.
#[must_use]
pub fn listen() -> (OnReading, UnboundedReceiver<Result<Observation, CloudError>>) {
    let (sender, receiver) = unbounded_channel();
    let mut listener = Some(sender);
    let mut failure_told = false;
    let listen = move |reading: &Result<Observation, CloudError>| {
        let repeated = reading.is_err() && std::mem::replace(&mut failure_told, true);
        let told =
            !repeated && listener.as_ref().is_some_and(|listener| listener.send(reading.clone()).is_ok());
        if reading.is_ok() {
            listener = None;
        }
        match reading {
            Err(error) if told && is_fatal(error) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    };
    (Box::new(listen), receiver)
}

/// Whether trying again is pointless until somebody changes the configuration.
#[must_use]
pub const fn is_fatal(error: &CloudError) -> bool {
    matches!(error, CloudError::Authentication { .. } | CloudError::Unsuitable(_)) || error.not_found()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::cloud::Service;

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
        let (mut listen, mut readings) = listen();
        for reading in [Err(down("1")), Err(down("2")), Ok(observation()), Err(down("3")), Ok(observation())]
        {
            assert!(listen(&reading).is_continue());
        }
        assert_eq!(readings.recv().await.unwrap().unwrap_err(), down("1"));
        assert_eq!(readings.recv().await.unwrap().unwrap().cluster_name, "k8s");
        assert!(readings.recv().await.is_none());
    }

    #[tokio::test]
    async fn a_fatal_failure_ends_the_readings_unless_the_cloud_was_read_before() {
        let fatal = || CloudError::Unsuitable("there is no cluster k8s".to_owned());
        let (mut first, mut readings) = listen();
        assert!(first(&Err(fatal())).is_break());
        assert_eq!(readings.recv().await.unwrap().unwrap_err(), fatal());
        let (mut later, _readings) = listen();
        assert!(later(&Ok(observation())).is_continue());
        assert!(later(&Err(fatal())).is_continue());
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
