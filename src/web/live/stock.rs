//! `GET /live/stock?products=1,2`: the stock of a page's products: all of them first, then changes.
//!
//! An event's data is comma-separated `id:available` pairs. The shop's script parses it without a
//! JSON parser.

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    response::Response,
};
use serde::Deserialize;

use super::{frame::Frame, share::LiveState, viewer::Viewer};
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
) -> Result<Response, Problem> {
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
    // All pages that show the same products share one state.
    let share = state.live.stock.of(ids);
    let changes = feed.subscribe();
    Ok(
        share.follow(Viewer::Anyone, changes, state.shutdown.clone(), move |_| {
            ShownStock(feed.latest(watched.product_ids()))
        }),
    )
}

/// The stock of a page's products.
#[derive(Debug)]
pub struct ShownStock(Vec<StockChange>);

impl LiveState for ShownStock {
    fn whole(&self) -> Vec<Frame> {
        event(&self.0)
    }

    fn since(&self, before: &Self) -> Vec<Frame> {
        let changed: Vec<_> = self
            .0
            .iter()
            .filter(|change| !before.0.contains(change))
            .copied()
            .collect();
        event(&changed)
    }

    fn is_last(&self) -> bool {
        false
    }
}

fn event(changes: &[StockChange]) -> Vec<Frame> {
    if changes.is_empty() {
        return Vec::new();
    }
    vec![Frame::text("stock", &encode(changes))]
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
