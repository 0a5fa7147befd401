//! What all shoppers share is read once for all of them; what one of them changes is shown at once.

use std::time::Duration;

use axum::http::StatusCode;
use doorbuster::web::{AppState, shared_catalog::SharedCatalog};

use super::support::{TestShop, Visitor, parts};

/// Returns a client of a server whose shared reads stay valid for the whole test.
fn visitor(shop: &TestShop) -> Visitor {
    let mut parts = parts(shop.handle(), shop.database.url(), "http://shop.test");
    parts.catalog = SharedCatalog::new(shop.handle(), Duration::from_secs(3_600));
    Visitor::at(AppState::new(parts))
}

#[tokio::test]
async fn pages_and_the_api_share_reads_but_show_each_sale_of_their_server_at_once() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let mut visitor = visitor(&shop);
    let slug = format!("SELECT slug FROM product WHERE id = {}", product.id);
    let slug: String = shop.by_hand.value(&slug).await;
    let (page, api) = (
        format!("/products/{slug}"),
        format!("/api/products/{}", product.id),
    );
    let mut shown = async || {
        let (home, product) = (visitor.page("/").await, visitor.page(&page).await);
        let api = visitor.page(&api).await;
        assert_eq!(
            (home.status, product.status, api.status),
            (StatusCode::OK, StatusCode::OK, StatusCode::OK)
        );
        let api: serde_json::Value = serde_json::from_str(&api.body).expect("JSON");
        (home.body, product.body, api)
    };
    let before = shown().await;
    assert_eq!(before.2["available"], 5, "{}", before.2);
    // Neither of them asks the database again …
    shop.by_hand
        .run(&format!(
            "UPDATE product SET name = 'Renamed' WHERE id = {}",
            product.id
        ))
        .await;
    // … but this server's own sale is known without asking.
    shop.buy(&product).await.expect("it is sold");
    let after = shown().await;
    assert_eq!(after.2["available"], 4, "{}", after.2);
    assert!(!after.0.contains("Renamed") && !after.1.contains("Renamed"));
    assert!(after.1.contains("4 of 5"), "{}", after.1);
}

/// Anyone can invent slugs and ids.
#[tokio::test]
async fn unknown_products_are_not_found_every_time() {
    let shop = TestShop::new().await;
    let mut visitor = visitor(&shop);
    for _ in 0..2 {
        for path in ["/products/no-such-product", "/api/products/999999"] {
            assert_eq!(visitor.page(path).await.status, StatusCode::NOT_FOUND);
        }
    }
}
