//! Stateless components of pages, rendered by the server and by the browser.

pub mod bill;
pub mod chart;
pub mod columns;
pub mod curves;
pub mod data_table;
pub mod field;
pub mod lock_queue;
pub mod notice;
pub mod order_badge;
pub mod run_curves;
pub mod safety_badge;
pub mod sale_line;
pub mod stepper;
pub mod stock_line;
mod time_axis;
pub mod utc_time;
pub mod verdict_tile;
pub mod waterfall;
