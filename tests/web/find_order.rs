//! The page that finds an order by its number and e-mail address, and lists orders by a signed
//! link.

use std::collections::BTreeSet;

use axum::http::{StatusCode, header};
use futures::future::join_all;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::support::{TestShop, Visitor, administrator};
use crate::support::TestProduct;

const ANN: &str = "ann@example.com";
const FIND: &str = "/api/form/orders/find";

/// Places an order of `email` for one unit. Returns its public id and its number.
async fn order_of(shop: &TestShop, product: &TestProduct, email: &str) -> (String, String) {
    let id = shop.paid(&[(product, 1)], email).await;
    let order = shop.orders().find(&id).await.expect("the order exists");
    (id, order.number)
}

fn fields(number: &str, email: &str) -> String {
    let encode =
        |text: &str| -> String { url::form_urlencoded::byte_serialize(text.as_bytes()).collect() };
    format!("number={}&email={}", encode(number), encode(email))
}

/// Finds an order by its number, and returns the address that the form leads to.
async fn found(shop: &TestShop, number: &str, email: &str) -> String {
    let found = Visitor::of(shop)
        .submit("/orders/find", FIND, &fields(number, email))
        .await;
    found.header("location").to_owned()
}

/// Returns the address of the list that the shop sends to the customer of an order.
async fn link_of(shop: &TestShop, id: &str) -> String {
    let order = shop.orders().find(id).await.expect("the order exists");
    let administrator = administrator();
    let link = shop.orders().link_for_customer(&administrator, &order);
    let link = link.await.expect("it is signed");
    format!("/orders/find?link={}", link.expect("it has a customer"))
}

/// The public ids of the orders that the page lists, newest first.
fn listed(page: &str) -> Vec<&str> {
    let rows = page.split("<th scope=\"row\"><a href=\"/orders/").skip(1);
    rows.filter_map(|row| row.split('"').next()).collect()
}

#[tokio::test]
async fn an_order_is_found_by_its_number_in_every_spelling() {
    let shop = TestShop::new().await;
    let product = shop.with_product(9).await;
    let (first, number) = order_of(&shop, &product, ANN).await;
    let (second, _) = order_of(&shop, &product, "Ann@Example.com").await;
    order_of(&shop, &product, "ben@example.com").await;
    let digits = number.trim_start_matches("DB-").trim_start_matches('0');
    for (number, email) in [
        (number.clone(), ANN),
        (number.to_lowercase(), "  ANN@Example.COM "),
        (format!("db {digits}"), ANN),
        (format!("#{digits}"), ANN),
        (format!(" {digits}."), "ann@example.com."),
        (format!("ＤＢ－{digits}"), "\u{feff}ann@exam\u{200b}ple.com"),
    ] {
        let address = found(&shop, &number, email).await;
        assert_eq!(address, format!("/orders/{first}"), "{number:?} {email:?}");
    }
    let page = Visitor::of(&shop).page(&link_of(&shop, &first).await).await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(listed(&page.body), [second.as_str(), first.as_str()]);
    assert!(page.body.contains("Paid"), "{}", page.body);
}

/// An address is never verified: the number of an own order with the address of another person must
/// not lead to that person's orders.
#[tokio::test]
async fn a_number_leads_to_no_other_order_of_its_address() {
    let shop = TestShop::new().await;
    let product = shop.with_product(9).await;
    let (theirs, their_number) = order_of(&shop, &product, ANN).await;
    let (planted, number) = order_of(&shop, &product, ANN).await;
    let address = found(&shop, &number, ANN).await;
    assert_eq!(address, format!("/orders/{planted}"));
    let page = Visitor::of(&shop).page(&address).await.body;
    assert!(!page.contains(&theirs) && !page.contains(&their_number));
}

/// Limits count these addresses as one customer; nothing of one is shown to the other.
#[tokio::test]
async fn customers_who_share_a_folded_address_do_not_see_each_other() {
    let shop = TestShop::new().await;
    let product = shop.with_product(50).await;
    for (one, other) in [
        ("+ann@example.org", "+bob@example.org"),
        ("ann@example.org", "ann+private@example.org"),
        ("ann.lee@gmail.com", "annlee@gmail.com"),
        ("annlee2@gmail.com", "annlee2@googlemail.com"),
    ] {
        let (mine, my_number) = order_of(&shop, &product, one).await;
        let (theirs, their_number) = order_of(&shop, &product, other).await;
        for (number, email) in [(&their_number, one), (&my_number, other)] {
            let refused = Visitor::of(&shop)
                .post_form(FIND, &fields(number, email))
                .await;
            assert_eq!(refused.status, StatusCode::NOT_FOUND, "{number} {email}");
        }
        let page = Visitor::of(&shop).page(&link_of(&shop, &mine).await).await;
        assert_eq!(listed(&page.body), [mine.as_str()]);
        assert!(!page.body.contains(&theirs) && !page.body.contains(other));
    }
}

#[tokio::test]
async fn a_wrong_number_and_a_wrong_address_are_answered_alike() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let (_, mine) = order_of(&shop, &product, ANN).await;
    let (_, his) = order_of(&shop, &product, "ben@example.com").await;
    let express = shop.buy(&product).await.expect("it is sold").order_id;
    let express = shop.orders().find(&express).await.expect("it exists");
    let mut answers = BTreeSet::new();
    for (number, email) in [
        (mine.as_str(), "ben@example.com"),
        (his.as_str(), ANN),
        (express.number.as_str(), ""),
        ("DB-999999", ANN),
        ("nonsense", ANN),
        ("DB-0", ANN),
        ("99999999999999999999", ANN),
        ("\0", "\0"),
        ("", ""),
    ] {
        let fields = fields(number, email);
        let mut guesser = Visitor::of(&shop);
        let refused = guesser.post_form(FIND, &fields).await;
        answers.insert((refused.status.as_u16(), refused.body));
        let refused = guesser.submit("/orders/find", FIND, &fields).await;
        assert_eq!(refused.header("location"), "/orders/find", "{fields}");
        let page = guesser.page("/orders/find").await.body;
        assert!(page.contains("This order does not exist."), "{fields}");
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(answers.first().map(|answer| answer.0), Some(404));
}

#[tokio::test]
async fn the_rate_limit_of_order_searches_applies_to_the_correct_one_too() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let (_, number) = order_of(&shop, &product, ANN).await;
    let mut guesser = Visitor::of(&shop);
    for guess in 0..20 {
        let answer = match guess % 2 {
            0 => {
                let fields = fields(&guess.to_string(), "zoe@example.com");
                guesser.post_form(FIND, &fields).await
            }
            _ => guesser.page("/orders/find?link=1.9999999999.00").await,
        };
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{guess}");
    }
    let answer = guesser.post_form(FIND, &fields(&number, ANN)).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(answer.headers.contains_key(header::RETRY_AFTER));
}

/// Order numbers follow each other: sixty guesses at once would otherwise all be looked up before
/// the first one is known to be wrong.
#[tokio::test]
async fn searches_at_the_same_time_are_all_counted() {
    let shop = TestShop::new().await;
    let guesser = Visitor::of(&shop);
    let guesses = (0..60).map(|number| {
        let mut window = guesser.with_the_same_cookies();
        let guess = fields(&number.to_string(), "zoe@example.com");
        async move { window.post_form(FIND, &guess).await.status }
    });
    let answers = join_all(guesses).await;
    let looked_up = answers
        .iter()
        .filter(|status| **status == StatusCode::NOT_FOUND);
    // One more is allowed every six seconds.
    let looked_up = looked_up.count();
    assert!((20..=22).contains(&looked_up), "{looked_up}: {answers:?}");
}

#[tokio::test]
async fn a_link_is_kept_out_of_caches_search_engines_and_other_pages() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let (id, _) = order_of(&shop, &product, ANN).await;
    let link = link_of(&shop, &id).await;
    assert!(!link.contains("ann"), "no address in {link}");
    let page = Visitor::of(&shop).page(&link).await;
    assert_eq!(page.header("cache-control"), "no-store");
    assert_eq!(page.header("referrer-policy"), "no-referrer");
    assert!(page.body.contains("noindex") || page.header("x-robots-tag") == "noindex");
    // The form needs the page that it was sent from.
    let form = Visitor::of(&shop).page("/orders/find").await;
    assert_eq!(form.header("referrer-policy"), "same-origin");
}

#[tokio::test]
async fn a_forged_link_shows_the_form() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let (id, _) = order_of(&shop, &product, ANN).await;
    let (other, _) = order_of(&shop, &product, "ben@example.com").await;
    let link = link_of(&shop, &id).await;
    let other = link_of(&shop, &other).await;
    let (prefix, signature) = link.rsplit_once('.').expect("a signature");
    let (other_prefix, _) = other.rsplit_once('.').expect("a signature");
    for forged in [
        prefix.to_owned(),
        format!("{other_prefix}.{signature}"),
        format!("{prefix}.{}", "0".repeat(signature.len())),
        format!("{link}00"),
        "/orders/find?link=".to_owned(),
        "/orders/find?link=%00".to_owned(),
    ] {
        let page = Visitor::of(&shop).page(&forged).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{forged}");
        assert!(page.body.contains("This link is not valid."), "{forged}");
        assert!(page.body.contains("name=\"number\""), "{forged}");
        assert!(listed(&page.body).is_empty(), "{forged}");
    }
}

/// Returns the same link as the shop would have signed it for another time.
async fn link_until(shop: &TestShop, link: &str, email: &str, until_s: i64) -> String {
    let (address, token) = link.split_once('=').expect("a link");
    let order_id = token.split('.').next().expect("an order");
    let secret = shop.operation().link_secret().await.expect("a secret");
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key");
    mac.update(b"orders of a customer ");
    mac.update(format!("{order_id} {until_s} {email}").as_bytes());
    let signature = hex::encode(mac.finalize().into_bytes());
    format!("{address}={order_id}.{until_s}.{signature}")
}

/// An expired link is no wrong guess, and shows no order: the page says that it has expired.
#[tokio::test]
async fn an_expired_link_is_gone_and_shows_the_form() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let (id, _) = order_of(&shop, &product, ANN).await;
    let link = link_of(&shop, &id).await;
    let now_s: i64 = shop
        .by_hand
        .value("SELECT floor(extract(epoch FROM clock_timestamp()))::bigint")
        .await;
    // Signed in the same way, it works for another minute.
    let valid = link_until(&shop, &link, ANN, now_s + 60).await;
    let mut visitor = Visitor::of(&shop);
    let page = visitor.page(&valid).await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(listed(&page.body), [id.as_str()]);
    for until_s in [now_s, now_s - 1, 0, -1] {
        let expired = link_until(&shop, &link, ANN, until_s).await;
        let page = visitor.page(&expired).await;
        assert_eq!(page.status, StatusCode::GONE, "{until_s}");
        assert!(page.body.contains("This link has expired."), "{until_s}");
        assert!(page.body.contains("name=\"number\""), "{until_s}");
        assert!(listed(&page.body).is_empty(), "{until_s}");
        assert_eq!(page.header("referrer-policy"), "no-referrer", "{until_s}");
        assert_eq!(page.header("x-robots-tag"), "noindex", "{until_s}");
    }
    // A later time needs a new signature.
    let (prefix, signature) = valid.rsplit_once('.').expect("a signature");
    let longer = prefix.replace(&(now_s + 60).to_string(), &(now_s + 600).to_string());
    let page = visitor.page(&format!("{longer}.{signature}")).await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
}

/// The order's address was changed after the link was signed: the link belongs to the old one.
#[tokio::test]
async fn a_link_belongs_to_the_address_for_which_it_was_signed() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let (id, _) = order_of(&shop, &product, ANN).await;
    let link = link_of(&shop, &id).await;
    shop.by_hand
        .run(
            "UPDATE customer_order SET email = 'zoe@example.com', email_folded = 'zoe@example.com'",
        )
        .await;
    let page = Visitor::of(&shop).page(&link).await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_administrator_gets_the_same_link_for_the_customer() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let (id, _) = order_of(&shop, &product, ANN).await;
    let page = Visitor::of(&shop).page(&link_of(&shop, &id).await).await;
    assert_eq!(listed(&page.body), [id.as_str()]);
    let mut visitor = Visitor::of(&shop);
    visitor.sign_in(&shop).await;
    let page = visitor.page(&format!("/admin/orders/{id}")).await;
    assert!(page.body.contains("/orders/find?link="), "{}", page.body);
    // A page that anyone with the order's link can view gives no link to the other orders.
    let page = Visitor::of(&shop).page(&format!("/orders/{id}")).await;
    assert!(!page.body.contains("?link="), "{}", page.body);
}
