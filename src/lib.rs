//! Doorbuster: a flash-sale storefront that never oversells, and a workbench for race conditions.
//!
//! | module | holds | may use |
//! |---|---|---|
//! | [`model`] | the domain's types and texts, for server and browser | no other module |
//! | [`ui`] | stateless components of pages | model |
//! | [`islands`] | components that run in the browser | model, api, ui |
//! | [`api`] | server functions, one file per subject | model; in their bodies web::session, shop, simulation |
//! | `web` | the server: routes, pages, layers, streams | ui, islands, api, and everything below it |
//! | `shop` | the domain: stock, carts, holds, orders, the audit | payment::gateway, db, redis, feed, metrics, resilience, telemetry, model, config |
//! | `payment` | the client of the payment provider; the simulated provider, a separate process | resilience, telemetry, http_client, model, config |
//! | `simulation` | concurrent simulated buyers and the verdict on their run | shop, payment, db, redis, feed, http_client, model, config |
//! | `feed` | changes after commits, for pages and other processes | model, config |
//! | `db` | connections, transactions, locks, rows | metrics, resilience, telemetry, model, config |
//! | `metrics` | counters and histograms of a server process | model |
//! | `redis` | the connection to Redis, with deadlines and a breaker | resilience |
//! | `resilience` | circuit breakers, the limit of requests at once, the budget of retries | metrics |
//! | `http_client` | the client of all requests over HTTP, with TLS | no other module |
//! | `config` | settings | model |
//! | `telemetry` | logs; traces | metrics, http_client, config |
//!
//! `tests/architecture/imports.rs` checks the sources against this table.

#![recursion_limit = "512"]

pub mod api;
pub mod islands;
pub mod model;
pub mod ui;

#[cfg(feature = "ssr")]
pub mod config;
#[cfg(feature = "ssr")]
pub mod db;
#[cfg(feature = "ssr")]
pub mod feed;
#[cfg(feature = "ssr")]
pub mod http_client;
#[cfg(feature = "ssr")]
pub mod metrics;
#[cfg(feature = "ssr")]
pub mod payment;
#[cfg(feature = "ssr")]
pub mod redis;
#[cfg(feature = "ssr")]
pub mod resilience;
#[cfg(feature = "ssr")]
pub mod shop;
#[cfg(feature = "ssr")]
pub mod simulation;
#[cfg(feature = "ssr")]
pub mod telemetry;
#[cfg(feature = "ssr")]
pub mod web;

/// Hydrates the islands one by one; the page's script calls it once the WebAssembly is loaded.
#[cfg(feature = "hydrate")]
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn hydrate() {
    leptos::mount::hydrate_islands();
}
