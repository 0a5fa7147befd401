//! Every error that a program gets is a problem document, with its sentence as `detail` and as
//! `error`.

use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use doorbuster::web::json::problem_type::ProblemType;
use serde_json::Value;

use super::support::{TestResponse, TestShop, Visitor, every_route};

/// Checks that the response is a problem document that says the same in both fields.
#[track_caller]
fn check(answer: &TestResponse, what: &str) -> String {
    let media_type = answer.header("content-type");
    assert_eq!(media_type, "application/problem+json", "{what}");
    let problem: Value = serde_json::from_str(&answer.body).expect("JSON");
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(!detail.is_empty(), "{what}: {}", answer.body);
    assert_eq!(problem["error"], problem["detail"], "{what}");
    assert_eq!(problem["status"], answer.status.as_u16(), "{what}");
    let kind = ProblemType::ALL
        .iter()
        .find(|kind| problem["type"] == kind.uri().as_str())
        .unwrap_or_else(|| panic!("{what}: no such type: {}", answer.body));
    assert_eq!(kind.status(), answer.status.as_u16(), "{what}");
    assert_eq!(problem["title"], kind.title(), "{what}");
    detail.to_owned()
}

/// A request without an `Accept` header, as a program sends it.
async fn call(visitor: &mut Visitor, method: Method, path: &str, body: &str) -> TestResponse {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_owned()))
        .expect("a request");
    visitor.send(request).await
}

#[tokio::test]
async fn the_classic_client_reads_why_a_purchase_failed() {
    let shop = TestShop::new().await;
    let product = shop.with_product(3).await;
    let body = format!(r#"{{"productId":{},"quantity":5}}"#, product.id);
    let answer = Visitor::of(&shop).post_json("/api/purchase", &body).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    let problem: Value = serde_json::from_str(&answer.body).expect("JSON");
    let expected = format!(
        "Insufficient stock for {} (available: 3, requested: 5)",
        product.name
    );
    assert_eq!(problem["error"], expected.as_str());
    check(&answer, "insufficient stock");
}

#[tokio::test]
async fn every_error_says_the_same_as_detail_and_as_error() {
    let shop = TestShop::new().await;
    let mut visitor = Visitor::of(&shop);
    let large = "x".repeat(65 * 1024);
    for (method, path, body, status) in [
        (Method::POST, "/api/purchase", "{", 400),
        (Method::POST, "/api/purchase", "[]", 422),
        (Method::POST, "/api/purchase", large.as_str(), 413),
        (Method::GET, "/api/purchase", "", 405),
        (Method::DELETE, "/api/products", "", 405),
        (Method::GET, "/api/products/0", "", 404),
        (Method::GET, "/api/products/%ff", "", 404),
        (Method::GET, "/api/nothing", "", 404),
        (Method::GET, "/live/nothing", "", 404),
        (Method::GET, "/live/orders/1", "", 404),
        (Method::GET, "/live/orders/%ff", "", 404),
        (Method::GET, "/live/present/%ff", "", 404),
        (Method::GET, "/live/stock", "", 400),
        (Method::GET, "/assets/%ff/x", "", 404),
        (Method::GET, "/assets/1/none.css", "", 404),
        (
            Method::POST,
            "/api/purchase?strategy=%ff&strategy=x",
            "{}",
            400,
        ),
        (Method::POST, "/api/form/nothing", "", 415),
        (Method::TRACE, "/api/form/orders/find", "", 405),
        (Method::PUT, "/api/form/cart/add", "{}", 405),
        (Method::POST, "/api/payments/webhook", "{}", 401),
        (Method::GET, "/x/../admin", "", 400),
        (Method::GET, "/admin", "", 401),
    ] {
        let answer = call(&mut visitor, method, path, body).await;
        assert_eq!(answer.status.as_u16(), status, "{path}: {}", answer.body);
        check(&answer, path);
    }
    let form = visitor.post_form("/api/form/nothing", "").await;
    assert_eq!(form.status, StatusCode::NOT_FOUND);
    check(&form, "an unknown form");
    let form = visitor.post_form("/api/form/orders/find", "number=1").await;
    assert_eq!(form.status, StatusCode::NOT_FOUND);
    check(&form, "an unknown order");
    let cross_site = Request::post("/api/purchase")
        .header("sec-fetch-site", "cross-site")
        .header("origin", "https://elsewhere.test")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(r#"{"productId":1}"#))
        .expect("a request");
    let cross_site = visitor.send(cross_site).await;
    assert_eq!(cross_site.status, StatusCode::FORBIDDEN);
    check(&cross_site, "a request from another site");
}

/// Forms without fields, and forms of the administrator without a sign-in.
#[tokio::test]
async fn every_form_answers_a_program_with_a_problem() {
    let shop = TestShop::new().await;
    for (method, path) in every_route() {
        if method != Method::POST || !path.starts_with("/api/form/") {
            continue;
        }
        let answer = Visitor::of(&shop).post_form(&path, "nonsense=1").await;
        if answer.status.is_client_error() || answer.status.is_server_error() {
            check(&answer, &path);
        }
    }
}
