//! Invalid input: every rejection has a clear message and the correct status, and changes nothing.

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};

use super::support::{TestShop, Visitor, value_of};

async fn check_nothing_sold(shop: &TestShop) {
    assert_eq!(shop.count("customer_order").await, 0);
    let available: i64 = shop
        .by_hand
        .value("SELECT available FROM stock WHERE product_id = 1")
        .await;
    assert_eq!(available, 20);
}

#[tokio::test]
async fn the_api_rejects_each_kind_of_invalid_body_with_its_own_message() {
    let shop = TestShop::new().await;
    let mut caller = Visitor::of(&shop);
    let quantity = "The quantity must be a whole number from 1 to 1,000.";
    for (body, status, sentence) in [
        (r#"{"productId":1,"quantity":0}"#, 422, quantity),
        (r#"{"productId":1,"quantity":-7}"#, 422, quantity),
        (r#"{"productId":1,"quantity":1.5}"#, 422, quantity),
        (r#"{"productId":1,"quantity":1001}"#, 422, quantity),
        (
            r#"{"productId":1,"quantity":99999999999999999999}"#,
            422,
            quantity,
        ),
        (r#"{"productId":1,"quantity":"2"}"#, 422, quantity),
        (r#"{"productId":1,"quantity":null}"#, 422, quantity),
        (
            r#"{"productId":999,"quantity":1}"#,
            404,
            "This product does not exist.",
        ),
        (
            r#"{"productId":"1"}"#,
            422,
            "productId must be a whole number",
        ),
        (r#"{"quantity":1}"#, 422, "productId must be a whole number"),
        ("[1, 1]", 422, "the body must be an object"),
        ("{", 400, "malformed"),
        ("", 400, "malformed"),
        (
            r#"{"productId":1,"quantity":21}"#,
            409,
            "Insufficient stock for Flash Sale Smartphone (available: 20, requested: 21)",
        ),
        (
            r#"{"productId":3,"quantity":3}"#,
            409,
            "is limited to 2 per customer.",
        ),
    ] {
        let answer = caller.post_json("/api/purchase", body).await;
        assert_eq!(answer.status.as_u16(), status, "{body}: {}", answer.body);
        assert_eq!(
            answer.header("content-type"),
            "application/problem+json",
            "{body}"
        );
        assert!(
            answer.detail().contains(sentence),
            "{body}: {}",
            answer.body
        );
    }
    check_nothing_sold(&shop).await;
}

#[tokio::test]
async fn the_api_rejects_requests_that_are_not_valid_purchases() {
    let shop = TestShop::new().await;
    let mut caller = Visitor::of(&shop);
    let unknown = caller
        .post_json("/api/purchase?strategy=hope", r#"{"productId":1}"#)
        .await;
    assert_eq!(unknown.status, StatusCode::UNPROCESSABLE_ENTITY);
    let unsafe_here = caller
        .post_json("/api/purchase?strategy=unguarded", r#"{"productId":1}"#)
        .await;
    assert_eq!(unsafe_here.status, StatusCode::FORBIDDEN);

    let form = caller.post_form("/api/purchase", "productId=1").await;
    assert_eq!(form.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let large = "x".repeat(65 * 1024);
    let large = caller.post_json("/api/purchase", &large).await;
    assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(large.detail().contains("65536 bytes"));

    let get = Request::get("/api/purchase")
        .body(Body::empty())
        .expect("a request");
    assert_eq!(
        caller.send(get).await.status,
        StatusCode::METHOD_NOT_ALLOWED
    );
    let key = Request::post("/api/purchase")
        .header(header::CONTENT_TYPE, "application/json")
        .header("idempotency-key", "not a key!")
        .body(r#"{"productId":1}"#.into())
        .expect("a request");
    assert_eq!(
        caller.send(key).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
    check_nothing_sold(&shop).await;
}

#[tokio::test]
async fn every_form_rejects_an_invalid_quantity() {
    let shop = TestShop::new().await;
    let mut shopper = Visitor::of(&shop);
    let add = "/api/form/cart/add";
    shopper
        .submit(
            "/products/flash-sale-smartphone",
            add,
            "product_id=1&quantity=2",
        )
        .await;
    for quantity in [
        "-7",
        "0",
        "1.5",
        "1001",
        "abc",
        "",
        "1e2",
        "%2B3",
        "99999999999999999999",
    ] {
        for form in [add, "/api/form/cart/set", "/api/form/cart/buy-now"] {
            let fields = format!("product_id=1&quantity={quantity}");
            let answer = shopper.post_form(form, &fields).await;
            assert_eq!(
                answer.status,
                StatusCode::UNPROCESSABLE_ENTITY,
                "{form} {fields}"
            );
            assert!(answer.detail().contains("whole number"), "{form} {fields}");
        }
    }
    let units: i32 = shop.by_hand.value("SELECT quantity FROM cart_item").await;
    assert_eq!(units, 2, "the cart is unchanged");
}

#[tokio::test]
async fn a_form_without_its_fields_is_rejected_and_does_not_panic() {
    let shop = TestShop::new().await;
    let mut shopper = Visitor::of(&shop);
    for (form, status) in [
        ("/api/form/cart/add", 404),
        ("/api/form/cart/set", 404),
        ("/api/form/cart/buy-now", 404),
        ("/api/form/cart/remove", 404),
        ("/api/form/checkout/pay", 409),
        ("/api/form/admin/login", 401),
        ("/api/form/nothing", 404),
    ] {
        for fields in ["", "x", "=&=&%", "product_id=%FF&quantity=%00"] {
            let answer = shopper.post_form(form, fields).await;
            assert!(
                answer.status.as_u16() == status || answer.status == StatusCode::BAD_REQUEST,
                "{form} {fields:?}: {} {}",
                answer.status,
                answer.body
            );
            assert!(!answer.detail().is_empty(), "{form} {fields:?}");
        }
    }
    let json = shopper.post_json("/api/form/cart/add", "{}").await;
    assert_eq!(json.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn a_form_with_unexpected_fields_does_not_redirect() {
    let shop = TestShop::new().await;
    let mut shopper = Visitor::of(&shop);
    let request = Request::post("/api/form/cart/add")
        .header(header::ACCEPT, "text/html")
        .header(header::REFERER, "https://evil.test/x")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body("product_id=1&quantity=1&quantity=2".into())
        .expect("a request");
    let answer = shopper.send(request).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer:?}");
    assert_eq!(answer.header("location"), "");
    assert!(answer.detail().contains("fields"));
}

#[tokio::test]
async fn paths_with_invalid_text_are_not_found() {
    let shop = TestShop::new().await;
    let mut visitor = Visitor::of(&shop);
    for path in ["/products/a%00b", "/api/products/%ff", "/orders/%00"] {
        assert_eq!(
            visitor.page(path).await.status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    for path in ["/live/stock", "/live/stock?products=1&products=2"] {
        let answer = visitor.page(path).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
        assert!(!answer.detail().is_empty());
    }
}

#[tokio::test]
async fn a_rejected_form_shows_the_error_once_and_keeps_the_typed_values() {
    let shop = TestShop::new().await;
    let mut shopper = Visitor::of(&shop);
    let page = "/products/flash-sale-smartphone";
    let refused = shopper
        .submit(page, "/api/form/cart/add", "product_id=1&quantity=-7")
        .await;
    assert_eq!(
        (refused.status, refused.header("location")),
        (StatusCode::FOUND, page)
    );
    let shown = shopper.page(page).await.body;
    assert!(shown.contains("The quantity must be a whole number from 1 to 1,000."));
    assert!(shown.contains("value=\"-7\""));
    let again = shopper.page(page).await.body;
    assert!(
        !again.contains("The quantity must be"),
        "the error is shown once"
    );
}

/// Leptos would pass an error in the address, which anyone can write into a link.
#[tokio::test]
async fn an_error_in_the_address_is_not_shown() {
    let shop = TestShop::new().await;
    let mut shopper = Visitor::of(&shop);
    // "Invalid|Call 555" and the same as text.
    for error in ["SW52YWxpZHxDYWxsIDU1NQ==", "Call%20555"] {
        for path in ["/cart", "/", "/products/flash-sale-smartphone"] {
            let address = format!("{path}?__path=%2Fapi%2Fform%2Fcart%2Fadd&__err={error}");
            let page = shopper.page(&address).await;
            assert_eq!(page.status, StatusCode::OK, "{address}");
            assert!(!page.body.contains("Call 555"), "{address}");
        }
    }
}

#[tokio::test]
async fn typed_values_are_escaped_on_the_page() {
    let shop = TestShop::new().await;
    let mut shopper = Visitor::of(&shop);
    let evil = "%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    let page = "/products/flash-sale-smartphone";
    let fields = format!("product_id=1&quantity={evil}");
    shopper.submit(page, "/api/form/cart/add", &fields).await;
    assert!(!shopper.page(page).await.body.contains("<script>alert"));

    shopper
        .submit(page, "/api/form/cart/add", "product_id=1&quantity=1")
        .await;
    let fields = format!(
        "name={evil}&email={evil}&street={evil}&postal_code={evil}&city={evil}&country={evil}"
    );
    let checkout = shopper.page("/checkout").await.body;
    let cart_id = value_of(&checkout, "cart_id");
    let fields = format!("idempotency_key=k1&cart_id={cart_id}&{fields}");
    shopper
        .submit("/checkout", "/api/form/checkout/pay", &fields)
        .await;
    let shown = shopper.page("/checkout").await.body;
    assert!(shown.contains("alert(1)"), "the draft is saved");
    assert!(!shown.contains("<script>alert"));
}

#[tokio::test]
async fn a_form_never_redirects_to_another_site() {
    let shop = TestShop::new().await;
    let mut shopper = Visitor::of(&shop);
    for referer in [
        "https://evil.test//evil.test/x",
        "//evil.test",
        "https://evil.test/x",
    ] {
        let request = Request::post("/api/form/cart/add")
            .header(header::ACCEPT, "text/html")
            .header(header::REFERER, referer)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body("product_id=1&quantity=0".into())
            .expect("a request");
        let answer = shopper.send(request).await;
        let location = answer.header("location");
        assert!(
            location.starts_with('/') && !location.starts_with("//"),
            "{referer}: {location}"
        );
    }
}

#[tokio::test]
async fn shoppers_cannot_see_or_buy_the_product_of_a_lane() {
    let shop = TestShop::new().await;
    let lane = shop
        .with_lane(doorbuster::model::StrategyKey::RowLock, 5)
        .await;
    let mut shopper = Visitor::of(&shop);
    let fields = format!("product_id={}&quantity=1", lane.id);
    let answer = shopper.post_form("/api/form/cart/add", &fields).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    let path = format!("/api/products/{}", lane.id);
    assert_eq!(shopper.page(&path).await.status, StatusCode::NOT_FOUND);
    assert!(!shopper.page("/").await.body.contains("Workbench</h3>"));
}

#[tokio::test]
async fn a_date_far_outside_is_rejected_beside_its_field() {
    let shop = TestShop::new().await;
    let mut admin = Visitor::of(&shop);
    admin.sign_in(&shop).await;
    let form = "/api/form/admin/create-code";
    for field in ["starts_at", "ends_at"] {
        for date in [
            "-9999-01-01T00:00",
            "0000-01-01T00:00",
            "1999-12-31T23:59",
            "9999-12-31T23:59",
        ] {
            let fields = format!("code=FAR&kind=percent&value=10&uses_max=5&{field}={date}");
            let answer = admin.post_form(form, &fields).await;
            assert_eq!(
                answer.status,
                StatusCode::UNPROCESSABLE_ENTITY,
                "{field} {date}: {}",
                answer.body
            );
            admin.submit("/admin/discounts", form, &fields).await;
            let page = admin.page("/admin/discounts").await.body;
            let error = page
                .split(&format!("id=\"{field}-error\""))
                .nth(1)
                .and_then(|rest| rest.split("</").next())
                .unwrap_or_default();
            assert!(
                error.contains("Enter a year from 2000 to 2199."),
                "{field} {date}: {error}"
            );
        }
    }
    assert_eq!(shop.count("discount_code").await, 0);
}
