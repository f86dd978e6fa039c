//! What goes wrong: crashes of the service, restarts in the cloud, nodes that break, quotas, deletions in Nova.

use super::*;

/// The services of the cloud that are restarted.
const CLOUD_SERVICES: [&str; 6] =
    ["heat-api", "magnum-conductor", "magnum-api", "nova-compute", "nova-conductor", "nova-api"];
/// Restarted only in the last quarter of a long chaos: it leaves stacks behind that are in progress for good, and
/// nothing but waiting happens to those.
const HEAT_ENGINE: &str = "heat-engine";

impl Chaos<'_> {
    pub(super) async fn crash(&mut self) {
        self.note_counters().await;
        self.record.lock().unwrap().crashes.push(Instant::now());
        self.scene.crash().await;
        self.say("the service was killed and started again");
    }

    /// The counters of a process go with it.
    pub(super) async fn note_counters(&self) {
        let (wrong, dropped) =
            (self.scene.service().wrong_removals().await, self.scene.service().dropped_requests().await);
        let mut record = self.record.lock().unwrap();
        record.wrong_removals += wrong;
        record.dropped += dropped;
    }

    pub(super) fn restart_in_the_cloud(&mut self) {
        if self.restart.as_ref().is_some_and(|restart| !restart.is_finished()) {
            return;
        }
        let late = self.lasts >= LONG && self.begun.elapsed() >= self.lasts * 3 / 4;
        let number = self.random.random_range(0..CLOUD_SERVICES.len() + usize::from(late));
        let service = CLOUD_SERVICES.get(number).copied().unwrap_or(HEAT_ENGINE);
        let patience = if self.chance(50) { 0 } else { 10 };
        *self.record.lock().unwrap().restarts.entry(service).or_default() += 1;
        self.say(&format!("restart of {service}, killed after {patience} s"));
        let site = Arc::clone(&self.scene.site);
        self.restart = Some(tokio::spawn(async move {
            site.lab.as_ref().expect("a test that needs the lab").restart(service, patience).await;
        }));
    }

    pub(super) async fn await_restart(&mut self) {
        if let Some(restart) = self.restart.take() {
            restart.await.expect("the restart of a service of the cloud");
        }
    }

    pub(super) async fn break_nodes(&mut self) {
        if self.faults.iter().any(|(fault, _)| *fault == Fault::Nodes) {
            return;
        }
        let group = self.group();
        let fate = if self.chance(50) { "hang" } else { "fail kubelet did not start" };
        self.scene.lab().node_rules(&[format!("{}-node-* {fate}", group.stack)]).await;
        self.say(&format!("{}: new nodes {fate}", group.id));
        let lasts = self.milliseconds(10_000, 40_000);
        self.faults.push((Fault::Nodes, Instant::now() + lasts));
    }

    pub(super) async fn cut_quota(&mut self) {
        if self.faults.iter().any(|(fault, _)| *fault == Fault::Quota) {
            return;
        }
        self.await_restart().await;
        let spare = self.random.random_range(0..2);
        let servers = self.scene.openstack.servers_in_project().await + spare;
        if !self.scene.lab().try_quota(servers).await {
            self.say(&format!("the quota cannot be {servers} servers, there are more by now"));
            return;
        }
        self.say(&format!("the quota is {servers} servers, {spare} to spare"));
        let lasts = self.milliseconds(10_000, 40_000);
        self.faults.push((Fault::Quota, Instant::now() + lasts));
    }

    pub(super) async fn lift_faults(&mut self, all: bool) {
        let now = Instant::now();
        let over: Vec<_> = self.faults.extract_if(.., |(_, until)| all || *until < now).collect();
        for (fault, _) in over {
            match fault {
                Fault::Quota => {
                    self.await_restart().await;
                    self.scene.lab().quota(QUOTA).await;
                }
                Fault::Nodes => self.scene.lab().node_rules(&[]).await,
            }
            self.say(&format!("lifted: {fault:?}"));
        }
    }

    /// Somebody deletes a server in Nova.
    pub(super) async fn delete_in_nova(&mut self) {
        self.await_restart().await;
        let group = self.group();
        let servers: Vec<_> = self.scene.servers(&group).await.into_keys().collect();
        if servers.len() < 2 {
            return;
        }
        let server = servers[self.random.random_range(0..servers.len())].clone();
        self.record.lock().unwrap().deleted_in_nova.insert(server.clone());
        self.scene.openstack.delete_server(&server).await;
        self.say(&format!("{}: somebody deleted server {server} in Nova", group.id));
    }
}
