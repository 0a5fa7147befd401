//! A cart of two products, bought in one transaction: with its rows locked in the order in which they lie in it, or as the shop does it.
//!
//! A purchase of the shop's own that locks as it comes does not exist, and must not. So the exhibit is put together here, of the shop's own
//! steps, and differs from the cure in the locking alone.

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

/// A cart, and how its rows are locked.
#[derive(Clone, Debug)]
pub struct Cart {
    /// In the order in which they were put into it; one unit of each.
    pub offers: Vec<Offer>,
    /// Whether all rows are locked at once, by id, as the shop does it.
    pub in_order: bool,
    pub policy: Policy,
}

impl Cart {
    /// Buys all of it, or nothing.
    pub async fn buy(self, shop: &Shop) -> Outcome<()> {
        let policy = self.policy;
        txn::run(shop.db(), policy, move |work| {
            let cart = self.clone();
            Box::pin(async move { cart.buy_in_txn(work).await }) as BoxFuture<'_, Result<(), Abort>>
        })
        .await
    }

    async fn buy_in_txn(&self, work: &Work) -> Result<(), Abort> {
        if self.in_order {
            let ids: Vec<_> = self.offers.iter().map(|offer| offer.id).collect();
            locks::stock_rows(work, &ids).await?;
        }
        for offer in &self.offers {
            if !self.in_order {
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
            bill: Bill::handed_over(orders::subtotal(&lines)?).ok_or_else(orders::too_large)?,
            lines,
        };
        orders::write_placed(work, &order).await.map(drop)
    }
}
