//! An expired hold of a product that is no longer in the cart: its stock row is still locked in id
//! order.

use crate::support::{
    PlacesOrders, TestShop, check_audit_clean,
    shop::{units_of, unkeyed},
};

/// A purchase limit locks the stock rows before the holds are read. A row with a lower id that is
/// locked afterwards could deadlock.
#[tokio::test]
async fn a_limited_cart_with_an_expired_hold_locks_rows_in_id_order() {
    let shop = TestShop::new().await;
    let stale = shop.with_product(5).await;
    let limited = shop.product().stock(5).limit(2).create().await;
    let cart = shop.cart_of(&[(&stale, 1)]).await;
    let reserved = shop.reservations().reserve(cart, None).await.result;
    reserved.expect("it is reserved");
    let expire = format!("UPDATE hold SET expires_at = clock_timestamp() WHERE cart_id = '{cart}'");
    shop.by_hand.run(&expire).await;
    let removed = shop.carts().remove(unkeyed(cart), stale.id).await;
    removed.expect("it is removed");
    let added = shop
        .carts()
        .add(Some(cart), limited.id, units_of(2), None)
        .await;
    added.expect("it is added");

    let holder = shop.database.by_hand().await;
    let row = |id| format!("SELECT 1 FROM stock WHERE product_id = {id} FOR UPDATE");
    holder.run(&format!("BEGIN; {}", row(stale.id))).await;
    let (handle, request) = (shop.handle(), shop.checkout(cart, "ann@example.com"));
    let order = tokio::spawn(async move { handle.place_order(request).await });
    shop.until_blocked(1).await;
    let free = format!(
        "SELECT count(*) FROM ({} SKIP LOCKED) free",
        row(limited.id)
    );
    let free: i64 = shop.by_hand.value(&free).await;
    holder.run("COMMIT").await;

    let outcome = order.await.expect("no panic");
    assert!(outcome.result.is_ok(), "{outcome:?}");
    assert_eq!(
        free, 1,
        "the higher row is free while it waits for the lower"
    );
    assert_eq!(
        (
            shop.level(&stale).await.available,
            shop.level(&limited).await.sold
        ),
        (5, 2)
    );
    check_audit_clean(&shop).await;
}
