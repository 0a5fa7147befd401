//! What a simulated buyer buys through: the shop's own code in this process, or a running server over HTTP.

use std::time::{Duration, Instant};

use crate::{
    db::txn::{Outcome, TimeSplit},
    model::{Contact, OrderStatus, PaymentCard, Quantity, ShopError, StrategyKey, plan::Journey},
    shop::{
        Shop,
        checkout::{self, OrderRequest},
        idempotency::Claim,
        inventory::PurchaseRequest,
    },
};
use async_trait::async_trait;
use serde::Deserialize;

/// Tries with the same key after an answer that says neither yes nor no.
const UNKNOWN_RETRIES_MAX: u32 = 5;
/// Pause before such a try.
const UNKNOWN_RETRY_PAUSE: Duration = Duration::from_millis(100);

/// What one attempt is for.
#[derive(Clone, Debug)]
pub struct Order {
    pub product_id: i64,
    pub quantity: Quantity,
    /// Unique to the attempt: what makes a retry safe.
    pub key: String,
    pub lane_id: i64,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttemptResult {
    /// There is an order.
    Bought,
    /// The shop said no by its own rules.
    Rejected,
    /// Something broke; the sentence is for the run's log.
    Failed(String),
}

/// One attempt, measured.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub result: AttemptResult,
    /// Tries beyond the first.
    pub retries: u32,
    pub latency: Duration,
    pub split: TimeSplit,
}

/// Where buyers buy.
#[async_trait]
pub trait Storefront: Send + Sync {
    /// Tries to buy once, to the end: an unknown outcome is resolved with the same key.
    async fn buy(&self, order: Order) -> Attempt;
}

/// The shop's own code, on the simulation's pool.
#[derive(Debug)]
pub struct InProcess {
    pub shop: Shop,
    pub strategy: StrategyKey,
    pub journey: Journey,
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
        let start = Instant::now();
        let mut retries = 0;
        let mut split = TimeSplit::default();
        let result = match self.prepare(&order).await {
            Ok(request) => {
                self.ask_to_the_end(&request, &mut retries, &mut split)
                    .await
            }
            Err(error) => Err(error),
        };
        Attempt {
            result: AttemptResult::of(result),
            retries,
            latency: start.elapsed(),
            split,
        }
    }
}

impl InProcess {
    /// For a checkout, does what a shopper does first: puts the product into a cart.
    async fn prepare(&self, order: &Order) -> Result<Prepared, ShopError> {
        if self.journey == Journey::Express {
            let (product, quantity) = (order.product_id.to_string(), order.quantity.to_string());
            return Ok(Prepared::Express(PurchaseRequest {
                product_id: order.product_id,
                quantity: order.quantity,
                claim: Some(Claim::new(&order.key, "purchase", &[&product, &quantity])?),
                lane_id: Some(order.lane_id),
            }));
        }
        let cart_id = self
            .shop
            .add_to_cart(None, order.product_id, order.quantity, None)
            .await?;
        let contact = buyer_contact(&order.key);
        Ok(Prepared::Checkout(Box::new(Checkout {
            reserve: Claim::new(&format!("{}:reserve", order.key), "reserve", &[])?,
            order: OrderRequest {
                cart_id,
                claim: checkout::claim(&order.key, cart_id, &contact, None)?,
                contact,
                code: None,
                expected_total_cents: None,
                lane_id: Some(order.lane_id),
            },
        })))
    }

    async fn check_out(
        &self,
        checkout: &Checkout,
        retries: &mut u32,
        split: &mut TimeSplit,
    ) -> Result<(), ShopError> {
        let cart_id = checkout.order.cart_id;
        let reserve = Some(checkout.reserve.clone());
        let outcome = self.shop.reserve_cart(cart_id, reserve).await;
        note(outcome, retries, split)?;
        let outcome = self.shop.pay(checkout.order.clone(), good_card()).await;
        match note(outcome, retries, split)?.status {
            OrderStatus::Paid => Ok(()),
            status => Err(ShopError::NotNow(format!(
                "The order is {}.",
                status.as_str()
            ))),
        }
    }

    /// Asks until there is a yes or a no.
    async fn ask_to_the_end(
        &self,
        request: &Prepared,
        retries: &mut u32,
        split: &mut TimeSplit,
    ) -> Result<(), ShopError> {
        let mut unknown = 0;
        loop {
            let result = match request {
                Prepared::Express(request) => {
                    let outcome = self.shop.purchase(self.strategy, request.clone()).await;
                    note(outcome, retries, split).map(drop)
                }
                Prepared::Checkout(checkout) => self.check_out(checkout, retries, split).await,
            };
            if !matches!(result, Err(ShopError::OutcomeUnknown { .. }))
                || unknown == UNKNOWN_RETRIES_MAX
            {
                return result;
            }
            unknown += 1;
            *retries += 1;
            tokio::time::sleep(UNKNOWN_RETRY_PAUSE).await;
        }
    }
}

/// Takes over what a transaction took.
fn note<T>(outcome: Outcome<T>, retries: &mut u32, split: &mut TimeSplit) -> Result<T, ShopError> {
    *retries += outcome.attempts.saturating_sub(1);
    split.add(outcome.split);
    outcome.result.map_err(ShopError::from)
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

impl AttemptResult {
    fn of(result: Result<(), ShopError>) -> Self {
        match result {
            Ok(()) => Self::Bought,
            Err(error) if error.is_rejection() => Self::Rejected,
            Err(error) => Self::Failed(error.to_string()),
        }
    }
}

/// Running servers, asked in turn.
#[derive(Debug)]
pub struct OverHttp {
    client: reqwest::Client,
    purchase_urls: Vec<String>,
    strategy: StrategyKey,
}

/// How long a buyer waits for one answer.
const HTTP_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Deserialize)]
struct Problem {
    detail: String,
}

impl OverHttp {
    /// Buyers for the servers at `targets`, such as `http://127.0.0.1:3000`.
    ///
    /// # Errors
    /// The client's, if it cannot be built.
    pub fn new(targets: &[url::Url], strategy: StrategyKey) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .timeout(HTTP_TIMEOUT)
            .tcp_nodelay(true)
            .build()?;
        let purchase_urls = targets
            .iter()
            .map(|target| {
                let target = target.as_str().trim_end_matches('/');
                format!("{target}/api/purchase?strategy={strategy}")
            })
            .collect();
        Ok(Self {
            client,
            purchase_urls,
            strategy,
        })
    }

    /// One request; `Err` when it says neither yes nor no.
    async fn ask(&self, order: &Order, turn: usize) -> Result<AttemptResult, String> {
        let url = &self.purchase_urls[turn % self.purchase_urls.len()];
        let response = self
            .client
            .post(url)
            .header("Idempotency-Key", &order.key)
            .json(&serde_json::json!({
                "productId": order.product_id,
                "quantity": order.quantity,
            }))
            .send()
            .await
            .map_err(|error| error.to_string())?;
        let status = response.status();
        if status.is_success() {
            return Ok(AttemptResult::Bought);
        }
        let detail = match response.json::<Problem>().await {
            Ok(problem) => problem.detail,
            Err(error) => error.to_string(),
        };
        match status.as_u16() {
            409 | 422 => Ok(AttemptResult::Rejected),
            429 | 500.. => Err(detail),
            _ => Ok(AttemptResult::Failed(detail)),
        }
    }
}

#[async_trait]
impl Storefront for OverHttp {
    async fn buy(&self, order: Order) -> Attempt {
        let start = Instant::now();
        let first_turn = turn_of(&order.key);
        let mut retries = 0;
        let result = loop {
            // A retry goes to the next server: the key is known to all of them.
            match self.ask(&order, first_turn + retries as usize).await {
                Ok(result) => break result,
                Err(_) if retries < UNKNOWN_RETRIES_MAX => {
                    retries += 1;
                    tokio::time::sleep(UNKNOWN_RETRY_PAUSE).await;
                }
                Err(detail) => break AttemptResult::Failed(format!("{}: {detail}", self.strategy)),
            }
        };
        let latency = start.elapsed();
        Attempt {
            result,
            retries,
            latency,
            split: TimeSplit {
                execute: latency,
                ..TimeSplit::default()
            },
        }
    }
}

/// Spreads buyers over servers, the same way for the same key.
fn turn_of(key: &str) -> usize {
    key.bytes().fold(0_usize, |hash, byte| {
        hash.wrapping_mul(31).wrapping_add(byte.into())
    }) % 1_024
}
