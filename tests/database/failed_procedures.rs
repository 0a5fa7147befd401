//! A procedure of MySQL that fails and leaves its transaction open, as after an error for which the
//! server runs no handler: what it has written is never committed.

use doorbuster::db::{
    PoolSettings, dialect,
    engine::Engine,
    txn::{self, Outcome},
};
use sea_orm::ConnectionTrait;

use crate::support::{PATIENCE, TestDatabase, database::ByHand, patient, within};

/// With one connection for transactions, which each of them gets after the one before.
const POOL: PoolSettings = PoolSettings {
    application_name: "doorbuster test",
    transactions_max: 1,
    readers_max: 1,
    ..PoolSettings::SHOP
};

/// Writes a row, and fails because the disk is full.
const PROCEDURE: &str = "CREATE PROCEDURE write_and_fail() MODIFIES SQL DATA \
    BEGIN START TRANSACTION; INSERT INTO written VALUES (1); \
    SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1114; END";
const CALL: &str = "CALL write_and_fail()";
/// The same on PostgreSQL, which undoes it.
const BLOCK: &str = "DO $$ BEGIN INSERT INTO written VALUES (1); \
    RAISE EXCEPTION 'planted' USING ERRCODE = '53100'; END $$";

/// A database with an empty table `written(n)`, and the statement that writes there and fails.
async fn scratch(engine: Engine, by_hand: &ByHand) -> &'static str {
    by_hand.run("CREATE TABLE written (n int)").await;
    match engine {
        Engine::Postgres => BLOCK,
        Engine::MySql => {
            by_hand.run(PROCEDURE).await;
            CALL
        }
    }
}

/// The rows that are committed.
async fn committed(by_hand: &ByHand) -> i64 {
    by_hand.value("SELECT count(*) FROM written").await
}

#[tokio::test]
async fn the_transaction_of_a_procedure_that_fails_is_rolled_back() {
    let database = TestDatabase::empty().await;
    let (by_hand, db) = (database.by_hand().await, database.pool(POOL).await);
    let statement = scratch(db.engine(), &by_hand).await;
    let called = txn::run_statement(&db, patient("write and fail"), move |connection| {
        Box::pin(async move {
            let statement = dialect::statement(statement, []);
            connection.query_one_raw(statement).await.map(drop)
        })
    });
    let called: Outcome<()> = within(PATIENCE, "the call", called).await;
    assert!(called.result.is_err(), "{:?}", called.result);
    // It gets the same connection, and its BEGIN would commit what is open there.
    let next = txn::run_for_result(&db, patient("next"), |_| Box::pin(async { Ok(()) }));
    let next = within(PATIENCE, "the next transaction", next).await;
    assert!(next.is_ok(), "{next:?}");
    assert_eq!(committed(&by_hand).await, 0);
}

/// Why that is needed: the driver's pool does not roll back.
#[tokio::test]
async fn without_the_rollback_the_next_transaction_commits_a_part() {
    let database = TestDatabase::empty().await;
    let (by_hand, db) = (database.by_hand().await, database.pool(POOL).await);
    let statement = scratch(db.engine(), &by_hand).await;
    let called = db.transactions().execute_unprepared(statement).await;
    assert!(called.is_err(), "{called:?}");
    let next = txn::run_for_result(&db, patient("next"), |_| Box::pin(async { Ok(()) }));
    let next = within(PATIENCE, "the next transaction", next).await;
    assert!(next.is_ok(), "{next:?}");
    let expected = match db.engine() {
        Engine::Postgres => 0,
        Engine::MySql => 1,
    };
    assert_eq!(committed(&by_hand).await, expected);
}
