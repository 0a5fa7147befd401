//! The conditions that must hold after a server was killed and started again.

use std::time::{Duration, Instant};

use super::{
    program::ServerRunner,
    story::{Story, Subject},
    visitor::Visitor,
};
use crate::support::{TestShop, check_audit_clean};

/// The longest time until every outcome is known.
const RESOLVED_WITHIN: Duration = Duration::from_secs(180);

/// Counts unknown outcomes, expired holds and backorders that stock could fulfil.
pub const UNRESOLVED: &str = "
    SELECT (SELECT count(*) FROM payment WHERE state = 'pending') + (SELECT count(*) FROM refund WHERE state = 'pending')
         + (SELECT count(*) FROM hold WHERE state = 'held' AND expires_at <= CURRENT_TIMESTAMP)
         + (SELECT count(*) FROM customer_order o WHERE status = 'backordered'
              AND NOT EXISTS (SELECT 1 FROM order_line l JOIN stock s ON s.product_id = l.product_id
                              WHERE l.order_id = o.id AND s.available < l.quantity))";

/// Counts charges of which the provider keeps another amount than the order is due, and orders with
/// an amount due but no charge.
pub const MONEY_MISMATCHES: &str = "
    SELECT (SELECT count(*) FROM provider.charge c
            LEFT JOIN payment p ON p.reference = c.reference LEFT JOIN customer_order o ON o.id = p.order_id
            WHERE CASE c.state WHEN 'captured' THEN c.amount_cents ELSE 0 END - c.refunded_cents <> coalesce(o.due_cents, 0))
         + (SELECT count(*) FROM customer_order o WHERE settlement = 'card' AND due_cents <> 0
              AND NOT EXISTS (SELECT 1 FROM payment p JOIN provider.charge c ON c.reference = p.reference WHERE p.order_id = o.id))";

/// Has a server killed at `point` of `story`, starts another, sends the same forms again, and
/// checks that nothing is lost.
pub async fn survive(point: String, story: Story, end: &'static str) {
    let shop = TestShop::new().await;
    let subject = story.prepare(&shop).await;
    let mut server = ServerRunner::new(shop.database.url());
    let mut visitor = Visitor::new();
    visitor.orders.extend(subject.order.clone());

    let url = server.start(Some(&point));
    if server.is_ready(&url).await {
        story.perform(&mut visitor, &url, &subject).await;
    }
    server.until_killed().await;

    // A payment that fails frees the key of its form, so the form is sent again before the servers
    // learn the outcome.
    let next_query = "UPDATE payment SET ask_at = CURRENT_TIMESTAMP";
    let postponed = format!("{next_query} + INTERVAL '1 hour'");
    if matches!(story, Story::Pay) {
        shop.by_hand.run(&postponed).await;
    }
    let url = server.start(None);
    assert!(
        server.is_ready(&url).await,
        "{point}: {}",
        server.log_text()
    );
    let restarted = Instant::now();
    story.perform(&mut visitor, &url, &subject).await;
    if matches!(story, Story::Pay) {
        shop.by_hand.run(next_query).await;
    }
    until_resolved(&shop, &point, restarted).await;

    check_orders(&visitor, &url, &point).await;
    assert_eq!(summary(&shop, &subject).await, end, "{point}");
    let mismatches: i64 = shop.by_hand.value(MONEY_MISMATCHES).await;
    assert_eq!(
        mismatches, 0,
        "{point}: shop and provider disagree about money"
    );
    assert_eq!(
        server.providers(),
        1,
        "{point}: the new server reuses the provider"
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

/// Checks that every acknowledged order has a page, and that the repeated form created one order.
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

/// Summarizes the state of the product and its order.
async fn summary(shop: &TestShop, subject: &Subject) -> String {
    let level = shop.level(&subject.product).await;
    let mut summary = format!(
        "{} left, {} held, {} sold",
        level.available, level.reserved, level.sold
    );
    if shop.count("hold WHERE state = 'held' AND extended").await > 0 {
        summary.push_str(", extended");
    }
    let orders: String = shop
        .by_hand
        .value(
            "SELECT coalesce(string_agg('; ' || status || ', ' || due_cents || ' due', '' ORDER BY id), '') FROM customer_order",
        )
        .await;
    summary + &orders
}
