//! How long the served shop takes to delete a million expired idempotency keys, and the latency of
//! purchases meanwhile.

use std::time::{Duration, Instant};

use doorbuster::{
    db::{Db, PoolSettings, retention},
    shop::idempotency::OLD_KEYS,
};

use crate::{
    Failure, buyers,
    database::{Database, Postgres},
    options::Options,
    pace::p99_ms,
    program::Program,
    purchases,
    report::{Limit, Row, ratios},
};

const KEYS: u64 = 1_000_000;
const KEYS_AT_ONCE: u64 = 100_000;
/// How often the keys that are left are counted.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// The measurement ends after this time, although keys are left.
const TIME_MAX: Duration = Duration::from_secs(1_200);

/// Measures the deletion in the old database.
pub async fn measure(options: &Options, postgres: &Postgres) -> Result<Vec<Row>, Failure> {
    let old = postgres.old(options).await?;
    let (mut without, mut with, mut minutes) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..options.long_rounds() {
        buyers::restock_hot_product(&old).await?;
        without.push(measure_without(options, &old).await?);
        add_expired_keys(&old).await?;
        postgres.settle(&old).await?;
        let (p99, time) = measure_deletion(options, &old).await?;
        with.push(p99);
        minutes.push(time.as_secs_f64() / 60.0);
    }
    Ok(vec![
        Row::new(
            "retention: a million expired keys gone, minutes",
            Limit::AtMost(10.0),
            minutes,
        ),
        Row::new(
            "p99 of purchases meanwhile ÷ without",
            Limit::AtMost(1.5),
            ratios(&with, &without),
        ),
        Row::figure("p99 of purchases without expired keys, ms", without),
        Row::figure("p99 of purchases during the deletion, ms", with),
    ])
}

/// Returns the 99th percentile without expired keys, in milliseconds.
async fn measure_without(options: &Options, old: &Database) -> Result<f64, Failure> {
    let program = Program::start(&old.url, &[]).await?;
    purchases::warm_up(&program, options.rate).await?;
    let latencies = purchases::measure(&program, options.rate, options.latency_window()).await?;
    program.stop().await?;
    p99_ms(latencies)
}

/// Starts a server, whose retention begins at once. Returns the 99th percentile of purchases in
/// milliseconds until all expired keys are deleted, and the time from the start until then.
async fn measure_deletion(options: &Options, old: &Database) -> Result<(f64, Duration), Failure> {
    let db = Db::connect(&old.url, PoolSettings::COMMAND).await?;
    let start = Instant::now();
    let program = Program::start(&old.url, &[]).await?;
    purchases::warm_up(&program, options.rate).await?;
    let load = purchases::start(&program, options.rate).await?;
    while start.elapsed() < TIME_MAX && retention::count(&db, &OLD_KEYS).await? > 0 {
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
    let time = start.elapsed();
    let latencies = load.end().await?;
    program.stop().await?;
    db.close().await;
    Ok((p99_ms(latencies)?, time))
}

/// Writes keys with the responses of purchases that are older than the shop keeps them.
async fn add_expired_keys(old: &Database) -> Result<(), Failure> {
    let round = uuid::Uuid::now_v7();
    let hours = OLD_KEYS.age.whole_hours() + 1;
    for first in (1..=KEYS).step_by(usize::try_from(KEYS_AT_ONCE)?) {
        let last = first + KEYS_AT_ONCE - 1;
        old.execute(&format!(
            "INSERT INTO idempotency_key (key, fingerprint, response, created_at) \
             SELECT 'growth-{round}-' || n, md5(n::text) || md5('{round}'), \
                    '{{\"order_id\":\"{round}\",\"remaining_stock\":null}}', \
                    CURRENT_TIMESTAMP - INTERVAL '{hours} hours' \
             FROM generate_series({first}, {last}) AS n"
        ))
        .await?;
    }
    Ok(())
}
