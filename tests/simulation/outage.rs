//! A run whose database was unavailable for a while is not taken for abandoned.

use doorbuster::{
    db::Db, model::StrategyKey, web::maintenance::abandoned_runs::AbandonedRunsCheck,
};

use super::{engine, plan};
use crate::support::{PATIENCE, TestShop, administrator, proxy::Proxy, shop::POOL, within};

#[tokio::test]
async fn a_run_is_not_ended_because_no_heartbeat_could_be_written() {
    let shop = TestShop::new().await;
    let proxy = Proxy::before(shop.database.url()).await;
    let db = Db::connect(proxy.url(), POOL).await;
    let db = db.expect("the proxy accepts connections");
    let check = AbandonedRunsCheck::default();
    assert_eq!(check.run(&db).await.ok(), Some(0));
    let started = engine(&shop)
        .start(&administrator(), plan(StrategyKey::RowLock, 3, 2))
        .await
        .expect("the run starts");

    proxy.drop_traffic();
    assert!(check.run(&db).await.is_err(), "the database is unavailable");
    let silent = "UPDATE simulation_run SET beat_at = CURRENT_TIMESTAMP - INTERVAL '1 minute'";
    assert_eq!(shop.by_hand.run(silent).await, 1);
    proxy.restore();
    let next = async || {
        loop {
            if let Ok(failed) = check.run(&db).await {
                return failed;
            }
        }
    };
    let back = within(PATIENCE, "the database", next()).await;
    assert_eq!(back, 0, "the run has had no time for a heartbeat");
    // The process of this one has really ended. A connection that was lost may cost a round.
    drop(started);
    let ended = async { while next().await == 0 {} };
    within(PATIENCE, "the end of the run", ended).await;
    let state: String = shop.by_hand.value("SELECT state FROM simulation_run").await;
    assert_eq!(state, "failed");
    db.close().await;
}
