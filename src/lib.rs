//! Doorbuster: a flash-sale storefront that never oversells, and a workbench that shows why.
//!
//! | module | holds | may use |
//! |---|---|---|
//! | [`model`] | the words of the domain, for server and browser | nothing of ours |
//! | [`ui`] | stateless pieces of a page | model |
//! | [`islands`] | what comes alive in the browser | model, api, ui |
//! | [`api`] | server functions, one file a noun | model; in their bodies web::session, shop, simulation |
//! | `web` | the server: routes, pages, layers, streams | ui, islands, api, and everything below it |
//! | `shop` | the domain: stock, carts, holds, orders, the audit | payment::gateway, db, feed, model, config |
//! | `payment` | what the shop asks of a provider; the simulated provider, a program of its own | model, config |
//! | `simulation` | the concurrent buyers and their verdict | shop, payment, db, feed, model, config |
//! | `feed` | what changed after a commit | model, config |
//! | `db` | connections, transactions, locks, rows | model, config |
//! | `config`, `telemetry` | settings; logs | model |
//!
//! `tests/architecture.rs` holds this table against the sources.

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
pub mod payment;
#[cfg(feature = "ssr")]
pub mod shop;
#[cfg(feature = "ssr")]
pub mod simulation;
#[cfg(feature = "ssr")]
pub mod telemetry;
#[cfg(feature = "ssr")]
pub mod web;

/// Called by the page's script once the WebAssembly is there: islands hydrate one by one after it.
#[cfg(feature = "hydrate")]
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn hydrate() {
    leptos::mount::hydrate_islands();
}
