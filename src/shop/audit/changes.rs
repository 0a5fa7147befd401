//! Finds what changed since the last round of the continuous audit.
//!
//! Rows that are only added are found by their ids, above a watermark for each table. Rows that
//! were changed or deleted are listed in `audit_change`, by triggers and in the same transaction,
//! so that they become visible exactly when the change does.
//!
//! Ids are not committed in order: a transaction may still be open whose id is below one that is
//! already visible. So a watermark advances only to an id that was drawn before all transactions
//! that were then writing to the audited tables have ended. An id is drawn while its transaction
//! holds the table's lock, and the lock is held until the transaction ends; `pg_locks` shows it.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect,
};

use super::scope::Scope;
use crate::db::{
    Db, dialect,
    entity::{audit_change, audit_watermark, idempotency_key},
};

/// The tables with watermarks.
pub const TABLES: [&str; 6] = [
    "customer_order",
    "order_line",
    "stock_movement",
    "hold",
    "payment",
    "refund",
];
/// Most ids of a table, and most listed changes, that one round reads. What is left is read by the
/// next round, which then follows at once.
pub const ROWS_MAX: i64 = 50_000;
/// The pause between two looks at the writers that may still commit an old id.
const WRITERS_PAUSE: Duration = Duration::from_millis(50);
/// How long to wait for them.
const WRITERS_WAIT_MAX: Duration = Duration::from_secs(3);
/// A key without a response is searched among the keys of the last minutes, in minutes: longer than
/// a purchase may take. A response that is removed later is listed as a change.
const RECENT_KEYS_MIN: i64 = 10;

/// The highest id of each table that a round may treat as complete.
pub type Watermarks = BTreeMap<String, i64>;

#[derive(FromQueryResult)]
struct WriterRow {
    writer: String,
}

/// Draws the ids up to which every row is decided: committed or rolled back. Waits some seconds for
/// the transactions that may still commit an older id; `None` if one of them stays open, as when an
/// operator types in a transaction.
pub async fn decided_ids(db: &Db) -> Result<Option<Watermarks>, DbErr> {
    let drawn = drawn_ids(db.reader()).await?;
    // Read after the ids: a transaction that drew one of them is among these, or has ended.
    let mut writers = writers(db.reader()).await?;
    let started = Instant::now();
    while !writers.is_empty() && started.elapsed() < WRITERS_WAIT_MAX {
        tokio::time::sleep(WRITERS_PAUSE).await;
        let still = self::writers(db.reader()).await?;
        writers.retain(|writer| still.contains(writer));
    }
    Ok(writers.is_empty().then_some(drawn))
}

/// Reads the sequences, which are not part of any snapshot.
async fn drawn_ids(connection: &impl ConnectionTrait) -> Result<Watermarks, DbErr> {
    let drawn = dialect::last_drawn_ids(connection, &TABLES);
    let drawn = audit_watermark::Model::find_by_statement(drawn);
    Ok(watermarks(drawn.all(connection).await?))
}

/// Returns the transactions that hold the lock of a write to one of the tables.
async fn writers(connection: &impl ConnectionTrait) -> Result<Vec<String>, DbErr> {
    let rows = WriterRow::find_by_statement(dialect::writers(connection, &TABLES));
    let rows = rows.all(connection).await?;
    Ok(rows.into_iter().map(|row| row.writer).collect())
}

/// Returns the ids up to which the last round verified.
pub async fn verified_ids(connection: &impl ConnectionTrait) -> Result<Watermarks, DbErr> {
    let rows = audit_watermark::Entity::find().all(connection).await?;
    Ok(watermarks(rows))
}

fn watermarks(rows: Vec<audit_watermark::Model>) -> Watermarks {
    rows.into_iter()
        .map(|row| (row.table_name, row.verified_id))
        .collect()
}

/// What a round checks.
#[derive(Debug, Default)]
pub struct Changes {
    pub scope: Scope,
    /// The listed changes that were read.
    pub listed: Vec<audit_change::Model>,
    /// True if a table or the list has more than [`ROWS_MAX`].
    pub has_more: bool,
}

/// Reads everything that the caller's snapshot shows above the watermarks and on the list.
pub async fn read(
    connection: &impl ConnectionTrait,
    verified: &Watermarks,
) -> Result<Changes, DbErr> {
    let mut changes = Changes {
        listed: listed(connection).await?,
        ..Changes::default()
    };
    changes.has_more = i64::try_from(changes.listed.len()).is_ok_and(|rows| rows >= ROWS_MAX);
    changes.take_listed();
    let scope = &mut changes.scope;
    let since = |table: &str| {
        let from = verified.get(table).copied().unwrap_or(0);
        (from, from.saturating_add(ROWS_MAX))
    };
    for (table, column) in [
        ("customer_order", "id"),
        ("order_line", "order_id"),
        ("stock_movement", "order_id"),
        ("hold", "order_id"),
        ("payment", "order_id"),
        ("refund", "order_id"),
    ] {
        let new = added(connection, table, column, since(table)).await?;
        scope.orders.extend(new);
    }
    scope
        .holds
        .extend(added(connection, "hold", "id", since("hold")).await?);
    let movements = added(connection, "stock_movement", "id", since("stock_movement"));
    scope.movements.extend(movements.await?);
    scope.keys.extend(recent_open_keys(connection).await?);
    // A key that was just inserted may be on the list too, from the last round.
    scope.keys.sort_unstable();
    scope.keys.dedup();
    Ok(changes)
}

impl Changes {
    /// Moves the subjects of the list into the scope.
    fn take_listed(&mut self) {
        for change in &self.listed {
            match (change.kind.as_str(), change.row_id, &change.name) {
                ("order", Some(id), _) => self.scope.orders.push(id),
                ("hold", Some(id), _) => self.scope.holds.push(id),
                ("movement", Some(id), _) => self.scope.movements.push(id),
                ("code", _, Some(code)) => self.scope.codes.push(code.clone()),
                ("key", _, Some(key)) => self.scope.keys.push(key.clone()),
                ("email", _, Some(email)) => self.scope.emails.push(email.clone()),
                // The statement of the ledger's sums reads these itself.
                _ => {}
            }
        }
        self.scope.codes.sort_unstable();
        self.scope.codes.dedup();
    }

    /// Returns the products whose movements were changed or deleted.
    pub fn recounted_products(&self) -> Vec<i64> {
        let ledger = self.listed.iter().filter(|change| change.kind == "ledger");
        let mut products: Vec<_> = ledger.filter_map(|change| change.row_id).collect();
        products.sort_unstable();
        products.dedup();
        products
    }
}

async fn listed(connection: &impl ConnectionTrait) -> Result<Vec<audit_change::Model>, DbErr> {
    audit_change::Entity::find()
        .order_by_asc(audit_change::Column::Id)
        .limit(ROWS_MAX.unsigned_abs())
        .all(connection)
        .await
}

/// Returns `column` of the rows of `table` whose ids are in the range.
async fn added(
    connection: &impl ConnectionTrait,
    table: &str,
    column: &str,
    (after, last): (i64, i64),
) -> Result<Vec<i64>, DbErr> {
    #[derive(FromQueryResult)]
    struct AddedRow {
        added: i64,
    }
    let sql = format!(
        "SELECT DISTINCT {column} AS added FROM {table} WHERE id > $1 AND id <= $2 AND {column} IS NOT NULL"
    );
    let rows = AddedRow::find_by_statement(dialect::statement(&sql, [after.into(), last.into()]));
    let rows = rows.all(connection).await?;
    Ok(rows.into_iter().map(|row| row.added).collect())
}

async fn recent_open_keys(connection: &impl ConnectionTrait) -> Result<Vec<String>, DbErr> {
    let since = dialect::now(connection).await? - time::Duration::minutes(RECENT_KEYS_MIN);
    let keys = idempotency_key::Entity::find()
        .filter(idempotency_key::Column::Response.is_null())
        .filter(idempotency_key::Column::CreatedAt.gt(since))
        .all(connection)
        .await?;
    Ok(keys.into_iter().map(|row| row.key).collect())
}
