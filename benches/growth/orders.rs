//! Orders per second of one hot product, in an old and in a fresh database.

use doorbuster::model::StrategyKey;

use crate::{
    Failure, buyers,
    database::{Database, Postgres},
    options::Options,
    report::{Limit, Row, ratios},
};

const STRATEGIES: [StrategyKey; 3] = [
    StrategyKey::RowLock,
    StrategyKey::SingleStatement,
    StrategyKey::MicroBatch,
];

/// Measures every strategy in both databases, round by round.
pub async fn measure(options: &Options, postgres: &Postgres) -> Result<Vec<Row>, Failure> {
    let old = postgres.old(options).await?;
    let mut rows = Vec::new();
    let mut rates = STRATEGIES.map(|strategy| (strategy, Vec::new(), Vec::new()));
    for round in 0..options.rounds {
        for (strategy, of_old, of_fresh) in &mut rates {
            let fresh = postgres.fresh().await?;
            for is_old in sides(round) {
                let database = if is_old { &old } else { &fresh };
                let rate = measure_one(options, postgres, database, *strategy).await?;
                let rates = if is_old { &mut *of_old } else { &mut *of_fresh };
                rates.push(rate);
            }
            postgres.drop_database(&fresh).await?;
        }
    }
    for (strategy, of_old, of_fresh) in rates {
        rows.push(Row::new(
            format!("orders/s of `{strategy}`, old ÷ fresh"),
            Limit::AtLeast(0.95),
            ratios(&of_old, &of_fresh),
        ));
        rows.push(Row::figure(format!("`{strategy}`, old, orders/s"), of_old));
        rows.push(Row::figure(
            format!("`{strategy}`, fresh, orders/s"),
            of_fresh,
        ));
    }
    Ok(rows)
}

/// The order in which a round measures the old (true) and the fresh database.
pub fn sides(round: u32) -> [bool; 2] {
    let old_first = round.is_multiple_of(2);
    [old_first, !old_first]
}

async fn measure_one(
    options: &Options,
    postgres: &Postgres,
    database: &Database,
    strategy: StrategyKey,
) -> Result<f64, Failure> {
    buyers::restock_hot_product(database).await?;
    postgres.checkpoint().await?;
    buyers::orders_per_second(database, strategy, options.rate_window()).await
}
