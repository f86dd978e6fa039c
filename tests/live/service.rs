//! The service as a process of its own.

use std::{
    fs::{File, OpenOptions},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::process::{Child, Command};
use tonic::transport::Endpoint;

use crate::{autoscaler::Autoscaler, scene::eventually, site::Site};

/// How long the service may take to be ready; it waits for the cloud.
const START: Duration = Duration::from_secs(60);

/// A running service.
pub(crate) struct Service {
    child: Child,
    admin: SocketAddr,
    /// Its only client.
    pub(crate) autoscaler: Autoscaler,
    /// Where its log goes.
    log: PathBuf,
}

impl Service {
    /// Starts the service and waits until it is ready. Its log is appended to `log`.
    pub(crate) async fn start(site: &Site, log: &Path) -> Self {
        let (address, admin) = free_addresses();
        let output = OpenOptions::new().create(true).append(true).open(log).expect("the log file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_cluster-autoscaler-provider-magnum"));
        command.arg("serve").args(["--cluster-name", &site.cluster]);
        command.args(["--address", &address.to_string(), "--admin-address", &admin.to_string()]);
        if let Some(file) = &site.cloud_config {
            command.arg("--cloud-config").arg(file);
        }
        if let Some(method) = &site.resize_method {
            command.args(["--resize-method", method]);
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::from(output.try_clone().expect("the log file once more")))
            .stderr(Stdio::from(output))
            .kill_on_drop(true)
            .spawn()
            .expect("the service's binary");
        let channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy();
        let mut service = Self { child, admin, autoscaler: Autoscaler::new(channel), log: log.to_owned() };
        service.await_ready().await;
        service
    }

    async fn await_ready(&mut self) {
        let url = format!("http://{}/readyz", self.admin);
        let child = &mut self.child;
        eventually("the service's /readyz", START, async || {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("the service ended with {status} instead of getting ready");
            }
            match get(&url).await {
                Ok((true, _)) => Ok(()),
                Ok((false, page)) => Err(page),
                Err(error) => Err(error.to_string()),
            }
        })
        .await;
    }

    /// Ends the service as a crash would.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("kill -9 of the service");
    }

    /// How many requests to resize it has sent to Magnum, whatever was answered. The second step of a removal by an
    /// update of the Heat stack is one of them, so that a removal that is done counts once with either method.
    pub(crate) async fn resizes_sent(&self) -> u64 {
        self.sum("openstack_api_requests_total", &["service=\"magnum\"", "method=\"POST\""]).await
    }

    /// How many updates of a Heat stack it has sent, whatever was answered.
    pub(crate) async fn heat_updates_sent(&self) -> u64 {
        self.sum("openstack_api_requests_total", &["service=\"heat\"", "method=\"PATCH\""]).await
    }

    /// How many nodes it has found gone that nobody named.
    pub(crate) async fn wrong_removals(&self) -> u64 {
        self.sum("magnum_autoscaler_wrong_removals_total", &[]).await
    }

    /// How many requests it has acknowledged and reported as not possible later.
    pub(crate) async fn dropped_requests(&self) -> u64 {
        self.sum("magnum_autoscaler_dropped_requests_total", &[]).await
    }

    /// The sum of a counter's values over all series with these labels.
    async fn sum(&self, counter: &str, labels: &[&str]) -> u64 {
        let (_, page) = get(&format!("http://{}/metrics", self.admin)).await.expect("/metrics");
        page.lines()
            .filter(|line| line.split(['{', ' ']).next() == Some(counter))
            .filter(|line| labels.iter().all(|label| line.contains(label)))
            .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().expect("a whole number"))
            .sum()
    }

    /// Its log from the start, with those of the processes before it.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_else(|error| error.to_string())
    }
}

/// An empty file for the log of a test's services. It stays, for whoever wants to read more.
pub(crate) fn log_file(test: &str) -> PathBuf {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("live-{test}.log"));
    File::create(&file).expect("a log file in the target directory");
    file
}

/// Two addresses of loopback that nobody listens at.
fn free_addresses() -> (SocketAddr, SocketAddr) {
    let listener = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let (first, second) = (listener(), listener());
    (first.local_addr().unwrap(), second.local_addr().unwrap())
}

/// Whether the answer is a good one, and the page.
async fn get(url: &str) -> reqwest::Result<(bool, String)> {
    // Fails only where one is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build()?;
    let answer = client.get(url).send().await?;
    Ok((answer.status().is_success(), answer.text().await?))
}
