//! What comes alive in the browser. Each works without it: an island only keeps fresh what the server has rendered.

pub mod shop;

/// Not in the shopper's bundle: a chart must never weigh on a product page.
#[cfg(any(feature = "ssr", feature = "workbench"))]
pub mod workbench;

#[cfg(feature = "hydrate")]
mod stream;
