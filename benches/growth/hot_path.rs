//! Purchases over HTTP beside the health check of the same server, from 64 keep-alive connections.

use doorbuster::model::StrategyKey;

use crate::{
    Failure, buyers,
    client::{self, Call},
    database::Postgres,
    options::Options,
    program::Program,
    report::{Limit, Row, ratios},
};

const CONNECTIONS: u32 = 64;

const HEALTH: usize = 0;
const ROW_LOCK: usize = 1;
const EARLY_RELEASE: usize = 2;
const MICRO_BATCH: usize = 3;
/// What is requested: `None` for the health check.
const REQUESTS: [Option<StrategyKey>; 4] = [
    None,
    Some(StrategyKey::RowLock),
    Some(StrategyKey::EarlyRelease),
    Some(StrategyKey::MicroBatch),
];

/// Measures all requests on one server with a fresh database, interleaved.
pub async fn measure(options: &Options, postgres: &Postgres) -> Result<Vec<Row>, Failure> {
    let fresh = postgres.fresh().await?;
    let program = Program::start(&fresh.url, &[]).await?;
    let mut rates: [Vec<f64>; REQUESTS.len()] = Default::default();
    for round in 0..options.rounds {
        let mut order = [HEALTH, ROW_LOCK, EARLY_RELEASE, MICRO_BATCH];
        order.rotate_left(usize::try_from(round)? % REQUESTS.len());
        for request in order {
            buyers::restock_hot_product(&fresh).await?;
            postgres.checkpoint().await?;
            let rate = requests_per_second(options, &program, REQUESTS[request]).await?;
            rates[request].push(rate);
        }
    }
    program.stop().await?;
    // A rate of purchases that violate a rule would mean nothing.
    fresh.audit().await?;
    postgres.drop_database(&fresh).await?;
    let mut rows = vec![
        Row::new(
            "`POST /api/purchase` with `micro-batch` ÷ `/healthz`, 64 connections",
            Limit::AtLeast(0.25),
            ratios(&rates[MICRO_BATCH], &rates[HEALTH]),
        ),
        Row::new(
            "`POST /api/purchase` with `early-release` ÷ with `row-lock`, 64 connections",
            Limit::AtLeast(2.5),
            ratios(&rates[EARLY_RELEASE], &rates[ROW_LOCK]),
        ),
    ];
    for (request, values) in REQUESTS.into_iter().zip(rates) {
        let text = match request {
            Some(strategy) => format!("`POST /api/purchase` with `{strategy}`, per second"),
            None => "`/healthz`, per second".to_owned(),
        };
        rows.push(Row::figure(text, values));
    }
    Ok(rows)
}

async fn requests_per_second(
    options: &Options,
    program: &Program,
    request: Option<StrategyKey>,
) -> Result<f64, Failure> {
    let make_call = move || match request {
        Some(strategy) => Call::purchase(buyers::HOT_PRODUCT, Some(strategy)),
        None => Call::get("/healthz"),
    };
    let window = options.rate_window();
    client::responses_per_second(&program.address, CONNECTIONS, window, make_call).await
}
