//! Purchases over HTTP at a given rate, with the shop's own strategy.

use std::{sync::Arc, time::Duration};

use crate::{
    Failure,
    buyers::HOT_PRODUCT,
    client::{Call, Connection},
    pace::{self, Load, Pace},
    program::Program,
};

const WARM_UP: Duration = Duration::from_secs(3);

/// Starts to send `rate` purchases per second.
pub async fn start(program: &Program, rate: u32) -> Result<Load, Failure> {
    let mut connections = Vec::new();
    for _ in 0..pace::WORKERS {
        connections.push(Connection::open(&program.address).await?);
    }
    let mut load = Load::new(rate);
    for connection in connections {
        let worker = buy_at_pace(connection, load.pace());
        load.add(worker);
    }
    Ok(load)
}

/// Returns the latencies of the purchases in `time`.
pub async fn measure(
    program: &Program,
    rate: u32,
    time: Duration,
) -> Result<Vec<Duration>, Failure> {
    let load = start(program, rate).await?;
    tokio::time::sleep(time).await;
    load.end().await
}

/// Sends purchases that are not measured: the first ones open the server's connections.
pub async fn warm_up(program: &Program, rate: u32) -> Result<(), Failure> {
    measure(program, rate, WARM_UP).await.map(drop)
}

async fn buy_at_pace(
    mut connection: Connection,
    pace: Arc<Pace>,
) -> Result<Vec<Duration>, Failure> {
    let mut latencies = Vec::new();
    while let Some(since) = pace.wait_for_turn().await {
        let call = Call::purchase(HOT_PRODUCT, None);
        connection.send(&call).await?.check_ok(&call)?;
        latencies.push(since.elapsed());
    }
    Ok(latencies)
}
