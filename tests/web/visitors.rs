//! Browsers on their first visit: two windows at once, blocked cookies, one stream for all windows.

use axum::http::{Method, StatusCode};
use doorbuster::db::{engine::Engine, session_store::CHOSEN_ID_KEY};

use super::support::{TestShop, Visitor, every_route, hidden_fields, send_from_page, state};
use crate::support::{check_audit_clean, race::wait_until_blocked};

const PHONE: &str = "/products/flash-sale-smartphone";
const SPEAKER: &str = "/products/shelf-speaker";

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
        let answer = send_from_page(&mut first, form, &phone).await;
        assert!(answer.header("location").starts_with("/c"), "{answer:?}");
        let answer = send_from_page(&mut second, form, &speaker).await;
        assert!(answer.header("location").starts_with("/c"), "{answer:?}");
        assert_eq!(first.cookie(), second.cookie(), "{form}");
        assert_eq!(shop.count("session").await, 1, "{form}");
        if form == "cart/add" {
            check_one_cart(&shop, &mut first, &mut second).await;
        }
    }
}

/// Both requests have added to the cart, and wait at the same moment to create their session.
#[tokio::test]
async fn two_forms_that_create_a_session_at_the_same_moment_meet_in_one() {
    let shop = TestShop::new().await;
    let (mut first, mut second, [phone, speaker]) = two_windows(&shop).await;
    let lock = shop.database.by_hand().await;
    let (lock_table, unlock) = match lock.engine() {
        Engine::Postgres => (
            "BEGIN; LOCK TABLE session IN SHARE ROW EXCLUSIVE MODE",
            "COMMIT",
        ),
        Engine::MySql => ("LOCK TABLES session READ", "UNLOCK TABLES"),
    };
    lock.run(lock_table).await;
    let release = async {
        wait_until_blocked(&shop.by_hand, 2).await;
        lock.run(unlock).await;
    };
    let (one, other, ()) = tokio::join!(
        send_from_page(&mut first, "cart/add", &phone),
        send_from_page(&mut second, "cart/add", &speaker),
        release
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
    send_from_page(&mut other, "cart/add", "product_id=1&quantity=1").await;
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
async fn no_page_view_stores_a_session_or_a_cart() {
    let shop = TestShop::new().await;
    for (method, path) in every_route() {
        // An open stream does not end.
        if method == Method::GET && !path.starts_with("/live/stock") {
            Visitor::of(&shop).page(&path).await;
        }
    }
    assert_eq!(shop.count("session").await, 0);
    assert_eq!(shop.count("cart").await, 0);
}

#[tokio::test]
async fn a_visitors_cookie_is_hidden_and_a_forged_one_is_replaced() {
    let shop = TestShop::new().await;
    for path in [PHONE, "/orders/find", "/admin/login"] {
        let mut visitor = Visitor::of(&shop);
        let seen = visitor.page(path).await;
        let set = seen.header("set-cookie");
        assert!(
            set.contains("HttpOnly") && !set.contains("Max-Age"),
            "{path}: {set}"
        );
        assert!(!seen.headers.contains_key("x-doorbuster-form"), "{path}");
    }
    let mut forger = Visitor::of(&shop);
    forger.set_cookie("doorbuster-visitor", &"0".repeat(64));
    let seen = forger.page(PHONE).await;
    let set = seen.header("set-cookie");
    assert!(
        set.starts_with("doorbuster-visitor=") && !set.contains("=000"),
        "{set}"
    );
    let mut https = Visitor::at(state(
        shop.handle(),
        shop.database.url(),
        "https://shop.test",
    ));
    let seen = https.page(PHONE).await;
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
        let answer = send_from_page(&mut blocked, form, &fields).await;
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
