//! A late payment: an order waits for its payment while its hold expires.

use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

use crate::{
    db::txn::{self, Abort, Policy},
    model::{Contact, OrderStatus, Quantity, ShopError},
    payment::gateway::{
        Charge, ChargeReport, ChargeState, GatewayError, PaymentGateway, RefundRequest, RefundState,
    },
    shop::{
        Shop,
        catalog::Offer,
        checkout::{self, CheckoutStarted, OrderRequest},
        holds,
        idempotency::Key,
        orders,
    },
    simulation::store,
};

/// Longer than the lifetime of any session.
const POSTPONED_BY: time::Duration = time::Duration::minutes(20);

/// An order that waits for its payment.
#[derive(Clone, Debug)]
pub struct LatePayment {
    order_id: i64,
    public_id: String,
    charge: Uuid,
    product_id: i64,
}

impl LatePayment {
    /// Orders one unit of `offer` through the shop's checkout. The due times of its hold and
    /// payment are postponed, so that the shop's maintenance does not process them during the
    /// story.
    pub async fn order(shop: &Shop, offer: &Offer) -> Result<Self, ShopError> {
        let cart_id = shop
            .carts()
            .add(None, offer.id, Quantity::ONE, None)
            .await?;
        let key = Key::of_cart(cart_id, &Uuid::now_v7().to_string())?;
        let contact = payer();
        let request = OrderRequest {
            cart_id,
            claim: checkout::claim(key, cart_id, &contact, None),
            contact,
            code: None,
            expected_total_cents: None,
            expected_items: None,
            lane_id: offer.lane_id,
        };
        let (at, product_id) = (shop.clone(), offer.id);
        let started = txn::run_for_result(
            shop.db(),
            Policy::request("open late payment"),
            move |work| {
                let (shop, request) = (at.clone(), request.clone());
                Box::pin(async move {
                    let CheckoutStarted::New {
                        receipt, payment, ..
                    } = checkout::start(work, &shop, &request).await?
                    else {
                        return Err(Abort::Refused(ShopError::IdempotencyKeyReused));
                    };
                    let order_id = orders::id_of_public(work, &receipt.order_id).await?;
                    store::postpone_deadlines(work, order_id, POSTPONED_BY).await?;
                    Ok((order_id, receipt.order_id, payment))
                })
            },
        )
        .await?;
        let (order_id, public_id, charge) = started;
        Ok(Self {
            order_id,
            public_id,
            charge,
            product_id,
        })
    }

    /// Processes the provider's report that the charge was captured. `shop` is the gated shop;
    /// `ungated` pays a refund if one is due.
    pub async fn settle(&self, shop: &Shop, ungated: &Shop) -> Result<(String, bool), ShopError> {
        shop.payments()
            .settle(self.charge, ChargeState::Captured)
            .await?;
        // A repeated settlement changes nothing, and pays out a planned refund.
        ungated
            .payments()
            .settle(self.charge, ChargeState::Captured)
            .await?;
        let order = ungated.orders().find(&self.public_id).await?;
        Ok(match order.status {
            OrderStatus::Paid => ("The order is paid and keeps its unit.".to_owned(), true),
            status => (
                format!(
                    "The order is {}: no unit was left, so the payment is refunded.",
                    status.as_str()
                ),
                false,
            ),
        })
    }

    /// Lets the hold expire, and releases expired holds.
    pub async fn sweep(&self, shop: &Shop, policy: Policy) -> Result<(String, bool), ShopError> {
        let (payment, at) = (self.clone(), shop.clone());
        let swept = txn::run_for_result(shop.db(), policy, move |work| {
            let (payment, shop) = (payment.clone(), at.clone());
            Box::pin(async move {
                store::expire_holds(work, payment.order_id).await?;
                holds::sweep(work, &shop, Some(payment.product_id)).await
            })
        })
        .await?;
        Ok(match swept {
            0 => ("No hold had expired.".to_owned(), true),
            swept => (format!("Released {swept} expired hold."), true),
        })
    }

    /// Cancels the order if it was not paid, so that no payment stays pending.
    pub async fn close(&self, ungated: &Shop) -> Result<(), ShopError> {
        Ok(ungated
            .payments()
            .settle(self.charge, ChargeState::Voided)
            .await?)
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

/// The payment gateway of a story. It reports every request as successful. No real provider knows
/// the story's charge.
#[derive(Debug)]
pub struct StoryGateway;

impl StoryGateway {
    /// Creates the gateway as a trait object for [`Shop::with_gateway`].
    pub fn gateway() -> Arc<dyn PaymentGateway> {
        Arc::new(Self)
    }
}

#[async_trait]
impl PaymentGateway for StoryGateway {
    async fn charge(&self, _: &Charge) -> Result<ChargeReport, GatewayError> {
        Ok(ChargeState::Captured.into())
    }

    async fn charge_state(&self, _: Uuid) -> Result<Option<ChargeReport>, GatewayError> {
        Ok(Some(ChargeState::Captured.into()))
    }

    async fn void(&self, _: Uuid) -> Result<ChargeReport, GatewayError> {
        Ok(ChargeState::Voided.into())
    }

    async fn refund(&self, _: &RefundRequest) -> Result<RefundState, GatewayError> {
        Ok(RefundState::Succeeded)
    }
}
