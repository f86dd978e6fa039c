//! What the engine does while one service answers from a database replica that lags.

use super::*;

impl Scene {
    /// Two nodes have become four, and this service goes on hearing of two, free of contradictions.
    async fn with_a_lagging(service: Service) -> Self {
        let scene = Self::new(2, 10).await;
        let lagging = FaultRule::always(Fault::Lagging(Duration::from_secs(3600))).at(service);
        scene.simulator.set_faults(FaultPlan { seed: 1, rules: vec![lagging] });
        scene.simulator.operator_resize("pool-b", 4, &[]).unwrap();
        scene
            .until("the operator's resize ends", |scene| scene.simulator.is_at_rest() && scene.size() == 4)
            .await;
        sleep(Duration::from_secs(60)).await;
        scene
    }
}

/// The resize of [`Scene::with_a_lagging`].
fn operators() -> (u32, Vec<String>) {
    (4, vec![])
}

/// Heat's list and its `refs_map` agree with each other on two of four members: neither a size nor a removal may be
/// reckoned from them.
#[tokio::test(start_paused = true)]
async fn an_old_list_of_heat_costs_no_node() {
    let scene = Scene::with_a_lagging(Service::Orchestration).await;
    let named = scene.server(0).unwrap();
    for answer in [scene.increase(1).await, scene.delete(named).await, scene.increase(3).await] {
        let Err(RequestError::Contradiction { contradiction, .. }) = answer else {
            panic!("not refused: {answer:?}")
        };
        let words = contradiction.to_string();
        assert!(
            words.starts_with("Heat counts 2 members, Magnum's node_count is 4, Nova lists 4 servers"),
            "{words}"
        );
    }
    sleep(Duration::from_secs(1200)).await;
    assert_eq!((scene.size(), scene.resizes()), (4, vec![operators()]));
    // Heat has caught up.
    scene.simulator.set_faults(FaultPlan::none());
    scene.until("all four are seen", |scene| scene.view().target_size == 4).await;
    scene.delete(named).await.unwrap();
    scene.ends_well_with(3).await;
    assert_eq!(scene.resizes(), [operators(), (3, vec!["0".to_owned()])]);
}

/// A process that has just started knows nothing of before.
#[tokio::test(start_paused = true)]
async fn an_old_list_of_heat_costs_no_node_after_a_restart() {
    let mut scene = Scene::with_a_lagging(Service::Orchestration).await;
    scene.restart().await;
    sleep(Duration::from_secs(30)).await;
    let answer = scene.increase(1).await;
    assert!(matches!(answer, Err(RequestError::Contradiction { .. })), "{answer:?}");
    assert_eq!((scene.size(), scene.resizes()), (4, vec![operators()]));
}

/// What was acknowledged is refused in the end, and told, if the contradiction lasts.
#[tokio::test(start_paused = true)]
async fn an_acknowledged_request_waits_for_heat_and_is_refused_in_the_end() {
    let scene = Scene::with_a_hanging_node().await;
    scene.increase(1).await.unwrap();
    scene.simulator.clear_node_rules();
    let lagging = FaultRule::always(Fault::Lagging(Duration::from_secs(7200))).at(Service::Orchestration);
    scene.simulator.set_faults(FaultPlan { seed: 1, rules: vec![lagging] });
    scene.simulator.operator_resize("pool-b", 6, &[]).unwrap();
    scene.until("it is refused", |scene| !scene.failures.0.lock().unwrap().is_empty()).await;
    scene.until("the operator's nodes are there", |scene| scene.size() == 6).await;
    assert_eq!(scene.resizes(), [naming_nobody(3), (6, vec![])], "the service's and the operator's");
}

/// Magnum's count alone may be wrong for good; Heat and Nova agree, and scaling goes on.
#[tokio::test(start_paused = true)]
async fn an_old_count_of_magnum_stops_nothing() {
    let scene = Scene::with_a_lagging(Service::ContainerInfra).await;
    scene.until("all four are seen", |scene| scene.view().instances.len() == 4).await;
    let named = scene.server(0).unwrap();
    scene.delete(named).await.unwrap();
    scene.until("it is sent", |scene| scene.resizes().len() > 1).await;
    assert_eq!(scene.resizes()[1], (3, vec!["0".to_owned()]));
}

/// Nova alone may be behind: Heat and Magnum agree.
#[tokio::test(start_paused = true)]
async fn an_old_list_of_nova_stops_nothing() {
    let scene = Scene::with_a_lagging(Service::Compute).await;
    scene.until("all four are seen", |scene| scene.view().instances.len() == 4).await;
    scene.increase(1).await.unwrap();
    scene.ends_well_with(5).await;
    assert_eq!(scene.resizes(), [operators(), naming_nobody(5)]);
}

/// Two that are behind alike cannot be told from the truth by their number, but Nova's servers can.
#[tokio::test(start_paused = true)]
async fn a_server_that_heat_does_not_know_is_a_node() {
    let scene = Scene::with_a_lagging(Service::Orchestration).await;
    let behind = |service| FaultRule::always(Fault::Lagging(Duration::from_secs(3600))).at(service);
    let rules = vec![behind(Service::Orchestration), behind(Service::ContainerInfra)];
    scene.simulator.set_faults(FaultPlan { seed: 1, rules });
    let answer = scene.increase(1).await;
    assert!(matches!(answer, Err(RequestError::Contradiction { .. })), "{answer:?}");
    assert_eq!((scene.size(), scene.resizes()), (4, vec![operators()]));
}
