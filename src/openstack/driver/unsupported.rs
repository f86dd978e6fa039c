//! A driver that this version recognises and does not support.

use async_trait::async_trait;

use super::{Asked, Driver, DriverKind, Look};
use crate::core::{cloud::CloudError, node_group::NodeGroupUuid, resize::Resize};

/// Refuses everything.
#[derive(Debug)]
pub(super) struct Unsupported(pub(super) DriverKind);

#[async_trait]
impl Driver for Unsupported {
    async fn describe(&self) -> Result<String, CloudError> {
        Ok(format!("{}, which this version does not support", self.0.name()))
    }

    async fn look(&self, groups: &[Asked<'_>]) -> Vec<Result<Box<dyn Look>, CloudError>> {
        groups.iter().map(|asked| Err(self.error(&format!("node group {}", asked.record.name)))).collect()
    }

    async fn resize(&self, _: &str, _: NodeGroupUuid, _: &Resize) -> Result<(), CloudError> {
        Err(self.error("the cluster"))
    }

    fn retain(&self, _: &dyn Fn(NodeGroupUuid) -> bool) {}
}

impl Unsupported {
    fn error(&self, what: &str) -> CloudError {
        CloudError::Unsuitable(format!(
            "{what} looks like one of the {} driver; this version supports the Heat driver of Magnum only",
            self.0.name()
        ))
    }
}
