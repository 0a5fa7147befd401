//! Components that run in the browser. Each page works without them: an island only updates what
//! the server has rendered.

mod changing;
pub mod shop;

/// Not part of the shopper's bundle: charts must not slow down product pages.
#[cfg(any(feature = "ssr", feature = "workbench"))]
pub mod workbench;

#[cfg(feature = "hydrate")]
mod elapsed;
#[cfg(feature = "hydrate")]
mod stream;
