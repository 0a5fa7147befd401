//! `GET /live/orders/{public_id}`: the status of an order after each change, until it is final.
//!
//! An event's data is six lines: whether the order may still change (`open`, `closed`, or `retry`
//! if the shopper can order again), tone, heading, status, sentence, payment. The shop's script
//! parses it without a JSON parser.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use tokio::sync::Mutex;
use uuid::Uuid;

use super::{Update, frame::Frame, stream_updates, viewer::Viewer};
use crate::{
    model::{OrderStatusView, ShopError},
    web::{
        AppState,
        json::{path_text::PathText, problem::Problem},
    },
};

/// See the module's documentation.
pub async fn follow(
    State(state): State<AppState>,
    PathText(public_id): PathText,
) -> Result<Response, Problem> {
    let shop = state.shop.clone();
    // An unknown order is a 404 and not an empty stream.
    shop.orders().find(&public_id).await?;
    let id = Uuid::try_parse(&public_id).map_err(|_| ShopError::UnknownOrder)?;
    let watched = Arc::new(shop.orders().watch(id));
    let sent = Arc::new(Mutex::new(None::<OrderStatusView>));
    Ok(stream_updates(
        Viewer::Anyone,
        watched.changes(),
        state.shutdown.clone(),
        move || {
            let (shop, public_id, sent) = (shop.clone(), public_id.clone(), Arc::clone(&sent));
            let watched = Arc::clone(&watched);
            async move {
                // A failed query does not end the stream.
                let Ok(order) = shop.orders().find(&public_id).await else {
                    watched.notify_again();
                    return Update::default();
                };
                let standing = order.status_view();
                let mut sent = sent.lock().await;
                if standing.is_open && sent.as_ref() == Some(&standing) {
                    return Update::default();
                }
                let update = Update {
                    frames: vec![encode(&standing)],
                    is_last: !standing.is_open,
                    is_outdated: false,
                };
                *sent = Some(standing);
                update
            }
        },
    ))
}

fn encode(standing: &OrderStatusView) -> Frame {
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
    Frame::text("order", &lines.join("\n"))
}
