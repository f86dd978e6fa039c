//! gophercloud against `simulate`, by a small Go program. Needs Go and its module proxy; where they are missing it says
//! so and passes.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::cloud::Cloud;

/// What the program prints, a line for each call.
const EXPECTED: &str = "\
clusters.List k8s 1
clusters.ListDetail k8s v1.23.3
clusters.Get UPDATE_COMPLETE
clustertemplates.List k8s-template
certificates.Get true
nodegroups.List default-worker pool-b
nodegroups.Create gpu b v1.23.3
nodegroups.Update 7
nodegroups.Delete
clusters.Resize
clusters.Update
stacks.Find true
stacks.Get True
stackresources.Find kube_minions
stackresources.List true
stackresources.Get OS::Heat::ResourceGroup
stackevents.Find true
stackevents.List true
stackevents.ListResourceEvents true
stackevents.Get kube_minions
servers.List true
servers.Get true
flavors.ListDetail 3
";

/// Builds the program; none where that cannot be done.
fn program() -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/openstack_clients/gophercloud");
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("gophercloud-calls");
    let built = Command::new("go").args(["build", "-o"]).arg(&program).arg(".").current_dir(source).output();
    match built {
        Ok(built) if built.status.success() => Some(program),
        Ok(built) => {
            println!("skipped: gophercloud cannot be built: {}", String::from_utf8_lossy(&built.stderr));
            None
        }
        Err(error) => {
            println!("skipped: Go is not installed ({error})");
            None
        }
    }
}

/// Logs in with `AuthOptionsFromEnv` and what `simulate` printed.
#[test]
fn gophercloud_works_against_the_simulator() {
    let Some(program) = program() else { return };
    let cloud = Cloud::start();
    let output = Command::new(program).env_clear().envs(&cloud.environment).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), EXPECTED);
}
