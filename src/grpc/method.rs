//! The methods that are served, by name, so that no caller can invent a metric label.

use super::externalgrpc::cloud_provider_server::SERVICE_NAME;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Method {
    /// Full name of its service.
    pub service: &'static str,
    pub name: &'static str,
}

/// All methods, by service.
const SERVED: &[(&str, &[&str])] = &[
    (
        SERVICE_NAME,
        &[
            "NodeGroups",
            "NodeGroupForNode",
            "PricingNodePrice",
            "PricingPodPrice",
            "GPULabel",
            "GetAvailableGPUTypes",
            "Cleanup",
            "Refresh",
            "NodeGroupTargetSize",
            "NodeGroupIncreaseSize",
            "NodeGroupDeleteNodes",
            "NodeGroupDecreaseTargetSize",
            "NodeGroupNodes",
            "NodeGroupTemplateNodeInfo",
            "NodeGroupGetOptions",
        ],
    ),
    ("grpc.health.v1.Health", &["Check", "Watch"]),
    ("grpc.reflection.v1.ServerReflection", &["ServerReflectionInfo"]),
    ("grpc.reflection.v1alpha.ServerReflection", &["ServerReflectionInfo"]),
];

impl Method {
    /// Stands for everything that is not served.
    pub const UNKNOWN: Self = Self { service: "unknown", name: "unknown" };

    /// The method that an HTTP path names.
    #[must_use]
    pub fn of(path: &str) -> Self {
        Self::find(path).unwrap_or(Self::UNKNOWN)
    }

    fn find(path: &str) -> Option<Self> {
        let (service, name) = path.strip_prefix('/')?.split_once('/')?;
        let (service, names) = SERVED.iter().find(|(served, _)| *served == service)?;
        let name = names.iter().find(|served| **served == name)?;
        Some(Self { service, name })
    }

    /// The methods of the `CloudProvider` service, in the order of the proto file.
    pub fn of_cloud_provider() -> impl Iterator<Item = Self> {
        SERVED
            .iter()
            .filter(|(service, _)| *service == SERVICE_NAME)
            .flat_map(|(service, names)| names.iter().map(move |name| Self { service, name }))
    }

    /// Whether it may change the cluster; such calls have a line of their own in the log.
    #[must_use]
    pub fn writes(&self) -> bool {
        matches!(self.name, "NodeGroupIncreaseSize" | "NodeGroupDeleteNodes" | "NodeGroupDecreaseTargetSize")
    }
}

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use prost_types::FileDescriptorSet;

    use super::*;
    use crate::grpc::externalgrpc::FILE_DESCRIPTOR_SET;

    #[test]
    fn knows_exactly_the_methods_of_the_proto_file() {
        let descriptors = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
        let declared: Vec<String> = descriptors
            .file
            .iter()
            .flat_map(|file| &file.service)
            .flat_map(|service| &service.method)
            .map(|method| method.name().to_owned())
            .collect();
        let served: Vec<&str> = Method::of_cloud_provider().map(|method| method.name).collect();
        assert_eq!(served, declared);
        assert_eq!(served.len(), 15);
    }

    #[test]
    fn what_is_not_served_is_unknown() {
        for path in [
            "",
            "/",
            "/x",
            "NodeGroups",
            "/clusterautoscaler.cloudprovider.v1.externalgrpc.CloudProvider/Nope",
            "/other.Service/NodeGroups",
        ] {
            assert_eq!(Method::of(path), Method::UNKNOWN, "{path}");
        }
        let path = "/clusterautoscaler.cloudprovider.v1.externalgrpc.CloudProvider/NodeGroups";
        assert_eq!(Method::of(path), Method { service: SERVICE_NAME, name: "NodeGroups" });
        assert_eq!(Method::of("/grpc.health.v1.Health/Check").name, "Check");
    }
}
