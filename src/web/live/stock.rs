//! `GET /live/stock?products=1,2`: the stock of a page's products, first all, then what changes.
//!
//! An event's data is `id:available` pairs, comma-separated: a shopper's script parses it without a JSON parser.

use std::sync::Arc;

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    response::sse::Event,
};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::{Events, Update, paced};
use crate::{
    feed::StockChange,
    model::ShopError,
    web::{AppState, json::problem::Problem},
};

/// The most products that one page follows.
const PRODUCTS_MAX: usize = 100;

#[derive(Debug, Deserialize)]
pub struct Followed {
    products: String,
}

/// See the module's documentation.
pub async fn follow(
    State(state): State<AppState>,
    followed: Result<Query<Followed>, QueryRejection>,
) -> Result<Events, Problem> {
    let Query(followed) = followed.map_err(|error| ShopError::Malformed(error.to_string()))?;
    let ids = parse_ids(&followed.products)?;
    let watching = state.stock_watch.watch(&ids);
    let first = state
        .shop
        .stock_now(&ids)
        .await
        .map_err(crate::db::txn::read_error)?;
    state.shop.feed().publish_news(&first);
    let feed = state.shop.feed().clone();
    let sent = Arc::new(Mutex::new(Vec::<StockChange>::new()));
    Ok(paced(feed.bell(), state.shutdown.clone(), move || {
        let (feed, ids, sent) = (
            feed.clone(),
            watching.product_ids().to_vec(),
            Arc::clone(&sent),
        );
        async move {
            let now = feed.latest(&ids);
            let mut sent = sent.lock().await;
            let news: Vec<_> = now
                .iter()
                .filter(|change| !sent.contains(change))
                .copied()
                .collect();
            *sent = now;
            if news.is_empty() {
                Update::Nothing
            } else {
                Update::Event(Ok(Event::default().event("stock").data(encode(&news))))
            }
        }
    }))
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
