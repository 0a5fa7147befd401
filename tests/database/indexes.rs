//! Every foreign key has an index, and every index can serve a comparison with a parameter,
//! compared with PostgreSQL's catalog.

use crate::support::{TestDatabase, database::ByHand};

/// Foreign keys without an index, each with the reason: no statement searches by its columns, and
/// the rows that it references are never deleted.
const NOT_INDEXED: &[(&str, &str)] = &[];

/// Selects the foreign keys of the shop's tables without a complete and valid index whose leading
/// columns are those of the key, as `table.constraint`.
const WITHOUT_INDEX: &str = "
    SELECT coalesce(string_agg(k.conrelid::regclass::text || '.' || k.conname, ' ' ORDER BY k.conname), '')
    FROM pg_constraint k
    WHERE k.contype = 'f' AND k.connamespace = 'public'::regnamespace
      AND NOT EXISTS (
        SELECT FROM pg_index i
        WHERE i.indrelid = k.conrelid AND i.indisvalid AND i.indpred IS NULL
          AND (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey)";

async fn without_index(by_hand: &ByHand) -> Vec<String> {
    let names: String = by_hand.value(WITHOUT_INDEX).await;
    names.split_whitespace().map(ToOwned::to_owned).collect()
}

#[tokio::test]
async fn every_foreign_key_has_an_index() {
    let database = TestDatabase::seeded().await;
    let by_hand = database.by_hand().await;
    let keys: i64 = by_hand
        .value("SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace")
        .await;
    assert!(keys >= 15, "the catalog lists the foreign keys: {keys}");
    let listed: Vec<_> = NOT_INDEXED.iter().map(|(name, _)| *name).collect();
    assert_eq!(without_index(&by_hand).await, listed);
}

/// Neither a partial index, nor one that begins with another column, serves a foreign key.
#[tokio::test]
async fn a_foreign_key_without_an_index_is_found() {
    let database = TestDatabase::seeded().await;
    let by_hand = database.by_hand().await;
    by_hand
        .run(
            "CREATE TABLE note (id bigint PRIMARY KEY, product_id bigint CONSTRAINT note_product REFERENCES product); \
             CREATE INDEX ON note (id, product_id); \
             CREATE INDEX ON note (product_id) WHERE product_id > 7",
        )
        .await;
    assert_eq!(without_index(&by_hand).await, ["note.note_product"]);
    by_hand.run("CREATE INDEX ON note (product_id, id)").await;
    assert_eq!(without_index(&by_hand).await, [""; 0]);
}

/// Text parameters have the type `text`. PostgreSQL compares `character(n)` with one by casting the
/// column, so an index on such a column is never used.
#[tokio::test]
async fn no_index_has_a_column_of_fixed_length() {
    let database = TestDatabase::seeded().await;
    let by_hand = database.by_hand().await;
    let columns = "
        SELECT coalesce(string_agg(a.attrelid::regclass::text || '.' || a.attname, ' '), '')
        FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
        JOIN pg_class c ON c.oid = i.indrelid
        WHERE c.relnamespace = 'public'::regnamespace AND a.atttypid = 'bpchar'::regtype";
    assert_eq!(by_hand.value::<String>(columns).await, "");
    by_hand
        .run("CREATE TABLE note (id character(32) PRIMARY KEY)")
        .await;
    assert_eq!(by_hand.value::<String>(columns).await, "note.id");
}

/// A page lists the latest failed events among millions that are delivered.
#[tokio::test]
async fn the_latest_events_of_a_state_are_found_without_sorting() {
    let database = TestDatabase::seeded().await;
    let by_hand = database.by_hand().await;
    by_hand
        .run(
            "INSERT INTO outbox_event (kind, payload, delivered_at) \
             SELECT 'stock.level', '{}', now() FROM generate_series(1, 20000); \
             INSERT INTO outbox_event (kind, payload, last_error) VALUES ('order.paid', '{}', 'x'); \
             ANALYZE outbox_event; SET enable_sort = off; SET enable_bitmapscan = off",
        )
        .await;
    let plan: String = by_hand
        .value("EXPLAIN SELECT * FROM outbox_event WHERE state = 1 ORDER BY id DESC")
        .await;
    assert!(plan.contains("Backward using outbox_event_state"), "{plan}");
}

/// A visitor's request looks up one session among all sessions.
#[tokio::test]
async fn a_session_is_found_by_its_primary_key() {
    let database = TestDatabase::seeded().await;
    let by_hand = database.by_hand().await;
    by_hand
        .run("SET enable_seqscan = off; PREPARE find (text) AS SELECT * FROM session WHERE id = $1")
        .await;
    let plan: String = by_hand.value("EXPLAIN EXECUTE find ('an-id')").await;
    assert!(plan.contains("session_pkey"), "{plan}");
}
