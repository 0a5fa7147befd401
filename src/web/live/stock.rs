//! `GET /live/stock?products=1,2`: the stock of a page's products: all of them first, then changes.
//!
//! An event's data is comma-separated `id:available` pairs. The shop's script parses it without a
//! JSON parser.

use std::sync::Arc;

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    response::sse::Event,
};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::{Events, Update, stream_updates};
use crate::{
    feed::StockChange,
    model::ShopError,
    web::{AppState, json::problem::Problem},
};

/// Maximum number of products in one stream.
const PRODUCTS_MAX: usize = 100;

#[derive(Debug, Deserialize)]
pub struct StockQuery {
    products: String,
}

/// See the module's documentation.
pub async fn follow(
    State(state): State<AppState>,
    query: Result<Query<StockQuery>, QueryRejection>,
) -> Result<Events, Problem> {
    let Query(query) = query.map_err(|error| ShopError::Malformed(error.to_string()))?;
    let mut ids = parse_ids(&query.products)?;
    let first = state
        .shop
        .stock()
        .current(&ids)
        .await
        .map_err(crate::db::txn::read_error)?;
    // The feed also has the private products of runs in this process.
    ids.retain(|id| first.iter().any(|level| level.product_id == *id));
    let watched = state.stock_watch.watch(&ids);
    state.shop.feed().publish_changed(&first);
    let feed = state.shop.feed().clone();
    let sent = Arc::new(Mutex::new(Vec::<StockChange>::new()));
    Ok(stream_updates(
        feed.subscribe(),
        state.shutdown.clone(),
        move || {
            let (feed, ids, sent) = (
                feed.clone(),
                watched.product_ids().to_vec(),
                Arc::clone(&sent),
            );
            async move {
                let now = feed.latest(&ids);
                let mut sent = sent.lock().await;
                let changed: Vec<_> = now
                    .iter()
                    .filter(|change| !sent.contains(change))
                    .copied()
                    .collect();
                *sent = now;
                if changed.is_empty() {
                    Update::Nothing
                } else {
                    Update::Event(Ok(Event::default().event("stock").data(encode(&changed))))
                }
            }
        },
    ))
}

fn parse_ids(text: &str) -> Result<Vec<i64>, ShopError> {
    let ids: Result<Vec<i64>, _> = text.split(',').map(str::parse).collect();
    match ids {
        Ok(ids) if ids.len() <= PRODUCTS_MAX => Ok(ids),
        _ => Err(ShopError::Invalid(format!(
            "products must be 1 to {PRODUCTS_MAX} ids, comma-separated"
        ))),
    }
}

fn encode(changes: &[StockChange]) -> String {
    changes
        .iter()
        .map(|change| format!("{}:{}", change.product_id, change.available))
        .collect::<Vec<_>>()
        .join(",")
}
