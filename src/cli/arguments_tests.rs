use clap::error::ErrorKind;

use super::*;

fn serve(options: &[&str]) -> Result<Box<ServeArguments>, clap::Error> {
    let line = ["cluster-autoscaler-provider-magnum", "serve"].iter().chain(options);
    let arguments = Arguments::from_arg_matches(&Arguments::definition().try_get_matches_from(line)?)?;
    match arguments.command {
        Command::Serve(arguments) => Ok(arguments),
        #[cfg(feature = "simulator")]
        Command::Simulate(_) | Command::Demo(_) => panic!("not serve"),
    }
}

#[test]
fn the_command_line_is_consistent() {
    Arguments::definition().debug_assert();
}

#[test]
fn each_option_is_an_environment_variable_and_explained() {
    for command in Arguments::definition().get_subcommands() {
        for option in command.get_arguments() {
            let long = option.get_long().unwrap();
            let expected = match long {
                "os-cloud" => "OS_CLOUD".to_owned(),
                "kubeconfig" => "KUBECONFIG".to_owned(),
                _ => format!("MAGNUM_AUTOSCALER_{}", long.to_ascii_uppercase().replace('-', "_")),
            };
            assert_eq!(option.get_env().unwrap(), expected.as_str(), "--{long}");
            assert!(option.get_help().is_some(), "--{long}");
        }
    }
}

#[test]
fn the_defaults_are_those_of_the_contract() {
    let arguments = serve(&["--cluster-name", "k8s"]).unwrap();
    assert_eq!(arguments.address.to_string(), "127.0.0.1:8086");
    assert_eq!(arguments.admin_address.to_string(), "127.0.0.1:8087");
    assert_eq!(arguments.pace.coalesce_window, Duration::from_millis(200));
    assert_eq!(arguments.pace.refresh_interval, Duration::from_secs(10));
    assert!(!arguments.simulates() && !arguments.tls.insecure);
    assert!(!arguments.kubernetes.kube_lookup && !arguments.kubernetes.kube_events);
    assert_eq!(arguments.cloud.provider_id_prefix, None);
}

#[test]
fn a_cluster_is_needed() {
    assert_eq!(serve(&[]).unwrap_err().kind(), ErrorKind::MissingRequiredArgument);
}

#[cfg(feature = "simulator")]
#[test]
fn no_cluster_is_needed_where_it_is_simulated() {
    assert!(serve(&["--simulate"]).unwrap().cloud.cluster_name.is_none());
}

#[cfg(feature = "simulator")]
#[test]
fn options_of_the_simulator_need_it() {
    for option in [["--latency", "50ms"], ["--profile", "queens"]] {
        let line = [["--cluster-name", "k8s"], option].concat();
        assert_eq!(serve(&line).unwrap_err().kind(), ErrorKind::MissingRequiredArgument, "{option:?}");
    }
    let error = serve(&["--simulate", "--profile", "rocky"]).unwrap_err();
    assert!(error.to_string().contains("magnum-cluster-api"), "{error}");
    let line = ["--simulate", "--latency", "50ms", "--groups", "5", "--nodes-per-group", "200"];
    let simulator = serve(&line).unwrap().simulator;
    assert_eq!((simulator.latency, simulator.groups), (Duration::from_millis(50), Some(5)));
    assert_eq!(
        serve(&["--simulate", "--cloud-config", "cloud.conf"]).unwrap_err().kind(),
        ErrorKind::ArgumentConflict
    );
}

#[test]
fn the_flags_of_the_in_tree_provider_keep_their_form() {
    let nodes = serve(&["--cluster-name", "k8s", "--nodes", "1:6:default-worker", "--nodes=0:10:pool-b"]);
    assert_eq!(nodes.unwrap().cloud.nodes, ["1:6:default-worker", "0:10:pool-b"]);
    let roles = "--node-group-auto-discovery=magnum:role=worker,autoscaling";
    let discovery = serve(&["--cluster-name", "k8s", roles]).unwrap().cloud.node_group_auto_discovery;
    assert_eq!(discovery, ["magnum:role=worker,autoscaling"]);
    let both = serve(&["--cluster-name", "k8s", "--nodes", "1:6:default-worker", roles]);
    assert_eq!(both.unwrap_err().kind(), ErrorKind::ArgumentConflict);
}

#[test]
fn addresses_and_durations_are_read_as_people_write_them() {
    assert_eq!(parse_address(":8086").unwrap().to_string(), "[::]:8086");
    assert_eq!(parse_address("localhost:1").unwrap().to_string(), "127.0.0.1:1");
    assert_eq!(parse_address("[::1]:8086").unwrap().to_string(), "[::1]:8086");
    for wrong in ["8086", "127.0.0.1", "provider.example:8086", ":x", ":99999"] {
        assert!(parse_address(wrong).is_err(), "{wrong}");
    }
    assert!(parse_positive_duration("0s").is_err() && parse_positive_duration("soon").is_err());
    assert_eq!(parse_positive_duration("1m 30s").unwrap(), Duration::from_secs(90));
}

#[test]
fn a_provider_id_prefix_has_a_scheme_and_no_uuid() {
    let prefix = |prefix| serve(&["--cluster-name", "k8s", "--provider-id-prefix", prefix]);
    for good in ["openstack:///", "openstack://RegionOne/", "ovh:///"] {
        assert_eq!(prefix(good).unwrap().cloud.provider_id_prefix, Some(good.parse().unwrap()));
    }
    let message = prefix("openstack").unwrap_err().to_string();
    assert!(message.contains("--provider-id-prefix") && message.contains("openstack://REGION/"), "{message}");
}
