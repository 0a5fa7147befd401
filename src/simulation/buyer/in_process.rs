//! Buyers who call the shop's own code, on the simulation's connection pool.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use tokio::sync::Notify;
use uuid::Uuid;

use super::{
    Attempt, AttemptCost, AttemptRequest, AttemptResult, Pool, Storefront, UNKNOWN_RETRIES_MAX,
    UNKNOWN_RETRY_PAUSE,
};
use crate::{
    db::txn::TimeSplit,
    model::{
        Contact, OrderStatus, PaymentCard, ShopError, StrategyKey,
        plan::{FaultKind, Journey},
    },
    shop::{
        Shop,
        checkout::{self, OrderRequest},
        idempotency::{Claim, Key},
        inventory::{InjectionPoint, PurchaseRequest, injection_point::Fault},
    },
};

/// How long a slow statement takes.
const SLOW_STATEMENT: Duration = Duration::from_millis(500);

/// A storefront that calls the shop's own code.
#[derive(Debug)]
pub struct InProcess {
    pub shop: Shop,
    pub strategy: StrategyKey,
    pub journey: Journey,
    /// The pause of each attempt between its read and its write.
    pub race_window: Duration,
}

/// A request that can be sent again unchanged.
enum Prepared {
    Express(PurchaseRequest),
    /// The steps of a shopper after filling the cart: reserve, fill in the form, pay.
    Checkout(Box<Checkout>),
}

struct Checkout {
    reserve: Claim,
    order: OrderRequest,
    /// The time that it took to fill the cart.
    filling: TimeSplit,
}

#[async_trait]
impl Storefront for InProcess {
    async fn buy(&self, request: AttemptRequest) -> Attempt {
        // Ten thousand of these futures exist at the same time, and most of them take the express
        // path. The rare paths are boxed so that they do not enlarge every future.
        let mut cost = AttemptCost::default();
        let prepared = match self.prepare(&request, &mut cost).await {
            Ok(prepared) => prepared,
            Err(error) => {
                let result = AttemptResult::of(Err(error), true);
                return Attempt { result, cost };
            }
        };
        match request.fault {
            None => self.buy_with_retries(&self.shop, &prepared).await,
            Some(FaultKind::Freeze) => self.buy_with_fault(Fault::Freeze, &prepared).await,
            Some(FaultKind::SlowStatement) => {
                self.buy_with_fault(Fault::SlowStatement(SLOW_STATEMENT), &prepared)
                    .await
            }
            Some(FaultKind::DropConnection) => {
                self.buy_with_fault(Fault::DropConnection, &prepared).await
            }
            Some(FaultKind::Abandon) => Box::pin(self.abandon_midway(&prepared)).await,
            Some(FaultKind::DoubleClick) => Box::pin(self.click_twice(&prepared)).await,
        }
    }

    fn queue_length(&self, product_id: i64) -> Option<u64> {
        self.shop
            .purchases()
            .queue_length(self.strategy, product_id)
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
    async fn prepare(
        &self,
        request: &AttemptRequest,
        cost: &mut AttemptCost,
    ) -> Result<Prepared, ShopError> {
        if self.journey == Journey::Checkout {
            let checkout = Box::pin(self.fill_cart(request, cost)).await?;
            return Ok(Prepared::Checkout(Box::new(checkout)));
        }
        let product = request.product_id.to_string();
        let quantity = request.quantity.to_string();
        Ok(Prepared::Express(PurchaseRequest {
            product_id: request.product_id,
            quantity: request.quantity,
            claim: Some(Claim::new(
                Key::of_buyer(&request.key)?,
                "purchase",
                &[&product, &quantity],
            )),
            lane_id: Some(request.lane_id),
        }))
    }

    /// Puts the product into a new cart, as a shopper does before the checkout.
    async fn fill_cart(
        &self,
        request: &AttemptRequest,
        cost: &mut AttemptCost,
    ) -> Result<Checkout, ShopError> {
        let added = self
            .shop
            .carts()
            .add_with_cost(None, request.product_id, request.quantity, None)
            .await;
        let cart_id = cost.add_outcome(added)?;
        let contact = buyer_contact(cart_id);
        let reserve = Key::of_buyer(&format!("{}:reserve", request.key))?;
        let order = Key::of_buyer(&request.key)?;
        Ok(Checkout {
            reserve: Claim::new(reserve, "reserve", &[]),
            order: OrderRequest {
                cart_id,
                claim: checkout::claim(order, cart_id, &contact, None),
                contact,
                code: None,
                expected_total_cents: None,
                expected_items: None,
                lane_id: Some(request.lane_id),
            },
            filling: cost.split,
        })
    }

    async fn buy_with_fault(&self, fault: Fault, request: &Prepared) -> Attempt {
        let shop = self
            .shop
            .clone()
            .with_injection_point(InjectionPoint::Fault(fault));
        self.buy_with_retries(&shop, request).await
    }

    async fn click_twice(&self, request: &Prepared) -> Attempt {
        let click = || self.buy_with_retries(&self.shop, request);
        let (one, other) = tokio::join!(click(), click());
        Attempt::merge(one, other)
    }

    /// Stops waiting as soon as the shop is between its read and its write. The shop finishes the
    /// transaction that it has started.
    async fn abandon_midway(&self, request: &Prepared) -> Attempt {
        let midway = Arc::new(Notify::new());
        let (arrived, race_window) = (Arc::clone(&midway), self.race_window);
        let injection_point = InjectionPoint::Hook(Arc::new(move || {
            arrived.notify_one();
            Box::pin(async move {
                if !race_window.is_zero() {
                    tokio::time::sleep(race_window).await;
                }
            })
        }));
        let shop = self.shop.clone().with_injection_point(injection_point);
        tokio::select! {
            biased;
            attempt = self.buy_with_retries(&shop, request) => attempt,
            () = midway.notified() => Attempt::abandoned(),
        }
    }

    /// Sends the request, and sends it again while its outcome is unknown.
    async fn buy_with_retries(&self, shop: &Shop, request: &Prepared) -> Attempt {
        let mut cost = AttemptCost::default();
        if let Prepared::Checkout(checkout) = request {
            cost.split = checkout.filling;
        }
        let mut unknown = 0;
        loop {
            let result = match request {
                Prepared::Express(request) => {
                    let outcome = shop.purchase(self.strategy, request.clone()).await;
                    cost.add_outcome(outcome).map(|receipt| receipt.order_id)
                }
                Prepared::Checkout(checkout) => {
                    Box::pin(check_out(shop, checkout, &mut cost)).await
                }
            };
            if !matches!(result, Err(ShopError::OutcomeUnknown { .. }))
                || unknown == UNKNOWN_RETRIES_MAX
            {
                let result = AttemptResult::of(result, cost.database_queried);
                return Attempt { result, cost };
            }
            unknown += 1;
            cost.retries += 1;
            let paused = Instant::now();
            tokio::time::sleep(UNKNOWN_RETRY_PAUSE).await;
            cost.split.backoff += paused.elapsed();
        }
    }
}

async fn check_out(
    shop: &Shop,
    checkout: &Checkout,
    cost: &mut AttemptCost,
) -> Result<String, ShopError> {
    let cart_id = checkout.order.cart_id;
    let reserve = Some(checkout.reserve.clone());
    cost.add_outcome(shop.reservations().reserve(cart_id, reserve).await)?;
    let answer = cost.add_outcome(
        shop.payments()
            .pay(checkout.order.clone(), good_card())
            .await,
    )?;
    match answer.status {
        OrderStatus::Paid => Ok(answer.receipt.order_id),
        status => Err(ShopError::InvalidState(format!(
            "The order is {}.",
            status.as_str()
        ))),
    }
}

/// A card that the simulated provider accepts.
fn good_card() -> PaymentCard {
    PaymentCard {
        number: "4242424242424242".to_owned(),
        expiry: "12/34".to_owned(),
        cvc: "123".to_owned(),
    }
}

/// Each attempt is another customer. An administrator sees the address, so it does not contain the
/// attempt's key.
fn buyer_contact(cart_id: Uuid) -> Contact {
    Contact {
        name: "Simulated Buyer".to_owned(),
        email: format!("{cart_id}@simulation.invalid"),
        street: "1 Queue Street".to_owned(),
        postal_code: "00000".to_owned(),
        city: "Lane".to_owned(),
        country: "Nowhere".to_owned(),
    }
}
