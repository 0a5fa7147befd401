//! A product, an order and some carts, and the seven operations on them.

use std::sync::Arc;

use async_trait::async_trait;
use doorbuster::{
    config::{PaidWithoutStock, ShopTerms},
    db::txn,
    model::{DiscountValue, ShopError},
    payment::gateway::{
        Charge, ChargeReport, ChargeState, GatewayError, PaymentGateway, RefundRequest, RefundState,
    },
    shop::{
        Shop,
        checkout::{self, CheckoutStarted, OrderRequest},
        discounts::NewCode,
        refunds::OrderAction,
    },
};
use uuid::Uuid;

use crate::support::{
    TestProduct, TestShop, administrator, patient,
    shop::{claim, units_of},
};

const CODE: &str = "PAIRS";

/// An operation on a [`Scenario`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// The cart is reserved; the second of two holds reserves the rival's cart.
    Hold,
    /// The cart's reservation is extended.
    Extend,
    /// The provider reports that the order's charge was captured.
    Confirm,
    /// The sweeper releases expired holds.
    Expire,
    /// The order is cancelled.
    Cancel,
    /// The order is refunded in full.
    Refund,
    /// Units are received.
    Restock,
}

/// One step of the preparation of a scenario.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// This number of units is received.
    Stock(i64),
    /// The cart is created with this number of units.
    Cart(u32),
    Reserve,
    /// Another tab changes the quantity in the cart; the hold is not adjusted yet.
    Grow(u32),
    /// Another cart is created with this number of units.
    Rival(u32),
    RivalReserves,
    RivalExpires,
    /// This number of units is ordered; the payment is pending.
    Order(u32),
    /// The cart is ordered; the payment is pending.
    OrderCart,
    /// The order's holds expire.
    OrderExpires,
    Sweep,
    /// A stock count finds the available units broken.
    LoseStock,
    /// The order's charge is captured.
    Pay,
}

/// The rows on which the operations run.
#[derive(Clone)]
pub struct Scenario {
    product: TestProduct,
    /// Another product with a higher id and plenty of stock. Every cart and order contains one
    /// unit, so that each locks two stock rows.
    plenty: TestProduct,
    cart: Uuid,
    rival: Uuid,
    order: String,
    reference: Uuid,
    /// Units received by [`Operation::Restock`].
    incoming: u32,
    terms: ShopTerms,
}

impl Scenario {
    pub async fn set(
        shop: &TestShop,
        steps: &[Step],
        incoming: u32,
        terms: PaidWithoutStock,
    ) -> Self {
        let mut scenario = Self {
            product: shop.with_product(0).await,
            plenty: shop.with_product(100).await,
            cart: Uuid::nil(),
            rival: Uuid::nil(),
            order: String::new(),
            reference: Uuid::nil(),
            incoming,
            terms: ShopTerms {
                paid_without_stock: terms,
                ..ShopTerms::default()
            },
        };
        for step in steps {
            scenario.prepare(shop, *step).await;
        }
        scenario
    }

    async fn prepare(&mut self, shop: &TestShop, step: Step) {
        match step {
            Step::Stock(units) => shop.restock(&self.product, units).await,
            Step::Cart(units) => self.cart = self.new_cart(shop, units).await,
            Step::Reserve => reserve(shop, self.cart).await,
            Step::Grow(units) => self.grow(shop, units).await,
            Step::Rival(units) => self.rival = self.new_cart(shop, units).await,
            Step::RivalReserves => reserve(shop, self.rival).await,
            Step::RivalExpires => expire_holds(shop, &format!("cart_id = '{}'", self.rival)).await,
            Step::Order(units) => {
                let cart = self.new_cart(shop, units).await;
                self.start_checkout(shop, cart).await;
            }
            Step::OrderCart => self.start_checkout(shop, self.cart).await,
            Step::OrderExpires => {
                expire_holds(shop, &format!("order_id = {}", self.order_id())).await
            }
            Step::Sweep => {
                let swept = shop
                    .reservations()
                    .sweep_expired()
                    .await
                    .expect("it is swept");
                assert!(swept > 0, "there were expired holds");
            }
            Step::LoseStock => shop
                .stock_administration(&administrator())
                .record_count(self.product.id, 0, "broken", None)
                .await
                .expect("it is counted"),
            Step::Pay => assert_eq!(self.confirm(self.on(shop)).await, "done"),
        }
    }

    async fn new_cart(&self, shop: &TestShop, units: u32) -> Uuid {
        shop.cart_of(&[(&self.product, units), (&self.plenty, 1)])
            .await
    }

    async fn grow(&self, shop: &TestShop, units: u32) {
        let changed = shop
            .by_hand
            .run(&format!(
                "UPDATE cart_item SET quantity = {units} WHERE cart_id = '{}' AND product_id = {}",
                self.cart, self.product.id
            ))
            .await;
        assert_eq!(changed, 1);
    }

    /// Does what the *Pay* button does, up to the call of the provider.
    async fn start_checkout(&mut self, shop: &TestShop, cart: Uuid) {
        let request = OrderRequest {
            code: Some(CODE.to_owned()),
            ..shop.checkout(cart, &format!("{cart}@example.com"))
        };
        let (on, policy) = (shop.handle(), patient("begin payment"));
        let started = txn::run_for_result(shop.db(), policy, move |work| {
            let (on, request) = (on.clone(), request.clone());
            Box::pin(async move { checkout::start(work, &on, &request).await })
        })
        .await
        .expect("it is ordered");
        let CheckoutStarted::New {
            receipt, payment, ..
        } = started
        else {
            panic!("the key is new: {started:?}");
        };
        (self.order, self.reference) = (receipt.order_id, payment);
    }

    fn order_id(&self) -> String {
        format!(
            "(SELECT id FROM customer_order WHERE public_id = '{}')",
            self.order
        )
    }

    /// Lets the cart's holds expire.
    pub async fn expire_cart(&self, shop: &TestShop) {
        expire_holds(shop, &format!("cart_id = '{}'", self.cart)).await;
    }

    /// Returns a query that locks the row that `operation` locks last among the shared rows. A
    /// connection that holds this lock stops the operation after it has taken all its other locks.
    pub fn last_lock(&self, operation: Operation) -> String {
        let rows = match operation {
            Operation::Extend => format!("hold WHERE cart_id = '{}'", self.cart),
            Operation::Refund => format!("payment WHERE order_id = {}", self.order_id()),
            _ => format!("stock WHERE product_id = {}", self.product.id),
        };
        format!("SELECT 1 FROM {rows} FOR UPDATE")
    }

    /// Returns a query that locks the cart, which [`Operation::Extend`] locks first.
    pub fn cart_lock(&self) -> String {
        format!("SELECT 1 FROM cart WHERE id = '{}' FOR UPDATE", self.cart)
    }

    fn on(&self, shop: &Shop) -> Shop {
        shop.clone().with_terms(self.terms.clone())
    }

    /// Performs the operation and returns its result.
    pub async fn perform(self, shop: &Shop, operation: Operation, is_rival: bool) -> String {
        let shop = self.on(shop);
        match operation {
            Operation::Hold => {
                let cart = if is_rival { self.rival } else { self.cart };
                let outcome = shop.reservations().reserve(cart, None).await;
                result_name(outcome.result.map_err(ShopError::from))
            }
            Operation::Extend => result_name(shop.reservations().extend(self.cart, None).await),
            Operation::Confirm => self.confirm(shop).await,
            Operation::Expire => {
                let swept = shop.reservations().sweep_expired().await;
                format!("{} swept", swept.expect("it is swept"))
            }
            Operation::Cancel => self.act(&shop, OrderAction::Cancel).await,
            Operation::Refund => self.act(&shop, OrderAction::RefundAll).await,
            Operation::Restock => {
                let units = units_of(self.incoming);
                result_name(
                    shop.stock_administration(&administrator())
                        .receive(self.product.id, units, None)
                        .await,
                )
            }
        }
    }

    async fn confirm(&self, shop: Shop) -> String {
        let settled = shop
            .payments()
            .settle(self.reference, ChargeState::Captured)
            .await;
        result_name(settled.map_err(ShopError::from))
    }

    async fn act(&self, shop: &Shop, act: OrderAction) -> String {
        let key = claim(&Uuid::now_v7().to_string(), "act on order", &[&self.order]);
        result_name(
            shop.order_administration(&administrator())
                .apply(&self.order, act, Some(key))
                .await,
        )
    }

    /// Describes the state of the product and the order in one line.
    pub async fn outcome(&self, shop: &TestShop) -> String {
        let level = shop.level(&self.product).await;
        let mut outcome = format!(
            "{} available, {} held, {} sold",
            level.available, level.reserved, level.sold
        );
        let extended: i64 = self
            .count(
                shop,
                &format!(
                    "hold WHERE cart_id = '{}' AND state = 'held' AND extended",
                    self.cart
                ),
            )
            .await;
        if extended > 0 {
            outcome.push_str(", extended");
        }
        if !self.order.is_empty() {
            let order: String = shop
                .by_hand
                .value(&format!(
                    "SELECT '; ' || status || ', ' || due_cents || ' due of ' || total_cents FROM customer_order WHERE id = {}",
                    self.order_id()
                ))
                .await;
            outcome.push_str(&order);
        }
        outcome
    }

    /// Asserts that the provider has paid out every refund.
    pub async fn check_money_is_back(&self, shop: &TestShop) {
        assert_eq!(
            self.count(shop, "refund WHERE state = 'pending'").await,
            0,
            "no refund is pending"
        );
    }

    async fn count(&self, shop: &TestShop, rows: &str) -> i64 {
        shop.count(rows).await
    }
}

async fn reserve(shop: &TestShop, cart: Uuid) {
    let reserved = shop.reservations().reserve(cart, None).await.result;
    reserved.expect("it is reserved");
}

async fn expire_holds(shop: &TestShop, condition: &str) {
    let changed = shop
        .by_hand
        .run(&format!(
            "UPDATE hold SET expires_at = clock_timestamp() WHERE state = 'held' AND {condition}"
        ))
        .await;
    assert!(changed > 0, "it has holds: {condition}");
}

/// Returns `done`, or the name of the error.
fn result_name(result: Result<(), ShopError>) -> String {
    match result {
        Ok(()) => "done".to_owned(),
        Err(error) => format!("{error:?}")
            .split(|c: char| !c.is_alphanumeric())
            .next()
            .unwrap_or_default()
            .to_owned(),
    }
}

/// Creates a code that every order of a scenario uses, so that each also locks the code's row.
pub async fn create_code(shop: &TestShop) {
    let code = NewCode {
        code: CODE.to_owned(),
        value: DiscountValue::Percent(10),
        min_subtotal_cents: 0,
        starts_at: None,
        ends_at: None,
        uses_max: 1_000,
        per_customer_limit: None,
    };
    shop.discount_administration(&administrator())
        .create(code, None)
        .await
        .expect("it is made");
}

/// A gateway that accepts every refund and supports nothing else.
#[derive(Debug)]
pub struct RefundingGateway;

impl RefundingGateway {
    pub fn gateway() -> Arc<dyn PaymentGateway> {
        Arc::new(Self)
    }
}

fn not_used<T>() -> Result<T, GatewayError> {
    Err(GatewayError::NotSent(
        "this test does not call it".to_owned(),
    ))
}

#[async_trait]
impl PaymentGateway for RefundingGateway {
    async fn charge(&self, _: &Charge) -> Result<ChargeReport, GatewayError> {
        not_used()
    }

    async fn charge_state(&self, _: Uuid) -> Result<Option<ChargeReport>, GatewayError> {
        not_used()
    }

    async fn void(&self, _: Uuid) -> Result<ChargeReport, GatewayError> {
        not_used()
    }

    async fn refund(&self, _: &RefundRequest) -> Result<RefundState, GatewayError> {
        Ok(RefundState::Succeeded)
    }
}
