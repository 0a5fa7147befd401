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
pub mod idempotency;
pub mod inventory;
pub mod ledger;
pub mod orders;
pub mod seed;

use std::time::Duration;

use crate::{
    db::{
        Db,
        txn::{self, Outcome, Policy},
    },
    feed::Feed,
    model::{Receipt, StrategyKey},
};
use inventory::{PurchaseRequest, Seam, strategy};

/// The shop, on one pool of connections.
#[derive(Clone, Debug)]
pub struct Shop {
    db: Db,
    feed: Feed,
    seam: Seam,
    deadline: Duration,
}

impl Shop {
    /// A shop whose requests are answered within 5 s.
    pub fn new(db: Db, feed: Feed) -> Self {
        Self {
            db,
            feed,
            seam: Seam::default(),
            deadline: txn::REQUEST_DEADLINE,
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

    /// The pool that it works on.
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// Where it announces what it committed.
    pub fn feed(&self) -> &Feed {
        &self.feed
    }

    /// The express purchase: takes stock by `strategy` and writes the order, in one call.
    pub async fn purchase(
        &self,
        strategy: StrategyKey,
        request: PurchaseRequest,
    ) -> Outcome<Receipt> {
        strategy::of(strategy).purchase(self, request).await
    }

    fn policy(&self, name: &'static str) -> Policy {
        Policy {
            deadline: self.deadline,
            ..Policy::request(name)
        }
    }
}
