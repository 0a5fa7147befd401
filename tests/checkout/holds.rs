//! Reservations: stock that is set aside while its shopper is at the checkout.

use doorbuster::{
    config::ShopTerms,
    model::{CartView, ShopError, StrategyKey},
    shop::{Shop, idempotency::Claim},
};
use futures::future::join_all;
use uuid::Uuid;

use crate::support::{
    Gate, PATIENCE, PlacesOrders, TestShop, check_audit_clean,
    shop::{Counters, claim, units_of, unkeyed},
    within,
};

const HOLDING: [StrategyKey; 2] = [StrategyKey::RowLock, StrategyKey::ConditionalUpdate];

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
    let outcome = shop.reserve_cart(cart, claim).await;
    outcome.result.map_err(ShopError::from)
}

async fn cart(shop: &Shop, cart: Uuid) -> CartView {
    shop.cart(Some(cart)).await.expect("the cart is read")
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
async fn entering_the_checkout_sets_all_of_the_cart_aside_or_nothing() {
    for strategy in HOLDING {
        let shop = TestShop::new().await;
        let here = shop.on_terms(by(strategy));
        let (plenty, scarce) = (shop.with_product(9).await, shop.with_product(5).await);
        let cart = shop.cart_of(&[(&plenty, 2), (&scarce, 5)]).await;
        shop.buy(&scarce).await.expect("somebody is quicker");

        let refused = reserve(&here, cart).await;

        assert_eq!(refused, Err(scarce.insufficient(4, 5)), "{strategy}");
        assert_eq!(shop.count("hold").await, 0, "{strategy}");
        shop.set_cart_quantity(unkeyed(cart), scarce.id, units_of(4))
            .await
            .expect("four are left");
        assert_eq!(reserve(&here, cart).await, Ok(()), "{strategy}");
        assert_eq!(shop.level(&plenty).await, counters(9, 7, 2, 0));
        assert_eq!(shop.level(&scarce).await, counters(5, 0, 4, 1));
        assert_eq!(shop.ledger_of(&plenty).await, "hold 2 #", "{strategy}");
    }
}

#[tokio::test]
async fn what_is_held_is_available_to_nobody_else_and_to_its_own_cart() {
    for strategy in HOLDING {
        let shop = TestShop::new().await;
        let here = shop.on_terms(by(strategy));
        let product = shop.with_product(3).await;
        let (mine, other) = (
            shop.cart_of(&[(&product, 3)]).await,
            shop.cart_of(&[(&product, 1)]).await,
        );
        reserve(&here, mine).await.expect("it is reserved");
        let nothing_left = Err(product.insufficient(0, 1));
        assert_eq!(shop.buy(&product).await.map(drop), nothing_left);
        assert_eq!(reserve(&here, other).await, nothing_left);
        let added = here.add_to_cart(None, product.id, units_of(1), None).await;
        assert_eq!(added.map(drop), nothing_left);

        let view = cart(&here, mine).await;
        assert_eq!(view.lines[0].held, 3);
        assert!(view.can_check_out(), "{strategy}: to its cart it is there");
        reserve(&here, mine).await.expect("it stays reserved");
        let again = cart(&here, mine).await;
        assert_eq!(
            again.reservation.map(|reservation| reservation.ends_at),
            view.reservation.map(|reservation| reservation.ends_at),
            "{strategy}: entering again wins no time"
        );
        assert_eq!(shop.count("hold").await, 1, "{strategy}");
    }
}

#[tokio::test]
async fn the_last_units_are_reserved_once_however_many_come_at_once() {
    for strategy in HOLDING {
        let shop = TestShop::new().await;
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
            .filter_map(|joined| joined.expect("it ends").err())
            .collect();
        assert_eq!(refused, vec![product.insufficient(0, 1); 15], "{strategy}");
        assert_eq!(shop.level(&product).await, counters(5, 0, 5, 0));
    }
}

#[tokio::test]
async fn the_reservation_follows_the_cart() {
    for strategy in HOLDING {
        let shop = TestShop::new().await;
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
        here.set_cart_quantity(unkeyed(mine), kettle.id, units_of(5))
            .await
            .expect("three more are there");
        assert_eq!(reserved().await, (5, 0), "{strategy}");
        here.set_cart_quantity(unkeyed(mine), kettle.id, units_of(1))
            .await
            .expect("less is always there");
        assert_eq!(reserved().await, (1, 0), "{strategy}");
        here.add_to_cart(Some(mine), lamp.id, units_of(4), None)
            .await
            .expect("lamps are there");
        assert_eq!(reserved().await, (1, 4), "{strategy}");
        here.remove_from_cart(unkeyed(mine), kettle.id)
            .await
            .expect("it goes");
        assert_eq!(reserved().await, (0, 4), "{strategy}");
        assert_eq!(
            shop.ledger_of(&kettle).await,
            "hold 2 #, hold 3 #, release 4 #, release 1 #",
            "{strategy}"
        );
        let ends: i64 = shop
            .by_hand
            .value("SELECT count(DISTINCT expires_at) FROM hold")
            .await;
        assert_eq!(
            ends, 1,
            "{strategy}: what is added later ends with the rest"
        );
    }
}

#[tokio::test]
async fn a_refusal_during_the_checkout_counts_what_is_held_as_available() {
    for strategy in HOLDING {
        let shop = TestShop::new().await;
        let here = shop.on_terms(by(strategy));
        let (other, product) = (shop.with_product(9).await, shop.with_product(5).await);
        let mine = shop.cart_of(&[(&other, 1), (&product, 3)]).await;
        reserve(&here, mine).await.expect("it is reserved");
        shop.buy(&product).await.expect("one is sold elsewhere");

        let refused = here
            .set_cart_quantity(unkeyed(mine), product.id, units_of(6))
            .await;

        assert_eq!(refused, Err(product.insufficient(4, 6)), "{strategy}");
        assert_eq!(
            shop.level(&product).await,
            counters(5, 1, 3, 1),
            "{strategy}: the reservation is as it was"
        );
        assert_eq!(cart(&here, mine).await.lines[1].quantity.get(), 3);
    }
}

#[tokio::test]
async fn a_reservation_is_extended_once() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let mine = shop.cart_of(&[(&product, 2)]).await;
    let none = shop.extend_reservation(mine, None).await;
    assert_eq!(none, Err(ShopError::ReservationGone), "before there is one");
    reserve(&shop, mine).await.expect("it is reserved");
    let nearly_over = "UPDATE hold SET expires_at = CURRENT_TIMESTAMP + INTERVAL '20 seconds' WHERE state = 'held'";
    shop.by_hand.run(nearly_over).await;

    shop.extend_reservation(mine, None)
        .await
        .expect("the first time");

    let reservation = cart(&shop, mine).await.reservation.expect("it stands");
    assert!(reservation.extended);
    assert!(
        (reservation.ttl_s - 30..=reservation.ttl_s).contains(&reservation.seconds_left),
        "{reservation:?}"
    );
    let again = shop.extend_reservation(mine, None).await;
    assert_eq!(again, Err(ShopError::AlreadyExtended));
    // Nor by way of the cart.
    let other = shop.with_product(5).await;
    shop.add_to_cart(Some(mine), other.id, units_of(1), None)
        .await
        .expect("it is there");
    shop.remove_from_cart(unkeyed(mine), product.id)
        .await
        .expect("it goes");
    let again = shop.extend_reservation(mine, None).await;
    assert_eq!(again, Err(ShopError::AlreadyExtended));
}

#[tokio::test]
async fn what_has_run_out_is_not_extended() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let mine = shop.cart_of(&[(&product, 2)]).await;
    reserve(&shop, mine).await.expect("it is reserved");
    shop.let_holds_expire().await;
    let refused = shop.extend_reservation(mine, None).await;
    assert_eq!(refused, Err(ShopError::ReservationGone));
}

#[tokio::test]
async fn what_runs_out_goes_back_to_the_shelf_and_its_shopper_is_told() {
    let shop = TestShop::new().await;
    let kettle = shop.product().named("Kettle").stock(5).create().await;
    let lamp = shop.product().named("Lamp").stock(5).create().await;
    let mine = shop.cart_of(&[(&kettle, 2), (&lamp, 1)]).await;
    reserve(&shop, mine).await.expect("it is reserved");
    let left = async || {
        let view = cart(&shop, mine).await;
        let released: Vec<_> = view
            .released
            .iter()
            .map(|line| (line.product_name.clone(), line.quantity))
            .collect();
        (view.reservation.is_some(), released)
    };
    let told = (
        false,
        vec![("Kettle".to_owned(), 2), ("Lamp".to_owned(), 1)],
    );
    assert_eq!(left().await, (true, vec![]));
    shop.let_holds_expire().await;
    assert_eq!(left().await, told, "also before anybody swept");

    assert_eq!(shop.sweep_expired_holds().await.ok(), Some(2));

    assert_eq!(left().await, told);
    assert_eq!(shop.level(&kettle).await, counters(5, 5, 0, 0));
    assert_eq!(shop.ledger_of(&kettle).await, "hold 2 #, release 2 #");
    let announced = shop.feed().latest(&[kettle.id]);
    assert_eq!(announced[0].available, 5, "everybody is told");
    reserve(&shop, mine).await.expect("reserved again");
    assert_eq!(left().await, (true, vec![]));
    assert_eq!(shop.level(&kettle).await, counters(5, 3, 2, 0));
}

#[tokio::test]
async fn what_still_stands_is_not_swept() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let mine = shop.cart_of(&[(&product, 2)]).await;
    reserve(&shop, mine).await.expect("it is reserved");
    assert_eq!(shop.sweep_expired_holds().await.ok(), Some(0));
    assert_eq!(shop.level(&product).await.reserved, 2);
}

#[tokio::test]
async fn more_than_one_sweep_takes_up_is_swept_all_the_same() {
    let shop = TestShop::new().await;
    let product = shop.with_product(250).await;
    // One cart would have one hold: these are nobody's.
    shop.by_hand
        .run(&format!(
            "WITH held AS (INSERT INTO hold (product_id, quantity, state, expires_at) \
             SELECT {id}, 1, 'held', CURRENT_TIMESTAMP - INTERVAL '1 second' FROM generate_series(1, 250) RETURNING id) \
             INSERT INTO stock_movement (product_id, kind, quantity, hold_id) SELECT {id}, 'hold', 1, id FROM held; \
             UPDATE stock SET available = 0, reserved = 250 WHERE product_id = {id}",
            id = product.id
        ))
        .await;
    assert_eq!(shop.sweep_expired_holds().await.ok(), Some(250));
    assert_eq!(shop.level(&product).await, counters(250, 250, 0, 0));
}

/// The first is stopped with the holds in its hands; the second passes them over instead of waiting to give them back again.
#[tokio::test]
async fn two_sweepers_at_once_give_each_hold_back_once() {
    let shop = TestShop::new().await;
    let product = shop.with_product(9).await;
    for units in 1..=3 {
        let cart = shop.cart_of(&[(&product, units)]).await;
        reserve(&shop, cart).await.expect("it is reserved");
    }
    shop.let_holds_expire().await;
    let shelf = shop.database.by_hand().await;
    shelf
        .run(&format!(
            "BEGIN; SELECT 1 FROM stock WHERE product_id = {} FOR UPDATE",
            product.id
        ))
        .await;
    let first = {
        let shop = shop.handle();
        tokio::spawn(async move { shop.sweep_expired_holds().await.ok() })
    };
    shop.until_blocked(1).await;
    let second = within(PATIENCE, "the second", shop.sweep_expired_holds()).await;
    assert_eq!(second.ok(), Some(0));
    shelf.run("COMMIT").await;
    assert_eq!(first.await.expect("it ends"), Some(3));
    assert_eq!(shop.level(&product).await, counters(9, 9, 0, 0));
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn what_ran_out_unswept_is_reserved_again() {
    for strategy in HOLDING {
        let shop = TestShop::new().await;
        let here = shop.on_terms(by(strategy));
        let product = shop.with_product(2).await;
        let mine = shop.cart_of(&[(&product, 2)]).await;
        reserve(&here, mine).await.expect("it is reserved");
        shop.let_holds_expire().await;

        assert_eq!(reserve(&here, mine).await, Ok(()), "{strategy}");

        assert_eq!(shop.level(&product).await, counters(2, 0, 2, 0));
        assert_eq!(
            shop.ledger_of(&product).await,
            "hold 2 #, release 2 #, hold 2 #",
            "{strategy}"
        );
        let reservation = cart(&here, mine).await.reservation.expect("it stands");
        assert!(!reservation.extended, "{strategy}: it is a new one");
    }
}

#[tokio::test]
async fn what_ran_out_unswept_is_in_no_way_of_its_own_cart() {
    let shop = TestShop::new().await;
    let product = shop.with_product(3).await;
    let mine = shop.cart_of(&[(&product, 3)]).await;
    reserve(&shop, mine).await.expect("it is reserved");
    shop.let_holds_expire().await;
    let changed = shop.set_cart_quantity(unkeyed(mine), product.id, units_of(2));
    assert_eq!(changed.await, Ok(()));
    let refused = shop.set_cart_quantity(unkeyed(mine), product.id, units_of(4));
    assert_eq!(refused.await, Err(product.insufficient(3, 4)));
}

#[tokio::test]
async fn what_ran_out_unswept_can_be_paid_for() {
    for strategy in HOLDING {
        let shop = TestShop::new().await;
        let here = shop.on_terms(by(strategy));
        let product = shop.with_product(2).await;
        let mine = shop.cart_of(&[(&product, 2)]).await;
        reserve(&here, mine).await.expect("it is reserved");
        shop.let_holds_expire().await;
        let paid = here.place_order(shop.checkout(mine, "ann@example.com"));
        assert!(paid.await.result.is_ok(), "{strategy}");
        assert_eq!(shop.level(&product).await, counters(2, 0, 0, 2));
    }
}

#[tokio::test]
async fn what_ran_out_and_was_sold_to_somebody_else_is_refused_and_the_cart_kept() {
    let shop = TestShop::new().await;
    let product = shop.with_product(2).await;
    let mine = shop.cart_of(&[(&product, 2)]).await;
    reserve(&shop, mine).await.expect("it is reserved");
    shop.let_holds_expire().await;
    shop.sweep_expired_holds().await.expect("it is swept");
    shop.buy(&product).await.expect("somebody is quicker");
    let refused = shop.place_order(shop.checkout(mine, "ann@example.com"));
    assert_eq!(
        refused.await.result.map_err(ShopError::from),
        Err(product.insufficient(1, 2))
    );
    assert_eq!(cart(&shop, mine).await.lines.len(), 1);
    assert_eq!(shop.count("payment").await, 0);
}

/// A sweeper comes by while an expired hold is being renewed.
#[tokio::test]
async fn who_pays_at_the_last_moment_is_not_swept_away() {
    for strategy in HOLDING {
        let shop = TestShop::new().await;
        let product = shop.with_product(2).await;
        let mine = shop.cart_of(&[(&product, 2)]).await;
        reserve(&shop, mine).await.expect("it is reserved");
        shop.let_holds_expire().await;
        let gate = Gate::closed();
        let request = shop.checkout(mine, "ann@example.com");
        let paying = {
            let here = shop.on_terms(by(strategy)).with_seam(gate.seam());
            tokio::spawn(async move { here.place_order(request).await.result })
        };
        gate.arrivals(1).await;
        let swept = within(PATIENCE, "the sweeper", shop.sweep_expired_holds()).await;
        assert_eq!(swept.ok(), Some(0), "{strategy}");
        gate.open();
        assert!(paying.await.expect("it ends").is_ok(), "{strategy}");
        assert_eq!(shop.level(&product).await, counters(2, 0, 0, 2));
    }
}

/// A retry after a deadlock would hide it, so it is looked whether the higher row is free while the lower is waited for.
#[tokio::test]
async fn what_an_old_hold_names_is_locked_in_its_turn() {
    let shop = TestShop::new().await;
    let low = shop.with_product(5).await;
    let high = shop.product().stock(5).limit(2).create().await;
    let mine = shop.cart_of(&[(&low, 1), (&high, 1)]).await;
    reserve(&shop, mine).await.expect("it is reserved");
    shop.let_holds_expire().await;
    shop.remove_from_cart(unkeyed(mine), low.id)
        .await
        .expect("it goes");
    let shelf = shop.database.by_hand().await;
    shelf
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
    shelf.run("COMMIT").await;
    assert_eq!(
        free, 1,
        "the higher row is not held while the lower is waited for"
    );
    assert!(paying.await.expect("it ends").is_ok());
    assert_eq!(shop.level(&low).await, counters(5, 5, 0, 0));
}

#[tokio::test]
async fn a_reserving_form_sent_twice_reserves_once() {
    for strategy in HOLDING {
        let shop = TestShop::new().await;
        let here = shop.on_terms(by(strategy));
        let product = shop.with_product(5).await;
        let mine = shop.cart_of(&[(&product, 2)]).await;
        let key = Some(claim("press", "reserve", &[&mine.to_string()]));
        let pressed = (0..8).map(|_| {
            let (here, key) = (here.clone(), key.clone());
            tokio::spawn(async move { reserve_keyed(&here, mine, key).await })
        });
        for joined in within(PATIENCE, "8 presses", join_all(pressed)).await {
            assert_eq!(joined.expect("it ends"), Ok(()), "{strategy}");
        }
        assert_eq!(shop.ledger_of(&product).await, "hold 2 #", "{strategy}");
    }
}

#[tokio::test]
async fn an_extending_form_sent_twice_extends_once_and_is_not_refused() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let mine = shop.cart_of(&[(&product, 2)]).await;
    reserve(&shop, mine).await.expect("it is reserved");
    let key = Some(claim("press", "extend", &[&mine.to_string()]));
    for _ in 0..2 {
        let extended = shop.extend_reservation(mine, key.clone()).await;
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
async fn a_sale_that_closed_meanwhile_is_not_reserved() {
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
