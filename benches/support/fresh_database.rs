//! A database for one measurement, which is audited afterwards.

use std::time::Duration;

use doorbuster::{
    db::{Db, PoolSettings, dialect},
    shop::audit,
};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};

use crate::Failure;

/// A database of a benchmark.
pub struct FreshDatabase {
    pub name: String,
    pub url: String,
}

impl FreshDatabase {
    /// Checks that the audit finds no violation, and that the number of orders of the product
    /// equals the number of acknowledged orders.
    pub async fn check(&self, product_id: i64, acknowledged: u64) -> Result<(), Failure> {
        let db = Db::connect(&self.url, PoolSettings::COMMAND).await?;
        let counted = count_orders(&db, product_id).await;
        let report = audit::run(&db).await;
        db.close().await;
        let counted = counted?;
        if u64::try_from(counted) != Ok(acknowledged) {
            return Err(format!(
                "{acknowledged} orders were acknowledged, but the database has {counted}"
            )
            .into());
        }
        let broken: Vec<String> = report?
            .rules
            .into_iter()
            .filter(|rule| rule.violations > 0)
            .map(|rule| format!("{} ({} times)", rule.rule, rule.violations))
            .collect();
        if broken.is_empty() {
            Ok(())
        } else {
            Err(format!("the audit found {}", broken.join(", ")).into())
        }
    }

    /// Runs statements on a separate connection.
    pub async fn execute(&self, sql: &str) -> Result<(), Failure> {
        let connection = connect(&self.url).await?;
        let done = connection.execute_unprepared(sql).await;
        connection.close().await?;
        done?;
        Ok(())
    }

    /// Returns the number that a query selects.
    pub async fn number(&self, sql: &str) -> Result<i64, Failure> {
        let connection = connect(&self.url).await?;
        let row = connection.query_one_raw(dialect::statement(sql, [])).await;
        connection.close().await?;
        let row = row?.ok_or_else(|| format!("no row: {sql}"))?;
        Ok(row.try_get_by_index(0)?)
    }
}

/// Counts the orders that have a line, a movement and a stored response; all are of the lane's
/// product.
async fn count_orders(db: &Db, product_id: i64) -> Result<i64, Failure> {
    let sql = "SELECT least((SELECT count(DISTINCT order_id) FROM order_line WHERE product_id = $1), \
                            (SELECT count(DISTINCT order_id) FROM stock_movement WHERE product_id = $1 AND kind = 'sell'), \
                            (SELECT count(*) FROM idempotency_key WHERE response IS NOT NULL))";
    let row = db
        .reader()
        .query_one_raw(dialect::statement(sql, [product_id.into()]))
        .await?
        .ok_or("a count without a row")?;
    Ok(row.try_get_by_index(0)?)
}

/// Opens a single connection.
pub async fn connect(url: &str) -> Result<DatabaseConnection, Failure> {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(1)
        .acquire_timeout(Duration::from_secs(60))
        .idle_timeout(None)
        .max_lifetime(None)
        .sqlx_logging(false);
    Ok(Database::connect(options).await?)
}
