//! The stories that lead to a point: the data before the server starts, and the requests to it.

use doorbuster::{
    config::{PaidWithoutStock, ShopTerms},
    db::txn,
    feed::Feed,
    model::OrderStatus,
    payment::{
        gateway::{Charge, ChargeState, PaymentGateway},
        provider::test_cards,
    },
    shop::{
        Shop,
        checkout::{self, CheckoutStarted},
        refunds::OrderAction,
    },
};

use super::{program::PASSWORD, visitor::Visitor};
use crate::support::{
    PATIENCE, PlacesOrders, TestProduct, TestShop, administrator, patient, provider::OnDemand,
    shop::card, strategies,
};

#[derive(Clone, Copy, Debug)]
pub enum Story {
    /// A shopper uses *Buy now*.
    BuyNow,
    /// A shopper adds a product to the cart and goes to the checkout.
    AddAndCheckOut,
    SetQuantity,
    Remove,
    Extend,
    /// A shopper pays by card.
    Pay,
    /// An express purchase with this strategy.
    Express(&'static str),
    /// A hold has expired and is not swept yet.
    HoldExpires,
    /// An order waits for a payment whose charge never reached the provider.
    ChargeNeverSent,
    /// A refund is stored, but was never sent to the provider.
    RefundNeverSent,
    /// A paid order waits for stock that has arrived.
    Backorder,
    /// The administrator uses a button of a paid order.
    OrderAction(&'static str),
    Receive,
    CountStock,
}

/// The product and the order of a story.
pub struct Subject {
    pub product: TestProduct,
    /// An order that was acknowledged before the server started.
    pub order: Option<String>,
}

impl Story {
    /// True unless it needs a Redis, and none is installed.
    pub fn can_run(self) -> bool {
        match self {
            Self::Express(strategy) => strategies().any(|key| key.as_str() == strategy),
            _ => true,
        }
    }

    pub async fn prepare(self, shop: &TestShop) -> Subject {
        let product = shop.with_product(5).await;
        let order = match self {
            Self::HoldExpires => {
                let cart = shop.cart_of(&[(&product, 1)]).await;
                let patient = shop.patient();
                let reserved = patient.reservations().reserve(cart, None).await.result;
                reserved.expect("it is reserved");
                expire_holds(shop).await;
                None
            }
            Self::ChargeNeverSent => Some(ordered(shop, &product).await.0),
            Self::RefundNeverSent => {
                let order = paid(shop, &product).await;
                let without_provider =
                    Shop::new(shop.db().clone(), Feed::default()).with_deadline(PATIENCE);
                let refunded = without_provider
                    .order_administration(&administrator())
                    .apply(&order, OrderAction::RefundAll, None);
                refunded.await.expect("it is decided");
                Some(order)
            }
            Self::Backorder => Some(backordered(shop, &product).await),
            Self::OrderAction(_) => Some(paid(shop, &product).await),
            _ => None,
        };
        shop.by_hand
            .run("UPDATE payment SET ask_at = CURRENT_TIMESTAMP WHERE state = 'pending'")
            .await;
        Subject { product, order }
    }

    /// Sends all requests of the story. After the kill they are sent again with the same keys.
    pub async fn perform(self, visitor: &mut Visitor, url: &str, subject: &Subject) {
        let product = subject.product.id.to_string();
        match self {
            Self::HoldExpires | Self::ChargeNeverSent | Self::RefundNeverSent | Self::Backorder => {
            }
            Self::Express(strategy) => visitor.buy(url, strategy, subject.product.id).await,
            Self::OrderAction(_) | Self::Receive | Self::CountStock => {
                visitor
                    .press(url, "admin/login", "", &[("password", PASSWORD)])
                    .await;
                self.administer(visitor, url, subject).await;
            }
            Self::AddAndCheckOut | Self::SetQuantity | Self::Remove => {
                let fields = [("product_id", product.as_str()), ("quantity", "1")];
                visitor.press(url, "cart/add", "add", &fields).await;
                let cart = visitor.cart_id(url, "/cart").await;
                let fields = [("cart_id", cart.as_str())];
                visitor.press(url, "checkout/enter", "enter", &fields).await;
                self.shop(visitor, url, &product).await;
            }
            _ => {
                let fields = [("product_id", product.as_str()), ("quantity", "1")];
                let key = visitor.issued_key(url).await;
                visitor.press(url, "cart/buy-now", &key, &fields).await;
                self.shop(visitor, url, &product).await;
            }
        }
    }

    async fn shop(self, visitor: &mut Visitor, url: &str, product: &str) {
        let product = ("product_id", product);
        match self {
            Self::SetQuantity => {
                let fields = [product, ("quantity", "2")];
                visitor.press(url, "cart/set", "set", &fields).await;
            }
            Self::Remove => {
                visitor
                    .press(url, "cart/remove", "remove", &[product])
                    .await
            }
            Self::Extend => {
                let cart = visitor.cart_id(url, "/checkout/now").await;
                let fields = [("act", "extend"), ("cart_id", &cart)];
                let form = "checkout/change";
                visitor.press(url, form, "extend", &fields).await;
            }
            Self::Pay => {
                let cart = visitor.cart_id(url, "/checkout/now").await;
                let mut fields = vec![("cart_id", cart.as_str())];
                fields.extend(FILLED_IN);
                visitor.press(url, "checkout/pay", "pay", &fields).await;
            }
            _ => {}
        }
    }

    async fn administer(self, visitor: &mut Visitor, url: &str, subject: &Subject) {
        let product = subject.product.id.to_string();
        let product = ("product_id", product.as_str());
        match self {
            Self::Receive => {
                let fields = [product, ("quantity", "3")];
                visitor
                    .press(url, "admin/receive", "receive", &fields)
                    .await;
            }
            Self::CountStock => {
                let fields = [product, ("counted", "3"), ("reason", "counted")];
                visitor
                    .press(url, "admin/take-stock", "count", &fields)
                    .await;
            }
            Self::OrderAction(act) => {
                let order = subject.order.clone().unwrap_or_default();
                let page = visitor.page(url, &format!("/admin/orders/{order}")).await;
                let line = line_id(&page.unwrap_or_default());
                let fields = [
                    ("order_id", order.as_str()),
                    ("act", act),
                    ("line_id", &line),
                    ("quantity", "1"),
                ];
                visitor.press(url, "admin/order", "act", &fields).await;
            }
            _ => {}
        }
    }
}

pub const FILLED_IN: [(&str, &str); 9] = [
    ("name", "Ann Buyer"),
    ("email", "ann@example.com"),
    ("street", "1 Test Street"),
    ("postal_code", "12345"),
    ("city", "Testford"),
    ("country", "DE"),
    ("card_number", test_cards::CAPTURED),
    ("card_expiry", "12/40"),
    ("card_cvc", "123"),
];

fn line_id(page: &str) -> String {
    let named = regex::Regex::new(r#"name="line_id" value="(\d+)""#).expect("a pattern");
    named
        .captures(page)
        .map(|found| found[1].to_owned())
        .unwrap_or_default()
}

async fn expire_holds(shop: &TestShop) {
    let sql = "UPDATE hold SET expires_at = clock_timestamp() WHERE state = 'held'";
    assert_eq!(shop.by_hand.run(sql).await, 1);
}

async fn paid(shop: &TestShop, product: &TestProduct) -> String {
    let cart = shop.cart_of(&[(product, 1)]).await;
    let request = shop.checkout(cart, "ann@example.com");
    let paid = shop.patient().place_order(request).await.result;
    let paid = paid.expect("it is paid");
    assert_eq!(paid.status, OrderStatus::Paid);
    paid.receipt.order_id
}

/// Starts a checkout up to the charge. Returns the order and the charge that was not sent.
async fn ordered(shop: &TestShop, product: &TestProduct) -> (String, Charge) {
    let cart = shop.cart_of(&[(product, 1)]).await;
    let (on, request) = (shop.patient(), shop.checkout(cart, "ann@example.com"));
    let started = txn::run_for_result(shop.db(), patient("begin payment"), move |work| {
        let (on, request) = (on.clone(), request.clone());
        Box::pin(async move { checkout::start(work, &on, &request).await })
    });
    match started.await.expect("it is ordered") {
        CheckoutStarted::New {
            receipt,
            payment,
            amount,
        } => {
            let charge = Charge {
                reference: payment,
                amount,
                card: card(test_cards::CAPTURED),
            };
            (receipt.order_id, charge)
        }
        CheckoutStarted::Existing(_) => panic!("the key is new"),
    }
}

/// Creates an order that was paid after its hold expired and its stock was gone, and whose unit has
/// been received since.
async fn backordered(shop: &TestShop, product: &TestProduct) -> String {
    let (order, charge) = ordered(shop, product).await;
    expire_holds(shop).await;
    let patient = shop.patient();
    patient
        .reservations()
        .sweep_expired()
        .await
        .expect("it is swept");
    let counted = patient
        .stock_administration(&administrator())
        .record_count(product.id, 0, "broken", None)
        .await;
    counted.expect("it is counted");
    let provider = OnDemand::on(shop.database.url());
    let report = provider.charge(&charge).await.expect("it is charged");
    assert_eq!(report.state, ChargeState::Captured);
    let terms = ShopTerms {
        paid_without_stock: PaidWithoutStock::Backorder,
        ..ShopTerms::default()
    };
    let on_terms = patient.with_terms(terms);
    let settled = on_terms
        .payments()
        .settle(charge.reference, ChargeState::Captured);
    settled.await.expect("it is settled");
    shop.restock(product, 1).await;
    order
}
