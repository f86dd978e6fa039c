//! Which error becomes which gRPC code: the one place where that is decided.
//!
//! INTERNAL is not here: it is for this service's own bugs, see [`super::call_layer`].

use tonic::{Code, Status};

use crate::core::{cloud::CloudError, pricing::PriceError, request::RequestError};

impl From<RequestError> for Status {
    fn from(error: RequestError) -> Self {
        Self::new(code(&error), error.to_string())
    }
}

impl From<PriceError> for Status {
    fn from(error: PriceError) -> Self {
        let code = match &error {
            // The price expander, its only caller, passes over groups with any error; from 1.29 on it knows this one.
            PriceError::NotOffered => Code::Unimplemented,
            PriceError::UnknownNode { .. } => Code::NotFound,
            PriceError::UnpricedGroup { .. } | PriceError::UnpricedPod => Code::FailedPrecondition,
            PriceError::Period | PriceError::MalformedPod(_) => Code::InvalidArgument,
        };
        Self::new(code, error.to_string())
    }
}

/// The gRPC code of a refusal.
#[must_use]
pub const fn code(error: &RequestError) -> Code {
    match error {
        RequestError::UnknownGroup { .. }
        | RequestError::GroupDeleted { .. }
        | RequestError::NotAMember { .. } => Code::NotFound,
        RequestError::NoGroupId
        | RequestError::InvalidDelta { .. }
        | RequestError::NoNodes
        | RequestError::AnonymousNode
        | RequestError::MalformedNode { .. } => Code::InvalidArgument,
        RequestError::OutOfBounds { .. } => Code::OutOfRange,
        RequestError::NothingToCancel { .. }
        | RequestError::Impossible { .. }
        | RequestError::ClusterStatus { .. }
        | RequestError::Contradiction { .. }
        | RequestError::ChangedMeanwhile { .. }
        | RequestError::NotIdentifiedYet { .. }
        | RequestError::AmbiguousNode { .. }
        | RequestError::RegisteredMeanwhile { .. }
        | RequestError::PlaceholderHasServer { .. }
        | RequestError::BeingRequested { .. } => Code::FailedPrecondition,
        RequestError::NoSnapshot { .. }
        | RequestError::SnapshotTooOld { .. }
        | RequestError::UnreadGroup { .. }
        | RequestError::ServerUnknown { .. }
        | RequestError::Stopping => Code::Unavailable,
        RequestError::Deadline => Code::DeadlineExceeded,
        RequestError::Busy { .. } => Code::ResourceExhausted,
        RequestError::Cloud(error) => cloud_code(error),
    }
}

/// A 4xx would be refused again as long as nobody changes something; everything else may pass by itself.
const fn cloud_code(error: &CloudError) -> Code {
    match error {
        error if error.passes() => Code::Unavailable,
        CloudError::Refused { .. } | CloudError::Unsuitable(_) => Code::FailedPrecondition,
        CloudError::Unreachable { .. }
        | CloudError::Unavailable { .. }
        | CloudError::Authentication { .. }
        | CloudError::Malformed { .. }
        | CloudError::Incomplete(_)
        | CloudError::Inconsistent(_) => Code::Unavailable,
    }
}

/// The code as Prometheus users of gRPC know it, that is, as Go spells it.
#[must_use]
pub const fn code_label(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "Canceled",
        Code::Unknown => "Unknown",
        Code::InvalidArgument => "InvalidArgument",
        Code::DeadlineExceeded => "DeadlineExceeded",
        Code::NotFound => "NotFound",
        Code::AlreadyExists => "AlreadyExists",
        Code::PermissionDenied => "PermissionDenied",
        Code::ResourceExhausted => "ResourceExhausted",
        Code::FailedPrecondition => "FailedPrecondition",
        Code::Aborted => "Aborted",
        Code::OutOfRange => "OutOfRange",
        Code::Unimplemented => "Unimplemented",
        Code::Internal => "Internal",
        Code::Unavailable => "Unavailable",
        Code::DataLoss => "DataLoss",
        Code::Unauthenticated => "Unauthenticated",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::core::{
        ambiguity::Ambiguity, cloud::Service, node_group::Bounds, provider_id::ProviderIdError,
        status::Status as CloudStatus,
    };

    fn group() -> String {
        "pool-b-12345678".to_owned()
    }

    fn node() -> String {
        "openstack:///ca5b234b-f9a6-42b0-a77d-197636b29d52".to_owned()
    }

    fn refused(status: u16) -> CloudError {
        CloudError::Refused {
            service: Service::ContainerInfra,
            request: "POST /clusters/k8s/actions/resize".to_owned(),
            status,
            message: "no".to_owned(),
            request_id: Some("req-1".to_owned()),
        }
    }

    fn cloud_errors() -> Vec<(CloudError, Code)> {
        let request = || "GET /clusters/k8s".to_owned();
        vec![
            (refused(400), Code::FailedPrecondition),
            (refused(403), Code::FailedPrecondition),
            (CloudError::Unsuitable("cluster".to_owned()), Code::FailedPrecondition),
            (
                CloudError::Unreachable {
                    service: Service::Identity,
                    url: "http://127.0.0.1:5000".to_owned(),
                    reason: "connection refused".to_owned(),
                },
                Code::Unavailable,
            ),
            (
                CloudError::Unavailable {
                    service: Service::Orchestration,
                    request: request(),
                    status: 503,
                    message: String::new(),
                    request_id: None,
                    retry_after: None,
                },
                Code::Unavailable,
            ),
            (
                CloudError::Authentication {
                    url: "http://127.0.0.1:5000".to_owned(),
                    user: "autoscaler".to_owned(),
                    message: "no".to_owned(),
                },
                Code::Unavailable,
            ),
            (
                CloudError::Malformed {
                    service: Service::Compute,
                    request: request(),
                    reason: "not JSON".to_owned(),
                },
                Code::Unavailable,
            ),
            (CloudError::Incomplete(group()), Code::Unavailable),
            (CloudError::Inconsistent(group()), Code::Unavailable),
        ]
    }

    #[test]
    fn each_refusal_has_its_code() {
        let reason = || "connection refused".to_owned();
        let mut table = vec![
            (RequestError::UnknownGroup { id: group(), known: String::new() }, Code::NotFound),
            (RequestError::UnreadGroup { id: group(), reason: reason() }, Code::Unavailable),
            (RequestError::NotAMember { node: node(), group: group() }, Code::NotFound),
            (RequestError::InvalidDelta { delta: 0, expected: "positive" }, Code::InvalidArgument),
            (RequestError::NoNodes, Code::InvalidArgument),
            (RequestError::NoGroupId, Code::InvalidArgument),
            (RequestError::AnonymousNode, Code::InvalidArgument),
            (RequestError::GroupDeleted { id: group() }, Code::NotFound),
            (
                RequestError::MalformedNode { node: node(), source: ProviderIdError::Foreign(node()) },
                Code::InvalidArgument,
            ),
            (
                RequestError::OutOfBounds {
                    group: group(),
                    count: 7,
                    bounds: Bounds { min: 1, max: 6 },
                    current: 6,
                },
                Code::OutOfRange,
            ),
            (RequestError::NothingToCancel { group: group(), current: 1 }, Code::FailedPrecondition),
            (
                RequestError::Impossible { group: group(), reason: "the driver cannot".into() },
                Code::FailedPrecondition,
            ),
            (
                RequestError::ClusterStatus { status: CloudStatus::parse("CREATE_FAILED") },
                Code::FailedPrecondition,
            ),
            (RequestError::NotIdentifiedYet { node: node() }, Code::FailedPrecondition),
            (
                RequestError::AmbiguousNode {
                    node: node(),
                    ambiguity: Ambiguity::RegisteredOtherwise { provider_id: node() },
                },
                Code::FailedPrecondition,
            ),
            (RequestError::RegisteredMeanwhile { instance: node(), node: node() }, Code::FailedPrecondition),
            (
                RequestError::PlaceholderHasServer {
                    node: node(),
                    group: group(),
                    member: "1".to_owned(),
                    server: node(),
                },
                Code::FailedPrecondition,
            ),
            (
                RequestError::ServerUnknown { node: node(), group: group(), member: "1".to_owned() },
                Code::Unavailable,
            ),
            (RequestError::BeingRequested { node: node(), group: group() }, Code::FailedPrecondition),
            (RequestError::NoSnapshot { reason: reason() }, Code::Unavailable),
            (
                RequestError::SnapshotTooOld { age: Duration::from_secs(301), reason: reason() },
                Code::Unavailable,
            ),
            (RequestError::Stopping, Code::Unavailable),
            (RequestError::Deadline, Code::DeadlineExceeded),
            (RequestError::Busy { group: group(), waiting: 100 }, Code::ResourceExhausted),
        ];
        table.extend(
            cloud_errors().into_iter().map(|(error, expected)| (RequestError::Cloud(error), expected)),
        );
        for (error, expected) in table {
            let message = error.to_string();
            let status = Status::from(error);
            assert_eq!((status.code(), status.message()), (expected, message.as_str()));
        }
    }

    #[test]
    fn each_missing_price_has_its_code() {
        let text = String::new;
        for (error, expected) in [
            (PriceError::NotOffered, Code::Unimplemented),
            (PriceError::UnknownNode { node: node() }, Code::NotFound),
            (PriceError::UnpricedGroup { group: group() }, Code::FailedPrecondition),
            (PriceError::UnpricedPod, Code::FailedPrecondition),
            (PriceError::Period, Code::InvalidArgument),
            (PriceError::MalformedPod(text()), Code::InvalidArgument),
        ] {
            let message = error.to_string();
            let status = Status::from(error);
            assert_eq!((status.code(), status.message()), (expected, message.as_str()));
        }
    }

    #[test]
    fn the_message_says_which_service_and_which_request() {
        let status = Status::from(RequestError::Cloud(refused(409)));
        for part in ["magnum", "POST /clusters/k8s/actions/resize", "409", "req-1"] {
            assert!(status.message().contains(part), "{part} in {}", status.message());
        }
    }
}
