//! `GET /live/stock?products=1,2`: the stock and the sales of a page's products: all of them first,
//! then changes.
//!
//! | event | data |
//! |---|---|
//! | `stock` | comma-separated `id:available` pairs |
//! | `sale` | one line of [`crate::model::LiveSale`] for each product whose sale has changed |
//! | `clock` | the database's time, in milliseconds since 1970; at first, then with each heartbeat |
//!
//! The shop's script parses them without a JSON parser. Nothing is sent when a sale starts or ends:
//! each page has the times, and the clock.

use std::time::Instant;

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    response::Response,
};
use serde::Deserialize;

use super::{
    Heartbeat,
    frame::Frame,
    latest_sales::{LatestSales, SaleLine},
    share::LiveState,
};
use crate::{
    feed::StockChange,
    model::ShopError,
    web::{AppState, json::problem::Problem},
};

/// Maximum number of products in one stream.
pub const PRODUCTS_MAX: usize = 100;
/// A client waits this long before it connects again, unless it has a backoff of its own, as
/// `public/streams.js` has. Each stream has its own time, so that the clients of a server that was
/// restarted do not return all at once.
const RETRY_MS: std::ops::RangeInclusive<u32> = 1_000..=5_000;

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
    let asked_at = Instant::now();
    let first = state.shop.sales().current(&ids).await?;
    // The feed also has the private products of runs in this process.
    ids.retain(|id| first.levels.iter().any(|level| level.product_id == *id));
    let watched = state.stock_watch.watch(&ids);
    state.stock_watch.publish(&state.shop, asked_at, &first);
    let latest = state.stock_watch.latest_sales().clone();
    let heartbeat = Heartbeat {
        due: tokio::time::Instant::now(),
        frame: {
            let latest = latest.clone();
            move || clock_frame(&latest)
        },
    };
    let feed = state.shop.feed().clone();
    // All pages that show the same products share one state.
    let share = state.live.stock.of(ids);
    let changes = feed.subscribe();
    let shutdown = state.shutdown.clone();
    Ok(
        share.follow_with_heartbeat(changes, shutdown, heartbeat, move |_| ShownSales {
            stock: feed.latest(watched.product_ids()),
            sales: latest.lines(watched.product_ids()),
        }),
    )
}

/// The stock and the sales of a page's products.
#[derive(Debug)]
pub struct ShownSales {
    stock: Vec<StockChange>,
    sales: Vec<(i64, SaleLine)>,
}

impl LiveState for ShownSales {
    fn whole(&self) -> Vec<Frame> {
        events(&self.stock, &self.sales)
    }

    fn since(&self, before: &Self) -> Vec<Frame> {
        events(
            &news(&self.stock, &before.stock),
            &news(&self.sales, &before.sales),
        )
    }

    fn is_last(&self) -> bool {
        false
    }
}

/// Returns the elements that were not there before.
fn news<T: Clone + PartialEq>(now: &[T], before: &[T]) -> Vec<T> {
    now.iter()
        .filter(|element| !before.contains(element))
        .cloned()
        .collect()
}

fn events(stock: &[StockChange], sales: &[(i64, SaleLine)]) -> Vec<Frame> {
    let mut frames = Vec::new();
    if !stock.is_empty() {
        frames.push(Frame::text("stock", &encode(stock)));
    }
    if !sales.is_empty() {
        let lines: Vec<&str> = sales.iter().map(|(_, line)| &**line).collect();
        frames.push(Frame::text("sale", &lines.join("\n")));
    }
    frames
}

fn clock_frame(latest: &LatestSales) -> Frame {
    match latest.now_ms() {
        Some(now_ms) => {
            Frame::line_with_retry("clock", &now_ms.to_string(), rand::random_range(RETRY_MS))
        }
        None => Frame::KEEP_ALIVE,
    }
}

/// Returns the different ids in order: in whatever way a client writes the same products, their
/// state is shared.
fn parse_ids(text: &str) -> Result<Vec<i64>, ShopError> {
    let ids: Result<Vec<i64>, _> = text.split(',').map(str::parse).collect();
    match ids {
        Ok(mut ids) if ids.len() <= PRODUCTS_MAX => {
            ids.sort_unstable();
            ids.dedup();
            Ok(ids)
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_products_are_the_same_ids() {
        for text in ["1,2", "2,1", "2,1,2,1"] {
            assert_eq!(parse_ids(text), Ok(vec![1, 2]), "{text}");
        }
        let many = vec!["1"; PRODUCTS_MAX + 1].join(",");
        for text in ["", "1,", "a", "1.5", "99999999999999999999", &many] {
            assert!(parse_ids(text).is_err(), "{text}");
        }
    }
}
