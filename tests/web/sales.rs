//! The admin pages of sales, and the sales in the JSON API.

use axum::http::StatusCode;
use doorbuster::config::ShopTerms;
use serde_json::Value;
use time::{OffsetDateTime, macros::datetime};

use super::support::{TestShop, Visitor};

const PHONE: &str = "/admin/products/flash-sale-smartphone";
const PLAN: &str = "/api/form/admin/plan-sale";
const CHANGE: &str = "/api/form/admin/change-sale";

async fn administrator(shop: &TestShop) -> Visitor {
    let mut admin = Visitor::of(shop);
    admin.sign_in(shop).await;
    admin
}

#[tokio::test]
async fn a_sale_is_planned_and_its_history_is_shown() {
    let shop = TestShop::new().await;
    let mut admin = administrator(&shop).await;
    let fields = "product_id=1&from=2150-01-01T12:00&until=2150-01-02T12:00&price=500&compare_at=600&limit=2";
    let answer = admin.submit(PHONE, PLAN, fields).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (
            StatusCode::FOUND,
            "/admin/products/flash-sale-smartphone#sale"
        )
    );
    let page = admin.page(PHONE).await.body;
    for expected in [
        "Announced",
        "The sale opens at 2150-01-01 12:00 UTC.",
        "value=\"2150-01-01T12:00\"",
        "value=\"500.00\"",
        "value=\"600.00\"",
        "administrator",
        "compare-at price",
        "2150-01-02 12:00 UTC",
    ] {
        assert!(page.contains(expected), "{expected}");
    }
    let list = admin.page("/admin/products").await.body;
    assert!(
        list.contains("Announced")
            && list.contains("href=\"/admin/products/flash-sale-smartphone\"")
    );
    for (act, word) in [("open", "On sale since"), ("end", "The sale ended at")] {
        let fields = format!("product_id=1&act={act}");
        let answer = admin.submit(PHONE, CHANGE, &fields).await;
        assert_eq!(answer.status, StatusCode::FOUND, "{act}");
        let page = admin.page(PHONE).await.body;
        assert!(page.contains(word), "{act}");
    }
}

#[tokio::test]
async fn every_wrong_field_has_its_error_and_keeps_its_value() {
    let shop = TestShop::new().await;
    let mut admin = administrator(&shop).await;
    let fields =
        "product_id=1&from=2150-01-02T12:00&until=2150-01-01T12:00&price=0&compare_at=0&limit=0";
    admin.submit(PHONE, PLAN, fields).await;
    let page = admin.page(PHONE).await.body;
    for field in ["until", "price", "compare_at", "limit"] {
        assert!(page.contains(&format!("id=\"{field}-error\"")), "{field}");
    }
    assert!(page.contains("value=\"2150-01-02T12:00\""));
    let fields =
        "product_id=1&from=tomorrow&until=9999-01-01T00:00&price=free&compare_at=-1&limit=two";
    let answer = admin.post_form(PLAN, fields).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    admin.submit(PHONE, PLAN, fields).await;
    let page = admin.page(PHONE).await.body;
    for field in ["from", "until", "price", "compare_at", "limit"] {
        assert!(page.contains(&format!("id=\"{field}-error\"")), "{field}");
    }
    for (form, fields, status) in [
        (PLAN, "product_id=987654&price=1", StatusCode::NOT_FOUND),
        (PLAN, "", StatusCode::NOT_FOUND),
        (CHANGE, "product_id=x&act=open", StatusCode::NOT_FOUND),
        (CHANGE, "product_id=1&act=close", StatusCode::BAD_REQUEST),
    ] {
        let answer = admin.post_form(form, fields).await;
        assert_eq!(answer.status, status, "{form} {fields}");
    }
    assert_eq!(
        admin.page("/admin/products/none").await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(shop.count("product_change").await, 0);
}

/// A form that was opened before a colleague ended the sale does not open it again.
#[tokio::test]
async fn a_plan_of_a_page_that_is_out_of_date_is_refused() {
    let shop = TestShop::new().await;
    let mut admin = administrator(&shop).await;
    let page = admin.page(PHONE).await.body;
    assert!(page.contains("name=\"seen\" value=\"0\""), "{page}");
    admin.submit(PHONE, CHANGE, "product_id=1&act=end").await;
    admin
        .submit(PHONE, PLAN, "product_id=1&price=500&seen=0")
        .await;
    let page = admin.page(PHONE).await.body;
    assert!(page.contains("This sale was changed after you opened the page."));
    assert!(page.contains("The sale ended at"));
    assert!(page.contains("value=\"500\""), "what was typed is kept");
    let last: i64 = shop
        .by_hand
        .value("SELECT max(id) FROM product_change")
        .await;
    assert!(page.contains(&format!("name=\"seen\" value=\"{last}\"")));
    let again = format!("product_id=1&price=500&seen={last}");
    admin.submit(PHONE, PLAN, &again).await;
    let page = admin.page(PHONE).await.body;
    assert!(page.contains("Always on sale."));
}

#[tokio::test]
async fn times_are_in_the_shops_time_zone() {
    let shop = TestShop::new().await;
    let terms = ShopTerms {
        time_zone: jiff::tz::TimeZone::get("Europe/Berlin").expect("it is built in"),
        ..ShopTerms::default()
    };
    let here = shop.on_terms(terms);
    let mut admin = Visitor::of_server(&shop, here);
    admin.sign_in(&shop).await;
    admin
        .submit(PHONE, PLAN, "product_id=1&from=2150-07-01T12:00&price=500")
        .await;
    let start: OffsetDateTime = shop
        .by_hand
        .value("SELECT sale_starts_at FROM product WHERE id = 1")
        .await;
    assert_eq!(start, datetime!(2150-07-01 10:00 UTC));
    let page = admin.page(PHONE).await.body;
    assert!(page.contains("2150-07-01 12:00 CEST") && page.contains("Times are in Europe/Berlin."));
    // The clocks go forward at two.
    admin
        .submit(PHONE, PLAN, "product_id=1&from=2027-03-28T02:30&price=500")
        .await;
    let page = admin.page(PHONE).await.body;
    assert!(page.contains("This time does not exist in Europe/Berlin"));
}

#[tokio::test]
async fn the_api_has_the_five_states_and_the_servers_time() {
    let shop = TestShop::new().await;
    let announced = shop.product().stock(1).starts_in("1 hour").create().await;
    let open = shop.product().stock(1).create().await;
    let reserved = shop.product().stock(1).create().await;
    let cart = shop.cart_of(&[(&reserved, 1)]).await;
    let done = shop.reservations().reserve(cart, None).await.result;
    done.expect("it is reserved");
    let sold = shop.product().stock(1).create().await;
    shop.buy(&sold).await.expect("it is sold");
    let ended = shop.product().stock(1).ends_in("-1 hour").create().await;
    let mut program = Visitor::of(&shop);
    for (product, expected) in [
        (&announced, "announced"),
        (&open, "open"),
        (&reserved, "reserved-out"),
        (&sold, "sold-out"),
        (&ended, "ended"),
    ] {
        let answer = program.page(&format!("/api/products/{}", product.id)).await;
        let json: Value = serde_json::from_str(&answer.body).expect("JSON");
        assert_eq!(json["state"], expected);
        let time = json["serverTime"].as_str().unwrap_or_default();
        assert!(time.starts_with("20") && time.ends_with('Z'), "{time}");
        assert_eq!(json["startsAt"].is_string(), expected == "announced");
        assert_eq!(json["endsAt"].is_string(), expected == "ended");
        assert_eq!(json["soldOutInMs"].is_number(), expected == "sold-out");
        assert!(json["compareAtCents"].is_null());
    }
    let raise = format!(
        "UPDATE product SET compare_at_cents = price_cents + 1 WHERE id = {}",
        open.id
    );
    shop.by_hand.run(&raise).await;
    let mut other = Visitor::of(&shop);
    let answer = other.page(&format!("/api/products/{}", open.id)).await;
    let json: Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!(
        json["compareAtCents"].as_i64(),
        json["priceCents"].as_i64().map(|cents| cents + 1)
    );
}

/// A slug may be any text: every link of the admin pages leads to the page of its product.
#[tokio::test]
async fn admin_links_encode_the_slug_of_a_product() {
    let shop = TestShop::new().await;
    let mut admin = administrator(&shop).await;
    shop.by_hand
        .run("UPDATE product SET slug = 'süß & \"neu\" #1? قهوة' WHERE id = 1")
        .await;
    let segment = "s%C3%BC%C3%9F%20%26%20%22neu%22%20%231%3F%20%D9%82%D9%87%D9%88%D8%A9";
    let address = format!("/admin/products/{segment}");
    let list = admin.page("/admin/products").await.body;
    assert!(list.contains(&format!("href=\"{address}\"")), "{list}");
    let page = admin.page(&address).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(
        page.body.contains(&format!("href=\"/products/{segment}\"")),
        "{}",
        page.body
    );
    let answer = admin.submit(&address, CHANGE, "product_id=1&act=end").await;
    assert_eq!(answer.header("location"), format!("{address}#sale"));
    let shown = admin.page(&address).await.body;
    assert!(shown.contains("The sale ended at"), "{shown}");
    // The same for a rejected form.
    let answer = admin.submit(&address, PLAN, "product_id=1&price=0").await;
    assert_eq!(answer.header("location"), address);
    let shown = admin.page(&address).await.body;
    assert!(shown.contains("id=\"price-error\""), "{shown}");
    let stock = admin.page("/admin/stock").await.body;
    assert!(
        stock.contains(&format!("href=\"/products/{segment}\"")),
        "{stock}"
    );
}
