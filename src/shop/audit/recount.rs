//! Counts a product with little history again, in the snapshot that reads its stock row.

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};

use super::scope;
use crate::db::dialect;

/// Units on the lines of a product, of sold orders and without returned units. The index
/// `order_line_product_id` serves it.
const ORDERED: &str = "
    SELECT INTEGER(coalesce(sum(l.quantity - l.returned_quantity), 0)) AS units
    FROM order_line l JOIN customer_order c ON c.id = l.order_id AND c.status IN ('placed', 'paid')
    WHERE l.product_id = $1";

/// The tables with the history of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum History {
    /// `stock_movement_product_id_id` serves it.
    Movements,
    /// `order_line_product_id` serves it.
    Lines,
}

/// Returns true if a product has at most `max` rows of this history.
pub async fn is_short(
    connection: &impl ConnectionTrait,
    history: History,
    product_id: i64,
    max: u64,
) -> Result<bool, DbErr> {
    #[derive(FromQueryResult)]
    struct Found {
        found: i64,
    }
    let table = match history {
        History::Movements => "stock_movement",
        History::Lines => "order_line",
    };
    let sql = format!(
        "SELECT count(*) AS found FROM (SELECT id FROM {table} WHERE product_id = $1 LIMIT $2) p"
    );
    let limit = i64::try_from(max.saturating_add(1)).unwrap_or(i64::MAX);
    let found =
        Found::find_by_statement(dialect::statement(&sql, [product_id.into(), limit.into()]));
    let found = found.one(connection).await?;
    Ok(found.is_none_or(|row| row.found.unsigned_abs() <= max))
}

/// Returns the units on the lines of a product.
pub async fn ordered_units(
    connection: &impl ConnectionTrait,
    product_id: i64,
) -> Result<i64, DbErr> {
    #[derive(FromQueryResult)]
    struct Ordered {
        units: i64,
    }
    let ordered = scope::unrestricted(ORDERED, [product_id.into()]);
    let ordered = Ordered::find_by_statement(ordered).one(connection).await?;
    Ok(ordered.map_or(0, |row| row.units))
}
