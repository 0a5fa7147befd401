//! Limits on what shoppers hold without paying, for each session and each address.

use doorbuster::{
    config::{HoldLimits, ShopTerms},
    db::retention,
    model::ShopError,
    payment::gateway::ChargeState,
    shop::{
        Shop,
        holds::{HolderAddress, OLD_ADDRESSES},
    },
};
use uuid::Uuid;

use crate::support::{
    PATIENCE, PlacesOrders, ScriptedProvider, TestProduct, TestShop, check_audit_clean,
    scripted_provider::declined,
    shop::{units_of, unkeyed},
    within,
};

/// No limit but those that a test sets.
const UNLIMITED: HoldLimits = HoldLimits {
    session_hold_units_max: 0,
    session_hold_cents_max: 0,
    address_hold_units_max: 0,
    address_hold_cents_max: 0,
    unpaid_pause_s: 0,
    address_unpaid_max: 0,
};

/// Returns the shop of another server process, for a shopper at `10.0.0.{last}`.
fn at(shop: &TestShop, hold_limits: HoldLimits, last: u8) -> Shop {
    let terms = ShopTerms {
        hold_limits,
        ..ShopTerms::default()
    };
    let address = HolderAddress::new([10, 0, 0, last].into());
    let shop = shop.on_terms(terms).as_in_another_process();
    shop.for_holder(address)
}

async fn reserve(shop: &Shop, cart: Uuid) -> Result<(), ShopError> {
    let outcome = shop.reservations().reserve(cart, None).await;
    outcome.result.map_err(ShopError::from)
}

/// Reserves `units` of the product in a new cart.
async fn reserve_new(
    shop: &TestShop,
    here: &Shop,
    product: &TestProduct,
    units: u32,
) -> Result<Uuid, ShopError> {
    let cart = shop.cart_of(&[(product, units)]).await;
    reserve(here, cart).await.map(|()| cart)
}

/// Moves everything that happened to holds into the past.
async fn let_pass(shop: &TestShop, minutes: u32) {
    let moved = format!("- INTERVAL '{minutes} minutes'");
    shop.by_hand
        .run(&format!(
            "UPDATE hold SET reserved_at = reserved_at {moved}, expires_at = expires_at {moved}, closed_at = closed_at {moved}"
        ))
        .await;
}

/// Returns the seconds of the pause that a rejection announces.
#[track_caller]
fn pause_of(refused: Result<(), ShopError>) -> u64 {
    match refused {
        Err(ShopError::HoldsPaused {
            until,
            retry_after_s,
        }) => {
            assert!(until.ends_with(" UTC"), "{until}");
            retry_after_s
        }
        other => panic!("expected a pause: {other:?}"),
    }
}

async fn ends(shop: &TestShop, cart: Uuid) -> String {
    let sql = format!(
        "SELECT string_agg(DISTINCT expires_at::text, ', ') FROM hold WHERE cart_id = '{cart}' AND state = 'held'"
    );
    shop.by_hand.value(&sql).await
}

#[tokio::test]
async fn one_session_reserves_at_most_its_units() {
    let shop = TestShop::new().await;
    let here = at(
        &shop,
        HoldLimits {
            session_hold_units_max: 4,
            ..UNLIMITED
        },
        1,
    );
    let (kettle, lamp) = (shop.with_product(9).await, shop.with_product(9).await);
    let over = |wanted: &str| {
        Err(ShopError::OverHoldLimit {
            limit: "4 units".to_owned(),
            wanted: wanted.to_owned(),
        })
    };
    let cart = shop.cart_of(&[(&kettle, 3), (&lamp, 2)]).await;
    assert_eq!(reserve(&here, cart).await, over("5 units"));
    assert_eq!(shop.count("hold").await, 0);
    let changed = here.carts();
    let set = changed.set_quantity(unkeyed(cart), kettle.id, units_of(2));
    set.await.expect("fewer units fit");
    reserve(&here, cart).await.expect("four units fit");
    // The reserved cart is changed: by each form that can add units.
    let set = changed.set_quantity(unkeyed(cart), kettle.id, units_of(3));
    assert_eq!(set.await, over("5 units"));
    let added = changed.add(Some(cart), lamp.id, units_of(1), None).await;
    assert_eq!(added.map(drop), over("5 units"));
    let added = changed.buy_now(cart, lamp.id, units_of(2), None).await;
    assert_eq!(added.map(drop), over("6 units"));
    assert_eq!(shop.level(&lamp).await.reserved, 2);
    // Paying for it makes room.
    let paid = here.place_order(shop.checkout(cart, "ann@example.com"));
    paid.await.result.expect("it is paid");
    let added = changed.add(Some(cart), lamp.id, units_of(4), None).await;
    added.expect("a cart is not a reservation");
    reserve(&here, cart).await.expect("four units fit again");
}

/// Units of an order whose payment is in progress still count.
#[tokio::test]
async fn units_that_are_being_paid_count_for_their_session() {
    let (shop, scripted) = (TestShop::new().await, ScriptedProvider::default());
    let limits = HoldLimits {
        session_hold_units_max: 4,
        ..UNLIMITED
    };
    let here = at(&shop, limits, 1).with_gateway(std::sync::Arc::new(scripted.clone()));
    let product = shop.with_product(9).await;
    let cart = shop.cart_of(&[(&product, 3)]).await;
    let request = shop.checkout(cart, "ann@example.com");
    let started = shop.start_payment(here.clone(), &scripted, request).await;
    let carts = here.carts();
    let added = carts.add(Some(cart), product.id, units_of(2), None).await;
    added.expect("a cart is not a reservation");
    assert!(matches!(
        reserve(&here, cart).await,
        Err(ShopError::OverHoldLimit { wanted, .. }) if wanted == "5 units"
    ));
    scripted.answer(started.charge, Ok(ChargeState::Captured));
    started.answer().await.expect("it is paid");
    reserve(&here, cart).await.expect("the order is paid");
}

#[tokio::test]
async fn one_session_reserves_at_most_its_value_but_always_one_unit() {
    let shop = TestShop::new().await;
    let limits = HoldLimits {
        session_hold_cents_max: 2_500,
        ..UNLIMITED
    };
    let here = at(&shop, limits, 1);
    let (cheap, dear) = (
        shop.product().price_cents(1_000).create().await,
        shop.product().price_cents(900_000).create().await,
    );
    let refused = reserve_new(&shop, &here, &cheap, 3).await;
    assert_eq!(
        refused,
        Err(ShopError::OverHoldLimit {
            limit: "€25.00".to_owned(),
            wanted: "€30.00".to_owned(),
        })
    );
    let reserved = reserve_new(&shop, &here, &cheap, 2).await;
    reserved.expect("€20.00 fit");
    let reserved = reserve_new(&shop, &here, &dear, 1).await;
    reserved.expect("one unit is always possible");
}

#[tokio::test]
async fn all_sessions_of_an_address_reserve_at_most_its_units() {
    let shop = TestShop::new().await;
    let limits = HoldLimits {
        address_hold_units_max: 5,
        ..UNLIMITED
    };
    // Each is another server process.
    let here = || at(&shop, limits.clone(), 1);
    let product = shop.with_product(20).await;
    let first = reserve_new(&shop, &here(), &product, 3).await;
    let first = first.expect("three units fit");
    let second = reserve_new(&shop, &here(), &product, 2).await;
    second.expect("five units fit");
    let refused = reserve_new(&shop, &here(), &product, 1).await;
    let Err(ShopError::OverAddressHoldLimit {
        limit,
        until,
        retry_after_s,
    }) = refused
    else {
        panic!("expected a limit: {refused:?}")
    };
    assert_eq!(limit, "5 units");
    assert!(until.ends_with(" UTC"), "{until}");
    assert!((500..=601).contains(&retry_after_s), "{retry_after_s}");
    let elsewhere = at(&shop, limits.clone(), 2);
    let reserved = reserve_new(&shop, &elsewhere, &product, 5).await;
    reserved.expect("another address has its own limit");
    // Paying is never limited by address, and makes room.
    let (here_too, cart) = (here(), shop.cart_of(&[(&product, 2)]).await);
    for cart in [cart, first] {
        let paid = here_too.place_order(shop.checkout(cart, "ann@example.com"));
        paid.await.result.expect("it is paid");
    }
    let reserved = reserve_new(&shop, &here(), &product, 3).await;
    reserved.expect("three units were paid");
}

/// Two sessions of one address reserve its last units at the same moment, at two servers. The first
/// is stopped between counting and writing.
#[tokio::test]
async fn concurrent_sessions_of_an_address_do_not_exceed_its_limit() {
    let shop = TestShop::new().await;
    let limits = HoldLimits {
        address_hold_units_max: 3,
        ..UNLIMITED
    };
    let (one, other) = (shop.with_product(9).await, shop.with_product(9).await);
    let carts = [
        shop.cart_of(&[(&one, 2)]).await,
        shop.cart_of(&[(&other, 2)]).await,
    ];
    let blocker = shop.database.by_hand().await;
    blocker
        .run(&format!(
            "BEGIN; SELECT 1 FROM stock WHERE product_id = {} FOR UPDATE",
            one.id
        ))
        .await;
    let spawn = |cart| {
        let here = at(&shop, limits.clone(), 1);
        tokio::spawn(async move { reserve(&here, cart).await })
    };
    let first = spawn(carts[0]);
    shop.until_blocked(1).await;
    let second = spawn(carts[1]);
    shop.until_blocked(2).await;
    blocker.run("COMMIT").await;
    let first = within(PATIENCE, "the first", first).await;
    assert_eq!(first.expect("the task ends"), Ok(()));
    let second = within(PATIENCE, "the second", second).await;
    let second = second.expect("the task ends");
    assert!(
        matches!(second, Err(ShopError::OverAddressHoldLimit { .. })),
        "{second:?}"
    );
    assert_eq!(shop.level(&other).await.reserved, 0);
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_pause_follows_a_reservation_that_ended_unpaid_and_grows() {
    let shop = TestShop::new().await;
    let limits = HoldLimits {
        unpaid_pause_s: 60,
        ..UNLIMITED
    };
    let here = at(&shop, limits, 1);
    let product = shop.with_product(9).await;
    let cart = reserve_new(&shop, &here, &product, 2).await;
    let cart = cart.expect("it is reserved");
    // The last pause is longer than the time that a test lets pass.
    for pause_s in [60, 120, 240] {
        shop.expire_holds().await;
        let paused = pause_of(reserve(&here, cart).await);
        assert!(
            (pause_s - 30..=pause_s).contains(&paused),
            "{paused} of {pause_s}"
        );
        shop.reservations()
            .sweep_expired()
            .await
            .expect("it is swept");
        let paused = pause_of(reserve(&here, cart).await);
        assert!(
            (pause_s - 30..=pause_s).contains(&paused),
            "also when it is swept"
        );
        let_pass(&shop, 5).await;
        reserve(&here, cart).await.expect("the pause is over");
    }
    let another = reserve_new(&shop, &here, &product, 2).await;
    another.expect("the pause is of the session");
}

#[tokio::test]
async fn emptying_and_refilling_the_cart_does_not_restart_its_time() {
    let shop = TestShop::new().await;
    let here = at(&shop, UNLIMITED, 1);
    let (product, other) = (shop.with_product(9).await, shop.with_product(9).await);
    let cart = reserve_new(&shop, &here, &product, 2).await;
    let cart = cart.expect("it is reserved");
    let_pass(&shop, 2).await;
    let before = ends(&shop, cart).await;
    for refill in [&product, &other, &product] {
        for product in [&product, &other] {
            let removed = here.carts().remove(unkeyed(cart), product.id);
            removed.await.expect("it is removed");
        }
        let added = here.carts().add(Some(cart), refill.id, units_of(1), None);
        added.await.expect("it is available");
        reserve(&here, cart).await.expect("it is reserved again");
        assert_eq!(ends(&shop, cart).await, before);
    }
    let paid = here.place_order(shop.checkout(cart, "ann@example.com"));
    paid.await.result.expect("it is paid");
    let added = here.carts().add(Some(cart), product.id, units_of(1), None);
    added.await.expect("it is available");
    reserve(&here, cart).await.expect("it is reserved");
    assert_ne!(
        ends(&shop, cart).await,
        before,
        "a paid reservation is over"
    );
}

#[tokio::test]
async fn emptying_the_cart_just_before_the_end_counts_as_unpaid() {
    let shop = TestShop::new().await;
    let limits = HoldLimits {
        unpaid_pause_s: 60,
        ..UNLIMITED
    };
    let here = at(&shop, limits, 1);
    let product = shop.with_product(9).await;
    for (minutes, is_paused) in [(4, false), (9, true)] {
        let cart = reserve_new(&shop, &here, &product, 2).await;
        let cart = cart.expect("it is reserved");
        let_pass(&shop, minutes).await;
        let removed = here.carts().remove(unkeyed(cart), product.id);
        removed.await.expect("it is removed");
        // Its ten minutes are over.
        let_pass(&shop, 10 - minutes).await;
        let added = here.carts().add(Some(cart), product.id, units_of(2), None);
        added.await.expect("it is available");
        let again = reserve(&here, cart).await;
        assert_eq!(again.is_err(), is_paused, "{minutes}: {again:?}");
    }
}

#[tokio::test]
async fn an_extension_counts_for_the_shopper_until_they_pay() {
    let shop = TestShop::new().await;
    let here = at(&shop, UNLIMITED, 1);
    let product = shop.with_product(9).await;
    let cart = reserve_new(&shop, &here, &product, 2).await;
    let cart = cart.expect("it is reserved");
    let extend = async || here.reservations().extend(cart, None).await;
    let refill = async || {
        let removed = here.carts().remove(unkeyed(cart), product.id).await;
        removed.expect("it is removed");
        let carts = here.carts();
        let added = carts.add(Some(cart), product.id, units_of(1), None).await;
        added.expect("it is available");
        reserve(&here, cart).await.expect("it is reserved");
    };
    extend().await.expect("the first time");
    refill().await;
    assert_eq!(extend().await, Err(ShopError::AlreadyExtended));
    let_pass(&shop, 11).await;
    shop.reservations()
        .sweep_expired()
        .await
        .expect("it is swept");
    reserve(&here, cart).await.expect("there is no pause");
    let extended_again = extend().await;
    assert_eq!(
        extended_again,
        Err(ShopError::AlreadyExtended),
        "a new hold"
    );
    let shown = here.carts().view(Some(cart)).await.expect("it is read");
    assert!(
        shown
            .reservation
            .is_some_and(|reservation| reservation.extended)
    );
}

#[tokio::test]
async fn a_shopper_can_pay_during_a_pause_but_not_hold_by_declined_payments() {
    let (shop, scripted) = (TestShop::new().await, ScriptedProvider::default());
    let limits = HoldLimits {
        unpaid_pause_s: 3_600,
        ..UNLIMITED
    };
    let here = at(&shop, limits, 1).with_gateway(std::sync::Arc::new(scripted.clone()));
    let product = shop.with_product(9).await;
    let cart = reserve_new(&shop, &here, &product, 2).await;
    let cart = cart.expect("it is reserved");
    for round in 0..2 {
        shop.expire_holds().await;
        pause_of(reserve(&here, cart).await);
        let request = shop.checkout(cart, "ann@example.com");
        let started = shop.start_payment(here.clone(), &scripted, request).await;
        scripted.answer(started.charge, Ok(declined()));
        let answer = started.answer().await;
        assert!(
            matches!(answer, Err(ShopError::CardDeclined { .. })),
            "{answer:?}"
        );
        let left_s: i64 = shop
            .by_hand
            .value("SELECT max(extract(epoch FROM expires_at - CURRENT_TIMESTAMP))::bigint FROM hold WHERE state = 'held'")
            .await;
        assert!(left_s <= 60, "{round}: {left_s} s");
    }
    shop.expire_holds().await;
    let paid = here
        .place_order(shop.checkout(cart, "ann@example.com"))
        .await;
    let refused = paid.result.map(drop).map_err(ShopError::from);
    pause_of(refused);
}

/// A thousand shoppers of an office or a mobile carrier, with the presets. 600 leave the checkout,
/// 400 pay; then a thousand hold two units each, but the last one, who comes now.
#[tokio::test]
async fn a_thousand_honest_shoppers_behind_one_address_can_buy() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5_000).await;
    let reserved = |count: u32, units: u32, state: &str| {
        let (reason, closed, left) = match state {
            "released" => ("'expired'", "CURRENT_TIMESTAMP", "0 minutes"),
            "sold" => ("NULL", "CURRENT_TIMESTAMP", "0 minutes"),
            _ => ("NULL", "NULL::timestamptz", "5 minutes"),
        };
        format!(
            "INSERT INTO cart (id) SELECT gen_random_uuid() FROM generate_series(1, {count}) n; \
             INSERT INTO hold (cart_id, product_id, quantity, state, reason, closed_at, network, reserved_at, expires_at) \
             SELECT c.id, {product}, {units}, '{state}', {reason}, {closed}, '10.0.0.1', CURRENT_TIMESTAMP - INTERVAL '10 minutes', \
             CURRENT_TIMESTAMP + INTERVAL '{left}' \
             FROM cart c WHERE NOT EXISTS (SELECT 1 FROM hold h WHERE h.cart_id = c.id)",
            product = product.id
        )
    };
    shop.by_hand.run(&reserved(600, 1, "released")).await;
    shop.by_hand.run(&reserved(400, 1, "sold")).await;
    shop.by_hand.run(&reserved(999, 2, "held")).await;
    // The stock row and the ledger are not what this test is about.
    shop.without_final_audit();
    let here = at(&shop, HoldLimits::default(), 1);
    let cart = reserve_new(&shop, &here, &product, 2).await;
    let cart = cart.expect("the last of a thousand can reserve");
    let paid = here.place_order(shop.checkout(cart, "ann@example.com"));
    paid.await.result.expect("and pay");
}

#[tokio::test]
async fn an_address_whose_reservations_end_unpaid_has_to_pause() {
    let shop = TestShop::new().await;
    let limits = HoldLimits {
        unpaid_pause_s: 60,
        address_unpaid_max: 3,
        ..UNLIMITED
    };
    let here = at(&shop, limits.clone(), 1);
    let product = shop.with_product(20).await;
    let run_out = async |times: u32| {
        for _ in 0..times {
            let reserved = reserve_new(&shop, &here, &product, 1).await;
            reserved.expect("it is reserved");
        }
        shop.expire_holds().await;
    };
    run_out(4).await;
    let refused = reserve_new(&shop, &here, &product, 1).await;
    assert!(
        matches!(
            refused,
            Err(ShopError::AddressHoldsPaused {
                retry_after_s: 30..=60,
                ..
            })
        ),
        "{refused:?}"
    );
    let elsewhere = at(&shop, limits, 2);
    let reserved = reserve_new(&shop, &elsewhere, &product, 1).await;
    reserved.expect("another address is not paused");
    // Each paid order makes up for two others.
    let cart = shop.cart_of(&[(&product, 1)]).await;
    let paid = here.place_order(shop.checkout(cart, "ann@example.com"));
    paid.await.result.expect("paying is possible");
    let reserved = reserve_new(&shop, &here, &product, 1).await;
    reserved.expect("the pause is over");
}

#[tokio::test]
async fn a_buyer_without_an_address_has_no_limits() {
    let shop = TestShop::new().await;
    let terms = ShopTerms {
        hold_limits: HoldLimits {
            session_hold_units_max: 1,
            session_hold_cents_max: 1,
            address_hold_units_max: 1,
            address_hold_cents_max: 1,
            unpaid_pause_s: 3_600,
            address_unpaid_max: 1,
        },
        ..ShopTerms::default()
    };
    let here = shop.on_terms(terms);
    let product = shop.with_product(900).await;
    for _ in 0..3 {
        let cart = reserve_new(&shop, &here, &product, 300).await;
        let cart = cart.expect("it is reserved");
        shop.expire_holds().await;
        reserve(&here, cart).await.expect("without a pause");
        shop.expire_holds().await;
        let swept = shop.reservations().sweep_expired().await;
        swept.expect("it is swept");
    }
}

#[tokio::test]
async fn the_addresses_of_holds_are_removed_after_a_day() {
    let shop = TestShop::new().await;
    let here = at(&shop, UNLIMITED, 1);
    let product = shop.with_product(9).await;
    for closed in [true, false] {
        let cart = reserve_new(&shop, &here, &product, 1).await;
        let cart = cart.expect("it is reserved");
        if closed {
            let removed = here.carts().remove(unkeyed(cart), product.id);
            removed.await.expect("it is removed");
        }
    }
    let addresses = async || shop.count("hold WHERE network IS NOT NULL").await;
    shop.by_hand
        .run("UPDATE hold SET closed_at = closed_at - INTERVAL '23 hours'")
        .await;
    let remove = async || {
        let removed = retention::delete(shop.db(), &OLD_ADDRESSES, PATIENCE).await;
        removed.expect("they are removed").count
    };
    assert_eq!(remove().await, 0);
    assert_eq!(addresses().await, 2);
    shop.by_hand
        .run("UPDATE hold SET closed_at = closed_at - INTERVAL '2 hours'")
        .await;
    assert_eq!(remove().await, 1);
    assert_eq!(addresses().await, 1, "an open hold keeps its address");
}
