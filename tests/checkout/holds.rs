//! Reservations: stock that is held while its shopper is at the checkout.

use doorbuster::{
    config::ShopTerms,
    model::{CartView, ShopError, StrategyKey},
    shop::{Shop, idempotency::Claim},
};
use futures::future::join_all;
use uuid::Uuid;

use crate::support::{
    Gate, PATIENCE, PlacesOrders, TestProduct, TestShop, check_audit_clean,
    shop::{Counters, claim, units_of, unkeyed},
    strategies, within,
};

/// The strategies that can reserve stock.
fn holding() -> impl Iterator<Item = StrategyKey> {
    strategies().filter(|strategy| strategy.row().can_hold)
}

fn by(strategy: StrategyKey) -> ShopTerms {
    ShopTerms {
        strategy,
        ..ShopTerms::default()
    }
}

async fn reserve(shop: &Shop, cart: Uuid) -> Result<(), ShopError> {
    reserve_keyed(shop, cart, None).await
}

async fn reserve_keyed(shop: &Shop, cart: Uuid, claim: Option<Claim>) -> Result<(), ShopError> {
    let outcome = shop.reservations().reserve(cart, claim).await;
    outcome.result.map_err(ShopError::from)
}

async fn cart(shop: &Shop, cart: Uuid) -> CartView {
    shop.carts()
        .view(Some(cart))
        .await
        .expect("the cart is read")
}

/// Counts the holds of a product, in every state.
async fn holds_of(shop: &TestShop, product: &TestProduct) -> i64 {
    shop.count(&format!("hold WHERE product_id = {}", product.id))
        .await
}

fn counters(total: i64, available: i64, reserved: i64, sold: i64) -> Counters {
    Counters {
        total,
        available,
        reserved,
        sold,
    }
}

#[tokio::test]
async fn a_checkout_reserves_all_of_the_cart_or_nothing() {
    let shop = TestShop::new().await;
    for strategy in holding() {
        let here = shop.on_terms(by(strategy));
        let (plenty, scarce) = (shop.with_product(9).await, shop.with_product(5).await);
        let cart = shop.cart_of(&[(&plenty, 2), (&scarce, 5)]).await;
        shop.buy(&scarce).await.expect("another buyer is faster");

        let refused = reserve(&here, cart).await;

        assert_eq!(refused, Err(scarce.insufficient(4, 5)), "{strategy}");
        assert_eq!(
            (
                holds_of(&shop, &plenty).await,
                holds_of(&shop, &scarce).await
            ),
            (0, 0),
            "{strategy}"
        );
        shop.carts()
            .set_quantity(unkeyed(cart), scarce.id, units_of(4))
            .await
            .expect("four are available");
        assert_eq!(reserve(&here, cart).await, Ok(()), "{strategy}");
        assert_eq!(shop.level(&plenty).await, counters(9, 7, 2, 0));
        assert_eq!(shop.level(&scarce).await, counters(5, 0, 4, 1));
        assert_eq!(shop.ledger_of(&plenty).await, "hold 2 #", "{strategy}");
    }
}

#[tokio::test]
async fn reserved_units_are_available_only_to_their_own_cart() {
    let shop = TestShop::new().await;
    for strategy in holding() {
        let here = shop.on_terms(by(strategy));
        let product = shop.with_product(3).await;
        let (mine, other) = (
            shop.cart_of(&[(&product, 3)]).await,
            shop.cart_of(&[(&product, 1)]).await,
        );
        reserve(&here, mine).await.expect("it is reserved");
        let sold_out = Err(product.insufficient(0, 1));
        assert_eq!(shop.buy(&product).await.map(drop), sold_out);
        assert_eq!(reserve(&here, other).await, sold_out);
        let added = here.carts().add(None, product.id, units_of(1), None).await;
        assert_eq!(added.map(drop), sold_out);

        let view = cart(&here, mine).await;
        assert_eq!(view.lines[0].held, 3);
        assert!(
            view.can_check_out(),
            "{strategy}: its own cart can check out"
        );
        reserve(&here, mine).await.expect("it stays reserved");
        let again = cart(&here, mine).await;
        assert_eq!(
            again.reservation.map(|reservation| reservation.ends_at),
            view.reservation.map(|reservation| reservation.ends_at),
            "{strategy}: entering again does not extend the reservation"
        );
        assert_eq!(holds_of(&shop, &product).await, 1, "{strategy}");
    }
}

#[tokio::test]
async fn the_last_units_are_reserved_once_by_twenty_concurrent_shoppers() {
    let shop = TestShop::new().await;
    for strategy in holding() {
        let here = shop.on_terms(by(strategy));
        let product = shop.with_product(5).await;
        let mut carts = Vec::new();
        for _ in 0..20 {
            carts.push(shop.cart_of(&[(&product, 1)]).await);
        }
        let entering = carts.into_iter().map(|cart| {
            let here = here.clone();
            tokio::spawn(async move { reserve(&here, cart).await })
        });
        let entered = within(PATIENCE, "20 shoppers", join_all(entering)).await;
        let refused: Vec<_> = entered
            .into_iter()
            .filter_map(|joined| joined.expect("the task ends").err())
            .collect();
        assert_eq!(refused, vec![product.insufficient(0, 1); 15], "{strategy}");
        assert_eq!(shop.level(&product).await, counters(5, 0, 5, 0));
    }
}

#[tokio::test]
async fn a_change_of_the_cart_changes_its_reservation() {
    let shop = TestShop::new().await;
    for strategy in holding() {
        let here = shop.on_terms(by(strategy));
        let (kettle, lamp) = (shop.with_product(9).await, shop.with_product(9).await);
        let mine = shop.cart_of(&[(&kettle, 2)]).await;
        reserve(&here, mine).await.expect("it is reserved");
        let reserved = async || {
            (
                shop.level(&kettle).await.reserved,
                shop.level(&lamp).await.reserved,
            )
        };
        here.carts()
            .set_quantity(unkeyed(mine), kettle.id, units_of(5))
            .await
            .expect("three more are available");
        assert_eq!(reserved().await, (5, 0), "{strategy}");
        here.carts()
            .set_quantity(unkeyed(mine), kettle.id, units_of(1))
            .await
            .expect("a smaller quantity is always possible");
        assert_eq!(reserved().await, (1, 0), "{strategy}");
        here.carts()
            .add(Some(mine), lamp.id, units_of(4), None)
            .await
            .expect("lamps are available");
        assert_eq!(reserved().await, (1, 4), "{strategy}");
        here.carts()
            .remove(unkeyed(mine), kettle.id)
            .await
            .expect("it is removed");
        assert_eq!(reserved().await, (0, 4), "{strategy}");
        assert_eq!(
            shop.ledger_of(&kettle).await,
            "hold 2 #, hold 3 #, release 4 #, release 1 #",
            "{strategy}"
        );
        let ends: i64 = shop
            .by_hand
            .value(&format!(
                "SELECT count(DISTINCT expires_at) FROM hold WHERE product_id IN ({}, {})",
                kettle.id, lamp.id
            ))
            .await;
        assert_eq!(
            ends, 1,
            "{strategy}: units added later expire with the rest"
        );
    }
}

#[tokio::test]
async fn a_rejection_during_the_checkout_counts_own_holds_as_available() {
    let shop = TestShop::new().await;
    for strategy in holding() {
        let here = shop.on_terms(by(strategy));
        let (other, product) = (shop.with_product(9).await, shop.with_product(5).await);
        let mine = shop.cart_of(&[(&other, 1), (&product, 3)]).await;
        reserve(&here, mine).await.expect("it is reserved");
        shop.buy(&product).await.expect("one is sold elsewhere");

        let refused = here
            .carts()
            .set_quantity(unkeyed(mine), product.id, units_of(6))
            .await;

        assert_eq!(refused, Err(product.insufficient(4, 6)), "{strategy}");
        assert_eq!(
            shop.level(&product).await,
            counters(5, 1, 3, 1),
            "{strategy}: the reservation is unchanged"
        );
        assert_eq!(cart(&here, mine).await.lines[1].quantity.get(), 3);
    }
}

#[tokio::test]
async fn a_reservation_is_extended_once() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let mine = shop.cart_of(&[(&product, 2)]).await;
    let none = shop.reservations().extend(mine, None).await;
    assert_eq!(
        none,
        Err(ShopError::ReservationExpired),
        "before there is one"
    );
    reserve(&shop, mine).await.expect("it is reserved");
    let almost_expired = "UPDATE hold SET expires_at = CURRENT_TIMESTAMP + INTERVAL '20 seconds' WHERE state = 'held'";
    shop.by_hand.run(almost_expired).await;

    shop.reservations()
        .extend(mine, None)
        .await
        .expect("the first time");

    let reservation = cart(&shop, mine)
        .await
        .reservation
        .expect("the reservation exists");
    assert!(reservation.extended);
    assert!(
        (reservation.ttl_s - 30..=reservation.ttl_s).contains(&reservation.seconds_left),
        "{reservation:?}"
    );
    let again = shop.reservations().extend(mine, None).await;
    assert_eq!(again, Err(ShopError::AlreadyExtended));
    // Changing the cart does not allow a second extension.
    let other = shop.with_product(5).await;
    shop.carts()
        .add(Some(mine), other.id, units_of(1), None)
        .await
        .expect("it is available");
    shop.carts()
        .remove(unkeyed(mine), product.id)
        .await
        .expect("it is removed");
    let again = shop.reservations().extend(mine, None).await;
    assert_eq!(again, Err(ShopError::AlreadyExtended));
}

#[tokio::test]
async fn an_expired_reservation_cannot_be_extended() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let mine = shop.cart_of(&[(&product, 2)]).await;
    reserve(&shop, mine).await.expect("it is reserved");
    shop.expire_holds().await;
    let refused = shop.reservations().extend(mine, None).await;
    assert_eq!(refused, Err(ShopError::ReservationExpired));
}

#[tokio::test]
async fn an_expired_hold_returns_to_stock_and_its_shopper_is_notified() {
    let shop = TestShop::new().await;
    let kettle = shop.product().named("Kettle").stock(5).create().await;
    let lamp = shop.product().named("Lamp").stock(5).create().await;
    let mine = shop.cart_of(&[(&kettle, 2), (&lamp, 1)]).await;
    reserve(&shop, mine).await.expect("it is reserved");
    let cart_state = async || {
        let view = cart(&shop, mine).await;
        let released: Vec<_> = view
            .released
            .iter()
            .map(|line| (line.product_name.clone(), line.quantity))
            .collect();
        (view.reservation.is_some(), released)
    };
    let notified = (
        false,
        vec![("Kettle".to_owned(), 2), ("Lamp".to_owned(), 1)],
    );
    assert_eq!(cart_state().await, (true, vec![]));
    shop.expire_holds().await;
    assert_eq!(cart_state().await, notified, "also before a sweep");

    assert_eq!(shop.reservations().sweep_expired().await.ok(), Some(2));

    assert_eq!(cart_state().await, notified);
    assert_eq!(shop.level(&kettle).await, counters(5, 5, 0, 0));
    assert_eq!(shop.ledger_of(&kettle).await, "hold 2 #, release 2 #");
    let announced = shop.feed().latest(&[kettle.id]);
    assert_eq!(announced[0].available, 5, "the change is published");
    reserve(&shop, mine).await.expect("reserved again");
    assert_eq!(cart_state().await, (true, vec![]));
    assert_eq!(shop.level(&kettle).await, counters(5, 3, 2, 0));
}

#[tokio::test]
async fn a_live_hold_is_not_swept() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let mine = shop.cart_of(&[(&product, 2)]).await;
    reserve(&shop, mine).await.expect("it is reserved");
    assert_eq!(shop.reservations().sweep_expired().await.ok(), Some(0));
    assert_eq!(shop.level(&product).await.reserved, 2);
}

#[tokio::test]
async fn more_expired_holds_than_one_batch_are_all_swept() {
    let shop = TestShop::new().await;
    let product = shop.with_product(250).await;
    // One cart would have only one hold, so these holds belong to no cart.
    shop.by_hand
        .run(&format!(
            "INSERT INTO hold (product_id, quantity, state, expires_at) \
             SELECT {id}, 1, 'held', CURRENT_TIMESTAMP - INTERVAL '1 second' FROM generate_series(1, 250) n; \
             INSERT INTO stock_movement (product_id, kind, quantity, hold_id) \
             SELECT {id}, 'hold', 1, id FROM hold WHERE product_id = {id}; \
             UPDATE stock SET available = 0, reserved = 250 WHERE product_id = {id}",
            id = product.id
        ))
        .await;
    assert_eq!(shop.reservations().sweep_expired().await.ok(), Some(250));
    assert_eq!(shop.level(&product).await, counters(250, 250, 0, 0));
}

/// The first sweeper is blocked after it locked the holds; the second skips them and does not wait.
#[tokio::test]
async fn two_concurrent_sweepers_release_each_hold_once() {
    let shop = TestShop::new().await;
    let product = shop.with_product(9).await;
    for units in 1..=3 {
        let cart = shop.cart_of(&[(&product, units)]).await;
        reserve(&shop, cart).await.expect("it is reserved");
    }
    shop.expire_holds().await;
    let blocker = shop.database.by_hand().await;
    blocker
        .run(&format!(
            "BEGIN; SELECT 1 FROM stock WHERE product_id = {} FOR UPDATE",
            product.id
        ))
        .await;
    let first = {
        let shop = shop.handle();
        tokio::spawn(async move { shop.reservations().sweep_expired().await.ok() })
    };
    shop.until_blocked(1).await;
    let second = within(PATIENCE, "the second", shop.reservations().sweep_expired()).await;
    assert_eq!(second.ok(), Some(0));
    blocker.run("COMMIT").await;
    assert_eq!(first.await.expect("the task ends"), Some(3));
    assert_eq!(shop.level(&product).await, counters(9, 9, 0, 0));
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn an_expired_unswept_hold_is_reserved_again() {
    let shop = TestShop::new().await;
    for strategy in holding() {
        let here = shop.on_terms(by(strategy));
        let product = shop.with_product(2).await;
        let mine = shop.cart_of(&[(&product, 2)]).await;
        reserve(&here, mine).await.expect("it is reserved");
        shop.expire_holds().await;

        assert_eq!(reserve(&here, mine).await, Ok(()), "{strategy}");

        assert_eq!(shop.level(&product).await, counters(2, 0, 2, 0));
        assert_eq!(
            shop.ledger_of(&product).await,
            "hold 2 #, release 2 #, hold 2 #",
            "{strategy}"
        );
        let reservation = cart(&here, mine)
            .await
            .reservation
            .expect("the reservation exists");
        assert!(!reservation.extended, "{strategy}: it is a new one");
    }
}

#[tokio::test]
async fn an_expired_unswept_hold_does_not_block_its_own_cart() {
    let shop = TestShop::new().await;
    let product = shop.with_product(3).await;
    let mine = shop.cart_of(&[(&product, 3)]).await;
    reserve(&shop, mine).await.expect("it is reserved");
    shop.expire_holds().await;
    let changed = shop
        .carts()
        .set_quantity(unkeyed(mine), product.id, units_of(2));
    assert_eq!(changed.await, Ok(()));
    let refused = shop
        .carts()
        .set_quantity(unkeyed(mine), product.id, units_of(4));
    assert_eq!(refused.await, Err(product.insufficient(3, 4)));
}

#[tokio::test]
async fn an_expired_unswept_hold_can_be_paid_for() {
    let shop = TestShop::new().await;
    for strategy in holding() {
        let here = shop.on_terms(by(strategy));
        let product = shop.with_product(2).await;
        let mine = shop.cart_of(&[(&product, 2)]).await;
        reserve(&here, mine).await.expect("it is reserved");
        shop.expire_holds().await;
        let paid = here.place_order(shop.checkout(mine, "ann@example.com"));
        assert!(paid.await.result.is_ok(), "{strategy}");
        assert_eq!(shop.level(&product).await, counters(2, 0, 0, 2));
    }
}

#[tokio::test]
async fn an_expired_hold_that_was_sold_elsewhere_is_rejected_and_the_cart_unchanged() {
    let shop = TestShop::new().await;
    let product = shop.with_product(2).await;
    let mine = shop.cart_of(&[(&product, 2)]).await;
    reserve(&shop, mine).await.expect("it is reserved");
    shop.expire_holds().await;
    shop.reservations()
        .sweep_expired()
        .await
        .expect("it is swept");
    shop.buy(&product).await.expect("another buyer is faster");
    let refused = shop.place_order(shop.checkout(mine, "ann@example.com"));
    assert_eq!(
        refused.await.result.map_err(ShopError::from),
        Err(product.insufficient(1, 2))
    );
    assert_eq!(cart(&shop, mine).await.lines.len(), 1);
    assert_eq!(shop.count("payment").await, 0);
}

/// A sweeper runs while an expired hold is being renewed.
#[tokio::test]
async fn a_hold_renewed_by_a_payment_is_not_swept() {
    let shop = TestShop::new().await;
    for strategy in holding() {
        let product = shop.with_product(2).await;
        let mine = shop.cart_of(&[(&product, 2)]).await;
        reserve(&shop, mine).await.expect("it is reserved");
        shop.expire_holds().await;
        let gate = Gate::closed();
        let request = shop.checkout(mine, "ann@example.com");
        let paying = {
            let here = shop
                .on_terms(by(strategy))
                .with_injection_point(gate.injection_point());
            tokio::spawn(async move { here.place_order(request).await.result })
        };
        gate.arrivals(1).await;
        let swept = within(PATIENCE, "the sweeper", shop.reservations().sweep_expired()).await;
        assert_eq!(swept.ok(), Some(0), "{strategy}");
        gate.open();
        assert!(paying.await.expect("the task ends").is_ok(), "{strategy}");
        assert_eq!(shop.level(&product).await, counters(2, 0, 0, 2));
    }
}

/// A retry after a deadlock would hide it, so the test checks that the higher row is free while the
/// checkout waits for the lower one.
#[tokio::test]
async fn the_product_of_an_expired_hold_is_locked_in_id_order() {
    let shop = TestShop::new().await;
    let low = shop.with_product(5).await;
    let high = shop.product().stock(5).limit(2).create().await;
    let mine = shop.cart_of(&[(&low, 1), (&high, 1)]).await;
    reserve(&shop, mine).await.expect("it is reserved");
    shop.expire_holds().await;
    shop.carts()
        .remove(unkeyed(mine), low.id)
        .await
        .expect("it is removed");
    let blocker = shop.database.by_hand().await;
    blocker
        .run(&format!(
            "BEGIN; SELECT 1 FROM stock WHERE product_id = {} FOR UPDATE",
            low.id
        ))
        .await;
    let request = shop.checkout(mine, "ann@example.com");
    let paying = {
        let shop = shop.handle();
        tokio::spawn(async move { shop.place_order(request).await.result })
    };
    shop.until_blocked(1).await;
    let free: i64 = shop
        .by_hand
        .value(&format!(
            "SELECT count(*) FROM (SELECT 1 FROM stock WHERE product_id = {} FOR UPDATE SKIP LOCKED) free",
            high.id
        ))
        .await;
    blocker.run("COMMIT").await;
    assert_eq!(
        free, 1,
        "the higher row is not locked while the checkout waits for the lower one"
    );
    assert!(paying.await.expect("the task ends").is_ok());
    assert_eq!(shop.level(&low).await, counters(5, 5, 0, 0));
}

#[tokio::test]
async fn a_reserve_form_submitted_repeatedly_reserves_once() {
    let shop = TestShop::new().await;
    for strategy in holding() {
        let here = shop.on_terms(by(strategy));
        let product = shop.with_product(5).await;
        let mine = shop.cart_of(&[(&product, 2)]).await;
        let key = format!("submit-{strategy}");
        let key = Some(claim(&key, "reserve", &[&mine.to_string()]));
        let requests = (0..8).map(|_| {
            let (here, key) = (here.clone(), key.clone());
            tokio::spawn(async move { reserve_keyed(&here, mine, key).await })
        });
        for joined in within(PATIENCE, "8 requests", join_all(requests)).await {
            assert_eq!(joined.expect("the task ends"), Ok(()), "{strategy}");
        }
        assert_eq!(shop.ledger_of(&product).await, "hold 2 #", "{strategy}");
    }
}

#[tokio::test]
async fn an_extend_form_submitted_twice_extends_once_without_an_error() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let mine = shop.cart_of(&[(&product, 2)]).await;
    reserve(&shop, mine).await.expect("it is reserved");
    let key = Some(claim("submit", "extend", &[&mine.to_string()]));
    for _ in 0..2 {
        let extended = shop.reservations().extend(mine, key.clone()).await;
        assert_eq!(extended, Ok(()));
    }
    let ends: i64 = shop.by_hand.value("SELECT count(*) FROM hold").await;
    assert_eq!(ends, 1);
}

#[tokio::test]
async fn an_empty_cart_reserves_nothing() {
    let shop = TestShop::new().await;
    let refused = reserve(&shop, Uuid::now_v7()).await;
    assert_eq!(refused, Err(ShopError::CartEmpty));
}

#[tokio::test]
async fn a_sale_that_closed_after_adding_to_the_cart_is_not_reserved() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let mine = shop.cart_of(&[(&product, 2)]).await;
    let close = format!(
        "UPDATE product SET sale_ends_at = CURRENT_TIMESTAMP - INTERVAL '1 second' WHERE id = {}",
        product.id
    );
    shop.by_hand.run(&close).await;
    let refused = reserve(&shop, mine).await;
    let expected = ShopError::SaleEnded {
        product: product.name.clone(),
    };
    assert_eq!(refused, Err(expected));
    assert_eq!(shop.count("hold").await, 0);
}
