//! `GET /live/orders/{public_id}`: the status of an order after each change, until it is final.
//!
//! An event's data is six lines: whether the order may still change (`open`, `closed`, or `retry`
//! if the shopper can order again), tone, heading, status, sentence, payment. The shop's script
//! parses it without a JSON parser.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::sse::Event,
};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::{Events, Update, stream_updates};
use crate::{
    model::{OrderStatusView, ShopError},
    web::{AppState, json::problem::Problem},
};

/// See the module's documentation.
pub async fn follow(
    State(state): State<AppState>,
    Path(public_id): Path<String>,
) -> Result<Events, Problem> {
    let shop = state.shop.clone();
    // An unknown order is a 404 and not an empty stream.
    shop.orders().find(&public_id).await?;
    let id = Uuid::try_parse(&public_id).map_err(|_| ShopError::UnknownOrder)?;
    let watched = Arc::new(shop.orders().watch(id));
    let sent = Arc::new(Mutex::new(None::<OrderStatusView>));
    Ok(stream_updates(
        watched.changes(),
        state.shutdown.clone(),
        move || {
            let (shop, public_id, sent) = (shop.clone(), public_id.clone(), Arc::clone(&sent));
            let watched = Arc::clone(&watched);
            async move {
                // A failed query does not end the stream.
                let Ok(order) = shop.orders().find(&public_id).await else {
                    watched.notify_again();
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
