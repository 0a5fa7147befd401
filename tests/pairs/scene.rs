//! A product, an order and some carts, and what the seven operations do to them.

use std::sync::Arc;

use async_trait::async_trait;
use doorbuster::{
    config::{PaidWithoutStock, ShopTerms},
    db::txn::{self, Policy},
    model::{DiscountValue, ShopError},
    payment::gateway::{
        Charge, ChargeState, GatewayError, PaymentGateway, RefundRequest, RefundState,
    },
    shop::{
        Shop,
        checkout::{self, Begun, OrderRequest},
        discounts::NewCode,
        refunds::OrderAct,
    },
};
use uuid::Uuid;

use crate::support::{
    TestProduct, TestShop,
    shop::{claim, units_of},
};

const CODE: &str = "PAIRS";

/// An operation on a [`Scene`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// The cart is reserved; the second of two reserves the rival's.
    Hold,
    /// The cart's reservation begins anew.
    Extend,
    /// The provider says that the order was paid for.
    Confirm,
    /// A sweeper comes by.
    Expire,
    /// The order is called off.
    Cancel,
    /// All of the order's money goes back.
    Refund,
    /// Units come in.
    Restock,
}

/// One step on the way to a scene.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// So many units come in.
    Stock(i64),
    /// The cart is filled with so many units.
    Cart(u32),
    Reserve,
    /// Another tab writes another number into the cart, which does not follow yet.
    Grow(u32),
    /// The same for another cart.
    Rival(u32),
    RivalReserves,
    RivalRunsOut,
    /// Somebody orders so many units, and is being asked for the money.
    Order(u32),
    /// The cart itself is ordered.
    OrderCart,
    /// The time of the order's holds is over.
    OrderRunsOut,
    Sweep,
    /// What is on the shelf is found to be broken.
    Lose,
    /// The order's money arrives.
    Pay,
}

/// What the operations are about.
#[derive(Clone)]
pub struct Scene {
    product: TestProduct,
    /// Another one, with a higher id, of which there is enough. Every cart and order has one, so that each locks two rows.
    plenty: TestProduct,
    cart: Uuid,
    rival: Uuid,
    order: String,
    reference: Uuid,
    /// What [`Operation::Restock`] brings.
    incoming: u32,
    terms: ShopTerms,
}

impl Scene {
    pub async fn set(
        shop: &TestShop,
        steps: &[Step],
        incoming: u32,
        terms: PaidWithoutStock,
    ) -> Self {
        let mut scene = Self {
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
            scene.prepare(shop, *step).await;
        }
        scene
    }

    async fn prepare(&mut self, shop: &TestShop, step: Step) {
        match step {
            Step::Stock(units) => shop.restock(&self.product, units).await,
            Step::Cart(units) => self.cart = self.filled(shop, units).await,
            Step::Reserve => reserve(shop, self.cart).await,
            Step::Grow(units) => self.grow(shop, units).await,
            Step::Rival(units) => self.rival = self.filled(shop, units).await,
            Step::RivalReserves => reserve(shop, self.rival).await,
            Step::RivalRunsOut => run_out(shop, &format!("cart_id = '{}'", self.rival)).await,
            Step::Order(units) => {
                let cart = self.filled(shop, units).await;
                self.ordered(shop, cart).await;
            }
            Step::OrderCart => self.ordered(shop, self.cart).await,
            Step::OrderRunsOut => run_out(shop, &format!("order_id = {}", self.order_id())).await,
            Step::Sweep => {
                let swept = shop.sweep_expired_holds().await.expect("it is swept");
                assert!(swept > 0, "there was something to sweep");
            }
            Step::Lose => shop
                .take_stock(self.product.id, 0, "broken", None)
                .await
                .expect("it is counted"),
            Step::Pay => assert_eq!(self.confirm(self.on(shop)).await, "done"),
        }
    }

    async fn filled(&self, shop: &TestShop, units: u32) -> Uuid {
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

    /// As a press on *Pay* does, up to the moment when the provider would be asked.
    async fn ordered(&mut self, shop: &TestShop, cart: Uuid) {
        let request = OrderRequest {
            code: Some(CODE.to_owned()),
            ..shop.checkout(cart, &format!("{cart}@example.com"))
        };
        let (on, policy) = (shop.handle(), Policy::request("begin payment"));
        let begun = txn::run_for_result(shop.db(), policy, move |work| {
            let (on, request) = (on.clone(), request.clone());
            Box::pin(async move { checkout::begin(work, &on, &request).await })
        })
        .await
        .expect("it is ordered");
        let Begun::New {
            receipt, payment, ..
        } = begun
        else {
            panic!("the key is new: {begun:?}");
        };
        (self.order, self.reference) = (receipt.order_id, payment);
    }

    fn order_id(&self) -> String {
        format!(
            "(SELECT id FROM customer_order WHERE public_id = '{}')",
            self.order
        )
    }

    /// The cart's time is over, from now on.
    pub async fn cart_runs_out(&self, shop: &TestShop) {
        run_out(shop, &format!("cart_id = '{}'", self.cart)).await;
    }

    /// The row that `operation` locks last among those that others want too, as a query that locks it. Whoever holds it stops the operation
    /// with all that it has locked before.
    pub fn door(&self, operation: Operation) -> String {
        let rows = match operation {
            Operation::Extend => format!("hold WHERE cart_id = '{}'", self.cart),
            Operation::Refund => format!("payment WHERE order_id = {}", self.order_id()),
            _ => format!("stock WHERE product_id = {}", self.product.id),
        };
        format!("SELECT 1 FROM {rows} FOR UPDATE")
    }

    /// The cart itself, which [`Operation::Extend`] locks first.
    pub fn cart_door(&self) -> String {
        format!("SELECT 1 FROM cart WHERE id = '{}' FOR UPDATE", self.cart)
    }

    fn on(&self, shop: &Shop) -> Shop {
        shop.clone().with_terms(self.terms.clone())
    }

    /// Does it, and says what came of it.
    pub async fn perform(self, shop: &Shop, operation: Operation, is_rival: bool) -> String {
        let shop = self.on(shop);
        match operation {
            Operation::Hold => {
                let cart = if is_rival { self.rival } else { self.cart };
                let outcome = shop.reserve_cart(cart, None).await;
                said(outcome.result.map_err(ShopError::from))
            }
            Operation::Extend => said(shop.extend_reservation(self.cart, None).await),
            Operation::Confirm => self.confirm(shop).await,
            Operation::Expire => {
                let swept = shop.sweep_expired_holds().await;
                format!("{} swept", swept.expect("it is swept"))
            }
            Operation::Cancel => self.act(&shop, OrderAct::Cancel).await,
            Operation::Refund => self.act(&shop, OrderAct::RefundAll).await,
            Operation::Restock => {
                let units = units_of(self.incoming);
                said(shop.receive_stock(self.product.id, units, None).await)
            }
        }
    }

    async fn confirm(&self, shop: Shop) -> String {
        let settled = shop.settle(self.reference, ChargeState::Captured).await;
        said(settled.map_err(ShopError::from))
    }

    async fn act(&self, shop: &Shop, act: OrderAct) -> String {
        let key = claim(&Uuid::now_v7().to_string(), "act on order", &[&self.order]);
        said(shop.act_on_order(&self.order, act, Some(key)).await)
    }

    /// Where the product and the order stand, in one line.
    pub async fn told(&self, shop: &TestShop) -> String {
        let level = shop.level(&self.product).await;
        let mut told = format!(
            "{} left, {} held, {} sold",
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
            told.push_str(", extended");
        }
        if !self.order.is_empty() {
            let order: String = shop
                .by_hand
                .value(&format!(
                    "SELECT '; ' || status || ', ' || due_cents || ' due of ' || total_cents FROM customer_order WHERE id = {}",
                    self.order_id()
                ))
                .await;
            told.push_str(&order);
        }
        told
    }

    /// Nothing is left to be done about the order: the provider has paid back what was to go back.
    pub async fn check_money_is_back(&self, shop: &TestShop) {
        assert_eq!(
            self.count(shop, "refund WHERE state = 'pending'").await,
            0,
            "every refund was asked for"
        );
    }

    async fn count(&self, shop: &TestShop, rows: &str) -> i64 {
        shop.count(rows).await
    }
}

async fn reserve(shop: &TestShop, cart: Uuid) {
    let reserved = shop.reserve_cart(cart, None).await.result;
    reserved.expect("it is reserved");
}

async fn run_out(shop: &TestShop, whose: &str) {
    let changed = shop
        .by_hand
        .run(&format!(
            "UPDATE hold SET expires_at = clock_timestamp() WHERE state = 'held' AND {whose}"
        ))
        .await;
    assert!(changed > 0, "it has holds: {whose}");
}

/// `done`, or the name of the refusal.
fn said(result: Result<(), ShopError>) -> String {
    match result {
        Ok(()) => "done".to_owned(),
        Err(refusal) => format!("{refusal:?}")
            .split(|c: char| !c.is_alphanumeric())
            .next()
            .unwrap_or_default()
            .to_owned(),
    }
}

/// A code that every order of a scene uses, so that its row is one more to be locked.
pub async fn make_code(shop: &TestShop) {
    let code = NewCode {
        code: CODE.to_owned(),
        value: DiscountValue::Percent(10),
        min_subtotal_cents: 0,
        starts_at: None,
        ends_at: None,
        uses_max: 1_000,
        per_customer_limit: None,
    };
    shop.create_code(code, None).await.expect("it is made");
}

/// A provider that pays back whatever it is asked to, and knows nothing else.
#[derive(Debug)]
pub struct Generous;

impl Generous {
    pub fn gateway() -> Arc<dyn PaymentGateway> {
        Arc::new(Self)
    }
}

fn unasked<T>() -> Result<T, GatewayError> {
    Err(GatewayError::NotSent("nobody asks this here".to_owned()))
}

#[async_trait]
impl PaymentGateway for Generous {
    async fn charge(&self, _: &Charge) -> Result<ChargeState, GatewayError> {
        unasked()
    }

    async fn charge_state(&self, _: Uuid) -> Result<Option<ChargeState>, GatewayError> {
        unasked()
    }

    async fn void(&self, _: Uuid) -> Result<ChargeState, GatewayError> {
        unasked()
    }

    async fn refund(&self, _: &RefundRequest) -> Result<RefundState, GatewayError> {
        Ok(RefundState::Succeeded)
    }
}
