//! The first purchases after the start of a sale, and how long each took.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use http_body_util::{BodyExt, Full};
use hyper::{Request, StatusCode, body::Bytes, client::conn::http1::SendRequest, header};
use tokio::task::JoinSet;

use crate::{
    Failure,
    connection::connect,
    program::Program,
    sale::{PRODUCT_ID, Sale},
};

/// The latencies of purchases, and how many there were.
pub struct Latencies {
    sorted: Vec<Duration>,
    /// Purchases that were confirmed.
    pub sold: u64,
}

impl Latencies {
    /// Returns the latency that this fraction of the purchases did not exceed, in milliseconds.
    pub fn ms(&self, fraction: f64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "at most 100,000 purchases")]
        let rank = (self.sorted.len() as f64 * fraction).ceil();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 0 to the number of purchases"
        )]
        let place = (rank as usize).saturating_sub(1);
        let latency = self.sorted.get(place).copied().unwrap_or_default();
        latency.as_secs_f64() * 1_000.0
    }
}

/// Buys `count` times from the start of the sale on, one unit each, from `buyers` connections that
/// are open before. Each buyer buys again as soon as the last purchase was answered.
pub async fn buy(
    program: &Program,
    buyers: u32,
    count: u32,
    sale: &Sale,
) -> Result<Latencies, Failure> {
    let turns = Arc::new(AtomicU32::new(0));
    let mut connections = Vec::new();
    for _ in 0..buyers {
        connections.push(connect(&program.address).await?);
    }
    sale.until_start(Duration::ZERO).await;
    let mut tasks = JoinSet::new();
    for sender in connections {
        tasks.spawn(buy_in_turn(
            sender,
            program.address.clone(),
            Arc::clone(&turns),
            count,
        ));
    }
    let mut sorted = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        sorted.extend(ended??);
    }
    sorted.sort();
    Ok(Latencies {
        sold: u64::try_from(sorted.len())?,
        sorted,
    })
}

async fn buy_in_turn(
    mut sender: SendRequest<Full<Bytes>>,
    address: String,
    turns: Arc<AtomicU32>,
    count: u32,
) -> Result<Vec<Duration>, Failure> {
    let mut latencies = Vec::new();
    loop {
        let turn = turns.fetch_add(1, Ordering::Relaxed);
        if turn >= count {
            return Ok(latencies);
        }
        sender.ready().await?;
        let request = Request::post("/api/purchase")
            .header(header::HOST, &address)
            .header(header::CONTENT_TYPE, "application/json")
            .header("Idempotency-Key", format!("opening-purchase-{turn}"))
            .body(Full::from(format!(
                r#"{{"productId": {PRODUCT_ID}, "quantity": 1}}"#
            )))?;
        let sent_at = Instant::now();
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        if status != StatusCode::OK {
            return Err(format!("{status}: {}", String::from_utf8_lossy(&body)).into());
        }
        latencies.push(sent_at.elapsed());
    }
}
