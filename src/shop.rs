//! The domain: a shop that takes stock, writes orders, and can prove that both agree.
//!
//! It knows no HTTP, no session and no page. Everything here is also what a simulated buyer calls: the simulation runs the shop's
//! own purchase code, never a copy of it.

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
pub mod stockroom;

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
use inventory::Seam;

/// The shop, on one pool of connections.
#[derive(Clone, Debug)]
pub struct Shop {
    db: Db,
    feed: Feed,
    seam: Seam,
    deadline: Duration,
    terms: ShopTerms,
    gateway: Option<Arc<dyn PaymentGateway>>,
    shared: inventory::Shared,
}

impl Shop {
    /// A shop whose requests are answered within 5 s.
    pub fn new(db: Db, feed: Feed) -> Self {
        Self {
            db,
            feed,
            seam: Seam::default(),
            deadline: txn::REQUEST_DEADLINE,
            terms: ShopTerms::default(),
            gateway: None,
            shared: inventory::Shared::default(),
        }
    }

    /// The same on other terms.
    #[must_use]
    pub fn with_terms(self, terms: ShopTerms) -> Self {
        Self { terms, ..self }
    }

    /// The same with a provider that takes the money. Without one, nobody can pay.
    #[must_use]
    pub fn with_gateway(self, gateway: Arc<dyn PaymentGateway>) -> Self {
        Self {
            gateway: Some(gateway),
            ..self
        }
    }

    /// The same with another patience: a simulated buyer waits as long as its run.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// The same with something happening between read and write.
    #[must_use]
    pub fn with_seam(self, seam: Seam) -> Self {
        Self { seam, ..self }
    }

    /// The same as another process would run it: it shares no lock in memory with this one.
    #[must_use]
    pub fn as_in_another_process(mut self) -> Self {
        self.shared = inventory::Shared {
            process_locks: inventory::process_locks::ProcessLocks::of_another_process(),
            ..inventory::Shared::default()
        };
        self
    }

    /// The pool that it works on.
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// The terms on which it sells.
    pub fn terms(&self) -> &ShopTerms {
        &self.terms
    }

    fn gateway(&self) -> Result<Arc<dyn PaymentGateway>, ShopError> {
        self.gateway
            .clone()
            .ok_or(ShopError::ProviderAway { retry_after_s: 5 })
    }

    /// Where it announces what it committed.
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
