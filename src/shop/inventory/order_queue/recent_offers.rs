//! The offers of products that were ordered a moment ago: what an order asks that is accepted,
//! without the database. They only accept: a refusal needs a fresh one.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::shop::catalog::Offer;

/// How long an offer is recent. The consumer checks each order again.
const RECENT: Duration = Duration::from_secs(1);

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct RecentOffers(Mutex<HashMap<i64, (Instant, Offer)>>);

impl RecentOffers {
    /// Returns the offer of a product, if it is recent.
    pub fn get(&self, product_id: i64) -> Option<Offer> {
        let offers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (read_at, offer) = offers.get(&product_id)?;
        (read_at.elapsed() < RECENT).then(|| offer.clone())
    }

    /// Remembers an offer that was just read, and forgets those that are not recent any more.
    pub fn put(&self, offer: Offer) {
        let mut offers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        offers.retain(|_, (read_at, _)| read_at.elapsed() < RECENT);
        offers.insert(offer.id, (Instant::now(), offer));
    }
}
