//! The lab's knobs: a cloud whose quota, nodes and services the tests may break.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::process::Command;

/// The quota of servers that the lab has when nobody cut it.
pub(crate) const QUOTA: usize = 60;

/// Calls a function of the lab's own script. Its `up` and `restart` do more: they lift the quota and bring a cluster with
/// failed nodes back to its first size, by counts.
const CALL: &str = r#"
    . "$0" env >/dev/null
    . "$LAB_DIR/secrets.env"
    export LAB_PASS MYSQL_PORT AMQP_PORT MC_PORT STUB_PORT
    "$@"
"#;

/// The lab that `LIVE_LAB` names, a script that takes `env`, `quota N` and `reset`.
pub(crate) struct Lab {
    script: PathBuf,
}

impl Lab {
    pub(crate) fn at(script: PathBuf) -> Self {
        Self { script }
    }

    /// Runs the script; its output.
    async fn run(&self, arguments: &[&str]) -> String {
        self.try_run(arguments).await.unwrap_or_else(|said| panic!("{said}"))
    }

    /// Runs the script; its output, or all that it said where it failed.
    async fn try_run(&self, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new(&self.script)
            .args(arguments)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .unwrap_or_else(|error| panic!("{}: {error}", self.script.display()));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            Ok(text)
        } else {
            Err(format!("lab {arguments:?}: {}\n{text}{errors}", output.status))
        }
    }

    /// What `lab env` says.
    async fn variable(&self, name: &str) -> PathBuf {
        let text = self.run(&["env"]).await;
        let variables: BTreeMap<_, _> =
            text.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('=')).collect();
        PathBuf::from(variables.get(name).unwrap_or_else(|| panic!("lab env has no {name}")))
    }

    /// The number of servers that the project may have.
    pub(crate) async fn quota(&self, servers: usize) {
        self.run(&["quota", &servers.to_string()]).await;
    }

    /// As [`Lab::quota`]. Whether Nova took it: it refuses less than there is, and there may be more by now.
    pub(crate) async fn try_quota(&self, servers: usize) -> bool {
        match self.try_run(&["quota", &servers.to_string()]).await {
            Ok(_) => true,
            Err(said) if said.contains("(HTTP 400)") => false,
            Err(said) => panic!("{said}"),
        }
    }

    /// One node in each group, and no fault left.
    pub(crate) async fn reset(&self) {
        self.run(&["reset"]).await;
    }

    /// Stops one of the services, waiting so many seconds before it is killed, and starts it again.
    pub(crate) async fn restart(&self, service: &str, patience: u32) {
        self.stop(service, patience).await;
        self.start().await;
    }

    /// Stops one of the services, waiting so many seconds before it is killed.
    pub(crate) async fn stop(&self, service: &str, patience: u32) {
        self.call(&["stop", service, &patience.to_string()]).await;
    }

    /// Starts the services that do not run.
    pub(crate) async fn start(&self) {
        self.call(&["start_services"]).await;
    }

    async fn call(&self, function: &[&str]) {
        let output = Command::new("bash")
            .args(["-c", CALL])
            .arg(&self.script)
            .args(function)
            .stdin(Stdio::null())
            .output()
            .await
            .expect("bash");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{function:?}: {}\n{errors}", output.status);
    }

    /// Stops the processes of a service in their tracks: connections are taken, and nothing is answered.
    pub(crate) async fn freeze(&self, service: &str) -> Frozen {
        let file = self.variable("LAB_DIR").await.join("run").join(format!("{service}.pid"));
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let leader = text.split_whitespace().next().expect("a process id").to_owned();
        signal("STOP", &leader);
        Frozen { leader }
    }

    /// What becomes of the nodes that are made from now on: lines like `GLOB hang`.
    pub(crate) async fn node_rules(&self, rules: &[String]) {
        let file = self.variable("LAB_NODE_RULES").await;
        fs::create_dir_all(file.parent().unwrap_or(Path::new("/"))).expect("the folder of the rules");
        fs::write(&file, rules.join("\n") + "\n").expect("the file of the rules");
    }
}

/// A service that says nothing until this is dropped.
pub(crate) struct Frozen {
    /// The leader of the service's process group.
    leader: String,
}

impl Drop for Frozen {
    fn drop(&mut self) {
        signal("CONT", &self.leader);
    }
}

fn signal(name: &str, process_group: &str) {
    let sent =
        std::process::Command::new("kill").args(["-s", name, "--"]).arg(format!("-{process_group}")).status();
    assert!(sent.is_ok_and(|status| status.success()), "signal {name} to process group {process_group}");
}
