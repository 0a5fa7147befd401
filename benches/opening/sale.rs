//! The sales that start during the measurement, and the units that they sell.

use std::time::{Duration, Instant};

use crate::{Failure, fresh_database::FreshDatabase};

/// The product that is bought: one without a limit per customer.
pub const PRODUCT_ID: i64 = 19;
/// A product whose sale starts without a buyer.
const OTHER_PRODUCT_ID: i64 = 10;

/// A planned sale.
pub struct Sale {
    starts_at: Instant,
}

impl Sale {
    /// Plans the sale of [`PRODUCT_ID`], which starts after `lead`, with `units` more units.
    pub async fn prepare(
        database: &FreshDatabase,
        units: u32,
        lead: Duration,
    ) -> Result<Self, Failure> {
        database
            .execute(&format!(
                "WITH changed AS (UPDATE stock SET total = total + {units}, available = available + {units}, version = version + 1 \
                 WHERE product_id = {PRODUCT_ID} RETURNING product_id) \
                 INSERT INTO stock_movement (product_id, kind, quantity) SELECT product_id, 'receive', {units} FROM changed"
            ))
            .await?;
        Self::plan(database, PRODUCT_ID, lead).await
    }

    /// Plans the sale of the other product.
    pub async fn prepare_other(database: &FreshDatabase, lead: Duration) -> Result<Self, Failure> {
        Self::plan(database, OTHER_PRODUCT_ID, lead).await
    }

    async fn plan(
        database: &FreshDatabase,
        product_id: i64,
        lead: Duration,
    ) -> Result<Self, Failure> {
        let lead_ms = lead.as_millis();
        // Later than the start in the database by at most the duration of the statement.
        database
            .execute(&format!(
                "UPDATE product SET sale_starts_at = clock_timestamp() + INTERVAL '{lead_ms} milliseconds' \
                 WHERE id = {product_id}"
            ))
            .await?;
        Ok(Self {
            starts_at: Instant::now() + lead,
        })
    }

    /// Waits until `before` before the start.
    pub async fn until_start(&self, before: Duration) {
        let at = self.starts_at.checked_sub(before);
        tokio::time::sleep_until(at.unwrap_or(self.starts_at).into()).await;
    }
}
