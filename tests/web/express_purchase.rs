//! `POST /api/purchase` from unknown callers: what it sells, and when it is switched off.

use axum::http::StatusCode;
use doorbuster::{
    model::StrategyKey,
    simulation::run_secret::BUYER_HEADER,
    web::{AppState, ServerParts},
};

use super::support::{TestShop, Visitor, parts};
use crate::support::{check_audit_clean, strategies};

fn body(product_id: i64) -> String {
    format!(r#"{{"productId":{product_id},"quantity":1}}"#)
}

#[tokio::test]
async fn what_is_limited_per_customer_is_sold_only_in_the_shop() {
    let shop = TestShop::new().await;
    let product = shop.product().stock(9).limit(2).create().await;
    let slug: String = shop
        .by_hand
        .value(&format!(
            "SELECT slug FROM product WHERE id = {}",
            product.id
        ))
        .await;
    let mut caller = Visitor::of(&shop);
    for strategy in strategies().filter(|key| key.may_sell_in_shop()) {
        let path = format!("/api/purchase?strategy={strategy}");
        let refused = caller.post_json(&path, &body(product.id)).await;
        assert_eq!(refused.status, StatusCode::CONFLICT, "{strategy}");
        let detail = refused.detail();
        assert!(detail.contains("is limited to 2 per customer."), "{detail}");
        assert!(detail.contains(&format!("/products/{slug}")), "{detail}");
    }
    // There it is for sale.
    let fields = format!("product_id={}&quantity=2", product.id);
    let page = format!("/products/{slug}");
    let bought = caller
        .submit(&page, "/api/form/cart/buy-now", &fields)
        .await;
    assert_eq!(bought.header("location"), "/checkout/now", "{bought:?}");
    assert_eq!(shop.count("customer_order").await, 0);
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_shop_without_express_purchase_still_serves_the_buyers_of_its_runs() {
    let shop = TestShop::new().await;
    let lane = shop.with_lane(StrategyKey::RowLock, 3).await;
    let parts = ServerParts {
        sells_by_express: false,
        ..parts(shop.handle(), shop.database.url(), "https://shop.test")
    };
    let mut caller = Visitor::at(AppState::new(parts));
    for product_id in [1, lane.id] {
        for path in ["/api/purchase", "/api/purchase?strategy=unguarded"] {
            let refused = caller.post_json(path, &body(product_id)).await;
            assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}: {refused:?}");
            assert!(
                refused.detail().contains("EXPRESS_PURCHASE=on"),
                "{refused:?}"
            );
        }
    }
    let token = lane.buyer_token();
    let of_run = [(BUYER_HEADER, token.as_str())];
    // Not even such a buyer buys a product of the shop.
    let refused = caller
        .post_json_with("/api/purchase", &body(1), &of_run)
        .await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{refused:?}");
    let sold = caller
        .post_json_with("/api/purchase", &body(lane.id), &of_run)
        .await;
    assert_eq!(sold.status, StatusCode::OK, "{sold:?}");
    assert_eq!(shop.count("customer_order").await, 1);
    check_audit_clean(&shop).await;
}
