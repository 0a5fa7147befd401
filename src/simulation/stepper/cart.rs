//! A cart of two products, bought in one transaction: with its rows locked in the order of the
//! cart, or in the order of their ids, as the shop does it.
//!
//! The shop has no purchase that locks rows in cart order, and must not have one. So this exhibit
//! is composed here from the shop's own functions, and differs from the correct version only in its
//! locking.

use futures::future::BoxFuture;

use crate::{
    db::{
        locks,
        txn::{self, Abort, Outcome, Policy, Work},
    },
    model::{Bill, Quantity, ShopError, product::insufficient},
    shop::{
        Shop,
        catalog::Offer,
        inventory::counters,
        orders::{self, NewLine, NewOrder},
    },
};

/// A cart, and the order in which its rows are locked.
#[derive(Clone, Debug)]
pub struct StoryCart {
    /// One unit of each, in the order in which they were added.
    pub offers: Vec<Offer>,
    /// Whether all rows are locked at once in the order of their ids, as the shop does it.
    pub lock_in_id_order: bool,
    pub policy: Policy,
}

impl StoryCart {
    /// Buys the whole cart, or nothing.
    pub async fn buy(self, shop: &Shop) -> Outcome<()> {
        let policy = self.policy;
        txn::run(shop.db(), policy, move |work| {
            let cart = self.clone();
            Box::pin(async move { cart.buy_in_txn(work).await }) as BoxFuture<'_, Result<(), Abort>>
        })
        .await
    }

    async fn buy_in_txn(&self, work: &Work) -> Result<(), Abort> {
        if self.lock_in_id_order {
            let ids: Vec<_> = self.offers.iter().map(|offer| offer.id).collect();
            locks::stock_rows(work, &ids).await?;
        }
        for offer in &self.offers {
            if !self.lock_in_id_order {
                locks::stock_row(work, offer.id).await?;
            }
            counters::sell(work, offer.id, Quantity::ONE)
                .await?
                .ok_or_else(|| insufficient(&offer.name, 0, Quantity::ONE))?;
        }
        let lines = self.offers.iter();
        let lines = lines
            .map(|offer| NewLine::of(offer, Quantity::ONE))
            .collect::<Result<Vec<_>, ShopError>>()?;
        let order = NewOrder {
            contact: None,
            lane_id: self.offers.first().and_then(|offer| offer.lane_id),
            cart_id: None,
            code: None,
            bill: Bill::without_delivery(orders::subtotal(&lines)?)
                .ok_or_else(orders::too_large)?,
            lines,
        };
        orders::write_placed(work, &order).await.map(drop)
    }
}
