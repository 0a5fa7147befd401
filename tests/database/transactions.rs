//! `db::txn`: which errors are retried and how often, which error a caller gets, and what it can
//! rely on.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use doorbuster::{
    db::{
        Db, PoolSettings, dialect,
        engine::{self, Engine},
        txn::{self, Abort, Outcome, Policy, TxnError, Work},
    },
    model::ShopError,
};
use sea_orm::ConnectionTrait;
use tokio::sync::{Barrier, Notify};

use crate::support::{PATIENCE, TestDatabase, patient, within};

const POOL: PoolSettings = PoolSettings {
    application_name: "doorbuster test",
    transactions_max: 2,
    readers_max: 1,
    ..PoolSettings::SHOP
};

/// A database with one table, `written(n)`, and two rows to lock, `lockable(id)`.
async fn scratch() -> TestDatabase {
    let database = TestDatabase::empty().await;
    let by_hand = database.by_hand().await;
    by_hand
        .run(
            "CREATE TABLE written (n int); CREATE TABLE lockable (id int PRIMARY KEY, n int DEFAULT 0); \
             INSERT INTO lockable (id) VALUES (1), (2)",
        )
        .await;
    database
}

async fn execute(work: &Work, sql: &str) -> Result<(), Abort> {
    Ok(work.connection().execute_unprepared(sql).await.map(drop)?)
}

/// Runs `INSERT INTO written` in one transaction, which must succeed after another one failed.
async fn check_usable(db: &Db) {
    let inserted = within(
        PATIENCE,
        "a transaction afterwards",
        txn::run_for_result(db, patient("afterwards"), |work| {
            Box::pin(execute(work, "INSERT INTO written VALUES (0)"))
        }),
    );
    assert!(inserted.await.is_ok(), "the pool is usable afterwards");
}

/// Builds a statement that fails with an error of this code.
fn raise(engine: Engine, code: &str) -> String {
    match engine {
        Engine::Postgres => {
            format!("DO $$ BEGIN RAISE EXCEPTION 'planted' USING ERRCODE = '{code}'; END $$")
        }
        Engine::MySql => format!("SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = {code}"),
    }
}

/// Fails with `code` in the first `failures` attempts.
async fn failing(db: &Db, policy: Policy, code: &'static str, failures: u32) -> Outcome<()> {
    let (attempts, engine) = (Arc::new(AtomicU32::new(0)), db.engine());
    txn::run(db, policy, move |work| {
        let attempts = Arc::clone(&attempts);
        Box::pin(async move {
            if attempts.fetch_add(1, Ordering::Relaxed) < failures {
                execute(work, &raise(engine, code)).await?;
            }
            execute(work, "INSERT INTO written VALUES (1)").await
        })
    })
    .await
}

#[tokio::test]
async fn only_errors_without_effect_are_retried() {
    let database = scratch().await;
    let db = database.pool(POOL).await;
    let by_hand = database.by_hand().await;
    let (codes, too_slow, retried_codes) = match db.engine() {
        Engine::Postgres => (
            &[
                ("40001", true),
                ("40P01", true),
                ("55P03", true),
                ("23505", false),
                ("22012", false),
                ("57014", false),
                ("40002", false),
            ][..],
            "57014",
            3,
        ),
        Engine::MySql => (
            &[
                ("1213", true),
                ("1205", true),
                ("1020", true),
                ("3572", true),
                ("1062", false),
                ("1365", false),
                ("1969", false),
                ("1644", false),
            ][..],
            "1969",
            4,
        ),
    };
    for &(code, retried) in codes {
        let outcome = failing(&db, patient("planted"), code, 2).await;
        if retried {
            assert!(outcome.result.is_ok(), "{code}: {:?}", outcome.result);
            assert_eq!(outcome.attempts, 3, "{code}");
        } else {
            // A statement timeout says nothing about the request: the database is too slow.
            let refused = match &outcome.result {
                Err(TxnError::Database { .. }) => code != too_slow,
                Err(TxnError::Unavailable { .. }) => code == too_slow,
                _ => false,
            };
            assert!(refused, "{code}: {:?}", outcome.result);
            assert_eq!(outcome.attempts, 1, "{code}");
        }
    }
    let written: i64 = by_hand.value("SELECT count(*) FROM written").await;
    assert_eq!(written, retried_codes, "once for each that succeeded");
}

#[tokio::test]
async fn attempts_are_bounded() {
    let database = scratch().await;
    let db = database.pool(POOL).await;
    let policy = Policy {
        attempts_max: 4,
        ..patient("stubborn")
    };
    let code = match db.engine() {
        Engine::Postgres => "40001",
        Engine::MySql => "1213",
    };
    let outcome = failing(&db, policy, code, u32::MAX).await;
    assert_eq!(outcome.attempts, 4);
    let error = outcome.result.expect_err("it gives up");
    assert!(
        matches!(
            error,
            TxnError::Exhausted {
                name: "stubborn",
                attempts: 4,
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(ShopError::from(error), ShopError::Busy { retry_after_s: 1 });
    check_usable(&db).await;
}

/// A real deadlock: each transaction holds one row and waits for the other's. PostgreSQL aborts one
/// of them, which is retried and succeeds.
#[tokio::test]
async fn after_a_deadlock_both_transactions_succeed() {
    let database = scratch().await;
    // On a busy machine, the search for deadlocks may begin after the shop's limit.
    let db = database
        .pool(PoolSettings {
            lock_timeout: PATIENCE,
            ..POOL
        })
        .await;
    let met = Arc::new(Barrier::new(2));
    let attempt = |first: i32, then: i32| {
        let (db, met) = (db.clone(), Arc::clone(&met));
        let fresh = Arc::new(AtomicBool::new(true));
        tokio::spawn(async move {
            txn::run(&db, patient("crossing"), move |work| {
                let (met, fresh) = (Arc::clone(&met), Arc::clone(&fresh));
                Box::pin(async move {
                    execute(
                        work,
                        &format!("UPDATE lockable SET n = n + 1 WHERE id = {first}"),
                    )
                    .await?;
                    if fresh.swap(false, Ordering::Relaxed) {
                        met.wait().await;
                    }
                    execute(
                        work,
                        &format!("UPDATE lockable SET n = n + 1 WHERE id = {then}"),
                    )
                    .await
                })
            })
            .await
        })
    };
    let (one, two) = (attempt(1, 2), attempt(2, 1));
    let outcomes = within(PATIENCE, "both", async { (one.await, two.await) }).await;
    let (one, two) = (outcomes.0.expect("it ends"), outcomes.1.expect("it ends"));
    assert!(one.result.is_ok() && two.result.is_ok(), "{one:?} {two:?}");
    assert_eq!(
        one.attempts + two.attempts,
        3,
        "one of them was retried once"
    );
    let sum: i64 = database
        .by_hand()
        .await
        .value("SELECT sum(n)::bigint FROM lockable")
        .await;
    assert_eq!(sum, 4, "the rolled back attempt wrote nothing");
}

/// Two real lock timeouts: the lock is released after the third attempt has begun.
#[tokio::test]
async fn a_lock_timeout_is_retried() {
    let database = scratch().await;
    let db = database
        .pool(PoolSettings {
            lock_timeout: Duration::from_millis(50),
            ..POOL
        })
        .await;
    let holder = database.by_hand().await;
    holder
        .run("BEGIN; SELECT 1 FROM lockable WHERE id = 1 FOR UPDATE")
        .await;
    let third = Arc::new(Notify::new());
    let attempts = Arc::new(AtomicU32::new(0));
    let waiting = tokio::spawn({
        let (db, third) = (db.clone(), Arc::clone(&third));
        async move {
            txn::run(&db, patient("patient"), move |work| {
                let (third, attempts) = (Arc::clone(&third), Arc::clone(&attempts));
                Box::pin(async move {
                    if attempts.fetch_add(1, Ordering::Relaxed) == 2 {
                        third.notify_one();
                    }
                    execute(work, "UPDATE lockable SET n = 1 WHERE id = 1").await
                })
            })
            .await
        }
    });
    within(PATIENCE, "the third attempt", third.notified()).await;
    holder.run("COMMIT").await;
    let outcome = waiting.await.expect("it ends");
    assert!(outcome.result.is_ok(), "{outcome:?}");
    assert!(outcome.attempts >= 3, "{outcome:?}");
}

#[tokio::test]
async fn a_lock_that_is_never_released_exhausts_the_attempts() {
    let database = scratch().await;
    let db = database
        .pool(PoolSettings {
            lock_timeout: Duration::from_millis(20),
            ..POOL
        })
        .await;
    let holder = database.by_hand().await;
    holder
        .run("BEGIN; SELECT 1 FROM lockable WHERE id = 1 FOR UPDATE")
        .await;
    let outcome = txn::run(
        &db,
        Policy {
            attempts_max: 3,
            ..patient("hopeless")
        },
        |work| Box::pin(execute(work, "UPDATE lockable SET n = 1 WHERE id = 1")),
    )
    .await;
    let Err(TxnError::Exhausted {
        attempts: 3,
        source,
        ..
    }) = &outcome.result
    else {
        panic!("{outcome:?}");
    };
    let code = match db.engine() {
        Engine::Postgres => "55P03",
        Engine::MySql => "1205",
    };
    assert_eq!(engine::error_code(source).as_deref(), Some(code));
    check_usable(&db).await;
}

#[tokio::test]
async fn the_deadline_ends_a_transaction() {
    let database = scratch().await;
    let db = database
        .pool(PoolSettings {
            statement_timeout: Duration::from_secs(1),
            ..POOL
        })
        .await;
    let policy = Policy {
        deadline: Duration::from_millis(200),
        ..Policy::request("slow")
    };
    let slow = txn::run(&db, policy, |work| {
        Box::pin(async move {
            execute(work, "INSERT INTO written VALUES (1)").await?;
            Ok(dialect::sleep(work.connection(), Duration::from_secs(60)).await?)
        })
    });
    // The error shows that the deadline ended it, and not the statement timeout.
    let outcome = within(PATIENCE, "the deadline", slow).await;
    let error = outcome.result.expect_err("it is too slow");
    assert!(
        matches!(
            error,
            TxnError::DeadlinePassed {
                name: "slow",
                contended: false
            }
        ),
        "{error:?}"
    );
    assert_eq!(
        ShopError::from(error),
        ShopError::Unavailable { retry_after_s: 2 }
    );
    check_usable(&db).await;
    let written: i64 = database
        .by_hand()
        .await
        .value("SELECT count(*) FROM written WHERE n = 1")
        .await;
    assert_eq!(written, 0, "the rolled back transaction wrote nothing");
}

/// The wait for a permit counts too: otherwise callers of a busy pool would wait without limit.
#[tokio::test]
async fn the_deadline_counts_the_wait_for_a_connection() {
    let database = scratch().await;
    let db = database
        .pool(PoolSettings {
            transactions_max: 1,
            ..POOL
        })
        .await;
    let (inside, leave) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let occupant = tokio::spawn({
        let (db, inside, leave) = (db.clone(), Arc::clone(&inside), Arc::clone(&leave));
        async move {
            txn::run_for_result(&db, patient("occupant"), move |_| {
                let (inside, leave) = (Arc::clone(&inside), Arc::clone(&leave));
                Box::pin(async move {
                    inside.notify_one();
                    leave.notified().await;
                    Ok(())
                })
            })
            .await
        }
    });
    within(PATIENCE, "the occupant", inside.notified()).await;
    let policy = Policy {
        deadline: Duration::from_millis(100),
        ..Policy::request("queued")
    };
    let outcome = txn::run(&db, policy, |work| {
        Box::pin(execute(work, "INSERT INTO written VALUES (1)"))
    })
    .await;
    assert!(
        matches!(outcome.result, Err(TxnError::DeadlinePassed { .. })),
        "{outcome:?}"
    );
    leave.notify_one();
    assert!(occupant.await.expect("it ends").is_ok());
    check_usable(&db).await;
}

/// A client that disconnects drops the request's future; the commit continues.
#[tokio::test]
async fn a_client_that_disconnects_does_not_cancel_the_commit() {
    let database = scratch().await;
    let db = database.pool(POOL).await;
    let (inside, proceed) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (inside_too, proceed_too) = (Arc::clone(&inside), Arc::clone(&proceed));
    let committed = Arc::new(Notify::new());
    let committed_too = Arc::clone(&committed);
    let mut request = Box::pin(txn::run_for_result(
        &db,
        patient("undisturbed"),
        move |work| {
            let (inside, proceed) = (Arc::clone(&inside_too), Arc::clone(&proceed_too));
            let committed = Arc::clone(&committed_too);
            Box::pin(async move {
                inside.notify_one();
                proceed.notified().await;
                work.after_commit(move || committed.notify_one());
                execute(work, "INSERT INTO written VALUES (7)").await
            })
        },
    ));
    tokio::select! {
        _ = &mut request => panic!("it cannot end before it may proceed"),
        () = inside.notified() => {}
    }
    drop(request);
    proceed.notify_one();
    within(PATIENCE, "the commit", committed.notified()).await;
    let written: i64 = database
        .by_hand()
        .await
        .value("SELECT count(*) FROM written WHERE n = 7")
        .await;
    assert_eq!(written, 1);
}

#[tokio::test]
async fn after_commit_actions_run_only_after_the_commit() {
    let database = scratch().await;
    let db = database.pool(POOL).await;
    let by_hand = database.by_hand().await;
    // MySQL has no deferred constraints: there, the statement fails, and no COMMIT.
    let late = match db.engine() {
        Engine::Postgres => "DEFERRABLE INITIALLY DEFERRED",
        Engine::MySql => "",
    };
    by_hand
        .run(&format!(
            "CREATE TABLE checked_late (id int, FOREIGN KEY (id) REFERENCES lockable (id) {late})"
        ))
        .await;
    let announced = |sql: &'static str, refuse: bool| {
        let db = db.clone();
        async move {
            let was_announced = Arc::new(AtomicBool::new(false));
            let announced_in_task = Arc::clone(&was_announced);
            let result = txn::run_for_result(&db, patient("announcing"), move |work| {
                let was_announced = Arc::clone(&announced_in_task);
                Box::pin(async move {
                    let action = Arc::clone(&was_announced);
                    work.after_commit(move || action.store(true, Ordering::Relaxed));
                    execute(work, sql).await?;
                    assert!(
                        !was_announced.load(Ordering::Relaxed),
                        "not before the commit"
                    );
                    if refuse {
                        Err(ShopError::CartEmpty.into())
                    } else {
                        Ok(())
                    }
                })
            })
            .await;
            (result, was_announced.load(Ordering::Relaxed))
        }
    };
    let (result, was_announced) = announced("INSERT INTO checked_late VALUES (1)", false).await;
    assert!(result.is_ok() && was_announced);
    let (result, was_announced) = announced("INSERT INTO checked_late VALUES (2)", true).await;
    assert!(
        matches!(result, Err(TxnError::Refused(ShopError::CartEmpty))) && !was_announced,
        "{result:?}"
    );
    let (result, was_announced) = announced("SELECT 1 FROM absent_table", false).await;
    assert!(
        matches!(result, Err(TxnError::Database { .. })) && !was_announced,
        "{result:?}"
    );
    // Every statement succeeds, and COMMIT itself fails.
    let (result, was_announced) = announced("INSERT INTO checked_late VALUES (999)", false).await;
    assert!(
        matches!(result, Err(TxnError::Database { .. })) && !was_announced,
        "{result:?}"
    );
    let rows: i64 = by_hand.value("SELECT count(*) FROM checked_late").await;
    assert_eq!(rows, 1);
}

/// A commit whose result is lost may have happened: the outcome is unknown, and the commit is never
/// sent again.
#[tokio::test]
async fn a_connection_lost_in_commit_is_an_unknown_outcome() {
    let database = scratch().await;
    let db = database.pool(POOL).await;
    database
        .by_hand()
        .await
        .run(
            "CREATE FUNCTION hang_up() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$; \
             CREATE CONSTRAINT TRIGGER hang_up AFTER UPDATE ON lockable DEFERRABLE INITIALLY DEFERRED \
             FOR EACH ROW EXECUTE FUNCTION hang_up()",
        )
        .await;
    let outcome = txn::run(&db, patient("cut off"), |work| {
        Box::pin(execute(work, "UPDATE lockable SET n = 9 WHERE id = 1"))
    })
    .await;
    assert_eq!(outcome.attempts, 1);
    let error = outcome.result.expect_err("the outcome is unknown");
    assert!(
        matches!(error, TxnError::OutcomeUnknown { name: "cut off" }),
        "{error:?}"
    );
    assert_eq!(
        ShopError::from(error),
        ShopError::OutcomeUnknown { retry_after_s: 2 }
    );
    check_usable(&db).await;
}

#[tokio::test]
async fn a_body_that_panics_leaves_the_pool_usable() {
    let database = scratch().await;
    let db = database
        .pool(PoolSettings {
            transactions_max: 1,
            readers_max: 1,
            ..POOL
        })
        .await;
    for _ in 0..3 {
        let result: Result<(), TxnError> = txn::run_for_result(&db, patient("clumsy"), |work| {
            Box::pin(async move {
                execute(work, "INSERT INTO written VALUES (13)").await?;
                panic!("planted by the test")
            })
        })
        .await;
        assert!(
            matches!(result, Err(TxnError::Panicked { name: "clumsy" })),
            "{result:?}"
        );
        check_usable(&db).await;
    }
    let written: i64 = database
        .by_hand()
        .await
        .value("SELECT count(*) FROM written WHERE n = 13")
        .await;
    assert_eq!(written, 0);
}

#[tokio::test]
async fn a_snapshot_is_consistent_and_read_only() {
    let database = scratch().await;
    let db = database.pool(POOL).await;
    let by_hand = Arc::new(database.by_hand().await);
    let writer = Arc::clone(&by_hand);
    let seen = txn::run_for_result(&db, Policy::snapshot("report", PATIENCE), move |work| {
        let writer = Arc::clone(&writer);
        Box::pin(async move {
            let count = async || -> Result<i64, Abort> {
                let sql = dialect::statement("SELECT count(*) FROM written", []);
                let row = work
                    .connection()
                    .query_one_raw(sql)
                    .await?
                    .expect("a count");
                Ok(row.try_get_by_index(0).expect("a number"))
            };
            let before = count().await?;
            writer.run("INSERT INTO written VALUES (1)").await;
            Ok((before, count().await?))
        })
    })
    .await;
    assert_eq!(seen.expect("the report is read"), (0, 0));
    let refused = txn::run_for_result(&db, Policy::snapshot("report", PATIENCE), |work| {
        Box::pin(execute(work, "INSERT INTO written VALUES (1)"))
    })
    .await;
    let Err(TxnError::Database { source, .. }) = refused else {
        panic!("{refused:?}");
    };
    let code = match db.engine() {
        Engine::Postgres => "25006",
        Engine::MySql => "1792",
    };
    assert_eq!(engine::error_code(&source).as_deref(), Some(code));
}
