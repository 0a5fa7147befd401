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
    sold: i64,
}

const LANES: &str = "
    SELECT s.product_id, n.strategy, s.total AS stock, INTEGER(coalesce(o.units, 0)) AS sold
    FROM stock_level s
    JOIN product p ON p.id = s.product_id
    LEFT JOIN simulation_lane n ON n.id = p.lane_id
    LEFT JOIN (SELECT l.product_id, sum(l.quantity) AS units
               FROM order_line l JOIN customer_order c ON c.id = l.order_id AND c.status IN ('placed', 'paid')
               GROUP BY l.product_id) o ON o.product_id = s.product_id
    WHERE s.unguarded
    ORDER BY s.product_id";

/// Lists the lanes with an unsafe strategy, by product.
pub async fn read(connection: &impl ConnectionTrait) -> Result<Vec<Exhibit>, DbErr> {
    let lanes = LaneRow::find_by_statement(scope::unrestricted(LANES, []));
    Ok(lanes
        .all(connection)
        .await?
        .into_iter()
        .map(|lane| Exhibit {
            product_id: lane.product_id,
            strategy: lane.strategy.unwrap_or_else(|| "unknown".to_owned()),
            stock: lane.stock,
            sold: lane.sold,
            oversold: (lane.sold - lane.stock).max(0),
        })
        .collect())
}
