//! The budget of retries: a slow attempt costs a token, a quick conflict none.

use std::time::Duration;

use doorbuster::db::{
    Db, PoolSettings,
    txn::{self, Abort, Outcome, Policy, TxnError},
};
use sea_orm::ConnectionTrait;

use crate::support::{TestDatabase, patient};

/// Longer than half a second, on an engine that rounds up to seconds, too.
const POOL: PoolSettings = PoolSettings {
    application_name: "doorbuster test budget",
    transactions_max: 2,
    readers_max: 1,
    lock_timeout: Duration::from_millis(600),
    ..PoolSettings::SHOP
};
const ATTEMPTS_MAX: u32 = 3;

fn policy(name: &'static str) -> Policy {
    Policy {
        attempts_max: ATTEMPTS_MAX,
        ..patient(name)
    }
}

/// Runs a transaction that waits for a lock that is never released.
async fn wait_for_lock(db: &Db) -> Outcome<()> {
    let update = "UPDATE lockable SET n = 1 WHERE id = 1";
    txn::run(db, policy("slow"), move |work| {
        Box::pin(async move {
            work.connection().execute_unprepared(update).await?;
            Ok(())
        })
    })
    .await
}

/// Runs a transaction that meets a changed row each time.
async fn meet_conflicts(db: &Db) -> Outcome<()> {
    txn::run(db, policy("quick"), |_| {
        Box::pin(async { Err(Abort::Conflict) })
    })
    .await
}

fn exhausted_after(outcome: &Outcome<()>) -> u32 {
    match &outcome.result {
        Err(TxnError::Exhausted { attempts, .. }) => *attempts,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn without_a_token_a_slow_attempt_is_not_retried_and_a_conflict_is() {
    let database = TestDatabase::empty().await;
    let holder = database.by_hand().await;
    holder
        .run("CREATE TABLE lockable (id int PRIMARY KEY, n int DEFAULT 0); INSERT INTO lockable (id) VALUES (1)")
        .await;
    holder
        .run("BEGIN; SELECT 1 FROM lockable WHERE id = 1 FOR UPDATE")
        .await;
    let db = database.pool(POOL).await;
    let budget = db.guard().retries().expect("the pool is guarded");
    assert_eq!(exhausted_after(&wait_for_lock(&db).await), ATTEMPTS_MAX);
    assert_eq!(budget.refusals(), 0, "the reserve pays for it");
    while budget.tokens() > 0 {
        assert!(budget.withdraw());
    }

    let slow = wait_for_lock(&db).await;
    assert_eq!(exhausted_after(&slow), 1);
    assert_eq!(budget.refusals(), 1);
    let quick = meet_conflicts(&db).await;
    assert_eq!(exhausted_after(&quick), ATTEMPTS_MAX);
    assert_eq!(budget.refusals(), 1, "a conflict asks for no token");

    // What five transactions are worth.
    for _ in 0..5 {
        budget.deposit();
    }
    let again = wait_for_lock(&db).await;
    assert_eq!(exhausted_after(&again), 2, "one token, one retry");
}

#[tokio::test]
async fn a_pool_that_is_not_guarded_has_no_budget() {
    let database = TestDatabase::empty().await;
    let settings = PoolSettings {
        transactions_max: 1,
        ..PoolSettings::SIMULATION
    };
    let simulation = database.pool(settings).await;
    assert!(simulation.guard().retries().is_none());
    assert!(simulation.guard().breaker().is_none());
    let conflicts = meet_conflicts(&simulation).await;
    assert_eq!(exhausted_after(&conflicts), ATTEMPTS_MAX);
}
