//! Buyers who call the shop's own code, on the simulation's pool.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::sync::Notify;

use super::{
    Attempt, AttemptResult, Order, Pool, Storefront, Taken, UNKNOWN_RETRIES_MAX,
    UNKNOWN_RETRY_PAUSE,
};
use crate::{
    model::{
        Contact, OrderStatus, PaymentCard, ShopError, StrategyKey,
        plan::{FaultKind, Journey},
    },
    shop::{
        Shop,
        checkout::{self, OrderRequest},
        idempotency::Claim,
        inventory::{PurchaseRequest, Seam, seam::Fault},
    },
};

/// How long a slow statement takes.
const SLOW_STATEMENT: Duration = Duration::from_millis(500);

/// The shop's own code.
#[derive(Debug)]
pub struct InProcess {
    pub shop: Shop,
    pub strategy: StrategyKey,
    pub journey: Journey,
    /// What everybody waits between read and write.
    pub race_window: Duration,
}

/// A request that may be sent again as it is.
enum Prepared {
    Express(PurchaseRequest),
    /// Everything that a shopper does after filling the cart: reserve, fill in the form, pay.
    Checkout(Box<Checkout>),
}

struct Checkout {
    reserve: Claim,
    order: OrderRequest,
}

#[async_trait]
impl Storefront for InProcess {
    async fn buy(&self, order: Order) -> Attempt {
        // Ten thousand buyers wait here at once, most of whom do the plainest thing: what few do is boxed, so that it takes no room in the
        // others.
        let request = match self.prepare(&order).await {
            Ok(request) => request,
            Err(error) => {
                return Attempt {
                    result: AttemptResult::of(Err(error), true),
                    taken: Taken::default(),
                };
            }
        };
        match order.fault {
            None => self.ask(&self.shop, &request).await,
            Some(FaultKind::Freeze) => self.ask_with(Fault::Freeze, &request).await,
            Some(FaultKind::SlowStatement) => {
                self.ask_with(Fault::SlowStatement(SLOW_STATEMENT), &request)
                    .await
            }
            Some(FaultKind::DropConnection) => self.ask_with(Fault::DropConnection, &request).await,
            Some(FaultKind::Abandon) => Box::pin(self.leave_midway(&request)).await,
            Some(FaultKind::DoubleClick) => Box::pin(self.click_twice(&request)).await,
        }
    }

    fn in_line(&self, product_id: i64) -> Option<u64> {
        self.shop.in_line(self.strategy, product_id)
    }

    fn pool(&self) -> Pool {
        let db = self.shop.db();
        Pool {
            in_use: db.transactions_in_use(),
            size: db.settings().transactions_max,
        }
    }
}

impl InProcess {
    async fn prepare(&self, order: &Order) -> Result<Prepared, ShopError> {
        if self.journey == Journey::Checkout {
            let checkout = Box::pin(self.fill_cart(order)).await?;
            return Ok(Prepared::Checkout(Box::new(checkout)));
        }
        let (product, quantity) = (order.product_id.to_string(), order.quantity.to_string());
        Ok(Prepared::Express(PurchaseRequest {
            product_id: order.product_id,
            quantity: order.quantity,
            claim: Some(Claim::new(&order.key, "purchase", &[&product, &quantity])?),
            lane_id: Some(order.lane_id),
        }))
    }

    /// What a shopper does before a checkout: puts the product into a cart.
    async fn fill_cart(&self, order: &Order) -> Result<Checkout, ShopError> {
        let cart_id = self
            .shop
            .add_to_cart(None, order.product_id, order.quantity, None)
            .await?;
        let contact = buyer_contact(&order.key);
        Ok(Checkout {
            reserve: Claim::new(&format!("{}:reserve", order.key), "reserve", &[])?,
            order: OrderRequest {
                cart_id,
                claim: checkout::claim(&order.key, cart_id, &contact, None)?,
                contact,
                code: None,
                expected_total_cents: None,
                lane_id: Some(order.lane_id),
            },
        })
    }

    async fn ask_with(&self, fault: Fault, request: &Prepared) -> Attempt {
        let shop = self.shop.clone().with_seam(Seam::Fault(fault));
        self.ask(&shop, request).await
    }

    async fn click_twice(&self, request: &Prepared) -> Attempt {
        let click = || self.ask(&self.shop, request);
        let (one, other) = tokio::join!(click(), click());
        Attempt::of_both(one, other)
    }

    /// Leaves as soon as the shop stands between read and write. What it has begun it finishes.
    async fn leave_midway(&self, request: &Prepared) -> Attempt {
        let midway = Arc::new(Notify::new());
        let (arrived, race_window) = (Arc::clone(&midway), self.race_window);
        let seam = Seam::Hook(Arc::new(move || {
            arrived.notify_one();
            Box::pin(async move {
                if !race_window.is_zero() {
                    tokio::time::sleep(race_window).await;
                }
            })
        }));
        let shop = self.shop.clone().with_seam(seam);
        tokio::select! {
            biased;
            attempt = self.ask(&shop, request) => attempt,
            () = midway.notified() => Attempt::left(),
        }
    }

    /// Asks until there is a yes or a no.
    async fn ask(&self, shop: &Shop, request: &Prepared) -> Attempt {
        let mut taken = Taken::default();
        let mut unknown = 0;
        loop {
            let result = match request {
                Prepared::Express(request) => {
                    let outcome = shop.purchase(self.strategy, request.clone()).await;
                    taken.note(outcome).map(|receipt| receipt.order_id)
                }
                Prepared::Checkout(checkout) => {
                    Box::pin(check_out(shop, checkout, &mut taken)).await
                }
            };
            if !matches!(result, Err(ShopError::OutcomeUnknown { .. }))
                || unknown == UNKNOWN_RETRIES_MAX
            {
                let result = AttemptResult::of(result, taken.asked);
                return Attempt { result, taken };
            }
            unknown += 1;
            taken.retries += 1;
            tokio::time::sleep(UNKNOWN_RETRY_PAUSE).await;
        }
    }
}

async fn check_out(
    shop: &Shop,
    checkout: &Checkout,
    taken: &mut Taken,
) -> Result<String, ShopError> {
    let cart_id = checkout.order.cart_id;
    let reserve = Some(checkout.reserve.clone());
    taken.note(shop.reserve_cart(cart_id, reserve).await)?;
    let answer = taken.note(shop.pay(checkout.order.clone(), good_card()).await)?;
    match answer.status {
        OrderStatus::Paid => Ok(answer.receipt.order_id),
        status => Err(ShopError::NotNow(format!(
            "The order is {}.",
            status.as_str()
        ))),
    }
}

/// A card that the simulated provider takes.
fn good_card() -> PaymentCard {
    PaymentCard {
        number: "4242424242424242".to_owned(),
        expiry: "12/34".to_owned(),
        cvc: "123".to_owned(),
    }
}

fn buyer_contact(key: &str) -> Contact {
    Contact {
        name: "Simulated Buyer".to_owned(),
        email: format!("{key}@simulation.invalid"),
        street: "1 Queue Street".to_owned(),
        postal_code: "00000".to_owned(),
        city: "Lane".to_owned(),
        country: "Nowhere".to_owned(),
    }
}
