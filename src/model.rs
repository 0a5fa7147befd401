//! The words of the domain, shared by server and browser. No I/O, nothing of ours above it.

pub mod cart;
pub mod money;
pub mod order;
pub mod payment;
pub mod plan;
pub mod product;
pub mod quantity;
pub mod shop_error;
pub mod snapshot;
pub mod strategy;

pub use cart::{CartLine, CartView};
pub use money::{Currency, Money};
pub use order::{Contact, FieldError, OrderLineView, OrderView, Receipt};
pub use payment::PaymentCard;
pub use plan::SimulationPlan;
pub use product::{Product, SaleState};
pub use quantity::Quantity;
pub use shop_error::ShopError;
pub use snapshot::{LatencyMs, RunSnapshot, RunState, Sample, TimeSplitMs, Verdict};
pub use strategy::StrategyKey;
