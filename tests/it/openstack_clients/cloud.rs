//! The command `simulate`, and the credentials that it prints.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

/// A simulated cloud; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Cloud {
    process: Child,
    /// What it printed, and nothing else.
    pub(crate) environment: BTreeMap<String, String>,
}

impl Cloud {
    pub(crate) fn start() -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_cluster-autoscaler-provider-magnum"))
            .env_clear()
            .args(["simulate", "--address", "127.0.0.1:0", "--node-boot-time", "200ms"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut environment = BTreeMap::new();
        for line in lines {
            let (name, value) = line.strip_prefix("export ").unwrap().split_once('=').unwrap();
            environment.insert(name.to_owned(), value.trim_matches('\'').to_owned());
            // All are written at once, and this is the last of them.
            if name == "OS_USER_DOMAIN_NAME" {
                break;
            }
        }
        Self { process, environment }
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
