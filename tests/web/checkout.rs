//! The checkout form without JavaScript: it saves the values that were typed, but never the card.

use std::collections::BTreeMap;

use axum::http::{Request, StatusCode, header};
use doorbuster::{
    db::engine::Engine,
    model::{DiscountValue, OrderStatus},
    shop::discounts::NewCode,
};

use super::support::{TestResponse, TestShop, Visitor, administrator, value_of};

const PHONE: &str = "/products/flash-sale-smartphone";
const CONTACT: &str = "name=Ann+Buyer&email=ann%40example.com&street=1+Test+Street&postal_code=12345&city=Testford&country=DE";
/// A card that is accepted and one that is declined, as people type them, and the forms in which
/// the database could contain them.
const TAKEN: &str = "5555+5555-5555+4444";
const DECLINED: &str = "4000+0000+0000+0002";
const TRACES: [&str; 8] = [
    "5555555555554444",
    "5555 5555-5555 4444",
    "4000000000000002",
    "4000 0000 0000 0002",
    // In hexadecimal.
    "35353535353535353535353534343434",
    "352035353535",
    "34303030303030303030303030303032",
    "302030303030",
];

/// Creates a shopper who has one phone in the cart and has reserved it.
async fn at_the_checkout(shop: &TestShop) -> Visitor {
    let mut shopper = Visitor::of(shop);
    reserve(&mut shopper).await;
    shopper
}

/// Reserves one phone for a shopper.
pub async fn reserve(shopper: &mut Visitor) {
    let form = "/api/form/cart/buy-now";
    let answer = shopper.submit(PHONE, form, "product_id=1&quantity=1").await;
    assert_eq!(answer.header("location"), "/checkout/now", "{answer:?}");
}

/// Pays for it with a card that is accepted.
pub async fn pay(shopper: &mut Visitor) -> TestResponse {
    send(shopper, "pay", &with_card(CONTACT, TAKEN)).await
}

/// Sends the checkout form with these fields and its hidden ones.
async fn send(shopper: &mut Visitor, form: &str, fields: &str) -> TestResponse {
    let page = shopper.page("/checkout/now").await.body;
    let (key, cart_id) = (
        value_of(&page, "idempotency_key"),
        value_of(&page, "cart_id"),
    );
    let fields = format!("idempotency_key={key}&cart_id={cart_id}&{fields}");
    let path = format!("/api/form/checkout/{form}");
    shopper.submit("/checkout/now", &path, &fields).await
}

fn with_card(contact: &str, number: &str) -> String {
    format!("{contact}&card_number={number}&card_expiry=11%2F39&card_cvc=987")
}

/// Checks that no table of the database contains a card, including the tables of the test provider.
async fn check_no_card(shop: &TestShop, when: &str) {
    let schemas = match shop.db().engine() {
        Engine::Postgres => "NOT IN ('pg_catalog', 'information_schema')",
        Engine::MySql => "= DATABASE()",
    };
    let listed: String = shop
        .by_hand
        .value(&format!(
            "SELECT string_agg(concat(c.table_schema, '.', c.table_name, ' t.', c.column_name), ',') \
             FROM information_schema.columns c JOIN information_schema.tables t \
               ON t.table_schema = c.table_schema AND t.table_name = c.table_name \
             WHERE t.table_type = 'BASE TABLE' AND c.table_schema {schemas}"
        ))
        .await;
    let mut tables: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (table, column) in listed.split(',').filter_map(|one| one.split_once(' ')) {
        tables.entry(table).or_default().push(column);
    }
    let has = |name: &str| tables.keys().any(|table| table.ends_with(name));
    assert!(has(".payment") && has(".session"), "{listed}");
    for (table, columns) in tables {
        for trace in TRACES {
            let row = columns.join(", ");
            let sql = format!(
                "SELECT count(*) FROM {table} t WHERE concat_ws(' ', {row}) LIKE '%{trace}%'"
            );
            let found: i64 = shop.by_hand.value(&sql).await;
            assert_eq!(found, 0, "{trace} in {table} {when}");
        }
    }
}

fn check_no_card_on(page: &str, when: &str) {
    for trace in &TRACES[..4] {
        assert!(!page.contains(trace), "{trace} on the page {when}");
    }
    assert!(!page.contains("11/39") && !page.contains("987\""), "{when}");
}

#[tokio::test]
async fn a_rejected_form_keeps_all_values_except_the_card() {
    let shop = TestShop::new().await;
    let mut shopper = at_the_checkout(&shop).await;
    let without_city = CONTACT.replace("Testford", "");
    for (what, contact, number, sentence) in [
        (
            "after a missing field",
            without_city.as_str(),
            TAKEN,
            "Correct the marked fields.",
        ),
        (
            "after an invalid card number",
            CONTACT,
            "12",
            "Enter the 12 to 19 digits of the card.",
        ),
        (
            "after a decline",
            CONTACT,
            DECLINED,
            "The card was declined. Nothing was charged.",
        ),
    ] {
        let fields = with_card(contact, number);
        let answer = send(&mut shopper, "pay", &fields).await;
        assert_eq!(
            answer.header("location"),
            "/checkout/now",
            "{what}: {answer:?}"
        );
        check_no_card(&shop, what).await;
        let page = shopper.page("/checkout/now").await.body;
        assert!(page.contains(sentence), "{what}");
        for kept in ["Ann Buyer", "ann@example.com", "1 Test Street", "12345"] {
            assert!(
                page.contains(&format!("value=\"{kept}\"")),
                "{what}: {kept}"
            );
        }
        check_no_card_on(&page, what);
        check_no_card(&shop, what).await;
    }
    let fields = with_card(CONTACT, TAKEN);
    let answer = send(&mut shopper, "pay", &fields).await;
    let order = answer.header("location").to_owned();
    assert!(order.starts_with("/orders/"), "{answer:?}");
    let page = shopper.page(&order).await.body;
    check_no_card_on(&page, "of the order");
    check_no_card(&shop, "after the payment").await;
    let id = order.trim_start_matches("/orders/");
    let order = shop.orders().find(id).await.expect("the order exists");
    assert_eq!(order.status, OrderStatus::Paid);
}

/// A browser's own check of an address would refuse a pasted character that cannot be seen.
#[tokio::test]
async fn an_invisible_character_in_the_address_is_removed() {
    let shop = TestShop::new().await;
    let mut shopper = at_the_checkout(&shop).await;
    for path in ["/checkout/now", "/orders/find"] {
        let page = shopper.page(path).await.body;
        let field = page.split("id=\"email\"").nth(1).unwrap_or_default();
        let field = field.split('>').next().unwrap_or_default();
        for attribute in [
            "type=\"text\"",
            "autocomplete=\"email\"",
            "inputmode=\"email\"",
            "autocapitalize=\"none\"",
        ] {
            assert!(field.contains(attribute), "{path}: {field}");
        }
    }
    let contact = CONTACT.replace("%40", "%E2%80%8B%40");
    let answer = send(&mut shopper, "pay", &with_card(&contact, TAKEN)).await;
    let id = answer.header("location").trim_start_matches("/orders/");
    shop.orders().find(id).await.expect("the order exists");
    let email: String = shop.by_hand.value("SELECT email FROM customer_order").await;
    assert_eq!(email, "ann@example.com");
}

#[tokio::test]
async fn every_button_saves_the_typed_values() {
    let shop = TestShop::new().await;
    let mut shopper = at_the_checkout(&shop).await;
    for act in ["extend", "reserve", "apply-code"] {
        let fields = format!(
            "act={act}&{}",
            with_card(&CONTACT.replace("Ann", act), TAKEN)
        );
        let answer = send(&mut shopper, "change", &fields).await;
        assert_eq!(
            answer.header("location"),
            "/checkout/now",
            "{act}: {answer:?}"
        );
        let page = shopper.page("/checkout/now").await.body;
        assert!(page.contains(&format!("value=\"{act} Buyer\"")), "{act}");
        check_no_card_on(&page, act);
    }
    check_no_card(&shop, "after all buttons").await;
}

#[tokio::test]
async fn a_shopper_cannot_pay_for_another_cart() {
    let shop = TestShop::new().await;
    let mut owner = at_the_checkout(&shop).await;
    let page = owner.page("/checkout/now").await.body;
    let cart_id = value_of(&page, "cart_id");
    let mut other = at_the_checkout(&shop).await;
    let fields = format!(
        "idempotency_key=k&cart_id={cart_id}&{}",
        with_card(CONTACT, TAKEN)
    );
    for form in ["pay", "change", "enter"] {
        let path = format!("/api/form/checkout/{form}");
        let answer = other
            .post_form(&path, &format!("act=extend&{fields}"))
            .await;
        assert_eq!(answer.status, StatusCode::CONFLICT, "{form}: {answer:?}");
    }
    assert_eq!(shop.count("customer_order").await, 0);
}

#[tokio::test]
async fn a_form_submitted_twice_creates_one_order() {
    let shop = TestShop::new().await;
    let mut shopper = at_the_checkout(&shop).await;
    let page = shopper.page("/checkout/now").await.body;
    let (key, cart_id) = (
        value_of(&page, "idempotency_key"),
        value_of(&page, "cart_id"),
    );
    let fields = format!(
        "idempotency_key={key}&cart_id={cart_id}&{}",
        with_card(CONTACT, TAKEN)
    );
    let pay = "/api/form/checkout/pay";
    let first = shopper.submit("/checkout/now", pay, &fields).await;
    let second = shopper.submit("/checkout/now", pay, &fields).await;
    assert!(
        first.header("location").starts_with("/orders/"),
        "{first:?}"
    );
    assert_eq!(second.header("location"), first.header("location"));
    assert_eq!(shop.count("customer_order").await, 1);
}

/// A program may send the idempotency key as a header.
#[tokio::test]
async fn an_idempotency_key_in_the_header_creates_one_order() {
    let shop = TestShop::new().await;
    let mut shopper = at_the_checkout(&shop).await;
    let page = shopper.page("/checkout/now").await.body;
    let cart_id = value_of(&page, "cart_id");
    let fields = format!("cart_id={cart_id}&{}", with_card(CONTACT, TAKEN));
    let mut send = async |key: &str| {
        let request = Request::post("/api/form/checkout/pay")
            .header(header::ACCEPT, "text/html")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header("idempotency-key", key);
        let request = request.body(fields.clone().into()).expect("a request");
        shopper.send(request).await.header("location").to_owned()
    };
    let first = send("the-only-payment").await;
    assert!(first.starts_with("/orders/"), "{first}");
    assert_eq!(send("the-only-payment").await, first);
    assert_eq!(shop.count("customer_order").await, 1);
}

/// The page shows whether the saved code is valid, so every button that saves a code counts as a
/// guess.
#[tokio::test]
async fn every_button_limits_guesses_of_discount_codes() {
    let shop = TestShop::new().await;
    let ten = NewCode {
        code: "SECRET".to_owned(),
        value: DiscountValue::Percent(10),
        min_subtotal_cents: 0,
        starts_at: None,
        ends_at: None,
        uses_max: 10,
        per_customer_limit: None,
    };
    shop.discount_administration(&administrator())
        .create(ten, None)
        .await
        .expect("the code is created");
    for (form, fields) in [
        ("change", "act=apply-code"),
        ("change", "act=extend"),
        ("change", "act=reserve"),
        ("change", "act=nonsense"),
        // The invalid card is rejected before anything is ordered.
        ("pay", "card_number=1"),
    ] {
        // Each has its own server, whose limits no other guesser has used up.
        let mut guesser = at_the_checkout(&shop).await;
        for guess in 0..25 {
            let fields = format!("{fields}&code=GUESS-{guess}");
            send(&mut guesser, form, &fields).await;
        }
        let fields = format!("{fields}&name=Typed+Late&code=SECRET");
        send(&mut guesser, form, &fields).await;
        let page = guesser.page("/checkout/now").await.body;
        assert!(
            page.contains("Too many wrong order numbers or discount codes"),
            "{form} {fields}"
        );
        assert!(!page.contains("10 % off"), "{form} {fields}");
        assert!(
            page.contains("value=\"Typed Late\""),
            "{form} {fields}: the other values are saved"
        );
    }
}

#[tokio::test]
async fn repeating_the_same_code_is_not_a_guess() {
    let shop = TestShop::new().await;
    let mut shopper = at_the_checkout(&shop).await;
    for _ in 0..25 {
        send(&mut shopper, "change", "act=apply-code&code=nothing").await;
    }
    let page = shopper.page("/checkout/now").await.body;
    assert!(page.contains("The discount code NOTHING does not exist."));
    assert!(!page.contains("Too many requests."));
}

/// Pays with `fields` after the contact, and returns the page that the answer leads to.
async fn paid_with(shop: &TestShop, contact: &str, card: &str) -> String {
    let mut shopper = at_the_checkout(shop).await;
    let answer = send(&mut shopper, "pay", &format!("{contact}&{card}")).await;
    answer.header("location").to_owned()
}

/// The browser's autofill writes `12/2030`; a number pad has no slash.
#[tokio::test]
async fn a_card_is_taken_however_it_is_written() {
    let shop = TestShop::new().await;
    for expiry in [
        "12/2039",
        "1239",
        "12 / 39",
        "2039-12",
        "%EF%BC%91%EF%BC%92%EF%BC%8F%EF%BC%93%EF%BC%99",
    ] {
        let card = format!("card_number=4242-4242 42424242&card_expiry={expiry}&card_cvc=+123+");
        let page = paid_with(&shop, CONTACT, &card).await;
        assert!(page.starts_with("/orders/"), "{expiry}: {page}");
    }
}

#[tokio::test]
async fn a_country_without_postal_codes_needs_none_and_orders_show_its_name() {
    let shop = TestShop::new().await;
    let card = "card_number=4242424242424242&card_expiry=1239&card_cvc=123";
    let contact =
        "name=Ann&email=ann%40example.com&street=1+Queen%27s+Road&city=Kowloon&country=HK";
    let order = paid_with(&shop, contact, card).await;
    assert!(order.starts_with("/orders/"), "{order}");
    let stored: String = shop
        .by_hand
        .value("SELECT country FROM customer_order")
        .await;
    assert_eq!(stored, "HK");
    let mut reader = Visitor::of(&shop);
    assert!(reader.page(&order).await.body.contains("Hong Kong"));
    // An order from before countries were a list.
    shop.by_hand
        .run("UPDATE customer_order SET country = 'Atlantis'")
        .await;
    assert!(reader.page(&order).await.body.contains("Atlantis"));
}

#[tokio::test]
async fn invisible_characters_count_in_no_field() {
    let shop = TestShop::new().await;
    let code = NewCode {
        code: "SAVE10".to_owned(),
        value: DiscountValue::Percent(10),
        min_subtotal_cents: 0,
        starts_at: None,
        ends_at: None,
        uses_max: 100,
        per_customer_limit: None,
    };
    shop.discount_administration(&administrator())
        .create(code, None)
        .await
        .expect("the code is created");
    let mut shopper = at_the_checkout(&shop).await;
    for typed in [
        "SAVE10%E2%80%8B",
        "%EF%BB%BFsave10",
        "%22SAVE10%22",
        "%E2%80%9ESAVE10%E2%80%9C",
        "%27SAVE10%27",
        "SAVE%C2%AD10%C2%A0",
    ] {
        send(&mut shopper, "change", "act=apply-code&code=").await;
        send(
            &mut shopper,
            "change",
            &format!("act=apply-code&code={typed}"),
        )
        .await;
        let page = shopper.page("/checkout/now").await.body;
        assert!(page.contains("10 % off"), "{typed}");
    }
    let nameless = CONTACT.replace("Ann+Buyer", "%E2%80%8B%C2%A0%EF%BB%BF%00%07");
    send(&mut shopper, "pay", &with_card(&nameless, TAKEN)).await;
    let page = shopper.page("/checkout/now").await.body;
    assert!(page.contains("id=\"name-error\""), "{page}");
    let typed = CONTACT
        .replace("Ann+Buyer", "%E2%80%AEAnn%E2%80%8B+Buyer%07")
        .replace("ann%40", "ann%E2%80%8B%40");
    let answer = send(&mut shopper, "pay", &with_card(&typed, TAKEN)).await;
    assert!(
        answer.header("location").starts_with("/orders/"),
        "{answer:?}"
    );
    let stored: String = shop
        .by_hand
        .value("SELECT customer_name || ' ' || email FROM customer_order")
        .await;
    assert_eq!(stored, "Ann Buyer ann@example.com");
}

#[tokio::test]
async fn buy_now_has_a_checkout_of_its_own_and_the_badge_does_not_count_it() {
    let shop = TestShop::new().await;
    let mut shopper = at_the_checkout(&shop).await;
    let page = shopper.page("/cart").await.body;
    assert!(page.contains("Your cart is empty"), "{page}");
    assert!(
        page.contains("href=\"/checkout/now\""),
        "it says what waits"
    );
    let kettle = shop.with_product(5).await;
    let fields = format!("product_id={}&quantity=2", kettle.id);
    shopper.submit(PHONE, "/api/form/cart/add", &fields).await;
    let page = shopper.page("/checkout").await.body;
    assert!(page.contains(&kettle.name));
    assert!(!page.contains("Flash Sale Smartphone"));
    let page = shopper.page("/checkout/now").await.body;
    assert!(page.contains("Flash Sale Smartphone"));
    assert!(!page.contains(&kettle.name));
    assert!(
        page.contains("<span class=\"num\">2</span>"),
        "the badge counts the cart"
    );
}
