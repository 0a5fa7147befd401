//! What comes alive on shoppers' pages.

mod hold_timer;
mod live_order;
mod live_stock;

pub use hold_timer::HoldTimer;
pub use live_order::{
    LiveOrder, OrderBadge, OrderHeading, OrderPayment, OrderSentence, OrderWayOn,
};
pub use live_stock::{BuyButtons, CartLineNote, CheckoutButton, LiveStock, StockLine};
