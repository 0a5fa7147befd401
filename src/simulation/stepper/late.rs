//! A payment that comes late: an order that waits for its money, while the time of its hold runs out.

use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

use crate::{
    db::txn::{self, Abort, Policy},
    model::{Contact, OrderStatus, Quantity, ShopError},
    payment::gateway::{
        Charge, ChargeState, GatewayError, PaymentGateway, RefundRequest, RefundState,
    },
    shop::{
        Shop,
        catalog::Offer,
        checkout::{self, Begun, OrderRequest},
        holds, orders,
    },
    simulation::store,
};

/// Longer than any session lives.
const AHEAD: time::Duration = time::Duration::minutes(20);

/// An order that waits for its money.
#[derive(Clone, Debug)]
pub struct Late {
    order_id: i64,
    public_id: String,
    charge: Uuid,
    product_id: i64,
}

impl Late {
    /// Orders one unit of `offer` at the shop's own checkout. Its time and its payment's are dated ahead, or the shop's housekeeping would
    /// deal with them in the middle of the story.
    pub async fn order(shop: &Shop, offer: &Offer) -> Result<Self, ShopError> {
        let cart_id = shop
            .add_to_cart(None, offer.id, Quantity::ONE, None)
            .await?;
        let key = Uuid::now_v7();
        let contact = payer();
        let request = OrderRequest {
            cart_id,
            claim: checkout::claim(&key.to_string(), cart_id, &contact, None)?,
            contact,
            code: None,
            expected_total_cents: None,
            lane_id: offer.lane_id,
        };
        let (at, product_id) = (shop.clone(), offer.id);
        let begun = txn::run_for_result(
            shop.db(),
            Policy::request("open late payment"),
            move |work| {
                let (shop, request) = (at.clone(), request.clone());
                Box::pin(async move {
                    let Begun::New {
                        receipt, payment, ..
                    } = checkout::begin(work, &shop, &request).await?
                    else {
                        return Err(Abort::Refused(ShopError::IdempotencyKeyReused));
                    };
                    let order_id = orders::id_of_public(work, &receipt.order_id).await?;
                    store::date_ahead(work, order_id, AHEAD).await?;
                    Ok((order_id, receipt.order_id, payment))
                })
            },
        )
        .await?;
        let (order_id, public_id, charge) = begun;
        Ok(Self {
            order_id,
            public_id,
            charge,
            product_id,
        })
    }

    /// The provider says that it was paid. `shop` is the one that is stepped through; what is to be paid back is paid back by `plain`.
    pub async fn settle(&self, shop: &Shop, plain: &Shop) -> Result<(String, bool), ShopError> {
        shop.settle(self.charge, ChargeState::Captured).await?;
        // The same once more changes nothing, and pays back what is planned.
        plain.settle(self.charge, ChargeState::Captured).await?;
        let order = plain.order(&self.public_id).await?;
        Ok(match order.status {
            OrderStatus::Paid => ("The order is paid, and has its unit.".to_owned(), true),
            status => (
                format!(
                    "The order is {}: nothing was left, and the money goes back.",
                    status.as_str()
                ),
                false,
            ),
        })
    }

    /// Turns the clock, and sweeps.
    pub async fn sweep(&self, shop: &Shop, policy: Policy) -> Result<(String, bool), ShopError> {
        let (late, at) = (self.clone(), shop.clone());
        let swept = txn::run_for_result(shop.db(), policy, move |work| {
            let (late, shop) = (late.clone(), at.clone());
            Box::pin(async move {
                store::turn_clock(work, late.order_id).await?;
                holds::sweep(work, &shop, Some(late.product_id)).await
            })
        })
        .await?;
        Ok(match swept {
            0 => ("There was nothing to give back.".to_owned(), true),
            swept => (
                format!("Gave {swept} expired hold back to the shelf."),
                true,
            ),
        })
    }

    /// Calls the order off if it was not paid, so that nothing is left waiting.
    pub async fn close(&self, plain: &Shop) -> Result<(), ShopError> {
        Ok(plain.settle(self.charge, ChargeState::Voided).await?)
    }
}

fn payer() -> Contact {
    Contact {
        name: "Late Payer".to_owned(),
        email: "late@stepper.invalid".to_owned(),
        street: "1 Slow Street".to_owned(),
        postal_code: "00000".to_owned(),
        city: "Lane".to_owned(),
        country: "Nowhere".to_owned(),
    }
}

/// The provider of a story: whatever it is asked, it has done it. No other knows of the story's charge.
#[derive(Debug)]
pub struct StoryProvider;

impl StoryProvider {
    /// As a shop takes it.
    pub fn gateway() -> Arc<dyn PaymentGateway> {
        Arc::new(Self)
    }
}

#[async_trait]
impl PaymentGateway for StoryProvider {
    async fn charge(&self, _: &Charge) -> Result<ChargeState, GatewayError> {
        Ok(ChargeState::Captured)
    }

    async fn charge_state(&self, _: Uuid) -> Result<Option<ChargeState>, GatewayError> {
        Ok(Some(ChargeState::Captured))
    }

    async fn void(&self, _: Uuid) -> Result<ChargeState, GatewayError> {
        Ok(ChargeState::Voided)
    }

    async fn refund(&self, _: &RefundRequest) -> Result<RefundState, GatewayError> {
        Ok(RefundState::Succeeded)
    }
}
