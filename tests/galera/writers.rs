//! A run that writes to one node, and then to all of them.

use doorbuster::{
    feed::Feed,
    model::{
        ClusterFigures, ShopError, SimulationPlan, StrategyKey, Verdict, findings, plan::Writers,
    },
    simulation::{Engine, SimulationError},
};

use super::{
    SALE_MAX,
    cluster::{Cluster, NODES},
};
use crate::support::{TestShop, administrator, check_audit_clean, within};

fn plan() -> SimulationPlan {
    SimulationPlan {
        strategies: vec![StrategyKey::RowLock],
        buyers: 120,
        stock: 100,
        // While one node has locked the row, the others lock it too.
        race_window_ms: 5,
        pool_size: 6,
        writers: Some(Writers::Both),
        ..SimulationPlan::preset()
    }
}

fn cluster_of(verdict: &Verdict) -> &ClusterFigures {
    verdict.cluster.as_ref().expect("the plan chose its nodes")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Galera cluster: ./makew test-engines"]
async fn a_hot_row_conflicts_on_several_writer_nodes_and_not_on_one() {
    let cluster = Cluster::start().await;
    let shop = TestShop::new().await;
    let engine = |node: usize| {
        let url = cluster.url(node, shop.database.url());
        Engine::new(url, Feed::default()).with_nodes(cluster.addresses())
    };
    let here = engine(0);
    assert!(here.has_writers(shop.db()).await);
    let started = here.start(&administrator(), plan()).await;
    let started = started.expect("the run starts");
    let elsewhere = engine(1).start(&administrator(), plan()).await;
    assert!(
        matches!(elsewhere, Err(SimulationError::Busy)),
        "two runs on two nodes: {elsewhere:?}"
    );
    let run = within(SALE_MAX, "the run", here.finish(started, &[], |_| {})).await;
    let run = run.expect("it has verdicts");
    let verdicts: Vec<_> = run
        .lanes
        .iter()
        .filter_map(|lane| lane.verdict.as_ref())
        .collect();
    let [one, all] = verdicts.as_slice() else {
        panic!("two lanes: {run:#?}");
    };
    for verdict in [one, all] {
        assert!(verdict.invariants_held(), "{verdict:#?}");
    }
    assert_eq!(one.sold, 100, "{one:#?}");
    assert_eq!((cluster_of(one).nodes, cluster_of(one).conflicts()), (1, 0));
    let on_all = cluster_of(all);
    assert_eq!(
        (on_all.nodes as usize, on_all.node_names.len()),
        (NODES, NODES)
    );
    assert!(on_all.conflicts() > 0 && all.retries > 0, "{all:#?}");
    let happened = findings::of_writers(&run).expect("both have verdicts");
    assert!(happened.contains("with 3 writer nodes"), "{happened}");
    check_audit_clean(&shop).await;
}

#[tokio::test]
#[ignore = "needs a Galera cluster: ./makew test-engines"]
async fn a_node_that_cannot_be_written_to_is_named() {
    let cluster = Cluster::start().await;
    let shop = TestShop::new().await;
    let mut nodes = cluster.addresses();
    nodes[1] = "127.0.0.1:1".to_owned();
    let engine = Engine::new(shop.database.url().to_owned(), Feed::default()).with_nodes(nodes);
    let refused = engine.start(&administrator(), plan()).await;
    let Err(SimulationError::Shop(error @ ShopError::FieldsInvalid(_))) = refused else {
        panic!("it was not refused: {refused:?}");
    };
    let message = error.field_message("writers").unwrap_or_default();
    assert!(message.contains("127.0.0.1:1"), "{message}");
    assert_eq!(shop.count("simulation_run").await, 0, "nothing was stored");
    assert!(!engine.is_busy(), "the next run can start");
}
