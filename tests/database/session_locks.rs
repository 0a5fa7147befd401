//! Locks of a session behind a network that drops everything: no call waits until the network
//! notices, and a lease of a cluster continues on another connection.

use std::{
    str::FromStr,
    time::{Duration, Instant},
};

use doorbuster::db::{
    connect::ConnectError,
    engine::{Engine, mysql::cluster::ClusterLease},
    session_lock::SessionLock,
};
use sea_orm::sqlx::{Connection, MySqlConnection, mysql::MySqlConnectOptions};

use crate::support::{PATIENCE, TestShop, proxy::Proxy, within};

/// An arbitrary number that no other lock uses.
const LOCK: i64 = 0x6c6f_636b;
const NAME: &str = "doorbuster test";
/// The limit of an answer is three seconds, and the network notices a dead connection much later.
const CALL_MAX: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_lock_is_given_up_in_time_if_its_server_does_not_answer() {
    let shop = TestShop::new().await;
    let proxy = Proxy::before(shop.database.url()).await;
    let lock = SessionLock::try_acquire(proxy.url(), NAME, LOCK).await;
    let lock = lock.expect("the server answers").expect("it is free");
    proxy.drop_traffic();
    let begin = Instant::now();
    within(PATIENCE, "the release", lock.release()).await;
    assert!(begin.elapsed() < CALL_MAX, "{:?}", begin.elapsed());
}

#[tokio::test]
async fn taking_a_lock_fails_in_time_if_its_server_stops_answering() {
    let shop = TestShop::new().await;
    let proxy = Proxy::before(shop.database.url()).await;
    proxy.drop_traffic_after(match shop.by_hand.engine() {
        Engine::Postgres => "pg_try_advisory_lock",
        Engine::MySql => "GET_LOCK",
    });
    let begin = Instant::now();
    let taken = SessionLock::try_acquire(proxy.url(), NAME, LOCK);
    let taken = within(PATIENCE, "an answer", taken).await;
    assert!(
        matches!(taken, Err(ConnectError::Unreachable(_))),
        "{taken:?}"
    );
    assert!(begin.elapsed() < CALL_MAX, "{:?}", begin.elapsed());
}

/// An answer is valid for longer than these connections take, and another test may have asked.
#[tokio::test]
async fn a_server_without_a_cluster_is_not_asked_on_each_connection() {
    let shop = TestShop::new().await;
    let proxy = Proxy::before(shop.database.url()).await;
    for _ in 0..5 {
        let lock = SessionLock::try_acquire(proxy.url(), NAME, LOCK).await;
        let lock = lock.expect("the server answers").expect("it is free");
        lock.release().await;
    }
    let statements = proxy.statements();
    assert!(!statements.is_empty());
    let asks = |statement: &&String| statement.contains("wsrep_cluster_size");
    let asked = statements.iter().filter(asks).count();
    assert!(asked <= 1, "{statements:#?}");
}

/// A lease that is held through a proxy. `None` on PostgreSQL, which has no cluster of this kind.
async fn lease() -> Option<(TestShop, Proxy, ClusterLease)> {
    let shop = TestShop::new().await;
    if shop.by_hand.engine() == Engine::Postgres {
        return None;
    }
    let proxy = Proxy::before(shop.database.url()).await;
    let options = MySqlConnectOptions::from_str(proxy.url()).expect("a URL");
    let connection = MySqlConnection::connect_with(&options).await;
    let connection = connection.expect("the server answers");
    let mut lease = ClusterLease::new(connection, options, LOCK);
    assert!(lease.try_take().await.expect("the server answers"));
    Some((shop, proxy, lease))
}

#[tokio::test]
async fn a_lease_is_renewed_on_another_connection_if_the_first_is_lost() {
    let Some((shop, proxy, mut lease)) = lease().await else {
        return;
    };
    proxy.reset();
    let end: String = shop
        .by_hand
        .value("SELECT CAST(ends_at AS CHAR) FROM cluster_lease")
        .await;
    let renewed = format!("cluster_lease WHERE ends_at > '{end}'");
    within(PATIENCE, "the renewal", async {
        while shop.count(&renewed).await == 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
    assert!(!lease.lost().is_cancelled());
    lease.release().await.expect("the server answers");
    assert_eq!(shop.count("cluster_lease").await, 0);
}

#[tokio::test]
async fn a_lease_that_another_session_has_taken_is_lost() {
    let Some((shop, _proxy, lease)) = lease().await else {
        return;
    };
    shop.by_hand
        .run("UPDATE cluster_lease SET holder = 'another'")
        .await;
    within(PATIENCE, "the loss", lease.lost().cancelled()).await;
    assert_eq!(
        shop.count("cluster_lease WHERE holder = 'another'").await,
        1
    );
}
