//! Sorts the failures of Heat, Nova and Magnum by their words.

use crate::core::failure::{FailureKind, Reason};

/// A UUID with its dashes.
const UUID_LENGTH: usize = 36;

/// Sorts a status reason (docs/openstack-behaviour.md#failures; Heat's words are in its `engine/resources` and
/// `common/exception.py`).
#[must_use]
pub fn reason(text: &str) -> Reason {
    Reason { kind: kind(text), text: text.to_owned(), general: without_particulars(text) }
}

fn kind(text: &str) -> FailureKind {
    let lower = text.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|words| lower.contains(words));
    // Before all others: what was interrupted is gone on with, whatever else is said.
    if says(&["cancelled"]) {
        FailureKind::Interrupted
    } else if says(&["quota"]) {
        FailureKind::Quota
    } else if says(&["no valid host", "not enough", "exhausted all hosts"]) {
        FailureKind::NoHost
    } else if says(&["deployment to server failed"]) {
        FailureKind::Deployment
    } else if says(&["timed out"]) {
        FailureKind::TimedOut
    } else if says(&["could not be found"]) {
        FailureKind::RecordMissing
    } else {
        FailureKind::Other
    }
}

/// The text without the place in the stack and the ids of requests and of everything else.
fn without_particulars(text: &str) -> String {
    let mut words = Vec::new();
    for word in text.split_whitespace() {
        let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != ']');
        let is_place = word.contains("resources[") || word.starts_with("resources.");
        let is_request = bare.eq_ignore_ascii_case("request-id") || bare.starts_with("req-");
        if is_place || is_request {
            continue;
        }
        let is_id = bare.len() == UUID_LENGTH && uuid::Uuid::try_parse(bare).is_ok();
        words.push(if is_id { word.replace(bare, "…") } else { word.to_owned() });
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::instance::InstanceError;

    #[test]
    fn nodes_that_failed_alike_have_the_same_message() {
        let quota = |index: u32, request: &str| {
            InstanceError::of_failed_creation(&reason(&format!(
                "Forbidden: resources[{index}].resources.kube-minion: Quota exceeded for instances: Requested 1, but \
                 already used 4 of 4 instances (HTTP 403) (Request-ID: req-{request})"
            )))
        };
        let error = quota(6, "52d1b3b9-4f1e-4b39-8a13-0c21f9b0a6d3");
        assert_eq!(error, quota(7, "b02c4e0a-7f55-4d8b-9c51-15b4b1f3f0aa"));
        assert_eq!(
            error.message,
            "Forbidden: Quota exceeded for instances: Requested 1, but already used 4 of 4 instances (HTTP 403); the \
             quota of the project is used up: raise it or lower the group's maximum"
        );
        let missing = |uuid: &str| {
            let text = format!("NotFound: resources[3]: The Stack ({uuid}) could not be found.");
            InstanceError::of_failed_creation(&reason(&text))
        };
        let one = missing("06e60740-d665-497a-9b14-07ee2abcaa03");
        assert_eq!(one, missing("79b2486f-b142-42fa-9e4f-7f009002aeaf"));
        assert!(one.message.starts_with("NotFound: The Stack (…) could not be found.; "), "{}", one.message);
    }
}
