//! What must hold after a server was killed and started again.

use std::time::{Duration, Instant};

use super::{
    program::Place,
    story::{Story, Subject},
    visitor::Visitor,
};
use crate::support::{TestShop, check_audit_clean};

/// Every outcome is known by then.
const RESOLVED_WITHIN: Duration = Duration::from_secs(60);

/// What is still to be found out, or to be given back.
const UNRESOLVED: &str = "
    SELECT (SELECT count(*) FROM payment WHERE state = 'pending') + (SELECT count(*) FROM refund WHERE state = 'pending')
         + (SELECT count(*) FROM hold WHERE state = 'held' AND expires_at <= CURRENT_TIMESTAMP)
         + (SELECT count(*) FROM customer_order o WHERE status = 'backordered'
              AND NOT EXISTS (SELECT 1 FROM order_line l JOIN stock s ON s.product_id = l.product_id
                              WHERE l.order_id = o.id AND s.available < l.quantity))";

/// Charges of which the provider keeps other than the shop is due, by its own books, and orders that are due what nobody took.
const MONEY_ASTRAY: &str = "
    SELECT (SELECT count(*) FROM provider.charge c
            LEFT JOIN payment p ON p.reference = c.reference LEFT JOIN customer_order o ON o.id = p.order_id
            WHERE CASE c.state WHEN 'captured' THEN c.amount_cents ELSE 0 END - c.refunded_cents <> coalesce(o.due_cents, 0))
         + (SELECT count(*) FROM customer_order o WHERE settlement = 'card' AND due_cents <> 0
              AND NOT EXISTS (SELECT 1 FROM payment p JOIN provider.charge c ON c.reference = p.reference WHERE p.order_id = o.id))";

/// Has a server killed at `point` of `story`, starts another, sends the same forms once more, and checks that all is well.
pub async fn survive(point: String, story: Story, end: &'static str) {
    let shop = TestShop::new().await;
    let subject = story.prepare(&shop).await;
    let mut place = Place::new(shop.database.url());
    let mut visitor = Visitor::new();
    visitor.orders.extend(subject.order.clone());

    let url = place.start(Some(&point));
    if place.is_ready(&url).await {
        story.tell(&mut visitor, &url, &subject).await;
    }
    place.until_killed().await;

    let url = place.start(None);
    assert!(place.is_ready(&url).await, "{point}: {}", place.said());
    let restarted = Instant::now();
    story.tell(&mut visitor, &url, &subject).await;
    until_resolved(&shop, &point, restarted).await;

    check_orders(&visitor, &url, &point).await;
    assert_eq!(told(&shop, &subject).await, end, "{point}");
    let astray: i64 = shop.by_hand.value(MONEY_ASTRAY).await;
    assert_eq!(astray, 0, "{point}: money is astray");
    assert_eq!(
        place.providers(),
        1,
        "{point}: the provider was found again"
    );
    check_audit_clean(&shop).await;
}

async fn until_resolved(shop: &TestShop, point: &str, since: Instant) {
    loop {
        let unresolved: i64 = shop.by_hand.value(UNRESOLVED).await;
        if unresolved == 0 {
            return;
        }
        assert!(
            since.elapsed() < RESOLVED_WITHIN,
            "{point}: {unresolved} outcomes are open"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Every order that was ever acknowledged has a page, and is the same one for the same form.
async fn check_orders(visitor: &Visitor, url: &str, point: &str) {
    for order in &visitor.orders {
        let page = visitor.page(url, &format!("/orders/{order}")).await;
        assert!(page.is_some(), "{point}: order {order} is missing");
    }
    let mut orders = visitor.orders.clone();
    orders.dedup();
    assert!(
        orders.len() <= 1,
        "{point}: one form, one order: {orders:?}"
    );
}

/// Where the product and its order stand.
async fn told(shop: &TestShop, subject: &Subject) -> String {
    let level = shop.level(&subject.product).await;
    let mut told = format!(
        "{} left, {} held, {} sold",
        level.available, level.reserved, level.sold
    );
    if shop.count("hold WHERE state = 'held' AND extended").await > 0 {
        told.push_str(", extended");
    }
    let orders: String = shop
        .by_hand
        .value(
            "SELECT coalesce(string_agg('; ' || status || ', ' || due_cents || ' due', '' ORDER BY id), '') FROM customer_order",
        )
        .await;
    told + &orders
}
