//! Requests that no client library sends: without a path, with a path that can be read in two ways,
//! and with a body that does not arrive.

use axum::http::header;
use futures::future::join_all;

use super::{
    support::{TestShop, Visitor},
    test_server::TestServer,
};
use crate::support::raw_http::{RawConnection, RawResponse};

/// Sends a request on a connection of its own.
async fn exchange(server: &TestServer, request: &str) -> RawResponse {
    let mut connection = RawConnection::to(server.address).await;
    connection.send(request).await;
    connection.response().await
}

#[tokio::test]
async fn a_request_without_a_path_is_rejected() {
    let shop = TestShop::new().await;
    let server = TestServer::of(&shop).await;
    for line in [
        "GET foo",
        "GET :80",
        "GET a:1",
        "GET *",
        "HEAD foo",
        "OPTIONS *",
        "CONNECT a:1",
        "CONNECT shop.test:443",
        "DELETE foo",
    ] {
        let request = format!("{line} HTTP/1.1\r\nHost: shop.test\r\n\r\n");
        let mut connection = RawConnection::to(server.address).await;
        connection.send(&request).await;
        // The response to HEAD announces a body that does not follow.
        let answer = connection.head().await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{line}: {answer}");
    }
    let posted = exchange(
        &server,
        "POST foo HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 0\r\n\r\n",
    )
    .await;
    assert_eq!(posted.status, 400, "{posted:?}");
    assert!(posted.body.contains("begins with /"), "{posted:?}");
    // The whole URL, as a proxy sends it, has a path.
    let whole = "GET http://shop.test/healthz HTTP/1.1\r\nHost: shop.test\r\n\r\n";
    assert_eq!(exchange(&server, whole).await.status, 200);
}

#[tokio::test]
async fn a_path_that_can_be_read_in_two_ways_is_rejected_for_everyone() {
    let shop = TestShop::new().await;
    let server = TestServer::of(&shop).await;
    let mut administrator = Visitor::of(&shop);
    administrator.sign_in(&shop).await;
    let cookie = administrator.cookie_header().expect("a session");
    for path in [
        "/./admin/stock",
        "/x/../admin",
        "/x/..",
        "/%2e/admin",
        "/x/%2E%2e/admin",
        "/.%2e/admin",
        "/admin%2fstock",
        "/admin%5Cstock",
        "/admin\\stock",
        "/x\\..\\admin",
        "/live/./simulations/1",
        "/live/x/../steppers/1",
        "/assets/../admin",
        "/api/form/x/../admin/logout",
        "/api/form/%2e/admin/logout",
        "http://shop.test/x/../admin",
    ] {
        for (method, more) in [
            ("GET", String::new()),
            ("GET", format!("Cookie: {cookie}\r\n")),
            ("POST", format!("Cookie: {cookie}\r\nContent-Length: 0\r\n")),
        ] {
            let request = format!("{method} {path} HTTP/1.1\r\nHost: shop.test\r\n{more}\r\n");
            let answer = exchange(&server, &request).await;
            assert_eq!(answer.status, 400, "{request}{answer:?}");
        }
    }
    assert_eq!(
        administrator.page("/admin").await.status,
        200,
        "the session was not ended"
    );
}

/// Every endpoint that reads a body, and one that does not exist, with its media type.
const POSTS: [(&str, &str); 6] = [
    ("/api/purchase", "application/json"),
    ("/api/payments/webhook", "application/json"),
    ("/api/form/cart/add", "application/x-www-form-urlencoded"),
    (
        "/api/form/checkout/pay",
        "application/x-www-form-urlencoded",
    ),
    ("/api/form/admin/login", "application/x-www-form-urlencoded"),
    ("/nowhere", "text/plain"),
];

fn head_of(path: &str, media_type: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: shop.test\r\n{}: {media_type}\r\n{body}\r\n\r\n",
        header::CONTENT_TYPE
    )
}

#[tokio::test]
async fn an_unfinished_body_is_a_timeout_and_changes_nothing() {
    let shop = TestShop::new().await;
    let server = TestServer::of(&shop).await;
    let unfinished = POSTS.iter().flat_map(|(path, media_type)| {
        [
            format!("{}{{", head_of(path, media_type, "Content-Length: 100")),
            head_of(path, media_type, "Content-Length: 1"),
            format!(
                "{}5\r\nab",
                head_of(path, media_type, "Transfer-Encoding: chunked")
            ),
        ]
    });
    let answers = unfinished.map(|request| {
        let server = &server;
        async move { (exchange(server, &request).await, request) }
    });
    for (answer, request) in join_all(answers).await {
        assert_eq!(answer.status, 408, "{request}{answer:?}");
        assert!(answer.body.contains("Nothing was changed"), "{answer:?}");
        let head = answer.head.to_ascii_lowercase();
        assert!(head.contains("connection: close"), "{answer:?}");
    }
    for table in ["customer_order", "cart", "session"] {
        assert_eq!(shop.count(table).await, 0, "{table}");
    }
}

#[tokio::test]
async fn a_broken_chunk_is_malformed() {
    let shop = TestShop::new().await;
    let server = TestServer::of(&shop).await;
    for (path, media_type) in POSTS {
        for chunk in ["zz\r\nab\r\n", "2\r\nabcd\r\n0\r\n\r\n", "-1\r\n", "\r\n"] {
            let head = head_of(path, media_type, "Transfer-Encoding: chunked");
            let answer = exchange(&server, &format!("{head}{chunk}")).await;
            assert_eq!(answer.status, 400, "{path} {chunk:?}: {answer:?}");
        }
    }
}
