//! Access control: public routes, the administrator's session, cross-site requests and cookies.

use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header},
};

use doorbuster::db::session_store::DbSessionStore;
use tower_sessions::{
    SessionStore,
    session::{Id, Record},
};

use super::support::{PASSWORD, TestShop, Visitor, every_route, state};

/// The public routes. Every other route must reject visitors without an administrator's session, so
/// a new route is closed until it is added here.
const OPEN: &[&str] = &[
    "/",
    "/products/",
    "/categories/",
    "/search",
    "/favicon.ico",
    "/robots.txt",
    "/sitemap.xml",
    "/cart",
    "/checkout",
    "/orders/",
    "/admin/login",
    "/admin/health/guide",
    "/api/form/cart/",
    "/api/form/checkout/",
    "/api/form/orders/",
    "/api/form/admin/login",
    "/api/purchase",
    "/api/products",
    "/api/orders/",
    "/api/payments/",
    "/api/health",
    "/api/openapi.json",
    "/api/docs",
    "/api/problems",
    "/healthz",
    "/readyz",
    "/cookies",
    // Checks the access to each stream in it.
    "/live/all",
    "/live/orders/",
    "/live/present/",
    "/present/",
    "/live/stock",
    "/assets/",
];

fn is_open(path: &str) -> bool {
    OPEN.iter().any(|open| match open.strip_suffix('/') {
        Some(prefix) if !prefix.is_empty() => path.starts_with(open),
        _ => {
            path == *open
                || (open.len() > 1
                    && path.starts_with(&format!("{open}/"))
                    && *open != "/admin/login")
        }
    })
}

#[tokio::test]
async fn every_route_that_is_not_public_requires_sign_in() {
    let shop = TestShop::new().await;
    let mut closed = Vec::new();
    for (method, path) in every_route() {
        if is_open(&path) {
            continue;
        }
        let mut stranger = Visitor::of(&shop);
        let answer = match method {
            Method::GET => stranger.page(&path).await,
            _ => stranger.submit("/admin", &path, "").await,
        };
        assert_eq!(
            (answer.status, answer.header("location")),
            (StatusCode::SEE_OTHER, "/admin/login"),
            "a browser at {method} {path}"
        );
        let request = Request::builder()
            .method(&method)
            .uri(&path)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let answer = stranger
            .send(request.body(Body::empty()).expect("a request"))
            .await;
        assert_eq!(
            answer.status,
            StatusCode::UNAUTHORIZED,
            "a program at {method} {path}"
        );
        closed.push(path);
    }
    for expected in [
        "/admin",
        "/admin/simulations",
        "/api/form/admin/simulate",
        "/api/form/admin/logout",
    ] {
        assert!(
            closed.iter().any(|path| path == expected),
            "{expected} is not among {closed:?}"
        );
    }
}

#[tokio::test]
async fn a_visitor_without_a_session_cannot_start_a_simulation() {
    let shop = TestShop::new().await;
    let mut stranger = Visitor::of(&shop);
    let plan = "target=lane&strategy=row-lock&buyers=3&stock=2&quantity=1&rounds=1&race_window_ms=0&seed=1";
    let answer = stranger.post_form("/api/form/admin/simulate", plan).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(shop.count("simulation_run").await, 0);
}

/// The administrator sends the same forms with success, so access control rejects them before and
/// not the validation of their fields.
#[tokio::test]
async fn a_visitor_without_a_session_cannot_change_orders_stock_or_codes() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let order_id = shop
        .buy(&product)
        .await
        .expect("the purchase succeeds")
        .order_id;
    let line_id = shop.line_id(&order_id, &product).await;
    let id = product.id;
    let forms = [
        (
            "order",
            format!("act=take-back&order_id={order_id}&line_id={line_id}&quantity=1"),
        ),
        ("receive", format!("product_id={id}&quantity=3")),
        (
            "take-stock",
            format!("product_id={id}&counted=7&reason=counted"),
        ),
        (
            "create-code",
            "code=TEN&kind=percent&value=10&uses_max=5".to_owned(),
        ),
        ("switch-code", "code=TEN&act=off".to_owned()),
        ("order", format!("act=cancel&order_id={order_id}")),
    ];
    let state_of = async || {
        (
            shop.ledger_of(&product).await,
            shop.count("discount_code").await,
            shop.orders()
                .find(&order_id)
                .await
                .expect("the order exists")
                .status,
        )
    };
    let before = state_of().await;
    let mut stranger = Visitor::of(&shop);
    for (form, fields) in &forms {
        let path = format!("/api/form/admin/{form}");
        let answer = stranger.post_form(&path, fields).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{form}");
        let answer = stranger.submit("/admin", &path, fields).await;
        assert_eq!(answer.header("location"), "/admin/login", "{form}");
    }
    assert_eq!(state_of().await, before);
    let mut admin = Visitor::of(&shop);
    admin.sign_in(&shop).await;
    for (form, fields) in &forms {
        let path = format!("/api/form/admin/{form}");
        let answer = admin.post_form(&path, fields).await;
        assert!(
            answer.status.is_success() || answer.status.is_redirection(),
            "{form}: {answer:?}"
        );
    }
    assert_eq!(
        state_of().await,
        (
            "sell 1 @, return 1 @, receive 3, adjust -1".to_owned(),
            1,
            doorbuster::model::OrderStatus::Cancelled
        )
    );
}

#[tokio::test]
async fn the_administrator_signs_in_and_out() {
    let shop = TestShop::new().await;
    let mut admin = Visitor::of(&shop);
    admin.sign_in(&shop).await;
    for path in ["/admin", "/admin/simulations"] {
        assert_eq!(admin.page(path).await.status, StatusCode::OK, "{path}");
    }
    admin.submit("/admin", "/api/form/admin/logout", "").await;
    assert_eq!(admin.page("/admin").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn signing_in_renews_the_session_id() {
    let shop = TestShop::new().await;
    let mut admin = Visitor::of(&shop);
    admin
        .post_form("/api/form/cart/add", "product_id=1&quantity=1")
        .await;
    let before = admin.cookie().map(ToOwned::to_owned);
    admin.sign_in(&shop).await;
    assert!(before.is_some());
    assert_ne!(admin.cookie().map(ToOwned::to_owned), before);
}

#[tokio::test]
async fn a_request_that_started_before_the_sign_out_does_not_restore_the_session() {
    let shop = TestShop::new().await;
    let store = DbSessionStore::new(shop.db().clone());
    let mut record = Record {
        id: Id::default(),
        data: [("admin".to_owned(), serde_json::Value::from("x"))].into(),
        expiry_date: time::OffsetDateTime::now_utc() + time::Duration::days(1),
    };
    store
        .create(&mut record)
        .await
        .expect("the session is created");
    let loaded = store
        .load(&record.id)
        .await
        .expect("the session can be read");
    let loaded = loaded.expect("the session exists");
    store
        .delete(&record.id)
        .await
        .expect("the session is deleted");
    store
        .save(&loaded)
        .await
        .expect("saving a deleted session is not an error");
    let after = store.load(&record.id).await;
    assert_eq!(after.expect("the query succeeds"), None);
}

#[tokio::test]
async fn a_new_password_ends_all_sessions_and_the_same_password_ends_none() {
    let shop = TestShop::new().await;
    let mut admin = Visitor::of(&shop);
    admin.sign_in(&shop).await;
    shop.administrators()
        .ensure_password(Some(PASSWORD))
        .await
        .expect("the password is unchanged");
    assert_eq!(admin.page("/admin").await.status, StatusCode::OK);
    shop.administrators()
        .ensure_password(Some("another one"))
        .await
        .expect("the password is stored");
    assert_eq!(admin.page("/admin").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn the_rate_limit_applies_to_the_correct_password_too() {
    let shop = TestShop::new().await;
    shop.administrators()
        .ensure_password(Some(PASSWORD))
        .await
        .expect("the password is stored");
    let mut guesser = Visitor::of(&shop);
    let mut last = guesser
        .post_form("/api/form/admin/login", "password=wrong")
        .await;
    for _ in 0..10 {
        last = guesser
            .post_form("/api/form/admin/login", "password=wrong")
            .await;
    }
    assert_eq!(last.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(!last.header("retry-after").is_empty());
    let detail = last.detail();
    assert!(detail.starts_with("Too many wrong passwords "), "{detail}");
    let fields = format!("password={}", PASSWORD.replace(' ', "+"));
    let right = guesser.post_form("/api/form/admin/login", &fields).await;
    assert_eq!(right.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn cross_site_posts_are_rejected() {
    let shop = TestShop::new().await;
    let mut visitor = Visitor::of(&shop);
    let mutating: Vec<_> = every_route()
        .into_iter()
        .filter(|(method, _)| *method != Method::GET)
        .collect();
    assert!(mutating.len() > 6, "{mutating:?}");
    for (method, path) in mutating {
        for (name, value) in [
            ("sec-fetch-site", "cross-site"),
            ("origin", "https://evil.test"),
        ] {
            let request = Request::builder()
                .method(&method)
                .uri(&path)
                .header(header::HOST, "shop.test")
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .header(name, value);
            let request = request
                .body("product_id=1&quantity=1".into())
                .expect("a request");
            let answer = visitor.send(request).await;
            assert_eq!(
                answer.status,
                StatusCode::FORBIDDEN,
                "{name} at {method} {path}"
            );
            assert!(answer.detail().contains("another site"));
        }
    }
    assert_eq!(shop.count("cart").await, 0);
}

#[tokio::test]
async fn cookies_are_hidden_from_scripts_and_other_sites() {
    let shop = TestShop::new().await;
    let add = "product_id=1&quantity=1";
    let answer = Visitor::of(&shop)
        .submit("/products/flash-sale-smartphone", "/api/form/cart/add", add)
        .await;
    let cookie = answer.header("set-cookie").to_owned();
    assert!(cookie.starts_with("doorbuster="), "{cookie}");
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
        "{cookie}"
    );
    assert!(!cookie.contains("Secure"), "{cookie}");

    let mut secure = Visitor::at(state(
        shop.handle(),
        shop.database.url(),
        "https://shop.test",
    ));
    let answer = secure
        .submit("/products/flash-sale-smartphone", "/api/form/cart/add", add)
        .await;
    let cookie = answer.header("set-cookie");
    assert!(cookie.starts_with("__Host-doorbuster="), "{cookie}");
    assert!(
        cookie.contains("Secure") && cookie.contains("Path=/"),
        "{cookie}"
    );
}

#[tokio::test]
async fn a_page_without_a_form_sets_no_cookie() {
    let shop = TestShop::new().await;
    let mut visitor = Visitor::of(&shop);
    for path in ["/", "/cart", "/checkout", "/nowhere"] {
        let answer = visitor.page(path).await;
        assert_eq!(answer.header("set-cookie"), "", "{path}");
    }
    assert_eq!(shop.count("session").await, 0);
}
