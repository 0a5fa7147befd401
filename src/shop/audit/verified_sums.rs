//! The ledger's sums of each product, up to the movement that the continuous audit has verified.

use std::collections::BTreeMap;

use sea_orm::{
    ActiveValue::Set, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter,
    sea_query::OnConflict,
};

use super::scope;
use crate::db::{dialect, entity::audit_ledger};

/// The sums of a product's movements that must equal its counters.
macro_rules! ledger_sums {
    () => {
        "sum(CASE WHEN kind IN ('receive', 'adjust') THEN quantity ELSE 0 END) AS total,
         sum(CASE kind WHEN 'hold' THEN quantity WHEN 'release' THEN -quantity
                       WHEN 'sell' THEN CASE WHEN hold_id IS NULL THEN 0 ELSE -quantity END
                       ELSE 0 END) AS reserved,
         sum(CASE kind WHEN 'sell' THEN quantity WHEN 'return' THEN -quantity ELSE 0 END) AS sold"
    };
}
pub(super) use ledger_sums;

/// Most rows that one statement inserts: every engine limits the parameters of a statement.
pub const ROWS_PER_INSERT: usize = 1_000;

/// Reads the sums of the movements above the id `$1`, up to `$2`. The primary key serves it.
const SUMS_BETWEEN: &str = concat!(
    "SELECT m.product_id, INTEGER(m.total) AS total, INTEGER(m.reserved) AS reserved, INTEGER(m.sold) AS sold
     FROM (SELECT product_id, ",
    ledger_sums!(),
    " FROM stock_movement WHERE id > $1 AND id <= $2 GROUP BY product_id) m
     JOIN product p ON p.id = m.product_id"
);

#[derive(Clone, Copy, Debug, FromQueryResult)]
struct Sums {
    product_id: i64,
    total: i64,
    reserved: i64,
    sold: i64,
}

/// Adds the movements above the watermark `from`, up to the new one `to`, and counts the products
/// `recounted` again up to it. Only one round at a time writes sums, so they cannot change between
/// reading and writing.
pub async fn advance(
    connection: &impl ConnectionTrait,
    (from, to): (i64, i64),
    recounted: &[i64],
) -> Result<(), DbErr> {
    let added = dialect::statement(
        &scope::in_engine_words(SUMS_BETWEEN),
        [from.into(), to.into()],
    );
    let added = Sums::find_by_statement(added).all(connection).await?;
    let ids: Vec<_> = added.iter().map(|sums| sums.product_id).collect();
    let mut verified = read(connection, &ids).await?;
    for sums in added {
        let product = verified.entry(sums.product_id).or_insert(Sums {
            total: 0,
            reserved: 0,
            sold: 0,
            ..sums
        });
        product.total += sums.total;
        product.reserved += sums.reserved;
        product.sold += sums.sold;
    }
    for sums in count(connection, recounted, to).await? {
        verified.insert(sums.product_id, sums);
    }
    write(connection, verified.into_values().collect()).await
}

async fn read(
    connection: &impl ConnectionTrait,
    product_ids: &[i64],
) -> Result<BTreeMap<i64, Sums>, DbErr> {
    let rows = audit_ledger::Entity::find()
        .filter(dialect::column_in(
            audit_ledger::Column::ProductId,
            product_ids,
        ))
        .all(connection)
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let sums = Sums {
                product_id: row.product_id,
                total: row.total,
                reserved: row.reserved,
                sold: row.sold,
            };
            (row.product_id, sums)
        })
        .collect())
}

/// Counts the sums of products from the start, up to the watermark `to`. The index
/// `stock_movement_product_id_id` serves it.
async fn count(
    connection: &impl ConnectionTrait,
    product_ids: &[i64],
    to: i64,
) -> Result<Vec<Sums>, DbErr> {
    if product_ids.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT c.product_id, INTEGER(c.total) AS total, INTEGER(c.reserved) AS reserved, INTEGER(c.sold) AS sold \
         FROM (SELECT p.id AS product_id, {sums} \
               FROM product p LEFT JOIN stock_movement m ON m.product_id = p.id AND m.id <= $1 \
               WHERE {among} GROUP BY p.id) c",
        sums = ledger_sums!(),
        among = dialect::is_any("p.id", 2)
    );
    let values = [to.into(), product_ids.to_vec().into()];
    let counted = dialect::statement(&scope::in_engine_words(&sql), values);
    Sums::find_by_statement(counted).all(connection).await
}

async fn write(connection: &impl ConnectionTrait, sums: Vec<Sums>) -> Result<(), DbErr> {
    for chunk in sums.chunks(ROWS_PER_INSERT) {
        let rows = chunk.iter().map(|sums| audit_ledger::ActiveModel {
            product_id: Set(sums.product_id),
            total: Set(sums.total),
            reserved: Set(sums.reserved),
            sold: Set(sums.sold),
        });
        audit_ledger::Entity::insert_many(rows)
            .on_conflict(
                OnConflict::column(audit_ledger::Column::ProductId)
                    .update_columns([
                        audit_ledger::Column::Total,
                        audit_ledger::Column::Reserved,
                        audit_ledger::Column::Sold,
                    ])
                    .to_owned(),
            )
            .exec_without_returning(connection)
            .await?;
    }
    Ok(())
}
