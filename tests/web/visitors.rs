//! Browsers: two windows at once, blocked cookies, a session that has ended, a missing `Referer`,
//! and pages that come from the browser's memory.

use axum::http::{Request, StatusCode, header};
use doorbuster::db::session_store::CHOSEN_ID_KEY;

use super::support::{PASSWORD, TestResponse, TestShop, Visitor, state, value_of};
use crate::support::check_audit_clean;

const PHONE: &str = "/products/flash-sale-smartphone";
const SPEAKER: &str = "/products/shelf-speaker";
const CONTACT: &str = "name=Ann+Buyer&email=ann%40example.com&street=1+Test+Street&postal_code=12345&city=Testford&country=Germany";
const CARD: &str = "card_number=5555+5555+5555+4444&card_expiry=11%2F39&card_cvc=987";

/// Returns the hidden fields with which a browser sends a form of this page.
fn hidden_fields(page: &str) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for name in ["idempotency_key", "from_page"] {
        query.append_pair(name, &value_of(page, name));
    }
    if page.contains("name=\"had_cookie\"") {
        query.append_pair("had_cookie", "1");
    }
    query.finish()
}

/// Sends a form as a browser that sends no `Referer`.
async fn send(visitor: &mut Visitor, form: &str, fields: &str) -> TestResponse {
    let request = Request::post(format!("/api/form/{form}"))
        .header(header::ACCEPT, "text/html")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(fields.to_owned().into());
    visitor.send(request.expect("a request")).await
}

/// A first visit: two windows whose forms are sent before either response has arrived.
async fn two_windows(shop: &TestShop) -> (Visitor, Visitor, [String; 2]) {
    let mut first = Visitor::of(shop);
    let page = first.page(PHONE).await;
    assert!(
        page.header("set-cookie").starts_with("doorbuster-visitor="),
        "{page:?}"
    );
    let other_page = first.page(SPEAKER).await;
    assert_eq!(other_page.header("set-cookie"), "", "it keeps the first");
    let second = first.with_the_same_cookies();
    let forms = [
        format!("{}&product_id=1&quantity=1", hidden_fields(&page.body)),
        format!(
            "{}&product_id=8&quantity=2",
            hidden_fields(&other_page.body)
        ),
    ];
    (first, second, forms)
}

/// Checks that both windows have one session and one cart, with the units of both forms.
async fn check_one_cart(shop: &TestShop, first: &mut Visitor, second: &mut Visitor) {
    assert!(first.cookie().is_some());
    assert_eq!(first.cookie(), second.cookie());
    for table in ["session", "cart"] {
        assert_eq!(shop.count(table).await, 1, "{table}");
    }
    for visitor in [first, second] {
        let cart = visitor.page("/cart").await.body;
        assert!(cart.contains("Flash Sale Smartphone"), "{cart}");
        assert!(cart.contains("Shelf Speaker"), "{cart}");
    }
    check_audit_clean(shop).await;
}

#[tokio::test]
async fn two_windows_of_a_first_visit_meet_in_one_session_and_one_cart() {
    for form in ["cart/add", "cart/buy-now"] {
        let shop = TestShop::new().await;
        let (mut first, mut second, [phone, speaker]) = two_windows(&shop).await;
        // Neither response has arrived when the other form is sent.
        let answer = send(&mut first, form, &phone).await;
        assert!(answer.header("location").starts_with("/c"), "{answer:?}");
        let answer = send(&mut second, form, &speaker).await;
        assert!(answer.header("location").starts_with("/c"), "{answer:?}");
        assert_eq!(first.cookie(), second.cookie(), "{form}");
        assert_eq!(shop.count("session").await, 1, "{form}");
        if form == "cart/add" {
            check_one_cart(&shop, &mut first, &mut second).await;
        }
    }
}

/// Whichever is first: both requests began without a session.
#[tokio::test]
async fn two_forms_that_run_at_the_same_time_meet_in_one_session() {
    let shop = TestShop::new().await;
    let (mut first, mut second, [phone, speaker]) = two_windows(&shop).await;
    let (one, other) = tokio::join!(
        send(&mut first, "cart/add", &phone),
        send(&mut second, "cart/add", &speaker)
    );
    for answer in [one, other] {
        assert_eq!(answer.header("location"), "/cart", "{answer:?}");
    }
    check_one_cart(&shop, &mut first, &mut second).await;
}

/// The visitor's cookie is replaced by that of the session, and a sign-in never has a derived id.
#[tokio::test]
async fn signing_in_has_an_id_that_the_visitors_cookie_does_not_lead_to() {
    let shop = TestShop::new().await;
    let mut visitor = Visitor::of(&shop);
    visitor.page("/admin/login").await;
    let before = visitor.with_the_same_cookies();
    visitor.sign_in(&shop).await;
    let cookies = visitor.cookie_header().unwrap_or_default();
    assert!(!cookies.contains("visitor"), "{cookies}");
    assert_eq!(visitor.page("/admin").await.status, StatusCode::OK);
    let mut other = before;
    send(&mut other, "cart/add", "product_id=1&quantity=1").await;
    assert_ne!(other.cookie(), visitor.cookie());
    assert_eq!(other.page("/admin").await.status, StatusCode::SEE_OTHER);
    let stored: i64 = shop
        .by_hand
        .value(&format!(
            "SELECT count(*) FROM session WHERE data LIKE '%{CHOSEN_ID_KEY}%'"
        ))
        .await;
    assert_eq!(stored, 0, "the chosen id is not stored");
}

#[tokio::test]
async fn a_page_view_stores_nothing_and_a_forged_visitor_is_replaced() {
    let shop = TestShop::new().await;
    for path in [
        "/",
        PHONE,
        "/cart",
        "/checkout",
        "/orders/find",
        "/no/such/page",
    ] {
        let mut visitor = Visitor::of(&shop);
        let seen = visitor.page(path).await;
        assert!(seen.header("set-cookie").contains("HttpOnly"), "{path}");
    }
    let mut forger = Visitor::of(&shop);
    forger.set_cookie("doorbuster-visitor", &"0".repeat(64));
    let seen = forger.page("/").await;
    let set = seen.header("set-cookie");
    assert!(
        set.starts_with("doorbuster-visitor=") && !set.contains("=000"),
        "{set}"
    );
    assert_eq!(shop.count("session").await, 0);
    assert_eq!(shop.count("cart").await, 0);
    let mut https = Visitor::at(state(
        shop.handle(),
        shop.database.url(),
        "https://shop.test",
    ));
    let seen = https.page("/").await;
    let set = seen.header("set-cookie");
    assert!(
        set.starts_with("__Host-doorbuster-visitor=") && set.contains("; Secure"),
        "{set}"
    );
}

#[tokio::test]
async fn a_browser_that_blocks_cookies_is_informed_and_holds_nothing() {
    let shop = TestShop::new().await;
    for (page, form, fields) in [
        (PHONE, "cart/add", "product_id=1&quantity=1"),
        (PHONE, "cart/buy-now", "product_id=1&quantity=1"),
        ("/admin/login", "admin/login", "password=x"),
    ] {
        let shown = Visitor::of(&shop).page(page).await.body;
        let from = "from_page=".to_owned() + &page.replace('/', "%2F");
        assert!(shown.contains(&format!("name=\"from_page\" value=\"{page}\"")));
        let fields = format!("{from}&{fields}");
        let mut blocked = Visitor::of(&shop);
        let answer = send(&mut blocked, form, &fields).await;
        let target = answer.header("location").to_owned();
        assert!(
            target.starts_with("/cookies?from=%2F"),
            "{form}: {answer:?}"
        );
        let explained = Visitor::of(&shop).page(&target).await;
        assert_eq!(explained.status, StatusCode::OK);
        assert!(explained.body.contains("Your browser blocks cookies"));
        assert!(explained.body.contains(&format!("href=\"{page}\"")));
        // A script gets the sentence.
        let answer = Visitor::of(&shop)
            .post_form(&format!("/api/form/{form}"), &fields)
            .await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{form}");
        assert!(answer.detail().starts_with("Your browser blocks cookies."));
    }
    for table in ["session", "cart", "hold", "idempotency_key"] {
        assert_eq!(shop.count(table).await, 0, "{table}");
    }
}

#[tokio::test]
async fn the_page_about_cookies_leads_to_no_other_site() {
    let shop = TestShop::new().await;
    for from in [
        "https://evil.test/",
        "//evil.test",
        "/\\evil.test",
        "javascript:x",
    ] {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("from", from);
        let address = format!("/cookies?{}", query.finish());
        let page = Visitor::of(&shop).page(&address).await.body;
        assert!(!page.contains("evil.test"), "{page}");
        assert!(!page.contains("javascript:"), "{page}");
    }
}

/// A program that sends a form without having loaded its page keeps working without a cookie.
#[tokio::test]
async fn a_program_needs_no_cookie_for_its_first_form() {
    let shop = TestShop::new().await;
    let mut program = Visitor::of(&shop);
    let answer = program
        .post_form("/api/form/cart/add", "product_id=1&quantity=1")
        .await;
    assert!(answer.status.is_success(), "{answer:?}");
    assert!(program.cookie().is_some());
}

#[tokio::test]
async fn a_rejected_form_without_a_referer_leads_back_to_its_page() {
    let shop = TestShop::new().await;
    let mut visitor = Visitor::of(&shop);
    visitor.page("/").await;
    let quantity = "product_id=1&quantity=0";
    let order = "number=1&email=a%40example.com";
    for (page, form, fields) in [
        (PHONE, "cart/add", quantity),
        (PHONE, "cart/buy-now", quantity),
        ("/orders/find", "orders/find", order),
        ("/admin/login", "admin/login", "password=wrong"),
    ] {
        let shown = visitor.page(page).await.body;
        let fields = format!(
            "from_page={}&had_cookie=1&{fields}",
            value_of(&shown, "from_page")
        );
        let answer = send(&mut visitor, form, &fields).await;
        assert_eq!(answer.header("location"), page, "{form}");
        let shown = visitor.page(page).await.body;
        assert!(shown.contains("role=\"alert\""), "{form}");
    }
    for forged in ["https://evil.test/", "//evil.test", "/\\evil.test"] {
        let fields = format!("from_page={forged}&{quantity}");
        let answer = send(&mut visitor, "cart/add", &fields).await;
        assert_eq!(answer.header("location"), "/", "{forged}");
    }
}

#[tokio::test]
async fn paying_after_the_session_has_ended_says_so_and_keeps_the_contact() {
    let shop = TestShop::new().await;
    // The session may be gone on the server, or its cookie in the browser.
    for has_cookie in [true, false] {
        let mut shopper = Visitor::of(&shop);
        let page = shopper.page(PHONE).await.body;
        let add = format!("{}&product_id=1&quantity=1", hidden_fields(&page));
        send(&mut shopper, "cart/buy-now", &add).await;
        let page = shopper.page("/checkout").await.body;
        let form = format!(
            "{}&cart_id={}&{CONTACT}&{CARD}",
            hidden_fields(&page),
            value_of(&page, "cart_id")
        );
        if has_cookie {
            shop.by_hand.run("DELETE FROM session").await;
        } else {
            shopper.forget_cookies();
        }
        let answer = send(&mut shopper, "checkout/pay", &form).await;
        assert_eq!(answer.header("location"), "/checkout", "{answer:?}");
        let shown = shopper.page("/checkout").await.body;
        assert!(shown.contains("Your session has ended"), "{shown}");
        assert!(
            shown.contains("kept in this browser for an hour"),
            "{shown}"
        );
        for set in answer.headers.get_all(header::SET_COOKIE) {
            let set = String::from_utf8_lossy(set.as_bytes()).into_owned();
            assert!(!set.contains("5555"), "{set}");
        }
        // A new cart: its checkout is filled in.
        let page = shopper.page(SPEAKER).await.body;
        let add = format!("{}&product_id=8&quantity=1", hidden_fields(&page));
        send(&mut shopper, "cart/buy-now", &add).await;
        let checkout = shopper.page("/checkout").await.body;
        for kept in ["Ann Buyer", "ann@example.com", "1 Test Street", "12345"] {
            let field = format!("value=\"{kept}\"");
            assert!(checkout.contains(&field), "{kept}");
        }
        assert!(!checkout.contains("5555 5555"));
        let fields = format!(
            "{}&cart_id={}&{CONTACT}&{CARD}",
            hidden_fields(&checkout),
            value_of(&checkout, "cart_id")
        );
        let paid = send(&mut shopper, "checkout/pay", &fields).await;
        assert!(paid.header("location").starts_with("/orders/"), "{paid:?}");
        let cookies = shopper.cookie_header().unwrap_or_default();
        assert!(!cookies.contains("contact"), "{cookies}");
    }
    assert_eq!(shop.count("customer_order").await, 2);
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn every_form_of_a_cart_says_that_its_session_has_ended() {
    let shop = TestShop::new().await;
    for (form, fields) in [
        ("cart/set", "product_id=1&quantity=2"),
        ("cart/remove", "product_id=1"),
        ("checkout/enter", ""),
        ("checkout/change", "act=extend&name=Ann"),
        ("checkout/change", "act=apply-code&code=TEN"),
        ("checkout/change", "act=reserve"),
        ("checkout/pay", CONTACT),
    ] {
        let mut shopper = Visitor::of(&shop);
        let add = "product_id=1&quantity=1";
        shopper.submit(PHONE, "/api/form/cart/add", add).await;
        let cart = shopper.page("/cart").await.body;
        let cart_id = value_of(&cart, "cart_id");
        let sent = format!("{}&cart_id={cart_id}&{fields}", hidden_fields(&cart));
        shop.by_hand.run("DELETE FROM session").await;
        let answer = send(&mut shopper, form, &sent).await;
        assert_eq!(answer.header("location"), "/cart", "{form}: {answer:?}");
        let shown = shopper.page("/cart").await.body;
        assert!(shown.contains("Your session has ended"), "{form} {fields}");
    }
}

#[tokio::test]
async fn an_admin_form_after_the_end_of_the_session_is_kept_until_the_next_sign_in() {
    let shop = TestShop::new().await;
    let mut admin = Visitor::of(&shop);
    admin.sign_in(&shop).await;
    let page = admin.page("/admin/stock").await.body;
    shop.by_hand.run("DELETE FROM session").await;
    let fields = format!(
        "{}&product_id=1&counted=17&reason=damp",
        hidden_fields(&page)
    );
    let answer = send(&mut admin, "admin/take-stock", &fields).await;
    assert_eq!(answer.header("location"), "/admin/login", "{answer:?}");
    let login = admin.page("/admin/login").await.body;
    assert!(login.contains("what you typed is kept"), "{login}");
    // A wrong password does not lose it.
    for (password, target) in [
        ("wrong".to_owned(), "/admin/login"),
        (PASSWORD.replace(' ', "+"), "/admin/stock"),
    ] {
        let fields = format!("from_page=/admin/login&had_cookie=1&password={password}");
        let answer = send(&mut admin, "admin/login", &fields).await;
        assert_eq!(answer.header("location"), target, "{answer:?}");
    }
    let stock = admin.page("/admin/stock").await.body;
    assert!(stock.contains("Your session had ended"), "{stock}");
    for typed in ["value=\"17\"", "value=\"damp\""] {
        assert!(stock.contains(typed), "{typed}");
    }
    let again = admin.page("/admin/stock").await.body;
    assert!(!again.contains("Your session had ended"), "shown once");
}

#[tokio::test]
async fn signing_in_leads_to_the_page_that_was_asked_for() {
    let shop = TestShop::new().await;
    shop.administrators()
        .ensure_password(Some(PASSWORD))
        .await
        .expect("the password is stored");
    let fields = format!("password={}", PASSWORD.replace(' ', "+"));
    for (asked, expected) in [
        (
            "/admin/stepper?story=lost-update",
            "/admin/stepper?story=lost-update",
        ),
        ("/admin/discounts", "/admin/discounts"),
        ("/live/steppers/x", "/admin"),
    ] {
        let mut visitor = Visitor::of(&shop);
        visitor.page(asked).await;
        let answer = send(&mut visitor, "admin/login", &fields).await;
        assert_eq!(answer.header("location"), expected, "{asked}");
    }
}

/// Without JavaScript, Back may show the old page with its used key.
#[tokio::test]
async fn a_form_that_is_sent_again_after_back_is_not_carried_out_twice_and_says_so() {
    let shop = TestShop::new().await;
    let mut shopper = Visitor::of(&shop);
    let page = shopper.page(PHONE).await.body;
    let old_page = hidden_fields(&page);
    let add = format!("{old_page}&product_id=1&quantity=1");
    send(&mut shopper, "cart/add", &add).await;
    assert!(!shopper.page("/cart").await.body.contains("role=\"alert\""));
    let answer = send(&mut shopper, "cart/add", &add).await;
    assert_eq!(answer.header("location"), "/cart");
    let cart = shopper.page("/cart").await.body;
    assert!(cart.contains("You sent this form before."), "{cart}");
    let units: i64 = shop
        .by_hand
        .value("SELECT sum(quantity) FROM cart_item")
        .await;
    assert_eq!(units, 1);

    // With another quantity.
    let other = format!("{old_page}&product_id=1&quantity=3");
    let answer = send(&mut shopper, "cart/add", &other).await;
    assert_eq!(answer.header("location"), PHONE);
    let page = shopper.page(PHONE).await.body;
    assert!(page.contains("with other entries"), "{page}");
    assert!(!page.contains("idempotency key"), "{page}");
    assert_ne!(hidden_fields(&page), old_page, "a new key");
    let add = format!("{}&product_id=1&quantity=3", hidden_fields(&page));
    assert_eq!(
        send(&mut shopper, "cart/add", &add)
            .await
            .header("location"),
        "/cart"
    );
    let units: i64 = shop
        .by_hand
        .value("SELECT sum(quantity) FROM cart_item")
        .await;
    assert_eq!(units, 4);
}

#[tokio::test]
async fn one_stream_carries_the_events_of_several_and_says_which_was_refused() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let order = shop.buy(&product).await.expect("it is bought").order_id;
    let visitor = Visitor::of(&shop);
    let unknown = "01890000-0000-7000-8000-000000000000";
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("follow", &format!("/live/orders/{order}"))
        .append_pair("follow", &format!("/live/orders/{unknown}"))
        .append_pair("follow", &format!("/live/simulations/{unknown}"))
        .finish();
    // An order that is final has one event, and the others none: the stream ends.
    let body = visitor.open_stream(&format!("/live/all?{query}")).await;
    let body = axum::body::to_bytes(body, usize::MAX)
        .await
        .expect("it ends");
    let events = String::from_utf8_lossy(&body).into_owned();
    for expected in [
        "event: follow\ndata: 0 order\ndata: closed\n",
        "event: end\ndata: 0 ended\n",
        "event: end\ndata: 1 refused\n",
        "event: end\ndata: 2 refused\n",
    ] {
        assert!(events.contains(expected), "{expected} in {events}");
    }
    for query in ["", "follow=/admin", "follow=https://evil.test"] {
        let answer = Visitor::of(&shop).page(&format!("/live/all?{query}")).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{query}");
    }
}
