//! The express purchase: one call that takes stock by a strategy and writes the order.

use std::time::Instant;

use tracing::Instrument;

use super::{
    Accepted, PurchaseRequest,
    sold_out::{CacheLookup, RefreshGuard},
    strategies::{self, row_lock},
};
use crate::{
    db::txn::{Outcome, TxnError},
    metrics::{CacheAnswer, Journey, selling::FAILURES},
    model::{Receipt, ShopError, StrategyKey},
    shop::Shop,
    telemetry::spans,
};

impl Shop {
    /// The express purchase: takes stock by `strategy` and writes the order, in one call. It is
    /// counted, unless a simulated buyer asks.
    pub async fn purchase(
        &self,
        strategy: StrategyKey,
        request: PurchaseRequest,
    ) -> Outcome<Receipt> {
        let seller = strategies::of(strategy);
        self.sell(strategy, request, |request| seller.purchase(self, request))
            .await
    }

    /// The same for a caller who can follow the order: a strategy with a queue that outlives this
    /// process answers with the place in it.
    pub async fn accept(
        &self,
        strategy: StrategyKey,
        request: PurchaseRequest,
    ) -> Outcome<Accepted> {
        let seller = strategies::of(strategy);
        self.sell(strategy, request, |request| seller.accept(self, request))
            .await
    }

    /// Counts a purchase, unless a simulated buyer asks.
    async fn sell<T, F>(
        &self,
        strategy: StrategyKey,
        request: PurchaseRequest,
        by: impl FnOnce(PurchaseRequest) -> F,
    ) -> Outcome<T>
    where
        T: From<Receipt>,
        F: Future<Output = Outcome<T>>,
    {
        if request.lane_id.is_some() {
            return self.sell_uncounted(strategy, request, by).await;
        }
        let begun = self.metrics().attempt(Journey::Express);
        let span = spans::purchase(strategy.as_str());
        let sold = self.sell_uncounted(strategy, request, by);
        let outcome = sold.instrument(span.clone()).await;
        let end = outcome.result.as_ref().map(|_| ());
        let end = end.map_err(TxnError::refusal_reason);
        let is_failure = end.is_err_and(|reason| FAILURES.contains(&reason));
        spans::ended(&span, end.err().unwrap_or(spans::SUCCESS), is_failure);
        let trace = spans::trace_of(&span);
        self.metrics().end(Journey::Express, begun, end, trace);
        if outcome.fallbacks > 0 {
            self.metrics().fell_back(strategy);
        }
        outcome
    }

    async fn sell_uncounted<T, F>(
        &self,
        strategy: StrategyKey,
        request: PurchaseRequest,
        by: impl FnOnce(PurchaseRequest) -> F,
    ) -> Outcome<T>
    where
        T: From<Receipt>,
        F: Future<Output = Outcome<T>>,
    {
        // Before the caller takes a place in any queue: such a strategy sells only in lanes.
        if request.lane_id.is_none()
            && let Err(refusal) = strategy.check_may_sell_in_shop()
        {
            let product = self.catalog().product_by_id(request.product_id).await;
            return Outcome::refused(product.err().unwrap_or(refusal));
        }
        if let Err(refusal) = strategy.check_runs_on(self.db.engine(), self.gate.is_some()) {
            return Outcome::refused(refusal);
        }
        let start = Instant::now();
        let _buyer = self.shared.sold_out.track_buyer(request.product_id);
        let looked_up = self.check_sold_out_cache(strategy, &request).await;
        let queue_wait = start.elapsed();
        let refresh_guard = match looked_up {
            Ok(refresh_guard) => refresh_guard,
            Err(refusal) => {
                let mut refused = Outcome::refused(refusal);
                refused.split.queue_wait = queue_wait;
                return refused;
            }
        };
        let mut outcome = by(request.clone()).await;
        outcome.split.queue_wait += queue_wait;
        drop(refresh_guard);
        // Contention must not undersell: at the row lock every buyer gets a turn.
        let exhausted = matches!(outcome.result, Err(TxnError::Exhausted { .. }));
        if exhausted && strategy.may_sell_in_shop() && strategy != StrategyKey::RowLock {
            let mut outcome = row_lock::fall_back(self, request, &outcome, start).await;
            outcome.fallbacks += 1;
            return outcome.map(T::from);
        }
        outcome
    }

    /// Refuses a buyer from the sold-out cache, if the row has just refused as many units to
    /// another buyer.
    async fn check_sold_out_cache(
        &self,
        strategy: StrategyKey,
        request: &PurchaseRequest,
    ) -> Result<Option<RefreshGuard>, ShopError> {
        // A purchase that waits under this key may still be sold, if units return.
        let may_wait = request.claim.is_some() && strategies::of(strategy).knows_waiting_keys();
        if !strategy.is_safe() || may_wait {
            return Ok(None);
        }
        self.look_up_sold_out(request).await
    }

    /// Looks into the sold-out cache, unless an answer is stored under the request's key.
    ///
    /// # Errors
    /// The refusal that the row has just given to another buyer, for as many units.
    pub(super) async fn look_up_sold_out(
        &self,
        request: &PurchaseRequest,
    ) -> Result<Option<RefreshGuard>, ShopError> {
        loop {
            let lookup = self.shared.sold_out.look_up(&self.feed, request);
            if request.lane_id.is_none() {
                self.metrics().cache_answered(answer_of(&lookup));
            }
            match lookup {
                CacheLookup::Miss(refresh_guard) => return Ok(refresh_guard),
                CacheLookup::Hit(refusal) => {
                    let key_is_known = match &request.claim {
                        Some(claim) => self.shared.key_lookup.is_known(&self.db, claim.key()).await,
                        None => Some(false),
                    };
                    return match key_is_known {
                        Some(false) => Err(refusal),
                        _ => Ok(None),
                    };
                }
                // Ends when the refreshing buyer ends, at the latest at the deadline of their
                // purchase.
                CacheLookup::Refreshing(mut refreshed) => drop(refreshed.changed().await),
            }
        }
    }
}

const fn answer_of(lookup: &CacheLookup) -> CacheAnswer {
    match lookup {
        CacheLookup::Miss(None) => CacheAnswer::Miss,
        CacheLookup::Miss(Some(_)) => CacheAnswer::Refresh,
        CacheLookup::Hit(_) => CacheAnswer::Hit,
        CacheLookup::Refreshing(_) => CacheAnswer::Wait,
    }
}
