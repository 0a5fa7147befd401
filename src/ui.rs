//! Stateless pieces of a page, for server and browser alike.

pub mod bill;
pub mod chart;
pub mod field;
pub mod notice;
pub mod order_badge;
pub mod stepper;
pub mod stock_line;
pub mod verdict_tile;
