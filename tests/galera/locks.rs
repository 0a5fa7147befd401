//! Locks that must be valid on all nodes.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use doorbuster::{
    db::{
        Db, locks,
        session_lock::SessionLock,
        txn::{self, Policy, TxnError},
    },
    feed::Feed,
    model::{RunState, SimulationPlan, StrategyKey},
    shop::Shop,
    simulation::{Engine, SimulationError},
};
use tokio::sync::Barrier;

use super::{SALE_MAX, Servers, cluster::Cluster};
use crate::support::{PATIENCE, TestShop, administrator, within};

/// An arbitrary number that no other lock uses.
const LOCK: i64 = 0x6761_6c65;

/// Takes the lock of an address, and meets the other node while both have it.
async fn count_holds(
    db: &Db,
    both_have_it: &Arc<Barrier>,
    tries: &Arc<AtomicUsize>,
) -> Result<(), TxnError> {
    let (both_have_it, tries) = (Arc::clone(both_have_it), Arc::clone(tries));
    let met = Arc::new(AtomicUsize::new(0));
    txn::run_for_result(db, Policy::request("count holds"), move |work| {
        let (both_have_it, tries) = (Arc::clone(&both_have_it), Arc::clone(&tries));
        let met = Arc::clone(&met);
        Box::pin(async move {
            tries.fetch_add(1, Ordering::Relaxed);
            locks::holds_of_address(work, "10.0.0.1").await?;
            if met.fetch_add(1, Ordering::Relaxed) == 0 {
                both_have_it.wait().await;
            }
            Ok(())
        })
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Galera cluster: ./makew test-engines"]
async fn of_two_nodes_that_count_the_holds_of_an_address_one_counts_again() {
    let servers = Servers::start().await;
    let [one, other, ..] = servers.nodes.as_slice() else {
        panic!("three nodes");
    };
    let (both_have_it, tries) = (Arc::new(Barrier::new(2)), Arc::default());
    let count = |node: &Shop| {
        let (db, both_have_it) = (node.db().clone(), Arc::clone(&both_have_it));
        let tries = Arc::clone(&tries);
        async move { count_holds(&db, &both_have_it, &tries).await }
    };
    let counted = within(PATIENCE, "both counts", async {
        tokio::join!(count(one), count(other))
    });
    let (on_one, on_other) = counted.await;
    on_one.expect("it commits");
    on_other.expect("it commits");
    assert_eq!(tries.load(Ordering::Relaxed), 3, "one of them was retried");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Galera cluster: ./makew test-engines"]
async fn a_lock_of_a_session_is_valid_on_all_nodes() {
    let cluster = Cluster::start().await;
    let shop = TestShop::new().await;
    let urls = [0, 1].map(|node| cluster.url(node, shop.database.url()));
    cluster.until_current(&urls[1]).await;
    let take = |node: usize| SessionLock::try_acquire(&urls[node], "doorbuster test", LOCK);
    let first = take(0).await.expect("the node answers");
    let first = first.expect("it is free");
    cluster.until_current(&urls[1]).await;
    let second = take(1).await.expect("the node answers");
    assert!(second.is_none(), "two nodes have it");
    first.release().await;
    cluster.until_current(&urls[1]).await;
    let second = take(1).await.expect("the node answers");
    second.expect("it is free again").release().await;
}

/// The buyers take at least six seconds, one after the other. The lease is renewed every two.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a Galera cluster: ./makew test-engines"]
async fn a_run_whose_lock_another_session_has_taken_is_aborted() {
    let cluster = Cluster::start().await;
    let shop = TestShop::new().await;
    let engine = Engine::new(cluster.url(0, shop.database.url()), Feed::default());
    let plan = SimulationPlan {
        strategies: vec![StrategyKey::RowLock],
        buyers: 120,
        stock: 120,
        race_window_ms: 50,
        ..SimulationPlan::preset()
    };
    let started = engine.start(&administrator(), plan).await;
    let started = started.expect("the run starts");
    let live = Arc::clone(&started.run);
    shop.by_hand
        .run("UPDATE cluster_lease SET holder = 'another'")
        .await;
    let end = within(SALE_MAX, "the end", engine.finish(started, &[], |_| {})).await;
    assert!(matches!(end, Err(SimulationError::LockLost)), "{end:?}");
    let end = live.snapshot();
    assert_eq!(end.state, RunState::Failed);
    let sold = shop.count("customer_order").await;
    assert!(sold < i64::from(end.plan.stock), "it was aborted");
    assert_eq!(
        shop.count("cluster_lease WHERE holder = 'another'").await,
        1
    );
}
