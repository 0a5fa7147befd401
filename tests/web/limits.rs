//! Limits for each address and each session. Many honest shoppers may share one address.

use axum::http::StatusCode;
use doorbuster::{
    model::DiscountValue,
    shop::discounts::NewCode,
    web::{AppState, rate_limit::RateLimits},
};

use super::support::{PASSWORD, TestShop, Visitor, administrator, parts, value_of};

const PHONE: &str = "/products/flash-sale-smartphone";
const CONTACT: &str = "name=Ann+Buyer&street=1+Test+Street&postal_code=12345&city=Testford&country=Testland";
const CARD: &str = "card_number=4242424242424242&card_expiry=12%2F40&card_cvc=123";

/// Creates the code `TEN`, for a thousand uses.
async fn create_code(shop: &TestShop) {
    let ten = NewCode {
        code: "TEN".to_owned(),
        value: DiscountValue::Percent(10),
        min_subtotal_cents: 0,
        starts_at: None,
        ends_at: None,
        uses_max: 1_000,
        per_customer_limit: None,
    };
    shop.discount_administration(&administrator())
        .create(ten, None)
        .await
        .expect("the code is created");
}

/// Twenty wrong guesses would be too many; each of these shoppers guesses once, and is right.
#[tokio::test]
async fn twenty_five_shoppers_behind_one_address_use_a_code_pay_and_find_their_orders() {
    let shop = TestShop::new().await;
    create_code(&shop).await;
    let product = shop.with_product(25).await;
    let slug: String = shop
        .by_hand
        .value(&format!("SELECT slug FROM product WHERE id = {}", product.id))
        .await;
    // One purchase a second by the API of one address: paying is not a purchase by the API.
    let mut parts = parts(shop.handle(), shop.database.url(), "http://shop.test");
    parts.limits = RateLimits::new(std::num::NonZeroU32::new(1)).into();
    let server = AppState::new(parts);
    for number in 0..25 {
        let mut shopper = Visitor::at(server.clone());
        let fields = format!("product_id={}&quantity=1", product.id);
        let page = format!("/products/{slug}");
        shopper
            .submit(&page, "/api/form/cart/buy-now", &fields)
            .await;
        let checkout = shopper.page("/checkout").await.body;
        let cart_id = value_of(&checkout, "cart_id");
        let apply = format!("act=apply-code&cart_id={cart_id}&code=ten");
        let applied = shopper
            .post_form("/api/form/checkout/change", &apply)
            .await;
        assert!(applied.status.is_redirection(), "{number}: {}", applied.body);
        let checkout = shopper.page("/checkout").await.body;
        let key = value_of(&checkout, "idempotency_key");
        let email = format!("email={number}%40example.com");
        let pay = format!(
            "idempotency_key={key}&cart_id={cart_id}&{CONTACT}&{email}&code=ten&{CARD}"
        );
        let paid = shopper.post_form("/api/form/checkout/pay", &pay).await;
        assert!(paid.status.is_redirection(), "{number}: {}", paid.body);
        let order: i64 = shop
            .by_hand
            .value(&format!(
                "SELECT id FROM customer_order WHERE email = '{number}@example.com'"
            ))
            .await;
        let find = format!("number={order}&{email}");
        let found = shopper.post_form("/api/form/orders/find", &find).await;
        assert!(found.status.is_redirection(), "{number}: {}", found.body);
    }
    assert_eq!(shop.level(&product).await.sold, 25);
}

#[tokio::test]
async fn wrong_order_numbers_and_codes_are_limited_by_address() {
    let shop = TestShop::new().await;
    create_code(&shop).await;
    let mut guesser = Visitor::of(&shop);
    for number in 0..20 {
        let fields = format!("number={number}&email=nobody%40example.com");
        let answer = guesser.post_form("/api/form/orders/find", &fields).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{}", answer.body);
    }
    let fields = "number=21&email=nobody%40example.com";
    let refused = guesser.post_form("/api/form/orders/find", fields).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.detail().contains("Try again in "), "{refused:?}");

    guesser
        .submit(PHONE, "/api/form/cart/buy-now", "product_id=1&quantity=1")
        .await;
    let cart_id = value_of(&guesser.page("/checkout").await.body, "cart_id");
    let apply = format!("act=apply-code&cart_id={cart_id}&code=TEN");
    let refused = guesser
        .post_form("/api/form/checkout/change", &apply)
        .await;
    assert_eq!(
        refused.status,
        StatusCode::TOO_MANY_REQUESTS,
        "both kinds of guesses count together"
    );
}

#[tokio::test]
async fn the_right_password_is_never_counted() {
    let shop = TestShop::new().await;
    let mut admin = Visitor::of(&shop);
    admin.sign_in(&shop).await;
    let password = format!("password={}", PASSWORD.replace(' ', "+"));
    let login = "/api/form/admin/login";
    for _ in 0..12 {
        let answer = admin.post_form(login, &password).await;
        assert!(answer.status.is_redirection(), "{}", answer.body);
    }
    let answer = admin.post_form(login, "password=wrong").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{}", answer.body);
}
