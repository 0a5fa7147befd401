//! Forms that cannot be carried out as they were sent: without a `Referer`, after the end of the
//! session, or from a page that the browser shows from its memory.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use doorbuster::{
    model::{Contact, DiscountValue},
    shop::{cart::CheckoutDraft, discounts::NewCode},
};

use super::support::{PASSWORD, TestShop, Visitor, hidden_fields, send_from_page, value_of};
use crate::support::{administrator, check_audit_clean};

const PHONE: &str = "/products/flash-sale-smartphone";
const SPEAKER: &str = "/products/shelf-speaker";
const CONTACT: &str = "name=Ann+Buyer&email=ann%40example.com&street=1+Test+Street&postal_code=12345&city=Testford&country=DE";
const CARD: &str = "card_number=5555+5555+5555+4444&card_expiry=11%2F39&card_cvc=987";

/// Sends the form of *Buy now* and returns the checkout that it leads to.
async fn buy_now(shopper: &mut Visitor, fields: &str) -> String {
    let answer = send_from_page(shopper, "cart/buy-now", fields).await;
    let checkout = answer.header("location").to_owned();
    assert!(checkout.starts_with("/checkout"), "{answer:?}");
    shopper.page(&checkout).await.body
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
        let answer = send_from_page(&mut visitor, form, &fields).await;
        assert_eq!(answer.header("location"), page, "{form}");
        let shown = visitor.page(page).await.body;
        assert!(shown.contains("role=\"alert\""), "{form}");
    }
    for forged in ["https://evil.test/", "//evil.test", "/\\evil.test"] {
        let fields = format!("from_page={forged}&{quantity}");
        let answer = send_from_page(&mut visitor, "cart/add", &fields).await;
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
        let page = buy_now(&mut shopper, &add).await;
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
        let answer = send_from_page(&mut shopper, "checkout/pay", &form).await;
        let target = answer.header("location").to_owned();
        assert!(target.starts_with("/checkout"), "{answer:?}");
        let shown = shopper.page(&target).await.body;
        assert!(shown.contains("Your session has ended"), "{shown}");
        assert!(
            shown.contains("kept in this browser for an hour"),
            "{shown}"
        );
        // A new cart: its checkout is filled in.
        let page = shopper.page(SPEAKER).await.body;
        let add = format!("{}&product_id=8&quantity=1", hidden_fields(&page));
        let checkout = buy_now(&mut shopper, &add).await;
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
        let paid = send_from_page(&mut shopper, "checkout/pay", &fields).await;
        assert!(paid.header("location").starts_with("/orders/"), "{paid:?}");
        let cookies = shopper.cookie_header().unwrap_or_default();
        assert!(!cookies.contains("contact"), "{cookies}");
    }
    assert_eq!(shop.count("customer_order").await, 2);
    check_audit_clean(&shop).await;
}

/// Creates the discount code `SAVE10`.
async fn create_code(shop: &TestShop) {
    let code = NewCode {
        code: "SAVE10".to_owned(),
        value: DiscountValue::Percent(10),
        min_subtotal_cents: 0,
        starts_at: None,
        ends_at: None,
        uses_max: 10,
        per_customer_limit: None,
    };
    shop.discount_administration(&administrator())
        .create(code, None)
        .await
        .expect("the code is created");
}

/// Reserves a phone, types `code` at its checkout, and pays after the session has ended. Returns
/// the checkout of the next cart.
async fn checkout_after_the_end_of_the_session(shopper: &mut Visitor, code: &str) -> String {
    let page = shopper.page(PHONE).await.body;
    let add = format!("{}&product_id=1&quantity=1", hidden_fields(&page));
    let page = buy_now(shopper, &add).await;
    let form = format!(
        "{}&cart_id={}&{CONTACT}&{CARD}&code={code}",
        hidden_fields(&page),
        value_of(&page, "cart_id")
    );
    shopper.forget_cookies();
    let answer = send_from_page(shopper, "checkout/pay", &form).await;
    let target = answer.header("location");
    assert!(target.starts_with("/checkout"), "{answer:?}");
    let page = shopper.page(SPEAKER).await.body;
    let add = format!("{}&product_id=8&quantity=1", hidden_fields(&page));
    buy_now(shopper, &add).await
}

#[tokio::test]
async fn the_discount_code_is_kept_with_the_contact() {
    let shop = TestShop::new().await;
    create_code(&shop).await;
    let mut shopper = Visitor::of(&shop);
    let checkout = checkout_after_the_end_of_the_session(&mut shopper, "save10").await;
    assert!(checkout.contains("value=\"SAVE10\""), "{checkout}");
    assert!(checkout.contains("10 % off"), "{checkout}");
    let fields = format!(
        "{}&cart_id={}&expected_total_cents={}&{CONTACT}&{CARD}&code=SAVE10",
        hidden_fields(&checkout),
        value_of(&checkout, "cart_id"),
        value_of(&checkout, "expected_total_cents")
    );
    let paid = send_from_page(&mut shopper, "checkout/pay", &fields).await;
    assert!(paid.header("location").starts_with("/orders/"), "{paid:?}");
    assert_eq!(shop.count("discount_use").await, 1);
}

/// The page would show whether a code exists, as often as a visitor writes another cookie.
#[tokio::test]
async fn a_kept_code_that_does_not_exist_is_a_guess() {
    let shop = TestShop::new().await;
    let mut shopper = Visitor::of(&shop);
    let checkout = checkout_after_the_end_of_the_session(&mut shopper, "GUESS").await;
    assert!(checkout.contains("value=\"Ann Buyer\""), "{checkout}");
    assert!(!checkout.contains("GUESS"), "{checkout}");
    // The cookie does not contain it any more: loading the page again is no further guess.
    for _ in 0..25 {
        shopper.page("/checkout/now").await;
    }
    let checkout = shopper.page("/checkout/now").await.body;
    let change = format!(
        "{}&cart_id={}&act=apply-code&code=OTHER",
        hidden_fields(&checkout),
        value_of(&checkout, "cart_id")
    );
    send_from_page(&mut shopper, "checkout/change", &change).await;
    let page = shopper.page("/checkout/now").await.body;
    let unknown = "The discount code OTHER does not exist.";
    assert!(page.contains(unknown), "{page}");
}

/// A shopper who writes the cookie gets as many guesses as one who types the codes.
#[tokio::test]
async fn cookies_with_codes_are_limited_like_typed_codes() {
    let shop = TestShop::new().await;
    create_code(&shop).await;
    let mut shopper = Visitor::of(&shop);
    checkout_after_the_end_of_the_session(&mut shopper, "GUESS").await;
    let kept = |code: &str| {
        let draft = CheckoutDraft {
            contact: Contact::default(),
            code: code.to_owned(),
        };
        let json = serde_json::to_vec(&draft).expect("a draft is JSON");
        BASE64_URL_SAFE_NO_PAD.encode(json)
    };
    for guess in 0..25 {
        shopper.set_cookie("doorbuster-contact", &kept(&format!("GUESS-{guess}")));
        shopper.page("/checkout/now").await;
    }
    shopper.set_cookie("doorbuster-contact", &kept("SAVE10"));
    let page = shopper.page("/checkout/now").await.body;
    assert!(page.contains("name=\"code\""), "{page}");
    assert!(!page.contains("10 % off"), "{page}");
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
        let answer = send_from_page(&mut shopper, form, &sent).await;
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
    let answer = send_from_page(&mut admin, "admin/take-stock", &fields).await;
    assert_eq!(answer.header("location"), "/admin/login", "{answer:?}");
    let login = admin.page("/admin/login").await.body;
    assert!(login.contains("what you typed is kept"), "{login}");
    // A wrong password does not lose it.
    for (password, target) in [
        ("wrong".to_owned(), "/admin/login"),
        (PASSWORD.replace(' ', "+"), "/admin/stock"),
    ] {
        let fields = format!("from_page=/admin/login&had_cookie=1&password={password}");
        let answer = send_from_page(&mut admin, "admin/login", &fields).await;
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
        let answer = send_from_page(&mut visitor, "admin/login", &fields).await;
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
    send_from_page(&mut shopper, "cart/add", &add).await;
    assert!(!shopper.page("/cart").await.body.contains("role=\"alert\""));
    let answer = send_from_page(&mut shopper, "cart/add", &add).await;
    assert_eq!(answer.header("location"), "/cart");
    let cart = shopper.page("/cart").await.body;
    assert!(cart.contains("You sent this form before."), "{cart}");
    let units: i64 = shop
        .by_hand
        .value("SELECT sum(quantity)::bigint FROM cart_item")
        .await;
    assert_eq!(units, 1);

    // With another quantity.
    let other = format!("{old_page}&product_id=1&quantity=3");
    let answer = send_from_page(&mut shopper, "cart/add", &other).await;
    assert_eq!(answer.header("location"), PHONE);
    let page = shopper.page(PHONE).await.body;
    assert!(page.contains("with other entries"), "{page}");
    assert!(!page.contains("idempotency key"), "{page}");
    assert_ne!(hidden_fields(&page), old_page, "a new key");
    let add = format!("{}&product_id=1&quantity=3", hidden_fields(&page));
    assert_eq!(
        send_from_page(&mut shopper, "cart/add", &add)
            .await
            .header("location"),
        "/cart"
    );
    let units: i64 = shop
        .by_hand
        .value("SELECT sum(quantity)::bigint FROM cart_item")
        .await;
    assert_eq!(units, 4);
}
