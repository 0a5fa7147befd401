//! Requests over https: to a subscriber and to a payment provider whose certificate the server
//! trusts, or does not.

use axum::Router;
use doorbuster::payment::gateway::{GatewayAddress, GatewayError, HttpGateway, PaymentGateway};
use url::Url;
use uuid::Uuid;

use super::{
    events::{POLL, Subscriber, send},
    server_process::{Server, folder},
    support::TestShop,
};
use crate::support::{
    PATIENCE, administrator, check_audit_clean, http_client, provider::SECRET, tls, within,
};

const NOT_TRUSTED: &str = "from no authority that this server trusts";

async fn subscribe(shop: &TestShop, url: &str) {
    let administrator = administrator();
    let outbox = shop.outbox_administration(&administrator);
    outbox.subscribe(url).await.expect("it is a URL");
}

#[tokio::test]
async fn an_unknown_certificate_is_a_failed_delivery_that_says_so() {
    let shop = TestShop::new().await;
    let product = shop.with_product(3).await;
    let subscriber = Subscriber::default();
    let server = tls::serve(subscriber.router()).await;
    subscribe(&shop, &format!("{}/events", server.url)).await;
    shop.buy(&product).await.expect("it is sold");
    let sender = send(shop.handle());
    within(PATIENCE, "the failures", async {
        let failed = "outbox_event WHERE last_error IS NOT NULL";
        while shop.count(failed).await < 2 {
            tokio::time::sleep(POLL).await;
        }
    })
    .await;
    drop(sender);
    let error: String = shop
        .by_hand
        .value("SELECT last_error FROM outbox_event LIMIT 1")
        .await;
    assert!(error.contains(NOT_TRUSTED), "{error}");
    assert!(subscriber.received().is_empty());
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_server_that_trusts_the_certificate_delivers() {
    let shop = TestShop::new().await;
    let subscriber = Subscriber::default();
    let tls = tls::serve(subscriber.router()).await;
    subscribe(&shop, &format!("{}/events", tls.url)).await;
    let folder = folder();
    let trusted = folder.path().join("trusted.pem");
    std::fs::write(&trusted, &tls.certificate).expect("the folder is ours");
    let trusted = trusted.to_str().expect("a path in UTF-8");
    let mut server = Server::start_with(
        folder.path(),
        Some(shop.database.url()),
        &[("SSL_CERT_FILE", trusted)],
    );
    let client = http_client();
    server.until_ready(&client).await;
    server.buy(&client, "an-order-for-a-warehouse").await;
    let events = subscriber.events(2).await;
    assert!(
        events.iter().any(|event| event["type"] == "order.placed"),
        "{events:?}"
    );
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_provider_with_an_unknown_certificate_receives_no_card() {
    let server = tls::serve(Router::new()).await;
    let url = Url::parse(&server.url).expect("a URL");
    let gateway = HttpGateway::new(GatewayAddress::new(url), SECRET).expect("a client");
    let asked = gateway.charge_state(Uuid::new_v4()).await;
    let Err(GatewayError::NotSent(reason)) = asked else {
        panic!("{asked:?}");
    };
    assert!(reason.contains(NOT_TRUSTED), "{reason}");
}
