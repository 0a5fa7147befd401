//! What leads to a point: how things stand before the server starts, and what is then asked of it.

use doorbuster::{
    config::{PaidWithoutStock, ShopTerms},
    db::txn::{self, Policy},
    feed::Feed,
    model::OrderStatus,
    payment::{
        gateway::{Charge, ChargeState, PaymentGateway},
        provider::test_cards,
    },
    shop::{
        Shop,
        checkout::{self, Begun},
        refunds::OrderAct,
    },
};

use super::{program::PASSWORD, visitor::Visitor};
use crate::support::{PlacesOrders, TestProduct, TestShop, provider::OnDemand, shop::card};

#[derive(Clone, Copy, Debug)]
pub enum Story {
    /// A shopper goes straight to the checkout.
    BuyNow,
    SetQuantity,
    Remove,
    Extend,
    /// A shopper pays by card.
    Pay,
    /// By strategy.
    Express(&'static str),
    /// A reservation is over, and nobody has swept it yet.
    HoldRunsOut,
    /// An order waits for a payment of which the provider has never heard.
    NobodyAsked,
    /// Money is to go back, and nobody has asked for it.
    NobodyPaidBack,
    /// Somebody has paid and waited, and what they wait for is there.
    Backorder,
    /// The administrator presses a button at an order that was paid.
    Act(&'static str),
    Receive,
    TakeStock,
}

/// What a story is about.
pub struct Subject {
    pub product: TestProduct,
    /// An order that was acknowledged before the server started.
    pub order: Option<String>,
}

impl Story {
    pub async fn prepare(self, shop: &TestShop) -> Subject {
        let product = shop.with_product(5).await;
        let order = match self {
            Self::HoldRunsOut => {
                let cart = shop.cart_of(&[(&product, 1)]).await;
                let reserved = shop.reserve_cart(cart, None).await.result;
                reserved.expect("it is reserved");
                run_out(shop).await;
                None
            }
            Self::NobodyAsked => Some(ordered(shop, &product).await.0),
            Self::NobodyPaidBack => {
                let order = paid(shop, &product).await;
                let penniless = Shop::new(shop.db().clone(), Feed::default());
                let refunded = penniless.act_on_order(&order, OrderAct::RefundAll, None);
                refunded.await.expect("it is decided");
                Some(order)
            }
            Self::Backorder => Some(backordered(shop, &product).await),
            Self::Act(_) => Some(paid(shop, &product).await),
            _ => None,
        };
        shop.by_hand
            .run("UPDATE payment SET ask_at = CURRENT_TIMESTAMP WHERE state = 'pending'")
            .await;
        Subject { product, order }
    }

    /// Does all of it; and once more, with the same keys, after the server was killed in between.
    pub async fn tell(self, visitor: &mut Visitor, url: &str, subject: &Subject) {
        let product = subject.product.id.to_string();
        match self {
            Self::HoldRunsOut | Self::NobodyAsked | Self::NobodyPaidBack | Self::Backorder => {}
            Self::Express(strategy) => visitor.buy(url, strategy, subject.product.id).await,
            Self::Act(_) | Self::Receive | Self::TakeStock => {
                visitor
                    .press(url, "admin/login", "", &[("password", PASSWORD)])
                    .await;
                self.administer(visitor, url, subject).await;
            }
            _ => {
                let fields = [("product_id", product.as_str()), ("quantity", "1")];
                visitor.press(url, "cart/buy-now", "buy", &fields).await;
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
                let cart = visitor.cart_id(url).await;
                let fields = [("act", "extend"), ("cart_id", &cart)];
                let form = "checkout/change";
                visitor.press(url, form, "extend", &fields).await;
            }
            Self::Pay => {
                let cart = visitor.cart_id(url).await;
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
            Self::TakeStock => {
                let fields = [product, ("counted", "3"), ("reason", "counted")];
                visitor
                    .press(url, "admin/take-stock", "count", &fields)
                    .await;
            }
            Self::Act(act) => {
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

const FILLED_IN: [(&str, &str); 9] = [
    ("name", "Ann Buyer"),
    ("email", "ann@example.com"),
    ("street", "1 Test Street"),
    ("postal_code", "12345"),
    ("city", "Testford"),
    ("country", "Testland"),
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

async fn run_out(shop: &TestShop) {
    let sql = "UPDATE hold SET expires_at = clock_timestamp() WHERE state = 'held'";
    assert_eq!(shop.by_hand.run(sql).await, 1);
}

async fn paid(shop: &TestShop, product: &TestProduct) -> String {
    let cart = shop.cart_of(&[(product, 1)]).await;
    let request = shop.checkout(cart, "ann@example.com");
    let paid = shop.place_order(request).await.result.expect("it is paid");
    assert_eq!(paid.status, OrderStatus::Paid);
    paid.receipt.order_id
}

/// An order up to the moment when the provider would be asked, and what it would be asked for.
async fn ordered(shop: &TestShop, product: &TestProduct) -> (String, Charge) {
    let cart = shop.cart_of(&[(product, 1)]).await;
    let (on, request) = (shop.handle(), shop.checkout(cart, "ann@example.com"));
    let begun = txn::run_for_result(shop.db(), Policy::request("begin payment"), move |work| {
        let (on, request) = (on.clone(), request.clone());
        Box::pin(async move { checkout::begin(work, &on, &request).await })
    });
    match begun.await.expect("it is ordered") {
        Begun::New {
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
        Begun::Known(_) => panic!("the key is new"),
    }
}

/// An order that was paid for when its hold was over and nothing was left, and whose unit has come since.
async fn backordered(shop: &TestShop, product: &TestProduct) -> String {
    let (order, charge) = ordered(shop, product).await;
    run_out(shop).await;
    shop.sweep_expired_holds().await.expect("it is swept");
    let counted = shop.take_stock(product.id, 0, "broken", None).await;
    counted.expect("it is counted");
    let provider = OnDemand::on(shop.database.url());
    let state = provider.charge(&charge).await;
    assert_eq!(state, Ok(ChargeState::Captured));
    let terms = ShopTerms {
        paid_without_stock: PaidWithoutStock::Backorder,
        ..ShopTerms::default()
    };
    let shop_on_terms = shop.on_terms(terms);
    let settled = shop_on_terms.settle(charge.reference, ChargeState::Captured);
    settled.await.expect("it is settled");
    shop.restock(product, 1).await;
    order
}
