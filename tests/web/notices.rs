//! The notices that a server sends: few for many changes, and never longer than PostgreSQL allows.

use std::time::{Duration, Instant};

use doorbuster::{
    db::notices::Listener,
    feed::{ChangeSet, StockChange, TEXT_BYTES_MAX},
    shop::notices,
};
use uuid::Uuid;

use super::{support::TestShop, test_server::TestServer};
use crate::support::{PATIENCE, within};

/// Receives the notices of changes until one satisfies `is_last`.
async fn changes_until(
    listener: &mut Listener,
    is_last: impl Fn(&ChangeSet) -> bool,
) -> Vec<ChangeSet> {
    let mut received = Vec::new();
    loop {
        let notice = within(PATIENCE, "a notice", listener.receive()).await;
        let notice = notice.expect("the connection lasts");
        assert!(notice.len() <= TEXT_BYTES_MAX);
        if notice.starts_with("probe ") {
            continue;
        }
        let changes = ChangeSet::parse(&notice);
        let ends = is_last(&changes);
        received.push(changes);
        if ends {
            return received;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_changes_is_a_few_notices() {
    const CHANGES: i64 = 1_000;
    const LAST: i64 = 1_000_001;
    let shop = TestShop::new().await;
    let _here = TestServer::of(&shop).await;
    let mut listener = Listener::connect(shop.database.url())
        .await
        .expect("the database answers");
    let begin = Instant::now();
    let feed = shop.feed().clone();
    let publishing = tokio::spawn(async move {
        for number in 0..CHANGES {
            feed.publish(StockChange {
                product_id: 1_000_000 - number % 3,
                available: CHANGES - number,
                version: number,
            });
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        feed.announce_product(LAST);
    });
    let received = changes_until(&mut listener, |changes| changes.has_product(LAST)).await;
    let elapsed = begin.elapsed();
    publishing.await.expect("no panic");
    let most = elapsed.as_millis() / notices::INTERVAL.as_millis() + 2;
    assert!(
        received.len() as u128 <= most,
        "{} notices in {elapsed:?}",
        received.len()
    );
    for product_id in [999_998, 999_999, 1_000_000] {
        let is_named = received
            .iter()
            .any(|changes| changes.has_product(product_id) && !changes.is_everything());
        assert!(is_named, "{product_id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn more_changes_than_a_notice_can_name_are_everything() {
    let shop = TestShop::new().await;
    let _here = TestServer::of(&shop).await;
    let mut listener = Listener::connect(shop.database.url())
        .await
        .expect("the database answers");
    for number in 0..900 {
        shop.feed().announce_order(Uuid::from_u128(number));
    }
    let received = changes_until(&mut listener, ChangeSet::is_everything).await;
    assert!(received.len() <= 2, "{received:?}");
}
