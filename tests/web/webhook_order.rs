//! The webhooks of a payment in every possible order: each order ends in the same state.

use doorbuster::{payment::gateway::GatewayError, shop::settlement::refund_reference};
use futures::future::join_all;
use uuid::Uuid;

use super::{
    support::Visitor,
    webhook::{event, send_signed},
};
use crate::support::{
    PATIENCE, ScriptedProvider, TestProduct, TestShop, check_audit_clean, within,
};

/// The events that the provider sends about a refunded charge. Each contains the charge's state at
/// its time.
const EVENTS: [&str; 5] = [
    "charge.created",
    "charge.authorized",
    "charge.captured",
    "refund.created",
    "refund.succeeded",
];

/// Selects the state of an order and its related rows, without ids and times.
const STATE: &str = "
    SELECT o.status || '/' || coalesce(o.status_reason, '') || ' due ' || o.due_cents
           || '; payment ' || p.state || ' ' || p.captured_cents || '/' || coalesce(p.decline_reason, '')
           || '; refund ' || coalesce((SELECT string_agg(r.state || ' ' || r.amount_cents || ' ' || r.reason
                                                         || CASE WHEN r.settled_at IS NULL THEN ' open' ELSE ' settled' END, ', ')
                                       FROM refund r WHERE r.order_id = o.id), '')
           || ' ' || (SELECT count(*) FROM refund r WHERE r.order_id = o.id)
           || ' ' || (SELECT sum(l.returned_quantity + l.refunded_quantity) FROM order_line l WHERE l.order_id = o.id)
           || '; hold ' || h.state || '/' || coalesce(h.reason, '')
           || '; events ' || (SELECT count(*) FROM payment_event e WHERE e.reference = p.reference)
    FROM payment p JOIN customer_order o ON o.id = p.order_id JOIN hold h ON h.order_id = o.id";

/// The final state: the order was paid after the stock was sold out, so the events decide on its
/// refund.
const END: &str = "cancelled/no_stock due 0; payment captured 1490/; refund succeeded 1490 no_stock settled 1 0; \
                   hold released/expired; events 5";

/// Returns every permutation of `items`.
fn permutations<'a>(items: &[&'a str]) -> Vec<Vec<&'a str>> {
    if items.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (at, first) in items.iter().enumerate() {
        let rest: Vec<&str> = items
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != at)
            .map(|(_, item)| *item)
            .collect();
        for mut order in permutations(&rest) {
            order.insert(0, first);
            all.push(order);
        }
    }
    all
}

/// Creates a shop with `count` orders that wait for payment, of a product that has sold out since.
/// Returns the orders' charges as well.
async fn sold_out(count: usize) -> (TestShop, TestProduct, Vec<Uuid>) {
    let (shop, scripted) = (TestShop::new().await, ScriptedProvider::default());
    // The provider's responses are lost: only its events report what happened.
    scripted.answer_refunds(Err(GatewayError::Unknown("lost".to_owned())));
    let units = u32::try_from(count).expect("a few");
    let product = shop.with_product(units.into()).await;
    for shopper in 0..count {
        let cart = shop.cart_of(&[(&product, 1)]).await;
        let request = shop.checkout(cart, &format!("{shopper}@example.com"));
        let pressed = shop
            .start_payment(shop.paid_through(&scripted), &scripted, request)
            .await;
        // The shopper closes the page.
        pressed.paying.abort();
    }
    shop.expire_holds().await;
    shop.reservations()
        .sweep_expired()
        .await
        .expect("expired holds are released");
    let bought = shop.buy(&product).quantity(units).await;
    bought.expect("the released units are available");
    let charges = scripted.charges(count).await;
    (shop, product, charges)
}

fn provider_of(shop: &TestShop) -> Visitor {
    let scripted = ScriptedProvider::default();
    scripted.answer_refunds(Err(GatewayError::Unknown("lost".to_owned())));
    Visitor::of_server(shop, shop.paid_through(&scripted))
}

fn body_of(charge: Uuid, kind: &str) -> String {
    let reference = refund_reference(charge, 0);
    let refund = match kind {
        "refund.created" => Some((reference, "processing")),
        "refund.succeeded" => Some((reference, "succeeded")),
        _ => None,
    };
    event(&format!("evt_{kind}_{charge}"), kind, charge, refund).to_string()
}

async fn check_end(shop: &TestShop, charge: Uuid, events: &[&str]) {
    let sql = format!("{STATE} WHERE p.reference = '{charge}'");
    let end: String = shop.by_hand.value(&sql).await;
    assert_eq!(end, END, "after {events:?}");
}

async fn check_stock(shop: &TestShop, product: &TestProduct, units: i64) {
    let level = shop.level(product).await;
    assert_eq!((level.available, level.reserved, level.sold), (0, 0, units));
    check_audit_clean(shop).await;
}

#[tokio::test]
async fn every_order_of_events_ends_in_the_same_state() {
    let orders = permutations(&EVENTS);
    assert_eq!(orders.len(), 120);
    let (shop, product, charges) = sold_out(orders.len()).await;
    let mut provider = provider_of(&shop);
    for (events, charge) in orders.iter().zip(charges) {
        for kind in events {
            let answer = send_signed(&mut provider, &body_of(charge, kind)).await;
            assert_eq!(answer.status, 200, "{kind} in {events:?}: {answer:?}");
        }
        check_end(&shop, charge, events).await;
    }
    check_stock(&shop, &product, 120).await;
}

#[tokio::test]
async fn every_order_of_repeated_events_ends_in_the_same_state() {
    let orders = permutations(&EVENTS);
    let (shop, product, charges) = sold_out(orders.len()).await;
    let mut provider = provider_of(&shop);
    for (at, (events, charge)) in orders.iter().zip(charges).enumerate() {
        // Repeats each event immediately, or all events after the last one.
        let twice: Vec<&str> = match at % 2 {
            0 => events.iter().flat_map(|kind| [*kind, *kind]).collect(),
            _ => events.iter().chain(events).copied().collect(),
        };
        for kind in &twice {
            let answer = send_signed(&mut provider, &body_of(charge, kind)).await;
            assert_eq!(answer.status, 200, "{kind} in {twice:?}: {answer:?}");
        }
        check_end(&shop, charge, &twice).await;
    }
    check_stock(&shop, &product, 120).await;
}

/// Sends each of the five events twice, all concurrently, each to its own router.
#[tokio::test]
async fn concurrent_events_end_in_the_same_state() {
    let (shop, product, charges) = sold_out(12).await;
    for charge in charges {
        let sent = EVENTS.iter().chain(&EVENTS).map(|kind| {
            let (mut provider, body) = (provider_of(&shop), body_of(charge, kind));
            tokio::spawn(async move { send_signed(&mut provider, &body).await.status })
        });
        for status in within(PATIENCE, "ten webhooks", join_all(sent)).await {
            assert_eq!(status.expect("the task ends"), 200);
        }
        check_end(&shop, charge, &EVENTS).await;
    }
    check_stock(&shop, &product, 12).await;
}
