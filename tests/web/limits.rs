//! Limits per address and per session. Many honest shoppers may share one address.

use std::{net::IpAddr, num::NonZeroU32, sync::Arc};

use axum::http::{Request, StatusCode, header};
use doorbuster::{
    config::{HoldLimits, ShopTerms},
    db::{retention, session_store::EXPIRED_SESSIONS},
    model::{DiscountValue, ShopError},
    shop::{cart::OLD_CARTS, discounts::NewCode, guess_counts::GuessKind},
    web::{AppState, maintenance::old_data::run_round, rate_limit::RateLimits},
};
use futures::future::join_all;

use crate::support::PATIENCE;

use super::support::{PASSWORD, TestResponse, TestShop, Visitor, administrator, parts, value_of};

const PHONE: &str = "/products/flash-sale-smartphone";
const CONTACT: &str =
    "name=Ann+Buyer&street=1+Test+Street&postal_code=12345&city=Testford&country=DE";
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
        .value(&format!(
            "SELECT slug FROM product WHERE id = {}",
            product.id
        ))
        .await;
    // One purchase a second by the API of one address: paying is not a purchase by the API.
    let mut parts = parts(shop.handle(), shop.database.url(), "http://shop.test");
    parts.limits = RateLimits::new(NonZeroU32::new(1)).into();
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
        let applied = shopper.post_form("/api/form/checkout/change", &apply).await;
        assert!(applied.status.is_success(), "{number}: {}", applied.body);
        let checkout = shopper.page("/checkout").await.body;
        let key = value_of(&checkout, "idempotency_key");
        let email = format!("email={number}%40example.com");
        let pay =
            format!("idempotency_key={key}&cart_id={cart_id}&{CONTACT}&{email}&code=ten&{CARD}");
        let paid = shopper.post_form("/api/form/checkout/pay", &pay).await;
        assert!(paid.status.is_success(), "{number}: {}", paid.body);
        let order: i64 = shop
            .by_hand
            .value(&format!(
                "SELECT id FROM customer_order WHERE email = '{number}@example.com'"
            ))
            .await;
        let find = format!("number={order}&{email}");
        let found = shopper.post_form("/api/form/orders/find", &find).await;
        assert!(found.status.is_success(), "{number}: {}", found.body);
    }
    assert_eq!(shop.level(&product).await.sold, 25);
}

#[tokio::test]
async fn wrong_order_numbers_and_codes_are_limited_by_address() {
    let shop = TestShop::new().await;
    create_code(&shop).await;
    let mut guesser = Visitor::of(&shop);
    for number in 0..20 {
        let fields = format!("number={number}&email=stranger%40example.com");
        let answer = guesser.post_form("/api/form/orders/find", &fields).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{}", answer.body);
    }
    let fields = "number=21&email=stranger%40example.com";
    let refused = guesser.post_form("/api/form/orders/find", fields).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.detail().contains("Try again in "), "{refused:?}");
    let reason = "Too many wrong order numbers or discount codes";
    assert!(refused.detail().starts_with(reason), "{refused:?}");

    guesser
        .submit(PHONE, "/api/form/cart/buy-now", "product_id=1&quantity=1")
        .await;
    let cart_id = value_of(&guesser.page("/checkout").await.body, "cart_id");
    let apply = format!("act=apply-code&cart_id={cart_id}&code=TEN");
    let refused = guesser.post_form("/api/form/checkout/change", &apply).await;
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
        assert!(answer.status.is_success(), "{}", answer.body);
    }
    let answer = admin.post_form(login, "password=wrong").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{}", answer.body);
}

/// Sets when the wrong guesses that the database has counted are all forgiven.
async fn forgive_all_after(shop: &TestShop, interval: &str) {
    let sql = format!("UPDATE wrong_guess SET forgiven_at = CURRENT_TIMESTAMP + {interval}");
    shop.by_hand.run(&sql).await;
}

/// Each server counts in its own memory; the database counts for all of them.
#[tokio::test]
async fn wrong_passwords_are_limited_by_all_servers_together() {
    let shop = TestShop::new().await;
    let mut admin = Visitor::of(&shop);
    admin.sign_in(&shop).await;
    let login = "/api/form/admin/login";
    let wrong = admin.post_form(login, "password=wrong").await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED, "{}", wrong.body);
    assert_eq!(shop.count("wrong_guess").await, 1);
    forgive_all_after(&shop, "INTERVAL '1 hour'").await;
    let right = format!("password={}", PASSWORD.replace(' ', "+"));
    let mut elsewhere = Visitor::of(&shop);
    for fields in ["password=wrong", right.as_str()] {
        let refused = elsewhere.post_form(login, fields).await;
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{fields}");
        assert!(refused.detail().contains("Try again in "), "{refused:?}");
    }
    forgive_all_after(&shop, "INTERVAL '1 minute'").await;
    let accepted = elsewhere.post_form(login, &right).await;
    assert!(accepted.status.is_success(), "{}", accepted.body);
}

/// Opens the checkout of a new shopper at a server. Returns the shopper and their cart.
async fn shopper_at_checkout(shop: &TestShop) -> (Visitor, String) {
    let mut shopper = Visitor::of(shop);
    let fields = "product_id=1&quantity=1";
    shopper
        .submit(PHONE, "/api/form/cart/buy-now", fields)
        .await;
    let cart_id = value_of(&shopper.page("/checkout").await.body, "cart_id");
    (shopper, cart_id)
}

#[tokio::test]
async fn order_numbers_and_codes_are_limited_by_all_servers_together() {
    let shop = TestShop::new().await;
    create_code(&shop).await;
    let (find, change) = ("/api/form/orders/find", "/api/form/checkout/change");
    let (mut here, cart_id) = shopper_at_checkout(&shop).await;
    let guess = "number=1&email=stranger%40example.com";
    let unknown = here.post_form(find, guess).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND, "{}", unknown.body);
    let key = "SELECT kind_and_network FROM wrong_guess";
    let of_number: String = shop.by_hand.value(key).await;
    shop.by_hand.run("DELETE FROM wrong_guess").await;
    let wrong = format!("act=apply-code&cart_id={cart_id}&code=NINE");
    here.post_form(change, &wrong).await;
    let of_code: String = shop.by_hand.value(key).await;
    assert_eq!(of_code, of_number, "both have the same count");

    forgive_all_after(&shop, "INTERVAL '1 hour'").await;
    let (mut elsewhere, cart_id) = shopper_at_checkout(&shop).await;
    let right = format!("act=apply-code&cart_id={cart_id}&code=TEN");
    for (form, fields) in [(find, guess), (change, right.as_str())] {
        let refused = elsewhere.post_form(form, fields).await;
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{form}");
        let reason = "Too many wrong order numbers or discount codes";
        assert!(refused.detail().starts_with(reason), "{refused:?}");
    }
    let password = "password=wrong";
    let other_kind = elsewhere.post_form("/api/form/admin/login", password).await;
    assert_eq!(other_kind.status, StatusCode::UNAUTHORIZED);

    forgive_all_after(&shop, "INTERVAL '1 minute'").await;
    let accepted = elsewhere.post_form(change, &right).await;
    assert!(accepted.status.is_success(), "{}", accepted.body);
}

#[tokio::test]
async fn guesses_at_the_same_time_are_all_counted() {
    let shop = TestShop::new().await;
    let servers = [shop.handle(), shop.handle().as_in_another_process()];
    let network = IpAddr::from([10, 0, 0, 1]);
    for kind in [GuessKind::Password, GuessKind::OrderOrCode] {
        let allowed = kind.at_once_max() as usize;
        let attempts = servers
            .iter()
            .cycle()
            .take(2 * allowed)
            .map(|server| server.guess_counts().count(kind, network));
        let results = join_all(attempts).await;
        let counted = results.iter().filter(|result| result.is_ok()).count();
        assert_eq!(counted, allowed, "{results:?}");
        let refused = results
            .iter()
            .filter(|result| matches!(result, Err(ShopError::TooManyRequests { .. })));
        assert_eq!(refused.count(), counted);
        let counts = shop.guess_counts();
        let forgiven = counts.forgive(kind, network).await;
        forgiven.expect("it is taken back");
        assert_eq!(counts.count(kind, network).await, Ok(()));
        let other = IpAddr::from([10, 0, 0, 2]);
        assert_eq!(counts.count(kind, other).await, Ok(()));
    }
}

/// Codes are counted after they were checked, so those at the same time all pass.
#[tokio::test]
async fn codes_at_the_same_time_are_all_counted_up_to_a_bound() {
    let shop = TestShop::new().await;
    let (kind, network) = (GuessKind::OrderOrCode, IpAddr::from([10, 0, 0, 1]));
    let counts = shop.guess_counts();
    for expected in [0, 1, 1] {
        assert_eq!(shop.count("wrong_guess").await, expected);
        assert_eq!(counts.check(kind, network).await, Ok(()));
        counts.add(kind, network).await.expect("it is counted");
    }
    forgive_all_after(&shop, "INTERVAL '1 hour'").await;
    let refused = counts.check(kind, network).await;
    assert!(
        matches!(refused, Err(ShopError::TooManyRequests { .. })),
        "{refused:?}"
    );
    forgive_all_after(&shop, "INTERVAL '1 day'").await;
    counts.add(kind, network).await.expect("it is counted");
    let bounded: i64 = shop
        .by_hand
        .value(
            "SELECT count(*) FROM wrong_guess \
             WHERE forgiven_at < CURRENT_TIMESTAMP + INTERVAL '1 hour'",
        )
        .await;
    assert_eq!(bounded, 1, "at most ten times twenty guesses of 6 s");
}

#[tokio::test]
async fn forgiven_guesses_are_deleted_also_those_of_the_previous_version() {
    let shop = TestShop::new().await;
    for rows in [
        "wrong_guess (kind_and_network, forgiven_at) VALUES \
         ('password 10.0.0.1', CURRENT_TIMESTAMP - INTERVAL '1 minute'), \
         ('order or code 10.0.0.1', CURRENT_TIMESTAMP + INTERVAL '1 hour')",
        "wrong_password (network, forgiven_at) VALUES \
         ('10.0.0.1', CURRENT_TIMESTAMP - INTERVAL '1 minute'), \
         ('10.0.0.2', CURRENT_TIMESTAMP + INTERVAL '1 hour')",
    ] {
        shop.by_hand.run(&format!("INSERT INTO {rows}")).await;
    }
    let round = run_round(shop.db(), PATIENCE).await;
    assert!(round.is_complete(), "{round:?}");
    for table in ["wrong_guess", "wrong_password"] {
        assert_eq!(shop.count(table).await, 1, "{table}");
    }
}

#[tokio::test]
async fn a_rejected_request_stores_nothing_and_its_page_shows_why() {
    let shop = TestShop::new().await;
    for (page, form, fields) in [
        (PHONE, "cart/add", "product_id=1&quantity=0"),
        (PHONE, "cart/add", "product_id=1&quantity=21"),
        (PHONE, "cart/buy-now", "product_id=1&quantity=21"),
        ("/cart", "cart/set", "product_id=1&quantity=1"),
        ("/cart", "checkout/enter", "cart_id=1"),
        (
            "/orders/find",
            "orders/find",
            "number=1&email=a%40example.com",
        ),
        ("/admin/login", "admin/login", "password=wrong"),
    ] {
        let mut visitor = Visitor::of(&shop);
        let form = format!("/api/form/{form}");
        let answer = visitor.submit(page, &form, fields).await;
        assert_eq!(answer.header("location"), page, "{form}: {answer:?}");
        assert_eq!(visitor.cookie(), None, "{form}");
        let shown = visitor.page(page).await;
        assert!(
            shown.body.contains("role=\"alert\""),
            "{form}: {}",
            shown.body
        );
        let again = visitor.page(page).await.body;
        assert!(!again.contains("role=\"alert\""), "{form}: shown once");
    }
    for table in ["session", "cart", "cart_item", "idempotency_key", "hold"] {
        assert_eq!(shop.count(table).await, 0, "{table}");
    }
}

#[tokio::test]
async fn a_visitor_with_a_session_has_the_error_in_the_session() {
    let shop = TestShop::new().await;
    let mut shopper = Visitor::of(&shop);
    let add = "/api/form/cart/add";
    shopper.submit(PHONE, add, "product_id=1&quantity=1").await;
    let answer = shopper.submit(PHONE, add, "product_id=1&quantity=0").await;
    let cookies = answer.headers.get_all("set-cookie").iter();
    assert!(
        cookies
            .into_iter()
            .all(|cookie| !cookie.as_bytes().starts_with(b"doorbuster-notice"))
    );
    assert!(shopper.page(PHONE).await.body.contains("role=\"alert\""));
}

/// Otherwise each rejected *Buy now* would leave one more unit in a cart.
#[tokio::test]
async fn buy_now_adds_nothing_if_its_product_cannot_be_reserved() {
    let shop = TestShop::new().await;
    let (gone, there) = (shop.with_product(1).await, shop.with_product(5).await);
    let mut shopper = Visitor::of(&shop);
    let fields = format!("product_id={}&quantity=1", there.id);
    shopper.post_form("/api/form/cart/add", &fields).await;
    shop.buy(&gone).await.expect("another buyer is faster");
    let fields = format!("product_id={}&quantity=1", gone.id);
    let refused = shopper.post_form("/api/form/cart/buy-now", &fields).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.body);
    let lines: i64 = shop
        .by_hand
        .value("SELECT sum(quantity)::bigint FROM cart_item")
        .await;
    assert_eq!(lines, 1);
    assert_eq!(shop.level(&there).await.available, 5);
}

#[tokio::test]
async fn new_carts_are_limited_by_address_and_changes_of_a_cart_are_not() {
    let shop = TestShop::new().await;
    let mut parts = parts(shop.handle(), shop.database.url(), "http://shop.test");
    parts.limits = RateLimits::new(None)
        .with_new_carts_per_minute(NonZeroU32::new(3))
        .into();
    let server = AppState::new(parts);
    let mut shoppers: Vec<_> = (0..3).map(|_| Visitor::at(server.clone())).collect();
    let (add, fields) = ("/api/form/cart/add", "product_id=1&quantity=1");
    for shopper in &mut shoppers {
        let added = shopper.post_form(add, fields).await;
        assert!(added.status.is_success(), "{}", added.body);
    }
    // On a very slow machine, another cart is allowed after 20 s.
    let refused = loop {
        let answer = Visitor::at(server.clone()).post_form(add, fields).await;
        if !answer.status.is_redirection() {
            break answer;
        }
    };
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    let detail = refused.detail();
    assert!(detail.starts_with("At most 3 new carts "), "{detail}");
    assert!(detail.contains("Try again in "), "{detail}");
    assert!(refused.headers.contains_key("retry-after"));
    for _ in 0..5 {
        let added = shoppers[0].post_form(add, fields).await;
        assert!(added.status.is_success(), "{}", added.body);
    }
}

#[tokio::test]
async fn a_cart_and_session_that_never_came_back_go_after_a_day() {
    let shop = TestShop::new().await;
    let (mut shopper, mut stranger) = (Visitor::of(&shop), Visitor::of(&shop));
    for visitor in [&mut shopper, &mut stranger] {
        let fields = "product_id=1&quantity=1";
        let added = visitor.post_form("/api/form/cart/add", fields).await;
        assert!(
            added.header("set-cookie").contains("Max-Age=86400"),
            "{added:?}"
        );
    }
    let seen = shopper.page("/cart").await;
    assert!(
        seen.header("set-cookie").contains("Max-Age=2592000"),
        "{seen:?}"
    );
    let again = shopper.page("/cart").await;
    assert_eq!(again.header("set-cookie"), "", "the session is kept once");

    shop.by_hand
        .run(
            "UPDATE cart SET changed_at = changed_at - INTERVAL '25 hours'; \
             UPDATE session SET expires_at = expires_at - INTERVAL '25 hours'",
        )
        .await;
    for rows in [&OLD_CARTS, &EXPIRED_SESSIONS] {
        let deleted = retention::delete(shop.db(), rows, PATIENCE).await;
        assert_eq!(deleted.expect("they are deleted").count, 1, "{}", rows.name);
    }
    assert_eq!(shop.count("session").await, 1);
    assert!(
        shopper
            .page("/cart")
            .await
            .body
            .contains("Flash Sale Smartphone")
    );
    assert!(
        stranger
            .page("/cart")
            .await
            .body
            .contains("Your cart is empty")
    );
}

/// Sends the form as a program at this address, without a session.
async fn buy_now_from(server: &AppState, address: &str) -> TestResponse {
    let request = Request::post("/api/form/cart/buy-now")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header("x-forwarded-for", address)
        .body("product_id=1&quantity=2".into())
        .expect("a request");
    Visitor::at(server.clone()).send(request).await
}

#[tokio::test]
async fn reservations_are_limited_by_the_address_of_the_request() {
    let shop = TestShop::new().await;
    let here = shop.on_terms(ShopTerms {
        hold_limits: HoldLimits {
            address_hold_units_max: 3,
            ..HoldLimits::default()
        },
        ..ShopTerms::default()
    });
    let mut parts = parts(here, shop.database.url(), "http://shop.test");
    // The address of a connection that a test does not open.
    parts.trusted_proxies = Arc::new([IpAddr::from([0, 0, 0, 0])]);
    let server = AppState::new(parts);
    for (address, is_reserved) in [
        ("192.0.2.1", true),
        ("192.0.2.1", false),
        ("192.0.2.2", true),
        ("2001:db8:1:2::1", true),
        ("2001:db8:1:2:ffff::9", false),
        ("2001:db8:1:3::1", true),
    ] {
        let answer = buy_now_from(&server, address).await;
        if is_reserved {
            assert!(answer.status.is_success(), "{address}: {}", answer.body);
            continue;
        }
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{address}");
        let detail = answer.detail();
        assert!(detail.contains("at most 3 units"), "{detail}");
        assert!(detail.contains(" UTC. Try again in "), "{detail}");
        assert!(answer.headers.contains_key("retry-after"));
    }
    assert_eq!(
        shop.count("cart").await,
        4,
        "nothing is stored for a rejection"
    );
}

#[tokio::test]
async fn the_checkout_says_when_the_pause_ends() {
    let shop = TestShop::new().await;
    let mut shopper = Visitor::of(&shop);
    let fields = "product_id=1&quantity=1";
    shopper
        .submit(PHONE, "/api/form/cart/buy-now", fields)
        .await;
    shop.expire_holds().await;
    let page = shopper.page("/checkout/now").await.body;
    let fields = format!("act=reserve&cart_id={}", value_of(&page, "cart_id"));
    shopper
        .submit("/checkout/now", "/api/form/checkout/change", &fields)
        .await;
    let page = shopper.page("/checkout/now").await.body;
    let sentence = "Your last reservation ended without a payment. You can reserve again at ";
    assert!(page.contains(sentence), "{page}");
}
