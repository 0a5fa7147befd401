//! A hold ends with the sale of its product.

use doorbuster::model::{Quantity, ReleasedLine, SaleState, ShopError};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::{end_now, now, open_now, plan, times};
use crate::support::{
    PATIENCE, ScriptedProvider, StockLock, TestProduct, TestShop, check_audit_clean, within,
};

async fn reserve(shop: &TestShop, cart: Uuid) -> Result<(), ShopError> {
    let outcome = shop.reservations().reserve(cart, None).await;
    outcome.result.map_err(ShopError::from)
}

/// When the only hold of a product expires.
async fn expiry(shop: &TestShop, product: &TestProduct) -> OffsetDateTime {
    shop.by_hand
        .value(&format!(
            "SELECT expires_at FROM hold WHERE product_id = {}",
            product.id
        ))
        .await
}

async fn end_of(shop: &TestShop, product: &TestProduct) -> OffsetDateTime {
    shop.by_hand
        .value(&format!(
            "SELECT sale_ends_at FROM product WHERE id = {}",
            product.id
        ))
        .await
}

#[tokio::test]
async fn a_hold_expires_at_the_end_of_the_sale_and_an_extension_does_not_pass_it() {
    let shop = TestShop::new().await;
    let soon = shop.product().stock(5).ends_in("1 minute").create().await;
    let always = shop.product().stock(5).create().await;
    let cart = shop.cart_of(&[(&soon, 1), (&always, 1)]).await;
    reserve(&shop, cart).await.expect("it is reserved");
    let end = end_of(&shop, &soon).await;
    assert_eq!(expiry(&shop, &soon).await, end);
    let free = expiry(&shop, &always).await;
    assert!(free > end + Duration::minutes(5), "{free}");
    // The cart shows the time of the hold that ends first.
    let view = shop.carts().view(Some(cart)).await.expect("the cart");
    let left = view.reservation.expect("it is reserved").seconds_left;
    assert!(left <= 60, "{left}");
    shop.reservations()
        .extend(cart, None)
        .await
        .expect("it is extended");
    assert_eq!(expiry(&shop, &soon).await, end);
    assert!(expiry(&shop, &always).await > free);
}

#[tokio::test]
async fn a_reservation_that_ends_with_its_sale_is_not_extended_for_nothing() {
    let shop = TestShop::new().await;
    let soon = shop.product().stock(5).ends_in("1 minute").create().await;
    let cart = shop.cart_of(&[(&soon, 1)]).await;
    reserve(&shop, cart).await.expect("it is reserved");
    let refused = shop.reservations().extend(cart, None).await;
    assert!(
        matches!(refused, Err(ShopError::InvalidState(_))),
        "{refused:?}"
    );
    let used: bool = shop.by_hand.value("SELECT extended FROM hold").await;
    assert!(!used, "the extension is not used up");
}

#[tokio::test]
async fn an_earlier_end_shortens_holds_and_a_later_one_does_not_lengthen_them() {
    let shop = TestShop::new().await;
    let lamp = shop.product().stock(5).create().await;
    let cart = shop.cart_of(&[(&lamp, 2)]).await;
    reserve(&shop, cart).await.expect("it is reserved");
    let earlier = now(&shop).await + Duration::MINUTE;
    let report = plan(&shop, &lamp, times(None, Some(earlier))).await;
    assert_eq!(report.map(|report| report.shortened), Ok(1));
    let end = end_of(&shop, &lamp).await;
    assert_eq!(expiry(&shop, &lamp).await, end);
    let report = plan(&shop, &lamp, times(None, None)).await;
    assert_eq!(report.map(|report| report.shortened), Ok(0));
    assert_eq!(expiry(&shop, &lamp).await, end);
    end_now(&shop, &lamp).await.expect("it ends");
    assert_eq!(shop.reservations().sweep_expired().await.ok(), Some(1));
    let level = shop.level(&lamp).await;
    assert_eq!((level.available, level.reserved), (5, 0));
    let reason: String = shop.by_hand.value("SELECT reason FROM hold").await;
    assert_eq!(reason, "sale ended");
    let view = shop.carts().view(Some(cart)).await.expect("the cart");
    let released: Vec<_> = view.released.iter().map(ReleasedLine::in_words).collect();
    let expected = format!("2 × {} (its sale has ended)", lamp.name);
    assert_eq!(released, [expected]);
    check_audit_clean(&shop).await;
}

/// A sale that is ended by mistake and opened again at once: its reservations are over, but no
/// shopper has to wait because of that.
#[tokio::test]
async fn a_sale_that_is_open_again_starts_no_pause_for_its_shoppers() {
    let shop = TestShop::new().await;
    let lamp = shop.product().stock(5).create().await;
    let cart = shop.cart_of(&[(&lamp, 2)]).await;
    reserve(&shop, cart).await.expect("it is reserved");
    end_now(&shop, &lamp).await.expect("it ends");
    open_now(&shop, &lamp).await.expect("it opens");
    assert_eq!(shop.reservations().sweep_expired().await.ok(), Some(1));
    let reason: String = shop.by_hand.value("SELECT reason FROM hold").await;
    assert_eq!(reason, "sale ended");
    let view = shop.carts().view(Some(cart)).await.expect("the cart");
    let released: Vec<_> = view.released.iter().map(ReleasedLine::in_words).collect();
    assert_eq!(released, [format!("2 × {}", lamp.name)], "it can be had");
    reserve(&shop, cart).await.expect("it is reserved again");
    check_audit_clean(&shop).await;
}

/// The first product's hold ends with its sale; what is added has the time of the reservation.
#[tokio::test]
async fn a_product_added_near_the_end_of_another_sale_has_its_full_time() {
    let shop = TestShop::new().await;
    let soon = shop.product().stock(5).ends_in("1 minute").create().await;
    let always = shop.product().stock(5).create().await;
    let cart = shop.cart_of(&[(&soon, 1)]).await;
    reserve(&shop, cart).await.expect("it is reserved");
    let added = shop.carts().add(Some(cart), always.id, Quantity::ONE, None);
    added.await.expect("it is added");
    let (first, second) = (expiry(&shop, &soon).await, expiry(&shop, &always).await);
    assert!(second > first + Duration::minutes(5), "{first} {second}");
}

/// The reservation has read the open sale and waits for the stock row, as does *End now* behind it:
/// the hold is found and ends at once.
#[tokio::test]
async fn ending_a_sale_behind_a_reservation_ends_its_hold() {
    let shop = TestShop::new().await;
    let lamp = shop.product().stock(5).create().await;
    let cart = shop.cart_of(&[(&lamp, 1)]).await;
    let lock = StockLock::acquire(&shop, &lamp).await;
    let first = shop.handle();
    let reserving =
        tokio::spawn(async move { first.reservations().reserve(cart, None).await.result });
    shop.until_blocked(1).await;
    let (second, product) = (shop.handle(), lamp.clone());
    let ending = tokio::spawn(async move { end_now(&second, &product).await });
    shop.until_blocked(2).await;
    lock.release().await;
    let reserved = within(PATIENCE, "the reservation", reserving).await;
    assert!(reserved.expect("the task ends").is_ok());
    let ended = within(PATIENCE, "the end", ending).await;
    let ended = ended.expect("the task ends").expect("it ends");
    assert_eq!((ended.state, ended.shortened), (SaleState::Ended, 1));
    assert_eq!(expiry(&shop, &lamp).await, end_of(&shop, &lamp).await);
    assert_eq!(shop.reservations().sweep_expired().await.ok(), Some(1));
    check_audit_clean(&shop).await;
}

/// *End now* has the first place at the stock row: the reservation behind it has read the open
/// sale, and is refused when it reads it again.
#[tokio::test]
async fn a_reservation_behind_the_end_of_its_sale_is_refused() {
    let shop = TestShop::new().await;
    let lamp = shop.product().stock(5).create().await;
    let cart = shop.cart_of(&[(&lamp, 1)]).await;
    let lock = StockLock::acquire(&shop, &lamp).await;
    let (first, product) = (shop.handle(), lamp.clone());
    let ending = tokio::spawn(async move { end_now(&first, &product).await });
    shop.until_blocked(1).await;
    let second = shop.handle();
    let reserving =
        tokio::spawn(async move { second.reservations().reserve(cart, None).await.result });
    shop.until_blocked(2).await;
    lock.release().await;
    let ended = within(PATIENCE, "the end", ending).await;
    ended.expect("the task ends").expect("it ends");
    let reserved = within(PATIENCE, "the reservation", reserving).await;
    let reserved = reserved.expect("the task ends").map_err(ShopError::from);
    let product = lamp.name.clone();
    assert_eq!(reserved, Err(ShopError::SaleEnded { product }));
    assert_eq!(shop.count("hold").await, 0);
    assert_eq!(shop.level(&lamp).await.available, 5);
    check_audit_clean(&shop).await;
}

/// A payment in flight keeps its hold, and its order is paid after the end.
#[tokio::test]
async fn a_payment_in_flight_survives_the_end_of_the_sale() {
    let shop = TestShop::new().await;
    let scripted = ScriptedProvider::default();
    let lamp = shop.product().stock(5).create().await;
    let cart = shop.cart_of(&[(&lamp, 1)]).await;
    let request = shop.checkout(cart, "ann@example.com");
    let paying = shop
        .start_payment(shop.paid_through(&scripted), &scripted, request)
        .await;
    let report = end_now(&shop, &lamp).await.expect("it ends");
    assert_eq!(report.shortened, 0);
    scripted.answer(
        paying.charge,
        Ok(doorbuster::payment::gateway::ChargeState::Captured),
    );
    paying.answer().await.expect("it is paid");
    let level = shop.level(&lamp).await;
    assert_eq!((level.reserved, level.sold), (0, 1));
    check_audit_clean(&shop).await;
}

/// A payment that is declined after the end brings its hold back to the cart: it ends at once.
#[tokio::test]
async fn a_declined_payment_brings_no_hold_back_into_an_ended_sale() {
    let shop = TestShop::new().await;
    let scripted = ScriptedProvider::default();
    let lamp = shop.product().stock(5).create().await;
    let cart = shop.cart_of(&[(&lamp, 1)]).await;
    let request = shop.checkout(cart, "ann@example.com");
    let paying = shop
        .start_payment(shop.paid_through(&scripted), &scripted, request)
        .await;
    end_now(&shop, &lamp).await.expect("it ends");
    scripted.answer(
        paying.charge,
        Ok(crate::support::scripted_provider::declined()),
    );
    assert!(paying.answer().await.is_err());
    assert_eq!(expiry(&shop, &lamp).await, end_of(&shop, &lamp).await);
    assert_eq!(shop.reservations().sweep_expired().await.ok(), Some(1));
    assert_eq!(shop.level(&lamp).await.available, 5);
    check_audit_clean(&shop).await;
}

/// Lets `seconds` pass for a product: its sale and its holds.
async fn let_pass(shop: &TestShop, product: &TestProduct, seconds: u32) {
    for sql in [
        format!(
            "UPDATE product SET sale_ends_at = sale_ends_at - INTERVAL '{seconds} seconds' WHERE id = {}",
            product.id
        ),
        format!(
            "UPDATE hold SET expires_at = expires_at - INTERVAL '{seconds} seconds' WHERE product_id = {}",
            product.id
        ),
    ] {
        shop.by_hand.run(&sql).await;
    }
}

/// The sale ends as planned while the provider still works on the charge of the last unit. The
/// sweeper does not release it, no other buyer gets it, and the payer does.
#[tokio::test]
async fn a_payment_that_began_before_the_planned_end_gets_its_units() {
    let shop = TestShop::new().await;
    let scripted = ScriptedProvider::default();
    let lamp = shop.product().stock(1).ends_in("1 minute").create().await;
    let cart = shop.cart_of(&[(&lamp, 1)]).await;
    reserve(&shop, cart).await.expect("it is reserved");
    assert_eq!(expiry(&shop, &lamp).await, end_of(&shop, &lamp).await);
    let request = shop.checkout(cart, "ann@example.com");
    let paying = shop
        .start_payment(shop.paid_through(&scripted), &scripted, request)
        .await;
    let_pass(&shop, &lamp, 61).await;
    let refused = shop.buy(&lamp).await;
    assert!(
        matches!(refused, Err(ShopError::SaleEnded { .. })),
        "{refused:?}"
    );
    assert_eq!(shop.reservations().sweep_expired().await.ok(), Some(0));
    open_now(&shop, &lamp).await.expect("it opens again");
    assert!(shop.buy(&lamp).await.is_err(), "the unit is reserved");
    end_now(&shop, &lamp).await.expect("it ends");
    assert_eq!(shop.reservations().sweep_expired().await.ok(), Some(0));
    scripted.answer(
        paying.charge,
        Ok(doorbuster::payment::gateway::ChargeState::Captured),
    );
    let answer = paying.answer().await.expect("it is paid");
    assert_eq!(answer.status, doorbuster::model::OrderStatus::Paid);
    let level = shop.level(&lamp).await;
    assert_eq!((level.available, level.reserved, level.sold), (0, 0, 1));
    check_audit_clean(&shop).await;
}

/// *Pay* in the last second of the reservation and of the sale: the provider has its minute.
#[tokio::test]
async fn a_payment_at_the_last_moment_of_a_sale_has_time_to_finish() {
    let shop = TestShop::new().await;
    let scripted = ScriptedProvider::default();
    let lamp = shop.product().stock(1).ends_in("1 minute").create().await;
    let cart = shop.cart_of(&[(&lamp, 1)]).await;
    reserve(&shop, cart).await.expect("it is reserved");
    shop.by_hand
        .run("UPDATE hold SET created_at = created_at - INTERVAL '1 day', reserved_at = reserved_at - INTERVAL '1 day'")
        .await;
    let request = shop.checkout(cart, "ann@example.com");
    let before = now(&shop).await;
    let paying = shop
        .start_payment(shop.paid_through(&scripted), &scripted, request)
        .await;
    let after = now(&shop).await;
    let minute = Duration::MINUTE;
    let expiry = expiry(&shop, &lamp).await;
    assert!(
        (before + minute..=after + minute).contains(&expiry),
        "{expiry}"
    );
    scripted.answer(
        paying.charge,
        Ok(doorbuster::payment::gateway::ChargeState::Captured),
    );
    paying.answer().await.expect("it is paid");
    check_audit_clean(&shop).await;
}

/// A payment that fails before the planned end gives back the time that it was lent.
#[tokio::test]
async fn a_declined_payment_ends_with_its_sale_again() {
    let shop = TestShop::new().await;
    let scripted = ScriptedProvider::default();
    let lamp = shop.product().stock(1).ends_in("1 minute").create().await;
    let cart = shop.cart_of(&[(&lamp, 1)]).await;
    reserve(&shop, cart).await.expect("it is reserved");
    let end = end_of(&shop, &lamp).await;
    let request = shop.checkout(cart, "ann@example.com");
    let paying = shop
        .start_payment(shop.paid_through(&scripted), &scripted, request)
        .await;
    assert!(expiry(&shop, &lamp).await > end);
    scripted.answer(
        paying.charge,
        Ok(crate::support::scripted_provider::declined()),
    );
    assert!(paying.answer().await.is_err());
    assert_eq!(expiry(&shop, &lamp).await, end);
    let ends_with_sale: bool = shop.by_hand.value("SELECT ends_with_sale FROM hold").await;
    assert!(ends_with_sale);
    check_audit_clean(&shop).await;
}
