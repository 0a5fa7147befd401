//! Invalid requests.

use doorbuster::payment::provider::test_cards;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::support::{SECRET, TestProvider};
use crate::support::{TestDatabase, http_client, raw_http::RawConnection};

fn request(provider: &TestProvider, method: Method, path: &str) -> RequestBuilder {
    let url = provider.url.join(path).expect("a URL");
    http_client().request(method, url)
}

/// Sends the request. Returns the status and the error message.
async fn answer(request: RequestBuilder) -> (StatusCode, String) {
    let answer = request.send().await.expect("an answer");
    let status = answer.status();
    let body: Value = answer.json().await.expect("JSON");
    let message = body["error"].as_str().unwrap_or_default().to_owned();
    assert!(!message.contains(test_cards::CAPTURED), "{message}");
    (status, message)
}

fn order() -> Value {
    json!({
        "reference": Uuid::new_v4(),
        "amountCents": 100,
        "currency": "EUR",
        "card": { "number": test_cards::CAPTURED, "expiry": "12/40", "cvc": "123" },
    })
}

#[tokio::test]
async fn every_route_requires_the_secret() {
    let database = TestDatabase::empty().await;
    let provider = TestProvider::on(&database).await;
    let reference = Uuid::new_v4();
    for (method, path) in [
        (Method::GET, "/healthz".to_owned()),
        (Method::POST, "/v1/charges".to_owned()),
        (Method::GET, format!("/v1/charges/{reference}")),
        (Method::POST, format!("/v1/charges/{reference}/void")),
        (Method::POST, "/v1/refunds".to_owned()),
        (Method::POST, "/v1/webhook-url".to_owned()),
        (Method::GET, "/elsewhere".to_owned()),
    ] {
        let bare = request(&provider, method.clone(), &path).json(&order());
        assert_eq!(answer(bare).await.0, StatusCode::UNAUTHORIZED, "{path}");
        for wrong in ["", "guessed", &SECRET[1..]] {
            let request = request(&provider, method.clone(), &path);
            let (status, _) = answer(request.bearer_auth(wrong).json(&order())).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}, {wrong}");
        }
    }
}

#[tokio::test]
async fn healthz_names_the_service() {
    let database = TestDatabase::empty().await;
    let provider = TestProvider::on(&database).await;
    let request = request(&provider, Method::GET, "/healthz").bearer_auth(SECRET);
    let message: Value = request
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("JSON");
    assert_eq!(message, json!({ "service": "doorbuster-provider" }));
}

#[tokio::test]
async fn an_invalid_request_gets_an_error_message() {
    let database = TestDatabase::empty().await;
    let provider = TestProvider::on(&database).await;
    let changed = |field: &str, value: Value| {
        let mut order = order();
        order[field] = value;
        order.to_string()
    };
    let long = "9".repeat(20_000);
    for (body, expected) in [
        (String::new(), StatusCode::BAD_REQUEST),
        ("{".to_owned(), StatusCode::BAD_REQUEST),
        ("{}".to_owned(), StatusCode::UNPROCESSABLE_ENTITY),
        ("[]".to_owned(), StatusCode::UNPROCESSABLE_ENTITY),
        (
            changed("reference", json!("1")),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            changed("amountCents", json!(0)),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            changed("amountCents", json!(-1)),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            changed("amountCents", json!(1.5)),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            changed("amountCents", json!(1e30)),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            changed("amountCents", json!("1")),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            changed("currency", json!("eur")),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            changed("currency", json!("\u{0}\u{0}\u{0}")),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            changed("card", json!(test_cards::CAPTURED)),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            changed("card", json!({ "number": 4_242_424_242_424_242_i64 })),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (
            changed("card", json!({ "number": long })),
            StatusCode::PAYLOAD_TOO_LARGE,
        ),
    ] {
        let begin = body.chars().take(80).collect::<String>();
        let request = request(&provider, Method::POST, "/v1/charges").bearer_auth(SECRET);
        let (status, message) = answer(request.body(body)).await;
        assert_eq!(status, expected, "{begin}: {message}");
        assert!(!message.is_empty(), "{begin}");
    }
}

#[tokio::test]
async fn an_unknown_path_gets_an_error_message() {
    let database = TestDatabase::empty().await;
    let provider = TestProvider::on(&database).await;
    let unknown = format!("/v1/charges/{}", Uuid::new_v4());
    for (method, path, expected) in [
        (Method::GET, "/v1/charges/1", StatusCode::BAD_REQUEST),
        (Method::POST, "/v1/charges/1/void", StatusCode::BAD_REQUEST),
        (Method::GET, unknown.as_str(), StatusCode::NOT_FOUND),
        (Method::GET, "/v1/charges/%00", StatusCode::BAD_REQUEST),
        (Method::GET, "/v1/elsewhere", StatusCode::NOT_FOUND),
        (Method::GET, "/v1/charges", StatusCode::METHOD_NOT_ALLOWED),
        (
            Method::DELETE,
            unknown.as_str(),
            StatusCode::METHOD_NOT_ALLOWED,
        ),
    ] {
        let request = request(&provider, method, path).bearer_auth(SECRET);
        let (status, message) = answer(request).await;
        assert_eq!(status, expected, "{path}: {message}");
    }
}

#[tokio::test]
async fn a_body_that_does_not_arrive_completely_is_rejected() {
    let database = TestDatabase::empty().await;
    let provider = TestProvider::on(&database).await;
    let addresses = provider.url.socket_addrs(|| None).expect("an address");
    for (body, expected) in [
        ("Content-Length: 9\r\n\r\n{", 408),
        ("Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    ] {
        let head = "POST /v1/charges HTTP/1.1\r\nHost: provider.test\r\n";
        let mut connection = RawConnection::to(addresses[0]).await;
        connection
            .send(&format!("{head}Authorization: Bearer {SECRET}\r\n{body}"))
            .await;
        let answer = connection.response().await;
        assert_eq!(answer.status, expected, "{body:?}: {answer:?}");
    }
}
