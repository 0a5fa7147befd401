//! What the lanes with an unsafe strategy oversold.

use sea_orm::{ConnectionTrait, DbErr, FromQueryResult};
use serde::{Deserialize, Serialize};

use super::scope;

/// A lane whose strategy is unsafe on purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exhibit {
    pub product_id: i64,
    pub strategy: String,
    /// Units at the start.
    pub stock: i64,
    /// Units on order lines.
    pub sold: i64,
    /// Units sold beyond the stock.
    pub oversold: i64,
}

#[derive(FromQueryResult)]
struct LaneRow {
    product_id: i64,
    strategy: Option<String>,
    stock: i64,
}

#[derive(FromQueryResult)]
struct SoldRow {
    sold: i64,
}

const LANES: &str = "
    SELECT s.product_id, n.strategy, s.total AS stock
    FROM stock_level s
    JOIN product p ON p.id = s.product_id
    LEFT JOIN simulation_lane n ON n.id = p.lane_id
    WHERE s.unguarded AND s.product_id > $1
    ORDER BY s.product_id LIMIT $2";

/// The index `order_line_product_id` serves it.
const SOLD: &str = "
    SELECT INTEGER(coalesce(sum(l.quantity), 0)) AS sold
    FROM order_line l JOIN customer_order c ON c.id = l.order_id AND c.status IN ('placed', 'paid')
    WHERE l.product_id = $1";

/// Lists up to `max` lanes with an unsafe strategy, by product, after the product `after`.
pub async fn read(
    connection: &impl ConnectionTrait,
    after: i64,
    max: u32,
) -> Result<Vec<Exhibit>, DbErr> {
    let values = [after.into(), i64::from(max).into()];
    let lanes = LaneRow::find_by_statement(scope::unrestricted(LANES, values));
    let mut exhibits = Vec::new();
    for lane in lanes.all(connection).await? {
        let sold = scope::unrestricted(SOLD, [lane.product_id.into()]);
        let sold = SoldRow::find_by_statement(sold).one(connection).await?;
        let sold = sold.map_or(0, |row| row.sold);
        exhibits.push(Exhibit {
            product_id: lane.product_id,
            strategy: lane.strategy.unwrap_or_else(|| "unknown".to_owned()),
            stock: lane.stock,
            sold,
            oversold: (sold - lane.stock).max(0),
        });
    }
    Ok(exhibits)
}
