//! Requests that no client library sends: without a path, and with a path that can be read in two
//! ways.

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
    let cookie = administrator.cookie().expect("a session").to_owned();
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
