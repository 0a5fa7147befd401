//! The shop's domain: it sells stock, writes orders, and can prove that both agree.
//!
//! It does not depend on HTTP, sessions or pages. A simulated buyer calls the same functions: the
//! simulation runs the shop's own purchase code, never a copy of it.
//!
//! [`Shop::purchase`] is the express purchase. Everything else is in a context, which an accessor
//! of [`Shop`] returns. The files are in `src/shop/`:
//!
//! | context | what it does | file |
//! |---|---|---|
//! | [`Shop::catalog`] | reads and searches products and categories | `catalog.rs`, `catalog/` |
//! | [`Shop::sales`] | reads sales, their history and their levels | `sales.rs`, `sales/` |
//! | [`Shop::stock`] | reads the stock | `stock.rs` |
//! | [`Shop::carts`] | changes and reads carts and checkout drafts | `cart.rs`, `cart/` |
//! | [`Shop::reservations`] | reserves carts, extends, releases | `reservations.rs` |
//! | [`Shop::discounts`] | reads discount codes | `discounts.rs` |
//! | [`Shop::payments`] | pays carts, settles and refunds | `payments.rs`, `payments/` |
//! | [`Shop::orders`] | finds and watches orders | `orders.rs`, `orders/` |
//! | [`Shop::backorders`] | fulfills backorders from available stock | `backorders.rs` |
//! | [`Shop::order_administration`] | cancels, refunds and returns orders | `refunds.rs` |
//! | [`Shop::stock_administration`] | receives and counts stock | `stock_admin.rs` |
//! | [`Shop::sale_administration`] | plans, opens and ends sales | `sales/planning.rs` |
//! | [`Shop::discount_administration`] | creates and switches discount codes | `discounts.rs` |
//! | [`Shop::administrators`] | checks and stores the password | `administrator.rs` |
//! | [`Shop::guess_counts`] | counts wrong guesses of each network | `guess_counts.rs` |
//! | [`Shop::purchases`] | counts express purchases of this process | `inventory.rs` |
//! | [`Shop::gates`] | inspects the gates in Redis, and reconciles them for maintenance | `gates.rs` |
//! | [`Shop::gate_administration`] | seeds and reconciles the gates | `gates/administration.rs` |
//! | [`Shop::queue`] | follows queued orders, writes them, audits the queue | `queue.rs` |
//! | [`Shop::queue_administration`] | decides about dead letters | `queue/dead_letters.rs` |
//! | [`Shop::outbox`] | claims and settles the events of the outbox | `outbox.rs`, `outbox/` |
//! | [`Shop::outbox_administration`] | changes the subscription | `outbox/subscription.rs` |
//! | [`Shop::operation`] | keeps heartbeats and the shop's secrets | `operation.rs` |
//!
//! The seven administrations take an [`Administrator`], which only a login or the command line can
//! make. The other modules have functions that the contexts call inside their transactions.

pub mod administrator;
pub mod audit;
pub mod backorders;
pub mod cart;
pub mod cart_pair;
pub mod catalog;
pub mod checkout;
pub mod customer_limit;
pub mod discounts;
mod email_address;
pub mod gates;
pub mod guess_counts;
pub mod holds;
pub mod idempotency;
pub mod inventory;
pub mod ledger;
pub mod local_time;
pub mod moment;
pub mod notices;
pub mod operation;
pub mod orders;
pub mod outbox;
pub mod payments;
pub mod queue;
pub mod redis_audit;
pub mod refunds;
pub mod reservations;
pub mod sales;
pub mod seed;
pub mod settlement;
pub mod stock;
pub mod stock_admin;

use std::{sync::Arc, time::Duration};

use crate::{
    config::ShopTerms,
    db::{
        Db,
        txn::{self, Policy},
    },
    feed::Feed,
    metrics::SellingMetrics,
    model::ShopError,
    payment::gateway::PaymentGateway,
    resilience::Breaker,
};
use administrator::{Administrator, Administrators};
use backorders::Backorders;
use cart::Carts;
use catalog::{Catalog, sold_out_time::SoldOutTimes};
use discounts::{DiscountAdministration, Discounts};
use gates::{GateAdministration, Gates};
use guess_counts::GuessCounts;
use holds::HolderAddress;
use inventory::{InjectionPoint, Purchases, gate::StockGate};
use operation::Operation;
use orders::{Orders, watch::OrderWatch};
use outbox::{Outbox, OutboxAdministration};
use payments::Payments;
use queue::{Queue, QueueAdministration};
use refunds::OrderAdministration;
use reservations::Reservations;
use sales::{SaleAdministration, Sales};
use stock::Stock;
use stock_admin::StockAdministration;

/// The shop on one connection pool.
#[derive(Clone, Debug)]
pub struct Shop {
    db: Db,
    feed: Feed,
    injection_point: InjectionPoint,
    deadline: Duration,
    terms: ShopTerms,
    gateway: Option<Arc<dyn PaymentGateway>>,
    /// The gates in Redis; `None` without Redis.
    gate: Option<StockGate>,
    /// Limits what is held; `None` for a simulated buyer.
    holder: Option<HolderAddress>,
    shared: inventory::Shared,
    order_watch: Arc<OrderWatch>,
    sold_out_times: Arc<SoldOutTimes>,
}

impl Shop {
    /// Creates a shop whose requests have a deadline of 5 s.
    pub fn new(db: Db, feed: Feed) -> Self {
        Self {
            db,
            feed,
            injection_point: InjectionPoint::default(),
            deadline: txn::REQUEST_DEADLINE,
            terms: ShopTerms::default(),
            gateway: None,
            gate: None,
            holder: None,
            shared: inventory::Shared::default(),
            order_watch: Arc::default(),
            sold_out_times: Arc::default(),
        }
    }

    /// Returns the shop with other terms.
    #[must_use]
    pub fn with_terms(self, terms: ShopTerms) -> Self {
        Self { terms, ..self }
    }

    /// Returns the shop with a payment provider. Without one, no order can be paid.
    #[must_use]
    pub fn with_gateway(self, gateway: Arc<dyn PaymentGateway>) -> Self {
        Self {
            gateway: Some(gateway),
            ..self
        }
    }

    /// Returns the shop with gates in Redis. Without them, the strategies that need Redis are not
    /// available.
    #[must_use]
    pub fn with_gate(self, gate: Option<StockGate>) -> Self {
        Self { gate, ..self }
    }

    /// Returns the shop for a shopper at this address, whose holds are limited.
    #[must_use]
    pub fn for_holder(self, address: HolderAddress) -> Self {
        Self {
            holder: Some(address),
            ..self
        }
    }

    /// Returns the shop for a buyer whose holds are not limited, such as a simulated one.
    #[must_use]
    pub fn without_holder(self) -> Self {
        Self {
            holder: None,
            ..self
        }
    }

    /// Returns the shop with another request deadline: a simulated buyer waits as long as its run
    /// lasts.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Returns the shop with an injection point between read and write.
    #[must_use]
    pub fn with_injection_point(self, injection_point: InjectionPoint) -> Self {
        Self {
            injection_point,
            ..self
        }
    }

    /// Returns the shop as another process would run it: the two share nothing in memory but the
    /// feed.
    #[must_use]
    pub fn as_in_another_process(mut self) -> Self {
        self.shared = inventory::Shared {
            process_locks: inventory::process_locks::ProcessLocks::separate(),
            ..inventory::Shared::default()
        };
        self.gate = self.gate.as_ref().map(StockGate::in_another_process);
        self.order_watch = Arc::default();
        self.sold_out_times = Arc::default();
        self
    }

    /// The shop's connection pool.
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// The gates in Redis; `None` without Redis.
    pub fn gate(&self) -> Option<&StockGate> {
        self.gate.as_ref()
    }

    /// The terms of sale.
    pub fn terms(&self) -> &ShopTerms {
        &self.terms
    }

    /// The breaker of the payment provider, if there is one.
    pub fn provider_breaker(&self) -> Option<&Breaker> {
        self.gateway.as_deref()?.breaker()
    }

    fn gateway(&self) -> Result<Arc<dyn PaymentGateway>, ShopError> {
        self.gateway
            .clone()
            .ok_or(ShopError::ProviderUnavailable { retry_after_s: 5 })
    }

    /// The attempts to buy, reserve and pay in this process.
    pub fn metrics(&self) -> &SellingMetrics {
        &self.shared.metrics
    }

    /// The feed on which the shop publishes committed changes.
    pub fn feed(&self) -> &Feed {
        &self.feed
    }

    fn policy(&self, name: &'static str) -> Policy {
        Policy {
            deadline: self.deadline,
            ..Policy::request(name)
        }
    }
}

/// The contexts.
impl Shop {
    /// The products and their categories.
    pub fn catalog(&self) -> Catalog<'_> {
        Catalog { shop: self }
    }

    /// The sales of products, for reading.
    pub fn sales(&self) -> Sales<'_> {
        Sales { shop: self }
    }

    /// The stock, for reading.
    pub fn stock(&self) -> Stock<'_> {
        Stock { shop: self }
    }

    /// The carts and their checkout drafts.
    pub fn carts(&self) -> Carts<'_> {
        Carts { shop: self }
    }

    /// The reservations of carts at the checkout.
    pub fn reservations(&self) -> Reservations<'_> {
        Reservations { shop: self }
    }

    /// The discount codes, for reading.
    pub fn discounts(&self) -> Discounts<'_> {
        Discounts { shop: self }
    }

    /// The payments of orders.
    pub fn payments(&self) -> Payments<'_> {
        Payments { shop: self }
    }

    /// The orders, for reading and watching.
    pub fn orders(&self) -> Orders<'_> {
        Orders { shop: self }
    }

    /// The paid orders that wait for stock.
    pub fn backorders(&self) -> Backorders<'_> {
        Backorders { shop: self }
    }

    /// The acts of an administrator on orders.
    pub fn order_administration(&self, _: &Administrator) -> OrderAdministration<'_> {
        OrderAdministration { shop: self }
    }

    /// The acts of an administrator on stock.
    pub fn stock_administration(&self, _: &Administrator) -> StockAdministration<'_> {
        StockAdministration { shop: self }
    }

    /// The acts of an administrator on sales.
    pub fn sale_administration(&self, administrator: &Administrator) -> SaleAdministration<'_> {
        SaleAdministration {
            shop: self,
            actor: administrator.actor(),
        }
    }

    /// The acts of an administrator on discount codes.
    pub fn discount_administration(
        &self,
        administrator: &Administrator,
    ) -> DiscountAdministration<'_> {
        DiscountAdministration {
            shop: self,
            actor: administrator.actor(),
        }
    }

    /// The administrator's password.
    pub fn administrators(&self) -> Administrators<'_> {
        Administrators { shop: self }
    }

    /// The counts of wrong guesses.
    pub fn guess_counts(&self) -> GuessCounts<'_> {
        GuessCounts { shop: self }
    }

    /// The express purchases of this process.
    pub fn purchases(&self) -> Purchases<'_> {
        Purchases { shop: self }
    }

    /// The gates in Redis, for reading, and for maintenance.
    pub fn gates(&self) -> Gates<'_> {
        Gates { shop: self }
    }

    /// The acts of an administrator on the gates.
    pub fn gate_administration(&self, _: &Administrator) -> GateAdministration<'_> {
        GateAdministration {
            gates: self.gates(),
        }
    }

    /// The queue of orders, for following and writing them.
    pub fn queue(&self) -> Queue<'_> {
        Queue { shop: self }
    }

    /// The acts of an administrator on dead letters of the queue.
    pub fn queue_administration(&self, _: &Administrator) -> QueueAdministration<'_> {
        QueueAdministration { shop: self }
    }

    /// The events of the outbox, for sending.
    pub fn outbox(&self) -> Outbox<'_> {
        Outbox { shop: self }
    }

    /// The acts of an administrator on the subscription to events.
    pub fn outbox_administration(&self, _: &Administrator) -> OutboxAdministration<'_> {
        OutboxAdministration { shop: self }
    }

    /// The data that the server processes share.
    pub fn operation(&self) -> Operation<'_> {
        Operation { shop: self }
    }
}
