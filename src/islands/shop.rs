//! Islands of the shop's pages.

pub mod live_stock;

pub use live_stock::{BuyButtons, CartLineNote, CheckoutButton, LiveStock, StockLine};
