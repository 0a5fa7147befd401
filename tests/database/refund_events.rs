//! The migration that adds events of refunds, while an old server refunds a part of an order.

use doorbuster::db::{
    engine::Engine,
    schema::{self, Step},
};

use super::refolding::revert;
use crate::support::{PATIENCE, TestShop, within};

/// A refund writes its line, and then itself. The migration locks both tables: it waits for the
/// refund, and the refund does not wait for it.
#[tokio::test]
async fn a_refund_that_has_begun_ends_before_the_triggers_are_added() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    shop.paid(&[(&product, 1)], "ann@example.com").await;
    let url = shop.database.url();
    let migration = match shop.by_hand.engine() {
        Engine::Postgres => "m0038_events_of_refunds",
        Engine::MySql => "m0007_events_of_refunds",
    };
    revert(url, migration).await;
    let old_server = shop.database.by_hand().await;
    old_server.run("BEGIN").await;
    old_server
        .run("UPDATE order_line SET refunded_quantity = 1")
        .await;
    let refund = async {
        shop.until_blocked(1).await;
        old_server
            .run(
                "INSERT INTO refund (payment_id, order_id, reference, state, reason, amount_cents) \
                 SELECT id, order_id, gen_random_uuid(), 'pending', 'goodwill', 1 FROM payment",
            )
            .await;
        old_server
            .run("UPDATE customer_order SET due_cents = due_cents - 1")
            .await;
        old_server.run("COMMIT").await;
    };
    let both = async { tokio::join!(schema::migrate(url, Step::Up), refund) };
    let (migrated, ()) = within(PATIENCE, "the refund and the migration", both).await;
    migrated.expect("it waits for the refund");
    assert_eq!(shop.count("refund").await, 1);
}
