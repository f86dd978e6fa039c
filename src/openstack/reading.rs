//! Makes one reading of Magnum's record of a group and of what its driver saw of the members.

use std::sync::Arc;

use serde_json::Value;

use super::{
    cache::{CachedGroup, Ticket},
    cluster::MagnumCluster,
    driver::{Driver, Look, Members, Progress},
    failures,
    magnum::NodeGroupRecord,
    selection::Records,
};
use crate::core::{
    capabilities::MemberSource,
    cloud::{CloudError, Reading},
    node_group::{Bounds, NodeGroup},
};

impl MagnumCluster {
    /// Makes the reading and remembers it.
    pub(super) async fn complete(
        &self,
        driver: &dyn Driver,
        ticket: Ticket,
        records: Records<'_>,
        look: Box<dyn Look>,
        before: Option<&CachedGroup>,
    ) -> Result<Arc<Reading>, CloudError> {
        let Records { cluster, detail, bounds } = records;
        let before = before.and_then(|cached| cached.reading.as_ref());
        let Members { members, servers, capabilities, progress } =
            look.members(cluster, &detail, before.map(Arc::as_ref)).await?;
        driver.finish(&cluster.uuid, &detail).await;
        let least = self.magnum.microversion().await?.least_size();
        let mut group = node_group(&detail, bounds, least);
        if let Some(Progress { status, reason, updated_at, node_count }) = progress {
            let status_reason = failures::reason(&reason);
            group = NodeGroup { status, status_reason, updated_at, node_count, ..group };
        }
        if capabilities.source == MemberSource::Nova {
            // Cluster API gives each node its provider ID, whatever the labels say.
            group.labels.entry("cloud_provider_enabled".to_owned()).or_insert_with(|| "true".to_owned());
        }
        let template = Arc::new(self.template(&group, &members, &detail));
        let cluster_status = cluster.parsed_status();
        let reading = Reading { cluster_status, group, members, servers, template, capabilities };
        // Where nothing changed, comparing and keeping it costs nothing.
        let reading = match before {
            Some(before) if **before == reading => Arc::clone(before),
            _ => Arc::new(reading),
        };
        let known = Some(Arc::clone(&reading));
        self.cache.remember(CachedGroup { ticket, record: detail, reading: known });
        Ok(reading)
    }
}

fn node_group(detail: &NodeGroupRecord, bounds: Bounds, least: u32) -> NodeGroup {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let label = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let labels = detail.labels.iter().flatten().map(|(name, value)| (name.clone(), label(value)));
    NodeGroup {
        uuid: detail.uuid,
        name: detail.name.clone(),
        bounds,
        magnum_bounds: Bounds {
            min: detail.min_node_count.unwrap_or(0).max(least),
            max: detail.max_node_count.unwrap_or(u32::MAX),
        },
        node_count: detail.node_count.unwrap_or(0),
        status: detail.parsed_status(),
        status_reason: failures::reason(detail.status_reason.as_deref().unwrap_or_default()),
        updated_at: text(&detail.updated_at),
        written_at: detail.written_at(),
        flavor_id: text(&detail.flavor_id),
        labels: labels.collect(),
    }
}
