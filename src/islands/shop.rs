//! Islands of the shoppers' pages.

mod hold_timer;
mod live_order;
mod live_stock;
mod quantity_stepper;

pub use hold_timer::HoldTimer;
pub use live_order::{
    LiveOrder, OrderBadge, OrderHeading, OrderNextLink, OrderPayment, OrderSentence,
};
pub use live_stock::{BuyButtons, CartLineNote, CheckoutButton, LiveStock, StockLine};
pub use quantity_stepper::QuantityStepper;
