//! Islands of the shoppers' pages.

mod cart_line;
#[cfg(any(feature = "hydrate", test))]
mod clock_offset;
mod hold_timer;
mod live_order;
mod live_stock;
mod quantity_stepper;
mod sale;
#[cfg(feature = "hydrate")]
mod server_clock;

pub use cart_line::{CartLineNote, CheckoutButton};
pub use hold_timer::HoldTimer;
pub use live_order::{
    LiveOrder, OrderBadge, OrderHeading, OrderNextLink, OrderPayment, OrderSentence,
};
pub use live_stock::LiveSales;
pub use quantity_stepper::{QuantityStepper, note_id};
pub use sale::{
    BuyButtons, CardState, QUANTITY_FIELD, QuantityNote, SaleAnnouncement, SalePrice, SaleShutter,
    StockLine,
};
