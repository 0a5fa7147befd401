//! The sales of products: their plans, the rules of these, and what follows a change.

mod holds;
mod prices;

use std::time::Instant;

use doorbuster::{
    model::{Product, Quantity, SaleState, ShopError, StrategyKey},
    shop::{
        Shop, moment,
        refunds::OrderAction,
        sales::{NewPlan, NewValue, SaleReport},
    },
};
use futures::{StreamExt, stream};
use time::{Duration, OffsetDateTime};

use crate::support::{
    PATIENCE, TestProduct, TestShop, administrator, check_audit_clean, strategies,
};

/// A plan that changes only the times.
fn times(starts_at: Option<OffsetDateTime>, ends_at: Option<OffsetDateTime>) -> NewPlan {
    NewPlan {
        starts_at,
        ends_at,
        price_cents: None,
        compare_at_cents: NewValue::Unchanged,
        per_customer_limit: NewValue::Unchanged,
    }
}

async fn plan(shop: &Shop, product: &TestProduct, plan: NewPlan) -> Result<SaleReport, ShopError> {
    shop.sale_administration(&administrator())
        .plan(product.id, plan, None)
        .await
}

async fn end_now(shop: &Shop, product: &TestProduct) -> Result<SaleReport, ShopError> {
    shop.sale_administration(&administrator())
        .end_now(product.id, None)
        .await
}

async fn open_now(shop: &Shop, product: &TestProduct) -> Result<SaleReport, ShopError> {
    shop.sale_administration(&administrator())
        .open_now(product.id, None)
        .await
}

/// The database's clock.
async fn now(shop: &TestShop) -> OffsetDateTime {
    shop.by_hand.value("SELECT clock_timestamp()").await
}

async fn shown(shop: &Shop, product: &TestProduct) -> Product {
    let read = shop.catalog().product_by_id(product.id).await;
    read.expect("the product exists")
        .with_latest_stock(shop.feed())
}

/// The history, oldest first, as `field: before -> after`.
async fn history(shop: &Shop, product: &TestProduct) -> Vec<String> {
    let changes = shop.sales().history(product.id).await;
    let changes = changes.expect("the history is read");
    let text = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    changes
        .into_iter()
        .rev()
        .map(|change| {
            format!(
                "{}: {} -> {}",
                change.field,
                text(change.before),
                text(change.after)
            )
        })
        .collect()
}

#[tokio::test]
async fn a_plan_is_stored_with_its_history() {
    let shop = TestShop::new().await;
    let lamp = shop.product().stock(5).price_cents(1_000).create().await;
    let (from, until) = (
        now(&shop).await + Duration::HOUR,
        now(&shop).await + Duration::DAY,
    );
    let new = NewPlan {
        price_cents: Some(800),
        compare_at_cents: NewValue::Set(1_000),
        per_customer_limit: NewValue::Set(2),
        ..times(Some(from), Some(until))
    };
    let report = plan(&shop, &lamp, new.clone())
        .await
        .expect("it is planned");
    assert_eq!(
        (report.state, report.has_started),
        (SaleState::Announced, false)
    );
    let product = shown(&shop, &lamp).await;
    assert_eq!(product.state(), SaleState::Announced);
    assert_eq!(product.plan.starts_at_ms, Some(moment::as_ms(from)));
    assert_eq!(product.plan.ends_at_ms, Some(moment::as_ms(until)));
    assert_eq!(product.price.cents, 800);
    assert_eq!(product.compare_at.map(|price| price.cents), Some(1_000));
    assert_eq!(product.per_customer_limit, Some(2));
    let text = |at| moment::in_rfc3339(moment::from_ms(moment::as_ms(at)));
    let first = vec![
        format!("from: - -> {}", text(from)),
        format!("until: - -> {}", text(until)),
        "price: 1000 -> 800".to_owned(),
        "compare-at price: - -> 1000".to_owned(),
        "limit: - -> 2".to_owned(),
    ];
    assert_eq!(history(&shop, &lamp).await, first);
    // The same plan changes nothing.
    plan(&shop, &lamp, new).await.expect("it is planned");
    assert_eq!(history(&shop, &lamp).await, first);
    let cheaper = NewPlan {
        compare_at_cents: NewValue::Absent,
        per_customer_limit: NewValue::Absent,
        ..times(Some(from), None)
    };
    plan(&shop, &lamp, cheaper).await.expect("it is planned");
    assert_eq!(
        history(&shop, &lamp).await[first.len()..],
        [
            format!("until: {} -> -", text(until)),
            "compare-at price: 1000 -> -".to_owned(),
            "limit: 2 -> -".to_owned(),
        ]
    );
    let actors: String = shop
        .by_hand
        .value("SELECT string_agg(DISTINCT actor, ', ') FROM product_change")
        .await;
    assert_eq!(actors, "command line");
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_plan_against_a_rule_changes_nothing() {
    let shop = TestShop::new().await;
    let lamp = shop.product().stock(5).create().await;
    let clock = now(&shop).await;
    let later = Some(clock + Duration::DAY);
    let open = times(None, later);
    for (field, wrong) in [
        ("until", times(later, Some(clock + Duration::HOUR))),
        ("until", times(later, later)),
        ("until", times(None, Some(clock - Duration::SECOND))),
        ("from", times(Some(clock - Duration::weeks(5_200)), None)),
        (
            "price",
            NewPlan {
                price_cents: Some(0),
                ..open.clone()
            },
        ),
        (
            "price",
            NewPlan {
                price_cents: Some(-1),
                ..open.clone()
            },
        ),
        (
            "limit",
            NewPlan {
                per_customer_limit: NewValue::Set(0),
                ..open.clone()
            },
        ),
        (
            "compare_at",
            NewPlan {
                compare_at_cents: NewValue::Set(1),
                ..open.clone()
            },
        ),
    ] {
        let refused = plan(&shop, &lamp, wrong).await;
        let error = refused.expect_err("it is refused");
        assert_eq!(error.status(), 422, "{field}");
        assert!(error.field_message(field).is_some(), "{field}: {error:?}");
    }
    assert_eq!(shop.count("product_change").await, 0);
    let lane = shop.with_lane(StrategyKey::RowLock, 3).await;
    for product in [&lane, &TestProduct::of_shop(987_654, "None".to_owned())] {
        for refused in [
            plan(&shop, product, times(None, None)).await,
            open_now(&shop, product).await,
            end_now(&shop, product).await,
        ] {
            assert_eq!(refused, Err(ShopError::UnknownProduct));
        }
    }
}

#[tokio::test]
async fn a_start_in_the_past_opens_the_sale_at_once() {
    let shop = TestShop::new().await;
    let lamp = shop.product().stock(5).starts_in("1 hour").create().await;
    assert!(shop.buy(&lamp).await.is_err());
    let clock = now(&shop).await;
    let report = plan(&shop, &lamp, times(Some(clock - Duration::HOUR), None)).await;
    let report = report.expect("it is planned");
    assert_eq!((report.state, report.has_started), (SaleState::Open, true));
    shop.buy(&lamp).await.expect("it is open");
}

#[tokio::test]
async fn a_sale_is_opened_and_ended_by_hand() {
    let shop = TestShop::new().await;
    let lamp = shop.product().stock(5).starts_in("1 hour").create().await;
    let report = open_now(&shop, &lamp).await.expect("it opens");
    assert_eq!(report.state, SaleState::Open);
    shop.buy(&lamp).await.expect("it is open");
    let changes = history(&shop, &lamp).await.len();
    // Again changes nothing.
    assert_eq!(
        open_now(&shop, &lamp).await.map(|report| report.plan),
        Ok(report.plan)
    );
    assert_eq!(history(&shop, &lamp).await.len(), changes);
    for _ in 0..2 {
        let report = end_now(&shop, &lamp).await.expect("it ends");
        assert_eq!(report.state, SaleState::Ended);
        let refused = shop.buy(&lamp).await;
        let product = lamp.name.clone();
        assert_eq!(refused, Err(ShopError::SaleEnded { product }));
    }
    assert_eq!(history(&shop, &lamp).await.len(), changes + 1);
    open_now(&shop, &lamp).await.expect("it opens again");
    shop.buy(&lamp).await.expect("it is open");
    // A sale that is ended before its start is over, too.
    let later = shop.product().stock(5).starts_in("1 hour").create().await;
    let report = end_now(&shop, &later).await.expect("it ends");
    assert_eq!(report.state, SaleState::Ended);
    check_audit_clean(&shop).await;
}

/// Purchases run until the database's clock lets one through. Each order's transaction began at the
/// start or later, whatever this machine's clock says.
#[tokio::test]
async fn no_strategy_sells_before_the_start_by_the_databases_clock() {
    let shop = TestShop::new().await;
    stream::iter(strategies().filter(|strategy| strategy.may_sell_in_shop()))
        .for_each_concurrent(4, |strategy| buy_until_it_opens(&shop, strategy))
        .await;
    check_audit_clean(&shop).await;
}

async fn buy_until_it_opens(shop: &TestShop, strategy: StrategyKey) {
    let lamp = shop.product().stock(3).starts_in("1 second").create().await;
    let since = Instant::now();
    let mut refusals = 0;
    loop {
        match shop.buy(&lamp).by(strategy).await {
            Ok(_) => break,
            Err(ShopError::SaleNotStarted { .. }) => refusals += 1,
            Err(other) => panic!("{strategy}: {other}"),
        }
        assert!(since.elapsed() < PATIENCE, "{strategy}: it opens");
    }
    assert!(refusals > 0, "{strategy}");
    let early = format!(
        "SELECT count(*) FROM customer_order o JOIN order_line l ON l.order_id = o.id \
         JOIN product p ON p.id = l.product_id WHERE p.id = {} AND o.placed_at < p.sale_starts_at",
        lamp.id
    );
    let early: i64 = shop.by_hand.value(&early).await;
    assert_eq!(early, 0, "{strategy}");
}

/// A cart cannot be filled, reserved or paid before the start or after the end.
#[tokio::test]
async fn a_cart_is_refused_outside_of_the_sale() {
    let shop = TestShop::new().await;
    let lamp = shop.product().stock(5).create().await;
    let cart = shop.cart_of(&[(&lamp, 1)]).await;
    let clock = now(&shop).await;
    for (plan_of_test, is_early) in [
        (times(Some(clock + Duration::HOUR), None), true),
        (times(None, None), false),
    ] {
        plan(&shop, &lamp, plan_of_test)
            .await
            .expect("it is planned");
        if !is_early {
            end_now(&shop, &lamp).await.expect("it ends");
        }
        let units = crate::support::shop::units_of(1);
        let added = shop.carts().add(None, lamp.id, units, None).await;
        let reserved = shop.reservations().reserve(cart, None).await.result;
        let request = shop.checkout(cart, "ann@example.com");
        let paid = crate::support::PlacesOrders::place_order(&shop.handle(), request).await;
        for refused in [
            added.map(drop),
            reserved.map_err(ShopError::from),
            paid.result.map(drop).map_err(ShopError::from),
        ] {
            let error = refused.expect_err("it is refused");
            assert_eq!(error.status(), 409);
            assert_eq!(
                matches!(error, ShopError::SaleNotStarted { .. }),
                is_early,
                "{error}"
            );
        }
    }
    assert_eq!(shop.level(&lamp).await.reserved, 0);
}

#[tokio::test]
async fn another_server_shows_a_change_of_the_plan_and_the_clock() {
    let shop = TestShop::new().await;
    let lamp = shop.product().stock(2).create().await;
    let lane = shop.with_lane(StrategyKey::RowLock, 3).await;
    let other = shop.handle().as_in_another_process();
    let read = async || {
        let levels = other.sales().current(&[lamp.id, lane.id]).await;
        levels.expect("it is read")
    };
    let before = read().await;
    assert_eq!(before.levels.len(), 1, "a private product is not shown");
    assert_eq!(before.levels[0].state_at(before.now_ms), SaleState::Open);
    end_now(&shop, &lamp).await.expect("it ends");
    let after = read().await;
    assert!(after.now_ms >= before.now_ms);
    assert_eq!(after.levels[0].state_at(after.now_ms), SaleState::Ended);
    assert_eq!(after.levels[0].counts.available, 2);
    let none = other.sales().current(&[]).await.expect("it is read");
    assert!(none.levels.is_empty() && none.now_ms >= after.now_ms);
}

#[tokio::test]
async fn selling_out_takes_the_time_from_the_start_to_the_last_sale() {
    let shop = TestShop::new().await;
    let lamp = shop
        .product()
        .stock(2)
        .starts_in("-41 seconds")
        .create()
        .await;
    assert_eq!(shown(&shop, &lamp).await.sell_out, None);
    shop.buy(&lamp).quantity(2).await.expect("it is sold");
    let product = shown(&shop, &lamp).await;
    assert_eq!(product.state(), SaleState::SoldOut);
    let first = product.sell_out.expect("it is sold out");
    let took_ms = first.took_ms;
    assert!((41_000..41_000 + 20_000).contains(&took_ms), "{took_ms}");
    assert_eq!(first.units, 2);
    let levels = shop.sales().current(&[lamp.id]).await.expect("it is read");
    assert_eq!(levels.levels[0].sell_out, Some(first));
    // New stock: there is no time until it is sold out again, and then another one.
    shop.restock(&lamp, 1).await;
    assert_eq!(shown(&shop, &lamp).await.sell_out, None);
    shop.buy(&lamp).await.expect("it is sold");
    let again = shown(&shop, &lamp).await.sell_out.expect("it is sold out");
    assert!(again.took_ms >= took_ms, "{again:?}");
    assert_eq!(again.units, 3, "both deliveries are of this sale");
}

/// What was sold in an earlier sale is not part of the sentence about the current one.
#[tokio::test]
async fn a_second_sale_sells_out_with_its_own_units_and_time() {
    let shop = TestShop::new().await;
    let lamp = shop.product().stock(5).starts_in("-1 hour").create().await;
    let paid = shop.paid(&[(&lamp, 4)], "ann@example.com").await;
    shop.buy(&lamp).await.expect("it is sold");
    let first = shown(&shop, &lamp).await.sell_out.expect("it is sold out");
    assert_eq!(first.units, 5);
    assert!(first.took_ms >= 3_600_000, "{first:?}");
    end_now(&shop, &lamp).await.expect("it ends");
    open_now(&shop, &lamp).await.expect("it opens again");
    assert_eq!(
        shown(&shop, &lamp).await.sell_out,
        None,
        "nothing was sold in this sale yet"
    );
    shop.restock(&lamp, 2).await;
    shop.buy(&lamp).quantity(2).await.expect("it is sold");
    let second = shown(&shop, &lamp).await.sell_out.expect("it is sold out");
    assert_eq!(second.units, 2);
    assert!(second.took_ms < 1_000_000, "{second:?}");
    // A unit of the first sale comes back and is sold in the second one.
    let returned = OrderAction::ReturnLine {
        line_id: shop
            .by_hand
            .value(&format!(
                "SELECT l.id FROM order_line l JOIN customer_order o ON o.id = l.order_id WHERE o.public_id = '{paid}'"
            ))
            .await,
        quantity: Quantity::ONE,
    };
    shop.order_administration(&administrator())
        .apply(&paid, returned, None)
        .await
        .expect("it is returned");
    shop.buy(&lamp).await.expect("it is sold");
    let third = shown(&shop, &lamp).await.sell_out.expect("it is sold out");
    assert_eq!(third.units, 3);
    check_audit_clean(&shop).await;
}

/// Without a start, the time from the first unit says nothing once there was a second delivery.
#[tokio::test]
async fn a_product_without_a_start_has_no_time_after_a_second_delivery() {
    let shop = TestShop::new().await;
    let lamp = shop.product().stock(2).create().await;
    shop.buy(&lamp).await.expect("it is sold");
    shop.buy(&lamp).await.expect("it is sold");
    let first = shown(&shop, &lamp).await.sell_out.expect("it is sold out");
    assert_eq!(first.units, 2);
    shop.restock(&lamp, 1).await;
    shop.buy(&lamp).await.expect("it is sold");
    let product = shown(&shop, &lamp).await;
    assert_eq!(
        (product.state(), product.sell_out),
        (SaleState::SoldOut, None)
    );
}

/// The database refuses what the form refuses.
#[tokio::test]
async fn the_database_has_the_same_rules() {
    let shop = TestShop::new().await;
    let lamp = shop.product().stock(1).price_cents(1_000).create().await;
    for wrong in [
        "compare_at_cents = 1000",
        "compare_at_cents = 1",
        "sale_starts_at = CURRENT_TIMESTAMP, sale_ends_at = CURRENT_TIMESTAMP",
    ] {
        let sql = format!("UPDATE product SET {wrong} WHERE id = {}", lamp.id);
        assert!(shop.by_hand.try_run(&sql).await.is_err(), "{wrong}");
    }
}
