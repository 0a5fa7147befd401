//! The sold-out cache, for a crowd that asks for a product whose stock is gone. When a purchase is
//! refused under a lock, the cache repeats that refusal to other buyers who ask for as many units,
//! without a query for each of them.
//!
//! The cache can only refuse, so it cannot oversell. It does not undersell either:
//! - An entry is valid for [`REFUSAL_TTL`], counted from a moment at which the row was locked.
//!   Stock that another server releases is for sale again after at most that time.
//! - An entry is invalid if the [`Feed`] has a newer version of the row. Stock that this process
//!   releases is for sale at once.
//! - When an entry expires, one buyer asks the database and the others wait for the result, instead
//!   of all asking at once.
//! - Entries are stored only while several buyers ask at the same time. A single buyer always asks
//!   the row itself.
//! - A purchase whose idempotency key is known is not refused from the cache: it gets its earlier
//!   answer.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::PurchaseRequest;
use crate::{
    feed::Feed,
    model::{ShopError, product::insufficient},
};

/// How long a refusal is repeated before a buyer asks the row again.
pub const REFUSAL_TTL: Duration = Duration::from_millis(100);
/// Refusals are stored when at least this many buyers ask for the product at once.
const CONCURRENT_BUYERS_MIN: u32 = 4;

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct SoldOutCache(Mutex<HashMap<i64, ProductEntry>>);

#[derive(Debug, Default)]
struct ProductEntry {
    /// Purchases of the product that are in progress in this process.
    buyers: u32,
    refusal: Option<CachedRefusal>,
    /// Present while one buyer asks the row on behalf of all.
    refresh: Option<watch::Receiver<()>>,
}

impl ProductEntry {
    /// Returns true if a buyer asks for the product, or the next one may be refused from memory.
    fn is_in_use(&self) -> bool {
        self.buyers > 0 || self.refusal.as_ref().is_some_and(CachedRefusal::is_fresh)
    }
}

/// The stock row as it was read under a lock.
#[derive(Clone, Debug)]
pub struct CachedRefusal {
    pub product_name: String,
    pub available: i64,
    /// The row's version.
    pub version: i64,
    pub per_customer_limit: Option<u32>,
    /// The workbench lane that owns the product.
    pub lane_id: Option<i64>,
    /// A moment at which the row was locked.
    pub at: Instant,
}

impl CachedRefusal {
    /// True if the stock is the reason why the request is refused. A request of another caller than
    /// a buyer of the lane, or for more than one customer may have, is refused for another reason.
    fn rejects(&self, request: &PurchaseRequest) -> bool {
        let quantity = request.quantity.get();
        let may_buy = self.lane_id.is_none() || self.lane_id == request.lane_id;
        let within_limit = self
            .per_customer_limit
            .is_none_or(|limit| request.lane_id.is_some() && quantity <= limit);
        may_buy && within_limit && self.available < i64::from(quantity)
    }

    fn is_fresh(&self) -> bool {
        self.at.elapsed() < REFUSAL_TTL
    }
}

/// The result of a look-up.
#[derive(Debug)]
pub enum CacheLookup {
    /// Ask the row. With a guard, other buyers wait for this buyer's result.
    Miss(Option<RefreshGuard>),
    /// Refuse: there is not enough stock.
    Hit(ShopError),
    /// Another buyer is asking the row; look up again when this ends.
    Refreshing(watch::Receiver<()>),
}

/// Held by the buyer who asks the row for all. Dropping it wakes the buyers who wait.
#[derive(Debug)]
pub struct RefreshGuard {
    _notify_on_drop: watch::Sender<()>,
}

impl SoldOutCache {
    /// Looks up whether a request can be refused without a query.
    pub fn look_up(&self, feed: &Feed, request: &PurchaseRequest) -> CacheLookup {
        let product_id = request.product_id;
        let mut products = self.lock();
        let Some(entry) = products.get_mut(&product_id) else {
            return CacheLookup::Miss(None);
        };
        let Some(refusal) = &entry.refusal else {
            return CacheLookup::Miss(None);
        };
        let known = feed.latest(&[product_id]);
        if known.iter().any(|known| known.version > refusal.version) {
            entry.refusal = None;
            return CacheLookup::Miss(None);
        }
        if !refusal.rejects(request) {
            return CacheLookup::Miss(None);
        }
        if refusal.is_fresh() {
            let error = insufficient(&refusal.product_name, refusal.available, request.quantity);
            return CacheLookup::Hit(error);
        }
        // If the buyer who asked the row is gone and stored no new refusal, the entry is dropped.
        match &entry.refresh {
            Some(refresh) if refresh.has_changed().is_ok() => {
                CacheLookup::Refreshing(refresh.clone())
            }
            Some(_) => {
                (entry.refusal, entry.refresh) = (None, None);
                CacheLookup::Miss(None)
            }
            None => {
                let (sender, receiver) = watch::channel(());
                entry.refresh = Some(receiver);
                CacheLookup::Miss(Some(RefreshGuard {
                    _notify_on_drop: sender,
                }))
            }
        }
    }

    /// Stores a refusal, if enough buyers ask at the same time.
    pub fn store(&self, product_id: i64, refusal: CachedRefusal) {
        let mut products = self.lock();
        if let Some(entry) = products.get_mut(&product_id)
            && entry.buyers >= CONCURRENT_BUYERS_MIN
            && entry
                .refusal
                .as_ref()
                .is_none_or(|known| known.version <= refusal.version)
        {
            entry.refusal = Some(refusal);
            entry.refresh = None;
        }
    }

    /// Counts a buyer of the product for as long as the guard lives.
    pub fn track_buyer(&self, product_id: i64) -> BuyerGuard<'_> {
        self.lock().entry(product_id).or_default().buyers += 1;
        BuyerGuard {
            cache: self,
            product_id,
        }
    }

    /// Removes the entries without buyers whose refusal has expired.
    pub fn remove_idle(&self) {
        self.lock().retain(|_, entry| entry.is_in_use());
    }

    fn remove_buyer(&self, product_id: i64) {
        let mut products = self.lock();
        if let Some(entry) = products.get_mut(&product_id) {
            entry.buyers -= 1;
            if !entry.is_in_use() {
                products.remove(&product_id);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i64, ProductEntry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts one buyer of a product.
#[derive(Debug)]
pub struct BuyerGuard<'a> {
    cache: &'a SoldOutCache,
    product_id: i64,
}

impl Drop for BuyerGuard<'_> {
    fn drop(&mut self) {
        self.cache.remove_buyer(self.product_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{feed::StockChange, model::Quantity};

    const PRODUCT: i64 = 7;
    const LANE: i64 = 3;

    /// A request of a buyer of the lane.
    fn units(units: i64) -> PurchaseRequest {
        PurchaseRequest {
            product_id: PRODUCT,
            quantity: Quantity::new(units).unwrap_or(Quantity::ONE),
            claim: None,
            lane_id: Some(LANE),
        }
    }

    /// A refusal stored `age` ago, when `available` units were left.
    fn refusal(available: i64, version: i64, age: Duration) -> CachedRefusal {
        CachedRefusal {
            product_name: "Gadget".to_owned(),
            available,
            version,
            per_customer_limit: Some(5),
            lane_id: Some(LANE),
            at: Instant::now().checked_sub(age).unwrap_or_else(Instant::now),
        }
    }

    fn buyers(cache: &SoldOutCache) -> Vec<BuyerGuard<'_>> {
        (0..CONCURRENT_BUYERS_MIN)
            .map(|_| cache.track_buyer(PRODUCT))
            .collect()
    }

    fn lookup(cache: &SoldOutCache, quantity: i64) -> &'static str {
        lookup_for(cache, &units(quantity))
    }

    fn lookup_for(cache: &SoldOutCache, request: &PurchaseRequest) -> &'static str {
        match cache.look_up(&Feed::default(), request) {
            CacheLookup::Miss(None) => "miss",
            CacheLookup::Miss(Some(_)) => "refresh",
            CacheLookup::Hit(_) => "hit",
            CacheLookup::Refreshing(_) => "refreshing",
        }
    }

    #[test]
    fn a_refusal_is_repeated_to_other_buyers() {
        let cache = SoldOutCache::default();
        let _buyers = buyers(&cache);
        assert_eq!(lookup(&cache, 1), "miss");
        cache.store(PRODUCT, refusal(2, 1, Duration::ZERO));
        assert_eq!(lookup(&cache, 3), "hit");
        assert_eq!(lookup(&cache, 2), "miss", "that many are left");
        assert_eq!(lookup(&cache, 6), "miss", "beyond the limit");
    }

    /// They must not learn from the cache that the product exists, or that it is sold out.
    #[test]
    fn a_caller_who_may_not_buy_is_not_refused_for_stock() {
        let cache = SoldOutCache::default();
        let _buyers = buyers(&cache);
        let of_lane = |lane_id| PurchaseRequest {
            lane_id,
            ..units(1)
        };
        cache.store(PRODUCT, refusal(0, 1, Duration::ZERO));
        assert_eq!(lookup_for(&cache, &of_lane(Some(LANE))), "hit");
        assert_eq!(lookup_for(&cache, &of_lane(Some(LANE + 1))), "miss");
        assert_eq!(lookup_for(&cache, &of_lane(None)), "miss");
        let of_shop = |per_customer_limit| CachedRefusal {
            lane_id: None,
            per_customer_limit,
            ..refusal(0, 2, Duration::ZERO)
        };
        cache.store(PRODUCT, of_shop(Some(5)));
        assert_eq!(lookup_for(&cache, &of_lane(None)), "miss");
        cache.store(PRODUCT, of_shop(None));
        assert_eq!(lookup_for(&cache, &of_lane(None)), "hit");
    }

    #[test]
    fn a_single_buyer_always_asks_the_row() {
        let cache = SoldOutCache::default();
        let _buyer = cache.track_buyer(PRODUCT);
        cache.store(PRODUCT, refusal(0, 1, Duration::ZERO));
        assert_eq!(lookup(&cache, 1), "miss");
    }

    #[test]
    fn a_newer_version_of_the_row_invalidates_a_refusal() {
        let cache = SoldOutCache::default();
        let _buyers = buyers(&cache);
        let feed = Feed::default();
        let returned = StockChange {
            product_id: PRODUCT,
            available: 1,
            version: 5,
        };
        cache.store(PRODUCT, refusal(0, 4, Duration::ZERO));
        feed.publish(returned);
        let result = cache.look_up(&feed, &units(1));
        assert!(matches!(result, CacheLookup::Miss(None)));
        // The same when the refusal is stored after the change was published.
        cache.store(PRODUCT, refusal(0, 4, Duration::ZERO));
        let result = cache.look_up(&feed, &units(1));
        assert!(matches!(result, CacheLookup::Miss(None)));
    }

    #[test]
    fn an_older_refusal_does_not_replace_a_newer() {
        let cache = SoldOutCache::default();
        let _buyers = buyers(&cache);
        cache.store(PRODUCT, refusal(3, 5, Duration::ZERO));
        cache.store(PRODUCT, refusal(0, 4, Duration::ZERO));
        assert_eq!(lookup(&cache, 3), "miss");
    }

    #[test]
    fn after_the_ttl_one_buyer_asks_for_all() {
        let cache = SoldOutCache::default();
        let _buyers = buyers(&cache);
        cache.store(PRODUCT, refusal(0, 1, REFUSAL_TTL));
        let feed = Feed::default();
        let CacheLookup::Miss(Some(guard)) = cache.look_up(&feed, &units(1)) else {
            panic!("the first buyer refreshes");
        };
        assert_eq!(lookup(&cache, 1), "refreshing");
        cache.store(PRODUCT, refusal(0, 1, Duration::ZERO));
        drop(guard);
        assert_eq!(lookup(&cache, 1), "hit");
    }

    #[test]
    fn a_refresh_without_a_result_blocks_no_other_buyer() {
        let cache = SoldOutCache::default();
        let _buyers = buyers(&cache);
        cache.store(PRODUCT, refusal(0, 1, REFUSAL_TTL));
        assert_eq!(lookup(&cache, 1), "refresh");
        assert_eq!(lookup(&cache, 1), "miss");
        assert_eq!(lookup(&cache, 1), "miss");
    }

    #[test]
    fn a_refusal_is_valid_for_at_most_100_ms() {
        assert!(REFUSAL_TTL <= Duration::from_millis(100));
    }

    /// A crowd that leaves within the refusal's lifetime leaves an entry.
    #[test]
    fn an_expired_entry_without_buyers_is_removed_later() {
        let cache = SoldOutCache::default();
        let crowd = buyers(&cache);
        let later = Instant::now() + Duration::from_secs(60);
        cache.store(
            PRODUCT,
            CachedRefusal {
                at: later,
                ..refusal(0, 1, Duration::ZERO)
            },
        );
        drop(crowd);
        cache.remove_idle();
        assert_eq!(cache.lock().len(), 1, "the refusal is fresh");
        if let Some(entry) = cache.lock().get_mut(&PRODUCT) {
            entry.refusal = Some(refusal(0, 1, REFUSAL_TTL));
        }
        cache.remove_idle();
        assert!(cache.lock().is_empty());
    }

    #[test]
    fn an_entry_without_buyers_is_removed() {
        let cache = SoldOutCache::default();
        drop(buyers(&cache));
        assert!(cache.lock().is_empty());
    }
}
