//! The deletion of carts that are not used any more.

use doorbuster::{db::retention, shop::cart::OLD_CARTS};

use crate::support::{
    PATIENCE, TestShop,
    shop::{contact, draft, units_of, unkeyed},
};

/// Deletes old carts; returns their number.
async fn delete_old(shop: &TestShop) -> u64 {
    let deleted = retention::delete(shop.db(), &OLD_CARTS, PATIENCE).await;
    let deleted = deleted.expect("they are deleted");
    assert!(deleted.is_complete);
    deleted.count
}

#[tokio::test]
async fn unchanged_carts_are_deleted_after_thirty_days() {
    let shop = TestShop::new().await;
    let product = shop.with_product(9).await;
    let (old, new) = (
        shop.cart_of(&[(&product, 1)]).await,
        shop.cart_of(&[(&product, 1)]).await,
    );
    shop.carts()
        .save_draft(old, &draft(contact("ann@example.com")))
        .await
        .expect("the draft is stored");
    let age =
        format!("UPDATE cart SET changed_at = changed_at - INTERVAL '31 days' WHERE id = '{old}'");
    shop.by_hand.run(&age).await;
    assert_eq!(delete_old(&shop).await, 1);
    assert_eq!(shop.carts().unit_count(Some(old)).await, Ok(0));
    assert_eq!(shop.count("checkout_draft").await, 0);
    assert_eq!(shop.carts().unit_count(Some(new)).await, Ok(1));
}

#[tokio::test]
async fn a_cart_whose_session_never_came_back_is_deleted_after_a_day() {
    let shop = TestShop::new().await;
    let product = shop.with_product(9).await;
    let lines = [(&product, 1)];
    let (seen, unseen) = (shop.cart_of(&lines).await, shop.cart_of(&lines).await);
    let (reserved, new) = (shop.cart_of(&lines).await, shop.cart_of(&lines).await);
    shop.carts()
        .mark_seen_again(seen)
        .await
        .expect("it is marked");
    let outcome = shop.reservations().reserve(reserved, None).await;
    outcome.result.expect("it is reserved");
    shop.by_hand
        .run(&format!(
            "UPDATE cart SET changed_at = changed_at - INTERVAL '25 hours' WHERE id <> '{new}'"
        ))
        .await;
    let deleted = retention::delete(shop.db(), &OLD_CARTS, PATIENCE).await;
    assert_eq!(deleted.expect("they are deleted").count, 1);
    assert_eq!(shop.carts().unit_count(Some(unseen)).await, Ok(0));
    for cart in [seen, reserved, new] {
        assert_eq!(shop.carts().unit_count(Some(cart)).await, Ok(1));
    }
}

/// Reserving or changing an old cart updates its time of last change.
#[tokio::test]
async fn an_old_cart_that_is_reserved_or_changed_is_not_deleted() {
    let shop = TestShop::new().await;
    let product = shop.with_product(9).await;
    let carts = [
        shop.cart_of(&[(&product, 1)]).await,
        shop.cart_of(&[(&product, 1)]).await,
    ];
    shop.by_hand
        .run("UPDATE cart SET changed_at = changed_at - INTERVAL '31 days'")
        .await;
    let reserved = shop.reservations().reserve(carts[0], None).await.result;
    reserved.expect("it is reserved");
    shop.carts()
        .set_quantity(unkeyed(carts[1]), product.id, units_of(2))
        .await
        .expect("it is changed");
    assert_eq!(delete_old(&shop).await, 0);
}
