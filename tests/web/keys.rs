//! Idempotency keys over HTTP: how long they are, and to whom they belong.

use axum::http::{Request, StatusCode, header};
use serde_json::Value;
use uuid::Uuid;

use super::support::{TestResponse, TestShop, Visitor, value_of};
use crate::support::check_audit_clean;

const PHONE: &str = "/products/flash-sale-smartphone";
/// A key that two clients might choose.
const COMMON: &str = "my-own-favourite-key";
const ONE_PHONE: &str = r#"{"productId":1,"quantity":1}"#;
const CONTACT: &str = "name=Ann+Buyer&email=ann%40example.com&street=1+Test+Street&postal_code=12345&city=Testford&country=DE";
const CAPTURED: &str = "card_number=4242424242424242&card_expiry=12%2F39&card_cvc=123";
const DECLINED: &str = "card_number=4000000000000002&card_expiry=12%2F39&card_cvc=123";

/// Buys through the API with a key. Returns the order's id.
async fn buy(caller: &mut Visitor, key: &str) -> String {
    let headers = [("idempotency-key", key)];
    let answer = caller
        .post_json_with("/api/purchase", ONE_PHONE, &headers)
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let receipt: Value = serde_json::from_str(&answer.body).expect("a receipt");
    receipt["orderId"].as_str().expect("an id").to_owned()
}

/// Adds one phone with a key. Returns the page that it leads to.
async fn add(shopper: &mut Visitor, form: &str, key: &str) -> String {
    let fields = format!("idempotency_key={key}&product_id=1&quantity=1");
    let path = format!("/api/form/cart/{form}");
    let answer = shopper.submit(PHONE, &path, &fields).await;
    answer.header("location").to_owned()
}

/// Returns the id of the shopper's cart on `page`, and the number of units in it.
async fn cart_of(shop: &TestShop, shopper: &mut Visitor, page: &str) -> (Uuid, u32) {
    let id = value_of(&shopper.page(page).await.body, "cart_id");
    let id = id.parse().expect("the id of a cart");
    let units = shop.carts().unit_count(Some(id)).await;
    (id, units.expect("the cart is read"))
}

#[tokio::test]
async fn a_key_of_fewer_than_16_characters_is_rejected_with_its_reason() {
    let shop = TestShop::new().await;
    let mut shopper = Visitor::of(&shop);
    add(&mut shopper, "add", "").await;
    let mut admin = Visitor::of(&shop);
    admin.sign_in(&shop).await;
    for key in ["1", "add-1", "fifteen-letters", "an/owner/and/its/key"] {
        let headers = [("idempotency-key", key)];
        let answer = shopper
            .post_json_with("/api/purchase", ONE_PHONE, &headers)
            .await;
        check_invalid(&answer, key);
        let cart = value_of(&shopper.page("/cart").await.body, "cart_id");
        let pay = format!("checkout/pay?cart_id={cart}&{CONTACT}&{CAPTURED}");
        for form in [
            "cart/add?product_id=1&quantity=1",
            "cart/buy-now?product_id=1&quantity=1",
            "cart/set?product_id=1&quantity=2",
            "cart/remove?product_id=1",
            &format!("checkout/enter?cart_id={cart}"),
            &format!("checkout/change?act=reserve&cart_id={cart}"),
            &pay,
        ] {
            check_form(&mut shopper, form, key).await;
        }
        for form in [
            "receive?product_id=1&quantity=5",
            "plan-sale?product_id=1&price=500",
            "change-sale?product_id=1&act=end",
            "take-stock?product_id=1&counted=7&reason=counted",
            "create-code?code=TEN&kind=percent&value=10&uses_max=5",
            "order?order_id=0199e0a0-7b1c-7cc0-a000-000000000000&act=cancel",
            "run-lesson?lesson=off-by-one",
            "simulate?target=lane&strategy=row-lock&buyers=3&stock=2&quantity=1&rounds=1&race_window_ms=0&seed=1",
        ] {
            check_form(&mut admin, &format!("admin/{form}"), key).await;
        }
    }
    for table in [
        "customer_order",
        "idempotency_key",
        "discount_code",
        "simulation_run",
        "hold",
    ] {
        assert_eq!(shop.count(table).await, 0, "{table}");
    }
    check_audit_clean(&shop).await;
}

async fn check_form(visitor: &mut Visitor, form: &str, key: &str) {
    let (path, fields) = form.split_once('?').expect("a form with fields");
    let fields = format!("idempotency_key={key}&{fields}");
    let answer = visitor
        .post_form(&format!("/api/form/{path}"), &fields)
        .await;
    check_invalid(&answer, form);
}

fn check_invalid(answer: &TestResponse, what: &str) {
    assert_eq!(
        answer.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "{what}: {answer:?}"
    );
    let detail = answer.detail();
    assert!(
        detail.starts_with("An idempotency key has 16 to 100 characters"),
        "{what}: {detail}"
    );
}

#[tokio::test]
async fn two_shoppers_with_the_same_key_get_their_own_orders() {
    let shop = TestShop::new().await;
    let (mut ann, mut ben) = (Visitor::of(&shop), Visitor::of(&shop));
    for shopper in [&mut ann, &mut ben] {
        add(shopper, "add", "").await;
    }
    let order_of_ann = buy(&mut ann, COMMON).await;
    assert_ne!(buy(&mut ben, COMMON).await, order_of_ann);
    assert_eq!(buy(&mut ann, COMMON).await, order_of_ann, "a retry");
    // A caller without a session is another one; two of them cannot be distinguished.
    let order = buy(&mut Visitor::of(&shop), COMMON).await;
    assert_ne!(order, order_of_ann);
    assert_eq!(buy(&mut Visitor::of(&shop), COMMON).await, order);
    assert_eq!(shop.count("customer_order").await, 3);
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_shopper_is_never_handed_the_cart_of_another_one() {
    let shop = TestShop::new().await;
    for (form, page) in [("add", "/cart"), ("buy-now", "/checkout/now")] {
        let mut carts = std::collections::HashSet::new();
        let key = format!("{COMMON}-{form}");
        for _ in 0..3 {
            let mut shopper = Visitor::of(&shop);
            for _ in 0..2 {
                add(&mut shopper, form, &key).await;
            }
            let (cart_id, units) = cart_of(&shop, &mut shopper, page).await;
            assert_eq!(units, 1, "{form}: a retry");
            carts.insert(cart_id);
        }
        assert_eq!(carts.len(), 3, "{form}");
    }
    check_audit_clean(&shop).await;
}

/// Both clicks are sent before the first response, so neither has a cookie. The key of the page's
/// form identifies its visitor.
#[tokio::test]
async fn a_double_click_before_the_first_cookie_fills_one_cart() {
    let shop = TestShop::new().await;
    for (form, page) in [("add", "/cart"), ("buy-now", "/checkout/now")] {
        let key = value_of(
            &Visitor::of(&shop).page(PHONE).await.body,
            "idempotency_key",
        );
        let (mut first, mut second) = (Visitor::of(&shop), Visitor::of(&shop));
        assert_eq!(add(&mut first, form, &key).await, page);
        assert_eq!(add(&mut second, form, &key).await, page);
        let (cart_id, units) = cart_of(&shop, &mut first, page).await;
        assert_eq!(
            cart_of(&shop, &mut second, page).await,
            (cart_id, units),
            "{form}"
        );
        // A third click with the cookie of the first response.
        add(&mut first, form, &key).await;
        assert_eq!(
            cart_of(&shop, &mut first, page).await,
            (cart_id, 1),
            "{form}"
        );
    }
    assert_eq!(shop.count("cart").await, 2);
    assert_eq!(shop.count("hold").await, 1, "one unit is reserved");
    check_audit_clean(&shop).await;
}

/// The page from the browser's back/forward cache still has the key of the declined attempt.
#[tokio::test]
async fn after_a_decline_the_same_form_pays_with_another_card() {
    let shop = TestShop::new().await;
    let mut shopper = Visitor::of(&shop);
    add(&mut shopper, "buy-now", "").await;
    let page = shopper.page("/checkout/now").await.body;
    let form = format!(
        "idempotency_key={}&cart_id={}&{CONTACT}",
        value_of(&page, "idempotency_key"),
        value_of(&page, "cart_id")
    );
    let pay = "/api/form/checkout/pay";
    let declined = shopper.post_form(pay, &format!("{form}&{DECLINED}")).await;
    assert_eq!(
        declined.status,
        StatusCode::PAYMENT_REQUIRED,
        "{declined:?}"
    );
    let mut orders = std::collections::HashSet::new();
    for _ in 0..2 {
        let request = Request::post(pay)
            .header(header::ACCEPT, "text/html")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(format!("{form}&{CAPTURED}").into());
        let paid = shopper.send(request.expect("a request")).await;
        let order = paid.header("location").to_owned();
        assert!(order.starts_with("/orders/"), "{paid:?}");
        orders.insert(order);
    }
    assert_eq!(orders.len(), 1, "the second click finds the paid order");
    check_audit_clean(&shop).await;
}

/// No client can write into the namespace of another sender, whatever its key looks like.
#[tokio::test]
async fn a_client_cannot_claim_the_key_of_another_sender() {
    let shop = TestShop::new().await;
    let mut shopper = Visitor::of(&shop);
    add(&mut shopper, "add", COMMON).await;
    let mut admin = Visitor::of(&shop);
    admin.sign_in(&shop).await;
    let receive = format!("idempotency_key={COMMON}&product_id=1&quantity=1");
    admin.post_form("/api/form/admin/receive", &receive).await;
    buy(&mut Visitor::of(&shop), COMMON).await;
    let stored: String = shop
        .by_hand
        .value("SELECT string_agg(key, ' ' ORDER BY key) FROM idempotency_key")
        .await;
    let stored: Vec<&str> = stored.split(' ').collect();
    assert_eq!(stored.len(), 3, "{stored:?}");
    for key in stored.iter().filter(|key| key.contains('/')) {
        let headers = [("idempotency-key", *key)];
        let mut stranger = Visitor::of(&shop);
        let answer = stranger
            .post_json_with("/api/purchase", ONE_PHONE, &headers)
            .await;
        check_invalid(&answer, key);
    }
    check_audit_clean(&shop).await;
}
