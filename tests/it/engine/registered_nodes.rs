//! Nodes as Kubernetes shows them, with and without a provider ID.

use super::*;

impl Scene {
    /// Two nodes of which the operator says that they never get a provider ID.
    async fn by_name() -> Self {
        let mut scene = Self::new(2, 10).await;
        scene.engine.stop().await;
        let options = EngineOptions { identify_by_name: true, ..EngineOptions::default() };
        scene.engine = Engine::start(simulated::cloud(&scene.simulator), options, scene.failures.clone());
        scene.until_read().await;
        scene
    }

    fn node(&self, index: u32, provider_id: &str) -> NodeReference {
        let name = self.view().instances[usize::try_from(index).unwrap()].name.clone();
        NodeReference { provider_id: provider_id.to_owned(), name }
    }

    fn is_of_the_group(&self, node: &NodeReference) -> bool {
        self.engine.group_of(node).unwrap().is_some()
    }

    fn shown(&self, index: usize) -> String {
        self.view().instances[index].provider_id.clone()
    }
}

/// Once one node, a control-plane node say, has shown a provider ID, each node will get one: until then it is not ours,
/// but it is no stranger either, whose instance would be deleted as unregistered.
#[tokio::test(start_paused = true)]
async fn a_node_that_waits_for_its_provider_id_is_not_ours_yet() {
    let scene = Scene::new(2, 10).await;
    let master = NodeReference {
        provider_id: "openstack:///deadbeef-dead-4eef-8ead-deadbeefdead".to_owned(),
        name: "k8s-abc-master-0".to_owned(),
    };
    assert!(!scene.is_of_the_group(&master));
    let (nameless, id) = (scene.node(0, ""), format!("openstack:///{}", scene.server(0).unwrap()));
    assert!(!scene.is_of_the_group(&nameless));
    assert_eq!(scene.shown(0), "", "as the node shows itself");
    let refusal =
        scene.engine.delete_nodes(&scene.view().id, std::slice::from_ref(&nameless), deadline()).await;
    assert!(matches!(refusal, Err(RequestError::NotIdentifiedYet { .. })), "{refusal:?}");

    assert!(scene.is_of_the_group(&scene.node(0, &id)));
    assert_eq!(scene.shown(0), id);

    // One that never gets one is told of.
    let forgotten = scene.node(1, "");
    assert!(!scene.is_of_the_group(&forgotten));
    let note = || scene.engine.note_about(&scene.view());
    assert_eq!(note(), None);
    sleep(Duration::from_secs(60)).await;
    assert!(!scene.is_of_the_group(&forgotten));
    assert_eq!(note(), Some(format!("{} has no provider ID", forgotten.name)));
    assert!(scene.is_of_the_group(&scene.node(1, &format!("openstack:///{}", scene.server(1).unwrap()))));
    assert_eq!(note(), None);
    assert_eq!((scene.resizes(), scene.size()), (vec![], 2));
}

#[tokio::test(start_paused = true)]
async fn a_name_counts_where_nodes_never_get_a_provider_id() {
    let scene = Scene::by_name().await;
    assert!(scene.is_of_the_group(&scene.node(0, &format!("openstack:///{}", scene.server(0).unwrap()))));
    assert!(scene.is_of_the_group(&scene.node(1, "")), "the operator says so");
}

#[tokio::test(start_paused = true)]
async fn a_registered_node_is_shown_as_it_shows_itself() {
    let scene = Scene::by_name().await;
    let view = scene.view();
    let name = view.instances[0].name.clone();
    let node = NodeReference { provider_id: String::new(), name };
    assert_eq!(scene.engine.group_of(&node).unwrap().unwrap().id, view.id);
    let ids: Vec<String> =
        scene.view().instances.iter().map(|instance| instance.provider_id.clone()).collect();
    assert_eq!(ids, [String::new(), format!("openstack:///{}", scene.server(1).unwrap())]);
}
