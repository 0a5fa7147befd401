//! What the audits cost: the processor time of the continuous one, and the latency of purchases
//! while the full one runs.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use doorbuster::{db::PoolSettings, model::StrategyKey};

use crate::{
    Failure,
    audit_thread::{AuditThread, ROUND_INTERVAL},
    buyers, commands,
    database::{Database, Postgres},
    options::Options,
    orders::sides,
    pace::{Load, p99_ms},
    processor_time::{self, ProcessorTime},
    program::Program,
    purchases,
    report::{Limit, Row, ratios},
};

/// How often the audit's sessions are looked up.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Of the requested orders, the share that must be placed in the measured time.
const PLACED_MIN: f64 = 0.95;

/// Processor seconds per minute.
#[derive(Debug, Default)]
struct Costs {
    /// Of the audit's sessions in PostgreSQL.
    database: Vec<f64>,
    /// Of the audit in the server process.
    server: Vec<f64>,
}

impl Costs {
    fn totals(&self) -> Vec<f64> {
        let both = self.database.iter().zip(&self.server);
        both.map(|(database, server)| database + server).collect()
    }
}

/// Measures the processor time of the continuous audit while orders are placed.
pub async fn measure_continuous(
    options: &Options,
    postgres: &Postgres,
) -> Result<Vec<Row>, Failure> {
    let old = postgres.old(options).await?;
    let (mut of_old, mut of_fresh) = (Costs::default(), Costs::default());
    for round in 0..options.long_rounds() {
        let fresh = postgres.fresh().await?;
        for is_old in sides(round) {
            let database = if is_old { &old } else { &fresh };
            let (in_database, in_server) = cost(options, postgres, database).await?;
            let costs = if is_old { &mut of_old } else { &mut of_fresh };
            costs.database.push(in_database);
            costs.server.push(in_server);
        }
        postgres.drop_database(&fresh).await?;
    }
    let (old_totals, fresh_totals) = (of_old.totals(), of_fresh.totals());
    let rate = options.rate;
    Ok(vec![
        Row::new(
            format!(
                "the continuous audit's processor time a minute under {rate} orders/s, old ÷ fresh"
            ),
            Limit::AtMost(1.2),
            ratios(&old_totals, &fresh_totals),
        ),
        Row::figure("continuous audit, old, s of processor/min", old_totals),
        Row::figure("continuous audit, fresh, s of processor/min", fresh_totals),
        Row::figure("… of which PostgreSQL, old", of_old.database),
        Row::figure("… of which PostgreSQL, fresh", of_fresh.database),
        Row::figure("… of which the server, old", of_old.server),
        Row::figure("… of which the server, fresh", of_fresh.server),
    ])
}

/// Returns the audit's processor seconds per minute in PostgreSQL and in the server.
async fn cost(
    options: &Options,
    postgres: &Postgres,
    database: &Database,
) -> Result<(f64, f64), Failure> {
    buyers::restock_hot_product(database).await?;
    postgres.checkpoint().await?;
    let (db, shop) = buyers::open_shop(database).await?;
    let audit = AuditThread::start(database).await?;
    let (mut load, loaded) = (Load::new(options.rate), Instant::now());
    buyers::add_to(&mut load, &shop, StrategyKey::RowLock);
    drop(shop);
    // The first rounds check what was left, and fill the caches of the sessions.
    tokio::time::sleep(ROUND_INTERVAL + ROUND_INTERVAL / 2).await;
    let thread = [audit.stat.clone()];
    let mut in_database = ProcessorTime::start(&sessions(postgres, database).await?);
    let mut in_server = ProcessorTime::start(&thread);
    let start = Instant::now();
    while start.elapsed() < options.audit_window() {
        tokio::time::sleep(LOOK_INTERVAL).await;
        in_database.update(&sessions(postgres, database).await?);
        in_server.update(&thread);
    }
    let minutes = start.elapsed().as_secs_f64() / 60.0;
    let latencies = load.end().await?;
    check_placed(options, latencies.len(), loaded.elapsed())?;
    audit.stop().await?;
    db.close().await;
    Ok((
        in_database.seconds() / minutes,
        in_server.seconds() / minutes,
    ))
}

/// Returns the `stat` files of the audit's sessions.
async fn sessions(postgres: &Postgres, database: &Database) -> Result<Vec<PathBuf>, Failure> {
    let name = PoolSettings::AUDIT.application_name;
    let pids = postgres.sessions(database, name).await?;
    Ok(pids.into_iter().map(processor_time::of_process).collect())
}

/// Checks that the shop kept up: less load would cost the audit less.
fn check_placed(options: &Options, placed: usize, within: Duration) -> Result<(), Failure> {
    let wanted = f64::from(options.rate) * within.as_secs_f64() * PLACED_MIN;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let placed = placed as f64;
    if placed < wanted {
        return Err(format!(
            "the shop placed only {placed:.0} orders in {} s: lower GROWTH_RATE",
            within.as_secs()
        )
        .into());
    }
    Ok(())
}

/// Measures the latency of purchases with and without the full audit, which runs as the command.
pub async fn measure_full(options: &Options, postgres: &Postgres) -> Result<Vec<Row>, Failure> {
    let old = postgres.old(options).await?;
    buyers::restock_hot_product(&old).await?;
    let program = Program::start(&old.url, &[]).await?;
    let (mut without, mut with, mut seconds) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..options.long_rounds() {
        postgres.checkpoint().await?;
        purchases::warm_up(&program, options.rate).await?;
        let latencies =
            purchases::measure(&program, options.rate, options.latency_window()).await?;
        without.push(p99_ms(latencies)?);
        let load = purchases::start(&program, options.rate).await?;
        let start = Instant::now();
        commands::run("audit", &old.url).await?;
        seconds.push(start.elapsed().as_secs_f64());
        // A short history is audited several times.
        while start.elapsed() < options.rate_window() {
            commands::run("audit", &old.url).await?;
        }
        with.push(p99_ms(load.end().await?)?);
    }
    program.stop().await?;
    Ok(vec![
        Row::new(
            "p99 of purchases while the full audit runs ÷ without",
            Limit::AtMost(1.5),
            ratios(&with, &without),
        ),
        Row::figure("p99 of purchases without an audit, ms", without),
        Row::figure("p99 of purchases while the full audit runs, ms", with),
        Row::figure("the full audit under this load, s", seconds),
    ])
}
