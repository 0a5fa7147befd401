//! The migration that lets customers have longer names can be reverted after they have used it.

use doorbuster::db::schema::{self, Step};

use super::refolding::revert;
use crate::support::TestShop;

#[tokio::test]
async fn a_long_name_is_cut_on_the_way_back() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    shop.paid(&[(&product, 1)], "ann@example.com").await;
    shop.by_hand
        .run("UPDATE customer_order SET customer_name = repeat('é', 200)")
        .await;
    revert(shop.database.url(), "m0025_longer_names").await;
    let name: String = shop
        .by_hand
        .value("SELECT customer_name FROM customer_order")
        .await;
    assert_eq!(name, "é".repeat(120));
    schema::migrate(shop.database.url(), Step::Up)
        .await
        .expect("up");
}
