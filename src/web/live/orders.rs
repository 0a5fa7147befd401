//! `GET /live/orders/{public_id}`: the status of an order after each change, until it is final.
//!
//! An event's data is six lines: whether the order may still change (`open`, `closed`, or `retry`
//! if the shopper can order again), tone, heading, status, sentence, payment. The shop's script
//! parses it without a JSON parser.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Path, State},
    response::sse::Event,
};
use tokio::sync::{Mutex, watch};

use super::{Events, Update, stream_updates};
use crate::{
    model::OrderStatusView,
    web::{AppState, json::problem::Problem},
};

/// Interval of database queries for an open stream. Polling is cheap enough: an order changes by
/// itself for a minute at most, and few orders are watched at a time.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// See the module's documentation.
pub async fn follow(
    State(state): State<AppState>,
    Path(public_id): Path<String>,
) -> Result<Events, Problem> {
    let shop = state.shop.clone();
    // An unknown order is a 404 and not an empty stream.
    shop.orders().find(&public_id).await?;
    let sent = Arc::new(Mutex::new(None::<OrderStatusView>));
    Ok(stream_updates(
        ticker(&state),
        state.shutdown.clone(),
        move || {
            let (shop, public_id, sent) = (shop.clone(), public_id.clone(), Arc::clone(&sent));
            async move {
                // A failed query does not end the stream: the next tick retries.
                let Ok(order) = shop.orders().find(&public_id).await else {
                    return Update::Nothing;
                };
                let standing = order.status_view();
                let mut sent = sent.lock().await;
                if !standing.is_open {
                    return Update::Last(Ok(encode(&standing)));
                }
                if sent.as_ref() == Some(&standing) {
                    return Update::Nothing;
                }
                let event = encode(&standing);
                *sent = Some(standing);
                Update::Event(Ok(event))
            }
        },
    ))
}

/// Starts a task that signals a change at each poll interval while the stream is open.
fn ticker(state: &AppState) -> watch::Receiver<u64> {
    let (sender, receiver) = watch::channel(0_u64);
    let shutdown = state.shutdown.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = sender.closed() => return,
                () = tokio::time::sleep(POLL_INTERVAL) => {}
            }
            sender.send_modify(|ticks| *ticks = ticks.wrapping_add(1));
        }
    });
    receiver
}

fn encode(standing: &OrderStatusView) -> Event {
    let lines = [
        match (standing.is_open, standing.can_retry) {
            (true, _) => "open",
            (false, true) => "retry",
            (false, false) => "closed",
        },
        standing.tone.as_str(),
        &standing.heading,
        &standing.status,
        &standing.sentence,
        &standing.payment,
    ];
    Event::default().event("order").data(lines.join("\n"))
}
