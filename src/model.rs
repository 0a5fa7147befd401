//! The domain's types and texts, shared by server and browser. No I/O; uses no other module of
//! this crate.

pub mod address;
pub mod axis_scale;
pub mod bill;
pub mod card_expiry;
pub mod cart;
pub mod cart_room;
pub mod country;
pub mod database_engine;
pub mod digit_groups;
pub mod findings;
pub mod isolation;
pub mod lesson;
pub mod live_sale;
pub mod lock_queue;
pub mod lock_view;
pub mod money;
pub mod order;
pub mod payment;
pub mod plan;
pub mod presentation;
pub mod product;
pub mod product_query;
pub mod quantity;
pub mod request_limit;
pub mod run_label;
pub mod run_state;
pub mod sale;
pub mod sample;
pub mod shares;
pub mod shop_error;
pub mod snapshot;
pub mod statement;
pub mod stepper;
pub mod strategy;
pub mod text;
pub mod utc_time;
pub mod verdict;
pub mod waterfall;

pub use axis_scale::{AxisScale, polyline};
pub use bill::{Bill, DiscountValue};
pub use cart::{
    AppliedCode, CartLine, CartView, CheckoutView, LineProblem, ReleasedLine, Reservation,
};
pub use cart_room::{CartBound, CartRoom, CartUnits};
pub use database_engine::{DatabaseEngine, Engines};
pub use isolation::Isolation;
pub use lesson::{LessonKey, LessonResult, LessonRun};
pub use live_sale::LiveSale;
pub use lock_view::{DbLock, DbSession};
pub use money::{Currency, Money};
pub use order::{
    CancelReason, Contact, FieldError, OrderLineView, OrderStatus, OrderStatusView, OrderView,
    PaymentState, PaymentView, Receipt, RefundReason, RefundView, Tone,
};
pub use payment::PaymentCard;
pub use plan::SimulationPlan;
pub use presentation::{LanePresentation, Presentation};
pub use product::Product;
pub use quantity::Quantity;
pub use request_limit::RequestLimit;
pub use run_state::{RunCommand, RunEvent, RunEventKind, RunState};
pub use sale::{SalePlan, SaleState, SellOut, StockCounts};
pub use sample::Sample;
pub use shop_error::ShopError;
pub use snapshot::{LaneSnapshot, RunSnapshot, RunVerdict};
pub use strategy::{QueueLocation, StockLayout, StrategyKey};
pub use verdict::{ClusterFigures, LatencyMs, TimeSplitMs, Verdict};
