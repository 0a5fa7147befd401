//! The words of the domain, shared by server and browser. No I/O, nothing of ours above it.

pub mod bill;
pub mod cart;
pub mod findings;
pub mod lesson;
pub mod money;
pub mod order;
pub mod payment;
pub mod plan;
pub mod product;
pub mod quantity;
pub mod run_state;
pub mod shop_error;
pub mod snapshot;
pub mod strategy;
pub mod verdict;

pub use bill::{Bill, DiscountValue};
pub use cart::{AppliedCode, CartLine, CartView, CheckoutView, ReleasedLine, Reservation};
pub use lesson::{LessonKey, LessonResult, LessonRun};
pub use money::{Currency, Money};
pub use order::{
    CancelReason, Contact, FieldError, OrderLineView, OrderStatus, OrderView, PaymentState,
    PaymentView, Receipt, RefundReason, RefundView, Standing, Tone,
};
pub use payment::PaymentCard;
pub use plan::SimulationPlan;
pub use product::{Product, SaleState};
pub use quantity::Quantity;
pub use run_state::{RunEvent, RunEventKind, RunState, RunWish};
pub use shop_error::ShopError;
pub use snapshot::{LaneSnapshot, RunSnapshot, RunVerdict, Sample};
pub use strategy::{StockLayout, StrategyKey};
pub use verdict::{LatencyMs, TimeSplitMs, Verdict};
