//! The difference between the clocks of this machine and of the database, on a busy server.

use std::time::Duration;

use doorbuster::db::{PoolSettings, clock, dialect};

use crate::support::{PATIENCE, TestDatabase, sessions, within};

const ONE_READER: PoolSettings = PoolSettings {
    application_name: "doorbuster test",
    readers_max: 1,
    ..PoolSettings::AUDIT
};
/// How far the clock of the database is behind.
const BEHIND_S: i64 = 60;
/// How long the only connection is in use, which is much longer than a query takes.
const BUSY_S: i64 = 4;

/// A difference that is measured with the wait is smaller by the wait.
#[tokio::test]
async fn a_wait_for_a_connection_hides_no_difference() {
    let database = TestDatabase::empty().await;
    let by_hand = database.by_hand().await;
    let name: String = by_hand.value("SELECT current_database()::text").await;
    by_hand
        .run(&format!(
            "CREATE SCHEMA slow; \
             CREATE FUNCTION slow.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS \
               'SELECT pg_catalog.clock_timestamp() - INTERVAL ''{BEHIND_S} seconds'''; \
             ALTER DATABASE \"{name}\" SET search_path = slow, pg_catalog, public"
        ))
        .await;
    let db = database.pool(ONE_READER).await;
    let busy = tokio::spawn({
        let reader = db.reader().clone();
        async move { dialect::sleep(&reader, Duration::from_secs(BUSY_S.unsigned_abs())).await }
    });
    let sleeps =
        |session: &sessions::Session| session.is_active && session.statement.contains("pg_sleep(");
    sessions::wait_until(&by_hand, "sleep", sleeps, |count| count == 1).await;
    let difference = within(PATIENCE, "the clock", clock::difference(db.reader())).await;
    let difference = difference.expect("the database answers").whole_seconds();
    let least = BEHIND_S - BUSY_S / 2;
    assert!((least..=BEHIND_S).contains(&difference), "{difference}");
    let busy = busy.await.expect("no panic");
    busy.expect("the database answers");
}
