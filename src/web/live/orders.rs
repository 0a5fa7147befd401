//! `GET /live/orders/{public_id}`: where an order stands, each time that it stands elsewhere, until nothing is open any more.
//!
//! An event's data is six lines: whether it may still change (`open`, `closed`, or `retry` when it can be ordered again), tone, heading, status,
//! sentence, payment. A shopper's script parses it without a JSON parser.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Path, State},
    response::sse::Event,
};
use tokio::sync::{Mutex, watch};

use super::{Events, Update, paced};
use crate::{
    model::Standing,
    web::{AppState, json::problem::Problem},
};

/// How soon a change is seen. Orders change by themselves for a minute at most, and few are watched, so each is asked about.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// See the module's documentation.
pub async fn follow(
    State(state): State<AppState>,
    Path(public_id): Path<String>,
) -> Result<Events, Problem> {
    let shop = state.shop.clone();
    // An unknown order is a 404, and no stream that ends at once.
    shop.order(&public_id).await?;
    let told = Arc::new(Mutex::new(None::<Standing>));
    Ok(paced(clock(&state), state.shutdown.clone(), move || {
        let (shop, public_id, told) = (shop.clone(), public_id.clone(), Arc::clone(&told));
        async move {
            // A moment without an answer is not worth an end: the next one asks again.
            let Ok(order) = shop.order(&public_id).await else {
                return Update::Nothing;
            };
            let standing = order.standing();
            let mut told = told.lock().await;
            if !standing.is_open {
                return Update::Last(Ok(encode(&standing)));
            }
            if told.as_ref() == Some(&standing) {
                return Update::Nothing;
            }
            let event = encode(&standing);
            *told = Some(standing);
            Update::Event(Ok(event))
        }
    }))
}

/// A bell that rings by the clock for as long as somebody listens.
fn clock(state: &AppState) -> watch::Receiver<u64> {
    let (bell, listener) = watch::channel(0_u64);
    let shutdown = state.shutdown.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = bell.closed() => return,
                () = tokio::time::sleep(ASK_EVERY) => {}
            }
            bell.send_modify(|rings| *rings = rings.wrapping_add(1));
        }
    });
    listener
}

fn encode(standing: &Standing) -> Event {
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
