//! Events out: an event for each committed change, signed requests that are sent again until they
//! are acknowledged, Redis streams, and the admin page.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
    routing::post,
};
use doorbuster::{
    db::retention::{self, BATCH_ROWS},
    model::StrategyKey,
    payment::{provider::test_cards, signature},
    shop::{Shop, outbox::UNWANTED_EVENTS, refunds::OrderAction},
    web::maintenance::events,
};
use serde_json::Value;
use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    documented::webhook_of,
    schema_differences::differences,
    support::{TestShop, Visitor, state},
};
use crate::support::{
    PATIENCE, administrator, check_audit_clean, redis::TestRedis, shop::card, within,
};

const FORM: &str = "/api/form/admin/events";
pub(super) const POLL: Duration = Duration::from_millis(20);

/// A subscriber that keeps what it receives, and answers some requests with an error first.
#[derive(Clone, Default)]
pub(super) struct Subscriber {
    received: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
    to_fail: Arc<AtomicUsize>,
}

impl Subscriber {
    /// Returns its address.
    async fn listen(&self) -> String {
        let router = self.router();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it has an address");
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("http://{address}/events")
    }

    pub(super) fn router(&self) -> Router {
        let subscriber = self.clone();
        let handler = move |headers: HeaderMap, body: Bytes| {
            let fails = subscriber.to_fail.load(Ordering::Relaxed) > 0;
            if fails {
                subscriber.to_fail.fetch_sub(1, Ordering::Relaxed);
            } else {
                let mut received = subscriber.received.lock().expect("no panic under it");
                received.push((headers, body));
            }
            std::future::ready(match fails {
                true => StatusCode::SERVICE_UNAVAILABLE,
                false => StatusCode::NO_CONTENT,
            })
        };
        Router::new().route("/events", post(handler))
    }

    pub(super) fn received(&self) -> Vec<(HeaderMap, Bytes)> {
        self.received.lock().expect("no panic under it").clone()
    }

    /// Waits until it has received so many events, and returns them in the order of their ids.
    pub(super) async fn events(&self, count: usize) -> Vec<Value> {
        within(PATIENCE, "events", async {
            while self.received().len() < count {
                tokio::time::sleep(POLL).await;
            }
        })
        .await;
        let received = self.received();
        let mut events: Vec<Value> = received
            .iter()
            .map(|(_, body)| serde_json::from_slice(body).expect("JSON"))
            .collect();
        events.sort_by_key(|event| event["id"].as_i64());
        events
    }
}

/// Returns a subscriber of all events of a shop.
async fn subscribed(shop: &TestShop) -> Subscriber {
    let subscriber = Subscriber::default();
    let address = subscriber.listen().await;
    let administrator = administrator();
    let outbox = shop.outbox_administration(&administrator);
    outbox.subscribe(&address).await.expect("it is a URL");
    subscriber
}

/// Sends events as a server does, until the guard is dropped.
pub(super) fn send(shop: Shop) -> DropGuard {
    let stop = CancellationToken::new();
    tokio::spawn(events::send(shop, stop.clone()));
    stop.drop_guard()
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .map(|event| event["type"].as_str().expect("a type"))
        .collect()
}

#[tokio::test]
async fn each_change_is_sent_signed_until_it_is_acknowledged() {
    let shop = TestShop::new().await;
    let product = shop.with_product(3).await;
    let subscriber = Subscriber::default();
    subscriber.to_fail.store(1, Ordering::Relaxed);
    let address = subscriber.listen().await;
    let administrator = administrator();
    let outbox = shop.outbox_administration(&administrator);
    outbox.subscribe(&address).await.expect("it is a URL");
    let sender = send(shop.handle());
    let order = shop.buy(&product).quantity(2).await.expect("it is sold");
    // What is refused changes nothing.
    let refused = shop.buy(&product).quantity(2).await;
    assert_eq!(refused, Err(product.insufficient(1, 2)));
    let events = subscriber.events(2).await;
    let mut sorted = kinds(&events);
    sorted.sort_unstable();
    assert_eq!(sorted, ["order.placed", "stock.level"]);
    for event in &events {
        let data = &event["data"];
        if event["type"] == "stock.level" {
            assert_eq!(data["productId"], product.id);
            assert_eq!(data["available"], 1);
            assert_eq!(data["sold"], 2);
        } else {
            assert_eq!(data["orderId"], order.order_id.as_str());
            assert_eq!(data["totalCents"], 2_000);
            assert_eq!(data["currency"], "EUR");
        }
    }
    let secret = shop.outbox().secret().await.expect("there is one");
    let now = OffsetDateTime::now_utc().unix_timestamp();
    for (headers, body) in subscriber.received() {
        let signed = headers[signature::HEADER].to_str().expect("text");
        assert_eq!(signature::verify(&secret, signed, &body, now), Ok(()));
        assert!(signature::verify("another", signed, &body, now).is_err());
    }
    within(PATIENCE, "the acknowledgement", async {
        while shop.count("outbox_event WHERE delivered_at IS NULL").await > 0 {
            tokio::time::sleep(POLL).await;
        }
    })
    .await;
    assert_eq!(
        shop.count("outbox_event WHERE last_error IS NOT NULL")
            .await,
        1
    );
    assert_eq!(subscriber.received().len(), 2, "each is acknowledged once");
    drop(sender);
    check_audit_clean(&shop).await;
}

/// Compares a message with the webhook of the document that has its type.
fn check_described(headers: &HeaderMap, body: &[u8]) {
    let event: Value = serde_json::from_slice(body).expect("JSON");
    let kind = event["type"].as_str().expect("a type");
    let (webhook, schema) =
        webhook_of(kind).unwrap_or_else(|| panic!("no webhook is described for {event}"));
    let found = differences(schema, &event, kind);
    assert!(found.is_empty(), "{}", found.join("\n"));
    let media_type = headers[CONTENT_TYPE].to_str().expect("text");
    let bodies = &webhook["requestBody"]["content"];
    assert!(bodies[media_type].is_object(), "{media_type}");
    let parameters = webhook["parameters"].as_array().expect("headers");
    assert!(!parameters.is_empty(), "{webhook:#}");
    for parameter in parameters {
        assert_eq!(parameter["in"], "header");
        let name = parameter["name"].as_str().expect("a name");
        assert!(headers.contains_key(name), "{name} is not in {headers:?}");
    }
}

#[tokio::test]
async fn each_message_is_as_the_document_describes_it() {
    let shop = TestShop::new().await;
    let product = shop.with_product(9).await;
    let subscriber = subscribed(&shop).await;
    shop.buy(&product).await.expect("it is sold");
    let paid = shop.paid(&[(&product, 1)], "a@shop.test").await;
    shop.order_administration(&administrator())
        .apply(&paid, OrderAction::Cancel, None)
        .await
        .expect("the order is cancelled");
    let cart = shop.cart_of(&[(&product, 1)]).await;
    let request = shop.checkout(cart, "b@shop.test");
    let patient = shop.patient();
    let declined = patient.payments().pay(request, card(test_cards::DECLINED));
    assert!(declined.await.result.is_err(), "the card is declined");
    let written = shop.count("outbox_event").await;
    let sender = send(shop.handle());
    let written = usize::try_from(written).expect("a count");
    let events = subscriber.events(written).await;
    let seen: BTreeSet<_> = kinds(&events).into_iter().collect();
    let expected = [
        "line.returned",
        "order.cancelled",
        "order.declined",
        "order.paid",
        "order.pending",
        "order.placed",
        "order.refund_paid",
        "order.refunded",
        "stock.level",
    ];
    assert_eq!(seen, BTreeSet::from(expected));
    for (headers, body) in subscriber.received() {
        check_described(&headers, &body);
    }
    drop(sender);
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_payment_is_an_event() {
    let shop = TestShop::new().await;
    let product = shop.with_product(3).await;
    let subscriber = subscribed(&shop).await;
    let paid = shop.paid(&[(&product, 1)], "a@shop.test").await;
    let sender = send(shop.handle());
    within(PATIENCE, "order.paid", async {
        loop {
            let events = subscriber.events(1).await;
            let is_paid = |event: &Value| {
                event["type"] == "order.paid" && event["data"]["orderId"] == paid.as_str()
            };
            if events.iter().any(is_paid) {
                return;
            }
            tokio::time::sleep(POLL).await;
        }
    })
    .await;
    drop(sender);
    check_audit_clean(&shop).await;
}

/// Paying changes only the reserved and the sold units.
#[tokio::test]
async fn a_reservation_and_its_payment_are_levels_with_all_counters() {
    let shop = TestShop::new().await;
    let product = shop.with_product(3).await;
    let subscriber = subscribed(&shop).await;
    shop.paid(&[(&product, 1)], "a@shop.test").await;
    let waiting = shop.count("outbox_event").await;
    let sender = send(shop.handle());
    let events = subscriber
        .events(usize::try_from(waiting).expect("a count"))
        .await;
    let levels: Vec<_> = events
        .iter()
        .filter(|event| event["type"] == "stock.level")
        .map(|event| {
            ["total", "available", "reserved", "sold"].map(|name| event["data"][name].as_i64())
        })
        .collect();
    let expected = [[3, 2, 1, 0], [3, 2, 0, 1]].map(|level| level.map(Some));
    assert_eq!(levels, expected);
    drop(sender);
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn without_a_subscription_nothing_is_written_and_its_end_deletes_what_waits() {
    let shop = TestShop::new().await;
    let product = shop.with_product(9).await;
    shop.buy(&product).await.expect("it is sold");
    assert_eq!(shop.count("outbox_event").await, 0);
    let administrator = administrator();
    let outbox = shop.outbox_administration(&administrator);
    outbox
        .subscribe("http://127.0.0.1:1/")
        .await
        .expect("a URL");
    shop.buy(&product).await.expect("it is sold");
    let lane = shop.with_lane(StrategyKey::RowLock, 3).await;
    let before = shop.count("outbox_event").await;
    assert!(before >= 2, "{before}");
    shop.buy(&lane).await.expect("it is sold");
    assert_eq!(
        shop.count("outbox_event").await,
        before,
        "lanes are private"
    );
    outbox.unsubscribe().await.expect("it ends");
    assert_eq!(shop.count("outbox_event").await, 0);
    shop.buy(&product).await.expect("it is sold");
    assert_eq!(shop.count("outbox_event").await, 0);
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn only_what_waits_without_a_subscription_is_unwanted() {
    let shop = TestShop::new().await;
    let administrator = administrator();
    let outbox = shop.outbox_administration(&administrator);
    outbox
        .subscribe("http://127.0.0.1:1/")
        .await
        .expect("a URL");
    shop.by_hand
        .run(
            "INSERT INTO outbox_event (kind, payload, delivered_at) \
             VALUES ('order.paid', '{}', NULL), ('order.placed', '{}', CURRENT_TIMESTAMP)",
        )
        .await;
    let delete = async || {
        let deleted = retention::delete(shop.db(), &UNWANTED_EVENTS, PATIENCE).await;
        deleted.expect("they are deleted").count
    };
    assert_eq!(delete().await, 0, "the subscriber still gets it");
    shop.by_hand.run("DELETE FROM event_subscription").await;
    assert_eq!(delete().await, 1);
    let left: String = shop.by_hand.value("SELECT kind FROM outbox_event").await;
    assert_eq!(left, "order.placed");
}

#[tokio::test]
async fn an_event_that_cannot_be_read_is_failed_and_the_others_are_sent() {
    let shop = TestShop::new().await;
    subscribed(&shop).await;
    shop.by_hand
        .run(
            "INSERT INTO outbox_event (kind, payload) \
             VALUES ('order.paid', 'cut o'), ('order.placed', '{}')",
        )
        .await;
    let claim = async || {
        let claimed = shop.outbox().claim(|_, _| true).await;
        claimed.expect("the others are claimed")
    };
    let claimed = claim().await.expect("one can be sent");
    let kinds: Vec<_> = claimed.events.iter().map(|event| &event.kind).collect();
    assert_eq!(kinds, ["order.placed"]);
    let failed = "outbox_event WHERE kind = 'order.paid' AND attempts = 1 \
                  AND last_error LIKE 'its data cannot be read: %' AND next_attempt_at > created_at";
    assert_eq!(shop.count(failed).await, 1);
    // When it is due again, it is alone.
    let due = "UPDATE outbox_event SET next_attempt_at = created_at WHERE kind = 'order.paid'";
    shop.by_hand.run(due).await;
    let claimed = claim().await.expect("it was due");
    assert!(claimed.events.is_empty(), "{claimed:?}");
}

#[tokio::test]
async fn more_failed_events_than_a_batch_are_all_sent_again() {
    let shop = TestShop::new().await;
    let failed = 2 * BATCH_ROWS + 1;
    let events = format!(
        "INSERT INTO outbox_event (kind, payload, last_error, next_attempt_at) \
         SELECT 'stock.level', '{{}}', 'closed', CURRENT_TIMESTAMP + INTERVAL '1 hour' \
         FROM generate_series(1, {failed}) n"
    );
    shop.by_hand.run(&events).await;
    let paused = async || {
        let condition = "next_attempt_at > CURRENT_TIMESTAMP + INTERVAL '1 minute'";
        shop.count(&format!("outbox_event WHERE {condition}")).await
    };
    assert_eq!(usize::try_from(paused().await), Ok(failed));
    let administrator = administrator();
    let outbox = shop.outbox_administration(&administrator);
    outbox.send_again().await.expect("they are due");
    assert_eq!(paused().await, 0);
}

#[tokio::test]
async fn events_are_appended_to_a_stream() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let shop = TestShop::new().await;
    let product = shop.with_product(3).await;
    let server = shop.handle().with_gate(Some(redis.gate()));
    let administrator = administrator();
    let outbox = server.outbox_administration(&administrator);
    outbox.subscribe("redis:warehouse").await.expect("a stream");
    shop.buy(&product).await.expect("it is sold");
    // A server without Redis leaves them to the others.
    let without = send(shop.handle().with_gate(None));
    let sender = send(server);
    within(PATIENCE, "the entries", async {
        while redis.command("XLEN warehouse") != ":2" {
            tokio::time::sleep(POLL).await;
        }
    })
    .await;
    drop((without, sender));
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn the_admin_page_subscribes_and_shows_deliveries() {
    let shop = TestShop::new().await;
    let product = shop.with_product(3).await;
    let server = shop.handle();
    let state = state(server.clone(), shop.database.url(), "http://shop.test");
    let mut admin = Visitor::at(state);
    admin.sign_in(&shop).await;
    let page = admin.page("/admin/events").await.body;
    assert!(
        page.contains("Subscribe") && page.contains("No events"),
        "{page}"
    );
    let wrong = admin
        .submit("/admin/events", FORM, "act=subscribe&destination=ftp")
        .await;
    assert_eq!(wrong.header("location"), "/admin/events", "{wrong:?}");
    let page = admin.page("/admin/events").await.body;
    assert!(
        page.contains("Enter a URL") && page.contains("value=\"ftp\""),
        "{page}"
    );

    let subscriber = Subscriber::default();
    subscriber.to_fail.store(2, Ordering::Relaxed);
    let address = subscriber.listen().await;
    let fields = format!("act=subscribe&destination={}", address.replace(':', "%3A"));
    admin.submit("/admin/events", FORM, &fields).await;
    shop.buy(&product).await.expect("it is sold");
    let sender = send(server);
    within(PATIENCE, "the failures", async {
        while shop
            .count("outbox_event WHERE last_error IS NOT NULL")
            .await
            < 2
        {
            tokio::time::sleep(POLL).await;
        }
    })
    .await;
    admin.submit("/admin/events", FORM, "act=send-again").await;
    subscriber.events(2).await;
    within(PATIENCE, "the page", async {
        while !admin
            .page("/admin/events")
            .await
            .body
            .contains("All events are delivered.")
        {
            tokio::time::sleep(POLL).await;
        }
    })
    .await;
    let page = admin.page("/admin/events").await.body;
    assert!(
        page.contains("order.placed") && page.contains("stock.level"),
        "{page}"
    );
    drop(sender);
    let done = admin.submit("/admin/events", FORM, "act=unsubscribe").await;
    assert_eq!(done.header("location"), "/admin/events");
    check_audit_clean(&shop).await;
}

/// After a rush, hundreds of newer events are delivered.
#[tokio::test]
async fn the_admin_page_shows_a_failed_event_before_many_delivered_ones() {
    let shop = TestShop::new().await;
    shop.by_hand
        .run(
            "INSERT INTO outbox_event (kind, payload, attempts, last_error) \
             VALUES ('order.placed', '{}', 3, 'the warehouse is closed'); \
             INSERT INTO outbox_event (kind, payload) VALUES ('order.paid', '{}'); \
             INSERT INTO outbox_event (kind, payload, attempts, delivered_at) \
             SELECT 'stock.level', '{}', 1, now() FROM generate_series(1, 1200) n",
        )
        .await;
    let mut admin = Visitor::of(&shop);
    admin.sign_in(&shop).await;
    let page = admin.page("/admin/events").await.body;
    assert!(
        page.contains("1 failed, 1 waiting, 1,200 delivered."),
        "{page}"
    );
    let place = |text: &str| {
        page.find(text)
            .unwrap_or_else(|| panic!("{text} in {page}"))
    };
    assert!(place("the warehouse is closed") < place("order.paid"));
    assert!(place("order.paid") < place("stock.level"));
    assert!(page.contains("Send again now"), "{page}");
    // What is delivered after all is in the list no more, and there is nothing to send again.
    shop.by_hand
        .run("UPDATE outbox_event SET delivered_at = now()")
        .await;
    let page = admin.page("/admin/events").await.body;
    assert!(
        page.contains("All events are delivered. 1,202 in the last seven days."),
        "{page}"
    );
    assert!(!page.contains("the warehouse is closed"), "{page}");
    assert!(!page.contains("Send again now"), "{page}");
}

#[tokio::test]
async fn a_stranger_cannot_subscribe() {
    let shop = TestShop::new().await;
    let mut stranger = Visitor::of(&shop);
    let fields = "act=subscribe&destination=https%3A%2F%2Fevil.test";
    let answer = stranger.post_form(FORM, fields).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(shop.count("event_subscription").await, 0);
}
