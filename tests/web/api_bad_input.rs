//! What a fuzzer sends to the JSON API: each answer is a problem of the document, and nothing is
//! sold. The test client compares status and type with the document.

use axum::{
    body::Body,
    http::{HeaderValue, Method, Request, StatusCode, header},
};

use super::support::{TestResponse, TestShop, Visitor};

async fn send(
    caller: &mut Visitor,
    method: Method,
    path: &str,
    media_type: Option<&str>,
    body: impl Into<Body>,
) -> TestResponse {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(media_type) = media_type {
        request = request.header(header::CONTENT_TYPE, media_type);
    }
    let request = request.body(body.into()).expect("a request");
    caller.send(request).await
}

#[tokio::test]
async fn every_wrong_body_of_a_purchase_is_a_described_problem() {
    let shop = TestShop::new().await;
    let mut caller = Visitor::of(&shop);
    let nested = format!("{}{}", "[".repeat(500), "]".repeat(500));
    let bodies: [(&[u8], u16); 18] = [
        (b"", 400),
        (b"\0", 400),
        (b"\xff\xfe", 400),
        (b"{\"productId\":\xff}", 400),
        (b"{\"productId\":1e400}", 400),
        (b"{\"productId\":1}}", 400),
        (nested.as_bytes(), 400),
        (b"null", 422),
        (b"true", 422),
        (b"\"\\u0000\"", 422),
        (b"{}", 422),
        (b"{\"productId\":null}", 422),
        (b"{\"productId\":1.0}", 422),
        (b"{\"productId\":9223372036854775808}", 422),
        (b"{\"productId\":9223372036854775807}", 404),
        (b"{\"productId\":-9223372036854775808}", 404),
        (b"{\"productId\":1,\"quantity\":-9223372036854775808}", 422),
        (b"{\"productId\":1,\"quantity\":[1]}", 422),
    ];
    for (body, status) in bodies {
        let answer = send(
            &mut caller,
            Method::POST,
            "/api/purchase",
            Some("application/json"),
            body.to_vec(),
        )
        .await;
        let text = String::from_utf8_lossy(body);
        assert_eq!(answer.status.as_u16(), status, "{text}: {answer:?}");
    }
    assert_eq!(shop.count("customer_order").await, 0);
}

#[tokio::test]
async fn every_wrong_parameter_and_media_type_is_a_described_problem() {
    let shop = TestShop::new().await;
    let mut caller = Visitor::of(&shop);
    let json = Some("application/json");
    let valid = r#"{"productId":1}"#;
    for (method, path, media_type, body, status) in [
        (Method::POST, "/api/purchase", None, valid, 415),
        (Method::POST, "/api/purchase", Some(""), valid, 415),
        (
            Method::POST,
            "/api/purchase",
            Some("text/plain"),
            valid,
            415,
        ),
        (Method::POST, "/api/purchase?strategy=", json, valid, 422),
        (Method::POST, "/api/purchase?strategy=%00", json, valid, 422),
        (Method::POST, "/api/purchase?strategy=%ff", json, valid, 422),
        (
            Method::POST,
            "/api/purchase?strategy=a&strategy=b",
            json,
            valid,
            400,
        ),
        (Method::POST, "/api/payments/webhook", None, "", 401),
        (Method::GET, "/api/products/%00", None, "", 404),
        (Method::GET, "/api/products/%ff", None, "", 404),
        (Method::GET, "/api/products/1.0", None, "", 404),
        (
            Method::GET,
            "/api/products/9223372036854775808",
            None,
            "",
            404,
        ),
        (
            Method::GET,
            "/api/products/-9223372036854775808",
            None,
            "",
            404,
        ),
        (Method::GET, "/api/products/%2e", None, "", 400),
        (Method::GET, "/api/products/a%2fb", None, "", 400),
        (Method::GET, "/api/products/%5c", None, "", 400),
        (Method::GET, "/api/orders/%F0%9F%92%A9", None, "", 404),
    ] {
        let answer = send(&mut caller, method.clone(), path, media_type, body).await;
        assert_eq!(
            answer.status.as_u16(),
            status,
            "{method} {path} {media_type:?}: {answer:?}"
        );
    }
    assert_eq!(shop.count("customer_order").await, 0);
}

#[tokio::test]
async fn headers_that_are_not_text_are_described_problems() {
    let shop = TestShop::new().await;
    let mut caller = Visitor::of(&shop);
    let strange = HeaderValue::from_bytes(b"\xff\xfe0123456789abcdef").expect("a header");
    for (name, path, status) in [
        (
            "idempotency-key",
            "/api/purchase",
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            "content-type",
            "/api/purchase",
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ),
        (
            "doorbuster-signature",
            "/api/payments/webhook",
            StatusCode::UNAUTHORIZED,
        ),
    ] {
        let mut request = Request::post(path)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(r#"{"productId":1}"#))
            .expect("a request");
        request.headers_mut().insert(name, strange.clone());
        assert_eq!(caller.send(request).await.status, status, "{name}");
    }
    assert_eq!(shop.count("customer_order").await, 0);
}

#[tokio::test]
async fn every_form_answers_a_program_with_strange_fields_as_described() {
    let shop = TestShop::new().await;
    let mut caller = Visitor::of(&shop);
    let forms: Vec<_> = leptos::server_fn::axum::server_fn_paths()
        .map(|(path, _)| path)
        .collect();
    for form in forms {
        for body in ["%00", "a=%ff", "=&&=", "product_id=1&product_id=2", "\u{0}"] {
            let answer = caller.post_form(form, body).await;
            assert_ne!(
                answer.status,
                StatusCode::INTERNAL_SERVER_ERROR,
                "{form} {body:?}: {answer:?}"
            );
        }
        let large = format!("x={}", "y".repeat(65 * 1024));
        let answer = caller.post_form(form, &large).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{form}");
    }
}
