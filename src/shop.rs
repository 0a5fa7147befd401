//! The shop's domain: it sells stock, writes orders, and can prove that both agree.
//!
//! It does not depend on HTTP, sessions or pages. A simulated buyer calls the same functions: the
//! simulation runs the shop's own purchase code, never a copy of it.

pub mod administrator;
pub mod audit;
pub mod cart;
pub mod catalog;
pub mod checkout;
pub mod customer_limit;
pub mod discounts;
pub mod holds;
pub mod idempotency;
pub mod inventory;
pub mod ledger;
pub mod moment;
pub mod operation;
pub mod orders;
pub mod payments;
pub mod refunds;
pub mod seed;
pub mod settlement;
pub mod stock_admin;

use std::{sync::Arc, time::Duration};

use crate::{
    config::ShopTerms,
    db::{
        Db,
        txn::{self, Policy},
    },
    feed::Feed,
    model::ShopError,
    payment::gateway::PaymentGateway,
};
use inventory::InjectionPoint;

/// The shop on one connection pool.
#[derive(Clone, Debug)]
pub struct Shop {
    db: Db,
    feed: Feed,
    injection_point: InjectionPoint,
    deadline: Duration,
    terms: ShopTerms,
    gateway: Option<Arc<dyn PaymentGateway>>,
    shared: inventory::Shared,
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
            shared: inventory::Shared::default(),
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

    /// Returns the shop as another process would run it: the two share no in-memory lock.
    #[must_use]
    pub fn as_in_another_process(mut self) -> Self {
        self.shared = inventory::Shared {
            process_locks: inventory::process_locks::ProcessLocks::separate(),
            ..inventory::Shared::default()
        };
        self
    }

    /// The shop's connection pool.
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// The terms of sale.
    pub fn terms(&self) -> &ShopTerms {
        &self.terms
    }

    fn gateway(&self) -> Result<Arc<dyn PaymentGateway>, ShopError> {
        self.gateway
            .clone()
            .ok_or(ShopError::ProviderUnavailable { retry_after_s: 5 })
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
