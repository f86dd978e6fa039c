//! The commands, each with what it must show.

use std::{
    collections::BTreeSet,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{
    client::{Client, Outcome, install},
    cloud::Cloud,
};

/// Longest time that a group takes to settle; a busy machine needs more than the simulator does.
const PATIENCE: Duration = Duration::from_secs(60);

/// The command line on a simulated cloud of its own.
struct Session {
    _cloud: Cloud,
    client: Client,
    /// All different command lines.
    lines: BTreeSet<String>,
}

impl Session {
    /// None where the command line cannot be had.
    fn start(name: &str, magnumclient: &str) -> Option<Self> {
        let python = install(name, magnumclient)?;
        let cloud = Cloud::start();
        let client = Client::start(&python, &cloud.environment);
        Some(Self { _cloud: cloud, client, lines: BTreeSet::new() })
    }

    fn run(&mut self, line: &str) -> Outcome {
        self.lines.insert(line.to_owned());
        self.client.run(line)
    }

    /// A command that succeeds; what it prints.
    fn text(&mut self, line: &str) -> String {
        let outcome = self.run(line);
        assert_eq!(outcome.code, 0, "openstack {line}: {outcome:?}");
        outcome.out
    }

    /// A command that succeeds, in JSON.
    fn json(&mut self, line: &str) -> Value {
        let outcome = self.run(&format!("{line} -f json"));
        assert_eq!(outcome.code, 0, "openstack {line}: {outcome:?}");
        outcome.json()
    }

    /// A command that the cloud refuses in these words.
    fn refused(&mut self, line: &str, words: &str) {
        let outcome = self.run(line);
        assert_eq!(outcome.code, 1, "openstack {line}: {outcome:?}");
        assert!(outcome.err.contains(words), "openstack {line}: {outcome:?}");
    }

    /// A list's values of one column.
    fn column(&mut self, line: &str, column: &str) -> Vec<String> {
        let rows = self.json(line);
        let text = |row: &Value| match &row[column] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        rows.as_array().unwrap().iter().map(text).collect()
    }

    /// Waits until a node group shows this value and nothing is in progress.
    fn await_group(&mut self, group: &str, field: &str, value: u64) {
        let end = Instant::now() + PATIENCE;
        loop {
            let shown = self.json(&format!("coe nodegroup show k8s {group}"));
            if shown[field] == value && shown["status"].as_str().unwrap().ends_with("_COMPLETE") {
                return;
            }
            assert!(Instant::now() < end, "{group} does not come to {field} {value}: {shown}");
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until the project has this many servers and all are active.
    fn await_active_servers(&mut self, count: usize) {
        let end = Instant::now() + PATIENCE;
        loop {
            let states = self.column("server list", "Status");
            if states.len() == count && states.iter().all(|status| status == "ACTIVE") {
                return;
            }
            assert!(Instant::now() < end, "there are not {count} active servers: {states:?}");
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until nothing is in progress in the cluster: Magnum drops an update of it without a word before.
    fn await_cluster(&mut self) {
        let end = Instant::now() + PATIENCE;
        while self.json("coe cluster show k8s")["status"] != "UPDATE_COMPLETE" {
            assert!(Instant::now() < end, "the cluster does not settle");
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until a node group is not there.
    fn await_end_of_group(&mut self, group: &str) {
        let end = Instant::now() + PATIENCE;
        while self.column("coe nodegroup list k8s", "name").iter().any(|name| name == group) {
            assert!(Instant::now() < end, "{group} does not go");
            thread::sleep(Duration::from_millis(100));
        }
    }
}

fn clusters_and_templates(session: &mut Session) {
    assert_eq!(session.column("coe cluster list", "name"), ["k8s"]);
    let cluster = session.json("coe cluster show k8s");
    assert_eq!((&cluster["node_count"], &cluster["master_count"]), (&json!(1), &json!(1)));
    let by_uuid = session.json(&format!("coe cluster show {}", cluster["uuid"].as_str().unwrap()));
    assert_eq!(by_uuid["name"], "k8s");
    session.refused("coe cluster show elsewhere", "Cluster elsewhere could not be found");
    assert_eq!(session.column("coe cluster template list", "name"), ["k8s-template"]);
    let template = session.json("coe cluster template show k8s-template");
    assert_eq!(template["uuid"], cluster["cluster_template_id"]);
    assert!(session.text("coe ca show k8s").starts_with("-----BEGIN CERTIFICATE-----"));
    let folder = tempfile::tempdir().unwrap();
    let shown = session.text(&format!("coe cluster config k8s --dir {}", folder.path().display()));
    assert!(shown.contains("KUBECONFIG="), "{shown}");
    let config = std::fs::read_to_string(folder.path().join("config")).unwrap();
    assert!(config.contains("server: https://") && config.contains("certificate-authority-data"), "{config}");
    let project = session.json("token issue")["project_id"].as_str().unwrap().to_owned();
    let statistics = session.text(&format!("coe stats list {project}"));
    assert!(statistics.contains("| nodes    | 2     |"), "{statistics}");
    session.refused("coe service list", "Policy doesn't allow magnum-service:get_all to be performed");
    session.refused("coe quotas list", "Policy doesn't allow quota:get_all to be performed");
}

fn node_groups(session: &mut Session, set_maximum: &str, set_minimum: &str) {
    let names = ["default-master", "default-worker", "pool-b"];
    assert_eq!(session.column("coe nodegroup list k8s", "name"), names);
    assert_eq!(session.column("coe nodegroup list k8s --role worker", "name"), names[1..]);
    let create = "coe nodegroup create k8s pool-gpu --node-count 1 --min-nodes 0 --max-nodes 3 --role gpu \
                  --flavor g1.gpu --labels a=b --merge-labels";
    assert!(session.text(create).contains("accepted"));
    session.await_group("pool-gpu", "node_count", 1);
    let group = session.json("coe nodegroup show k8s pool-gpu");
    assert_eq!((&group["role"], &group["flavor_id"]), (&json!("gpu"), &json!("g1.gpu")));
    assert_eq!((&group["min_node_count"], &group["max_node_count"]), (&json!(0), &json!(3)));
    assert_eq!((&group["labels"]["a"], &group["labels_added"]), (&json!("b"), &json!({"a": "b"})));
    assert!(group["labels"]["kube_tag"].is_string(), "the cluster's labels are there as well: {group}");
    assert_eq!(session.column("coe nodegroup list k8s --role gpu", "name"), ["pool-gpu"]);
    session.refused(create, "A node group with name pool-gpu already exists in the cluster k8s");
    session.refused(
        "coe nodegroup create k8s pool-c --node-count 3 --max-nodes 2",
        "node_count (3) should be less or equal to max_node_count (2)",
    );
    session.refused(
        "coe nodegroup create k8s pool-c --node-count 1 --min-nodes 2",
        "min_node_count (2) should be less or equal to node_count (1)",
    );

    // As the README has it.
    assert!(session.text(&format!("coe nodegroup update k8s pool-b {set_maximum}")).contains("accepted"));
    session.await_group("pool-b", "max_node_count", 7);
    session.refused(
        &format!("coe nodegroup update k8s pool-b {set_minimum}"),
        "min_node_count (5) should be less or equal to node_count (0)",
    );

    assert!(session.text("coe nodegroup delete k8s pool-gpu").contains("accepted"));
    session
        .refused("coe nodegroup delete k8s default-worker", "Deleting a default nodegroup is not supported");
    session.await_end_of_group("pool-gpu");
}

fn sizes(session: &mut Session, set_size: &str) {
    assert!(session.text("coe cluster resize k8s 2 --nodegroup pool-b").contains("accepted"));
    session.await_group("pool-b", "node_count", 2);
    let servers = session.json("server list --name pool-b");
    let id_of = |end: &str| {
        let mut rows = servers.as_array().unwrap().iter();
        let row = rows.find(|row| row["Name"].as_str().unwrap().ends_with(end)).unwrap();
        row["ID"].as_str().unwrap().to_owned()
    };
    let (first, second) = (id_of("-node-0"), id_of("-node-1"));
    session.text(&format!("coe cluster resize k8s 1 --nodegroup pool-b --nodes-to-remove {first}"));
    session.await_group("pool-b", "node_count", 1);
    assert_eq!(session.column("server list --name pool-b", "ID"), [second]);
    session.refused("coe cluster resize k8s 9 --nodegroup pool-b", "outside the allowed range");
    session.await_cluster();
    session.text(&format!("coe cluster update k8s {set_size}"));
    // Magnum shows the new count at once, and that the group changes only when it looks the next time.
    session.await_active_servers(5);
    session.await_group("default-worker", "node_count", 3);
}

fn stacks(session: &mut Session) {
    let stack = session.json("coe nodegroup show k8s pool-b")["stack_id"].as_str().unwrap().to_owned();
    let ids = session.column("stack list", "ID");
    assert!(ids.len() == 2 && ids.contains(&stack), "{ids:?}");
    assert!(session.column("stack list --nested", "ID").len() > ids.len());
    let shown = session.json(&format!("stack show {stack}"));
    assert_eq!(shown["parameters"]["number_of_minions"], "1");
    let name = shown["stack_name"].as_str().unwrap().to_owned();
    assert_eq!(session.json(&format!("stack show {name}"))["id"], stack);
    session.refused("stack show elsewhere", "Stack not found: elsewhere");
    let own = session.column(&format!("stack resource list {name}"), "resource_name");
    assert_eq!(own, ["kube_minions", "worker_nodes_server_group"]);
    let nested = session.column(&format!("stack resource list -n 3 {stack}"), "resource_name");
    for resource in ["kube_minions", "1", "kube-minion", "kube_minion_eth0"] {
        assert!(nested.iter().any(|name| name == resource), "{resource}: {nested:?}");
    }
    let minions = session.json(&format!("stack resource show {stack} kube_minions"));
    assert_eq!(minions["attributes"]["removed_rsrc_list"], json!(["0"]));
    let events = session.text(&format!("stack event list {name}"));
    assert!(events.contains("UPDATE_COMPLETE  Stack UPDATE completed successfully"), "{events}");
    let all = session.text(&format!("stack event list --nested-depth 3 {stack}"));
    assert!(all.contains("kube-minion") && all.contains("DELETE_COMPLETE"), "{all}");
    let of_resource = session.text(&format!("stack event list {stack} --resource kube_minions"));
    assert!(of_resource.contains("kube_minions]: UPDATE_COMPLETE"), "{of_resource}");
    let outputs = session.column(&format!("stack output list {stack}"), "output_key");
    assert!(outputs.iter().any(|output| output == "kube_minions_private"), "{outputs:?}");
    let nested_stack = minions["physical_resource_id"].as_str().unwrap().to_owned();
    let map = session.text(&format!("stack output show {nested_stack} refs_map"));
    assert!(map.contains("output_value"), "{map}");
}

fn servers_and_flavors(session: &mut Session) {
    let servers = session.column("server list", "Name");
    assert_eq!(servers.len(), 5, "three workers, one of pool-b and the master: {servers:?}");
    assert!(
        session.json("server list --long").as_array().unwrap().iter().all(|row| row["Status"] == "ACTIVE")
    );
    let worker = servers.iter().find(|name| name.contains("-node-")).unwrap();
    assert_eq!(session.json(&format!("server show {worker}"))["status"], "ACTIVE");
    let flavors = session.column("flavor list", "Name");
    assert_eq!(flavors, ["m1.master", "m1.node", "g1.gpu"]);
    assert_eq!(session.json("flavor show m1.node")["ram"], 8192);
    let types = session.column("catalog list", "Type");
    assert!(types.iter().any(|kind| kind == "container-infra"), "{types:?}");
    assert!(session.text("versions show").contains("1.10"));
    session.text(&format!("server delete {worker}"));
    assert!(!session.column("server list", "Name").contains(worker));
}

fn everything(session: &mut Session, [set_maximum, set_minimum, set_size]: [&str; 3]) {
    clusters_and_templates(session);
    node_groups(session, set_maximum, set_minimum);
    sizes(session, set_size);
    stacks(session);
    servers_and_flavors(session);
    println!("openstack: {} different command lines, all as they should be", session.lines.len());
}

#[test]
fn the_newest_command_line_works_against_the_simulator() {
    let Some(mut session) = Session::start("newest", "python-magnumclient>=5") else { return };
    everything(&mut session, ["--max-nodes 7", "--min-nodes 5", "--node-count 3"]);
}

/// Until python-magnumclient 4.11 attributes were given as they are in a patch.
#[test]
fn an_older_command_line_works_against_the_simulator() {
    let Some(mut session) = Session::start("older", "python-magnumclient==4.8.1") else { return };
    everything(
        &mut session,
        ["replace max_node_count=7", "replace min_node_count=5", "replace node_count=3"],
    );
}
