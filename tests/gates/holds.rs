//! `redis-hold`: the four edge cases of reservations with a time limit, and the checkout.

use std::time::Duration;

use doorbuster::{
    config::{PaidWithoutStock, ShopTerms},
    model::{OrderStatus, ShopError, StrategyKey},
    payment::gateway::ChargeState,
    shop::Shop,
};

use super::{on, reservation};
use crate::support::{
    Gate, PATIENCE, PlacesOrders, ScriptedProvider, TestShop, check_audit_clean,
    race::wait_until_true,
    redis::TestRedis,
    shop::{Counters, claim},
};

const HOLD: StrategyKey = StrategyKey::RedisHold;

/// The shop with this strategy and reservations of a second.
fn with_short_holds(shop: &TestShop, redis: &TestRedis) -> Shop {
    on(shop, redis).with_terms(ShopTerms {
        hold_ttl_s: 1,
        strategy: HOLD,
        ..ShopTerms::default()
    })
}

/// The reservation runs out while the shopper pays. If the row still has the unit, the purchase is
/// confirmed; if another shopper bought it meanwhile, it is refused.
#[tokio::test]
async fn a_reservation_that_ran_out_is_confirmed_by_the_row() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let shop = TestShop::new().await;
    let server = with_short_holds(&shop, &redis);
    for is_taken in [false, true] {
        let product = shop.with_product(2).await;
        let buy = || shop.buy(&product).by(HOLD).on(&server);
        buy().await.expect("the row is written to the gate");
        let paying = Gate::closed();
        let slow = buy().at(paying.injection_point()).spawn();
        paying.arrivals(1).await;
        let gate = server.gate().expect("it has one");
        let held = gate.inspect(product.id).await.expect("Redis answers");
        assert_eq!(held.map(|held| held.left()), Some(0), "it is reserved");
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        if is_taken {
            buy().await.expect("the reservation has run out");
        }
        paying.open();
        let answer = slow.await.expect("it ends");
        let answer = answer.map(|receipt| receipt.remaining_stock);
        let expected = match is_taken {
            false => Ok(Some(0)),
            true => Err(product.insufficient(0, 1)),
        };
        assert_eq!(answer, expected);
        assert_eq!(shop.units_ordered(&product).await, 2);
    }
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_second_confirmation_and_a_late_release_change_nothing() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let shop = TestShop::new().await;
    let server = on(&shop, &redis);
    let product = shop.with_product(3).await;
    let buy = shop.buy(&product).by(HOLD).on(&server).key("once");
    let receipt = buy.clone().await.expect("it is sold");
    assert_eq!(buy.clone().await, Ok(receipt), "the same answer");
    let gate = server.gate().expect("it has one");
    let key = claim("once", "purchase", &[]);
    let late = reservation(&product, 1, key.key());
    let released = gate.release(&late).await.expect("Redis answers");
    assert!(!released, "it was confirmed");
    let state = gate.inspect(product.id).await.expect("Redis answers");
    assert_eq!(state.map(|state| state.left()), Some(2));
    assert_eq!(shop.units_ordered(&product).await, 1);
    check_audit_clean(&shop).await;
}

/// The payment arrives after the reservation ran out and the unit was sold: it is refunded.
#[tokio::test]
async fn paid_without_stock_is_refunded() {
    let Some(redis) = TestRedis::start() else {
        return;
    };
    let (shop, scripted) = (TestShop::new().await, ScriptedProvider::default());
    let server = with_short_holds(&shop, &redis);
    assert_eq!(server.terms().paid_without_stock, PaidWithoutStock::Refund);
    let product = shop.with_product(1).await;
    let cart = shop.cart_of(&[(&product, 1)]).await;
    let request = shop.checkout(cart, "late@example.com");
    let through = server
        .clone()
        .with_gateway(std::sync::Arc::new(scripted.clone()));
    let pending = shop.start_payment(through, &scripted, request).await;
    assert_eq!(shop.level(&product).await.reserved, 1, "the row has it");
    shop.expire_holds().await;
    server
        .reservations()
        .sweep_expired()
        .await
        .expect("it is released");
    let bought = shop.buy(&product).by(HOLD).on(&server).await;
    bought.expect("the row sells it");
    scripted.answer(pending.charge, Ok(ChargeState::Captured));
    let answer = pending.answer().await.expect("the request ends");
    assert_eq!(answer.status, OrderStatus::Cancelled);
    let refunds =
        "SELECT count(*) = 1 FROM refund WHERE reason = 'no_stock' AND state = 'succeeded'";
    wait_until_true(&shop.by_hand, refunds).await;
    let end = Counters {
        total: 1,
        available: 0,
        reserved: 0,
        sold: 1,
    };
    assert_eq!(shop.level(&product).await, end);
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_checkout_reserves_in_the_row_whether_redis_answers_or_not() {
    let Some(mut redis) = TestRedis::start() else {
        return;
    };
    let shop = TestShop::new().await;
    let server = on(&shop, &redis).with_terms(ShopTerms {
        strategy: HOLD,
        ..ShopTerms::default()
    });
    let product = shop.with_product(3).await;
    for (buyer, left) in [("one@example.com", 2), ("two@example.com", 1)] {
        let cart = shop.cart_of(&[(&product, 1)]).await;
        let request = shop.checkout(cart, buyer);
        let paid = server.clone().with_deadline(PATIENCE);
        let paid = paid.place_order(request).await.result;
        assert_eq!(paid.expect("it is paid").status, OrderStatus::Paid);
        assert_eq!(shop.level(&product).await.available, left);
        if left == 2 {
            redis.kill();
        }
    }
    let cart = shop.cart_of(&[(&product, 1)]).await;
    shop.buy(&product).await.expect("the last one");
    let refused = server.reservations().reserve(cart, None).await.result;
    let refused = refused.map_err(ShopError::from);
    assert_eq!(refused, Err(product.insufficient(0, 1)));
    check_audit_clean(&shop).await;
}
