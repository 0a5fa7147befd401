//! Discount codes: their discount, their validity, and their limits.

use doorbuster::{
    config::{PaidWithoutStock, ShopTerms},
    model::{DiscountValue, OrderStatus, ShopError},
    payment::{gateway::ChargeState, provider::test_cards},
    shop::{Shop, discounts::NewCode, payments::PaymentResponse, refunds::OrderAction},
};
use futures::future::join_all;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::support::{
    PATIENCE, ScriptedProvider, TestProduct, TestShop, administrator, check_audit_clean,
    shop::{card, claim},
    within,
};

/// A ten percent code without restrictions, for a thousand uses.
fn code(name: &str) -> NewCode {
    NewCode {
        code: name.to_owned(),
        value: DiscountValue::Percent(10),
        min_subtotal_cents: 0,
        starts_at: None,
        ends_at: None,
        uses_max: 1_000,
        per_customer_limit: None,
    }
}

async fn create(shop: &Shop, new: NewCode) {
    shop.discount_administration(&administrator())
        .create(new, None)
        .await
        .expect("it is created");
}

/// Orders one unit with the code and pays for it.
async fn order_with(
    shop: &TestShop,
    product: &TestProduct,
    code: &str,
    email: &str,
) -> Result<PaymentResponse, ShopError> {
    let cart = shop.cart_of(&[(product, 1)]).await;
    order_cart_with(shop, cart, code, email).await
}

async fn order_cart_with(
    shop: &TestShop,
    cart: Uuid,
    code: &str,
    email: &str,
) -> Result<PaymentResponse, ShopError> {
    let mut request = shop.checkout(cart, email);
    request.code = Some(code.to_owned());
    let outcome = shop
        .payments()
        .pay(request, card(test_cards::CAPTURED))
        .await;
    outcome.result.map_err(ShopError::from)
}

async fn uses(shop: &Shop) -> u32 {
    shop.discounts().all().await.expect("they are read")[0].uses
}

async fn uses_of(shop: &Shop, name: &str) -> u32 {
    let codes = shop.discounts().all().await.expect("they are read");
    let code = codes.iter().find(|code| code.code == name);
    code.expect("it was created").uses
}

#[tokio::test]
async fn a_code_with_ten_uses_is_used_ten_times_by_a_hundred_concurrent_checkouts() {
    let shop = TestShop::new().await;
    let product = shop.with_product(100).await;
    create(
        &shop,
        NewCode {
            uses_max: 10,
            ..code("TEN")
        },
    )
    .await;
    let mut requests = Vec::new();
    for shopper in 0..100 {
        let cart = shop.cart_of(&[(&product, 1)]).await;
        let mut request = shop.checkout(cart, &format!("{shopper}@example.com"));
        request.code = Some("TEN".to_owned());
        requests.push(request);
    }
    // A shopper retries a request that the shop asks to retry: on a slow machine the queue of a
    // hundred can take longer than one request's deadline.
    let payments = requests.into_iter().map(|request| {
        let shop = shop.handle();
        tokio::spawn(async move {
            loop {
                let outcome = shop
                    .payments()
                    .pay(request.clone(), card(test_cards::CAPTURED))
                    .await;
                match outcome.result.map_err(ShopError::from) {
                    Err(ShopError::Busy { .. } | ShopError::Unavailable { .. }) => {}
                    answer => return answer,
                }
            }
        })
    });
    let answers = within(PATIENCE * 2, "100 checkouts", join_all(payments)).await;
    let mut refused = Vec::new();
    for answer in answers {
        match answer.expect("the task ends") {
            // On a slow machine the provider may answer after the shop stopped waiting for it.
            Ok(paid) => assert!(
                matches!(paid.status, OrderStatus::Paid | OrderStatus::Pending),
                "{:?}",
                paid.status
            ),
            Err(error) => refused.push(error),
        }
    }
    assert_eq!(refused, vec![ShopError::CodeUsedUp("TEN".to_owned()); 90]);
    within(PATIENCE, "the late answers", settle_all(&shop)).await;
    let discounted: i64 = shop
        .by_hand
        .value("SELECT count(*) FROM customer_order WHERE discount_cents > 0")
        .await;
    assert_eq!((discounted, uses(&shop).await), (10, 10));
    assert_eq!(shop.level(&product).await.sold, 10);
}

/// Asks the provider until no payment is pending.
async fn settle_all(shop: &TestShop) {
    let due_now = "UPDATE payment SET ask_at = now() WHERE state = 'pending'";
    while shop.by_hand.run(due_now).await > 0 {
        shop.payments()
            .resolve_unknown_outcomes()
            .await
            .expect("the provider answers");
    }
}

#[tokio::test]
async fn a_limit_per_customer_applies_to_the_folded_address() {
    let shop = TestShop::new().await;
    let product = shop.with_product(20).await;
    create(
        &shop,
        NewCode {
            per_customer_limit: Some(1),
            ..code("ONCE")
        },
    )
    .await;
    let first = order_with(&shop, &product, "ONCE", "ann@example.com").await;
    assert!(first.is_ok(), "{first:?}");
    for address in [
        "ann@example.com",
        "ANN@Example.COM",
        "ann+again@example.com",
        " ann@example.com ",
    ] {
        let again = order_with(&shop, &product, "ONCE", address).await;
        assert_eq!(
            again,
            Err(ShopError::CodeOverCustomerLimit {
                code: "ONCE".to_owned(),
                limit: 1
            }),
            "{address}"
        );
    }
    let other = order_with(&shop, &product, "ONCE", "ben@example.com").await;
    assert!(other.is_ok(), "{other:?}");
    assert_eq!(uses(&shop).await, 2);
}

#[tokio::test]
async fn ten_concurrent_checkouts_of_one_customer_stay_within_the_code_limit() {
    let shop = TestShop::new().await;
    let product = shop.with_product(20).await;
    create(
        &shop,
        NewCode {
            per_customer_limit: Some(2),
            ..code("TWICE")
        },
    )
    .await;
    let mut requests = Vec::new();
    for checkout in 0..10 {
        let cart = shop.cart_of(&[(&product, 1)]).await;
        let mut request = shop.checkout(cart, &format!("ann+{checkout}@example.com"));
        request.code = Some("TWICE".to_owned());
        requests.push(request);
    }
    let payments = requests.into_iter().map(|request| {
        let shop = shop.handle();
        tokio::spawn(async move {
            shop.payments()
                .pay(request, card(test_cards::CAPTURED))
                .await
                .result
        })
    });
    let answers = within(PATIENCE, "10 checkouts", join_all(payments)).await;
    let paid = answers
        .into_iter()
        .filter(|answer| matches!(answer, Ok(Ok(_))))
        .count();
    assert_eq!(paid, 2);
}

#[tokio::test]
async fn a_code_is_valid_only_between_its_start_and_end() {
    let shop = TestShop::new().await;
    let product = shop.with_product(20).await;
    let now = OffsetDateTime::now_utc();
    let hour = Duration::hours(1);
    for (name, starts_at, ends_at, counts) in [
        ("NOT-YET", Some(now + hour), None, false),
        ("OPEN", Some(now - hour), Some(now + hour), true),
        ("STARTED", Some(now - hour), None, true),
        ("ENDING", None, Some(now + hour), true),
    ] {
        let window = NewCode {
            starts_at,
            ends_at,
            ..code(name)
        };
        create(&shop, window).await;
        let ordered = order_with(&shop, &product, name, &format!("{name}@example.com")).await;
        match counts {
            true => assert!(ordered.is_ok(), "{name}: {ordered:?}"),
            false => assert_eq!(
                ordered,
                Err(ShopError::CodeNotActive(name.to_owned())),
                "{name}"
            ),
        }
    }
}

#[tokio::test]
async fn a_code_that_is_over_is_refused() {
    let shop = TestShop::new().await;
    let product = shop.with_product(20).await;
    create(&shop, code("OVER")).await;
    shop.by_hand
        .run("UPDATE discount_code SET ends_at = CURRENT_TIMESTAMP")
        .await;
    let ordered = order_with(&shop, &product, "OVER", "ann@example.com").await;
    assert_eq!(ordered, Err(ShopError::CodeNotActive("OVER".to_owned())));
}

async fn switch(shop: &Shop, name: &str, is_on: bool) {
    let switched = shop
        .discount_administration(&administrator())
        .switch(name, is_on, None)
        .await;
    assert_eq!(switched, Ok("LEAK".to_owned()));
}

/// A code that is switched off is answered like an expired one. An order that has used it keeps
/// its discount, also while its payment is in flight.
#[tokio::test]
async fn a_code_is_switched_off_and_on_again() {
    let (shop, scripted) = (TestShop::new().await, ScriptedProvider::default());
    let product = shop.product().stock(20).price_cents(1_000).create().await;
    create(&shop, code("LEAK")).await;
    let cart = shop.cart_of(&[(&product, 1)]).await;
    let mut request = shop.checkout(cart, "ann@example.com");
    request.code = Some("LEAK".to_owned());
    let paying = shop
        .start_payment(shop.paid_through(&scripted), &scripted, request)
        .await;
    switch(&shop, " leak\u{200b}", false).await;
    switch(&shop, "LEAK", false).await;
    let refused = order_with(&shop, &product, "LEAK", "ben@example.com").await;
    assert_eq!(refused, Err(ShopError::CodeNotActive("LEAK".to_owned())));
    assert!(!shop.discounts().all().await.expect("they are read")[0].is_on);
    scripted.answer(paying.charge, Ok(ChargeState::Captured));
    let paid = paying.answer().await.expect("it is paid");
    let order = shop.orders().find(&paid.receipt.order_id).await;
    let order = order.expect("the order exists");
    assert_eq!(order.bill.discount.cents, 100);
    switch(&shop, "LEAK", true).await;
    let ordered = order_with(&shop, &product, "LEAK", "ben@example.com").await;
    assert!(ordered.is_ok(), "{ordered:?}");
    let changes = shop.discounts().changes().await.expect("they are read");
    let states: Vec<_> = changes.iter().map(|change| change.is_on).collect();
    assert_eq!(states, [true, false], "the second time changed nothing");
    assert!(changes.iter().all(|change| change.code == "LEAK"));
    check_audit_clean(&shop).await;
}

/// A checkout that waits for the code's row behind its switching is refused.
#[tokio::test]
async fn a_checkout_behind_the_switching_of_its_code_is_refused() {
    let shop = TestShop::new().await;
    let product = shop.with_product(20).await;
    create(&shop, code("LEAK")).await;
    let first = shop.database.by_hand().await;
    first.run("BEGIN").await;
    first
        .run("UPDATE discount_code SET switched_off_at = CURRENT_TIMESTAMP WHERE code = 'LEAK'")
        .await;
    let cart = shop.cart_of(&[(&product, 1)]).await;
    let mut request = shop.checkout(cart, "ann@example.com");
    request.code = Some("LEAK".to_owned());
    let here = shop.handle();
    let paying = tokio::spawn(async move {
        let outcome = here
            .payments()
            .pay(request, card(test_cards::CAPTURED))
            .await;
        outcome.result.map_err(ShopError::from)
    });
    shop.until_blocked(1).await;
    first.run("COMMIT").await;
    let refused = within(PATIENCE, "the checkout", paying).await;
    assert_eq!(
        refused.expect("the task ends"),
        Err(ShopError::CodeNotActive("LEAK".to_owned()))
    );
    assert_eq!(uses(&shop).await, 0);
}

#[tokio::test]
async fn an_unknown_code_is_not_switched() {
    let shop = TestShop::new().await;
    for unknown in ["NOTHING", "", "a\u{0}b", &"X".repeat(100)] {
        let refused = shop
            .discount_administration(&administrator())
            .switch(unknown, false, None)
            .await;
        assert!(
            matches!(refused, Err(ShopError::CodeUnknown(_))),
            "{unknown:?}: {refused:?}"
        );
    }
    assert_eq!(shop.count("discount_code_change").await, 0);
}

#[tokio::test]
async fn a_code_is_valid_from_its_minimum_subtotal() {
    let shop = TestShop::new().await;
    let product = shop.product().stock(20).price_cents(1_000).create().await;
    create(
        &shop,
        NewCode {
            min_subtotal_cents: 2_000,
            ..code("MANY")
        },
    )
    .await;
    let below = order_with(&shop, &product, "MANY", "ann@example.com").await;
    let sentence = below.expect_err("1,000 is below 2,000").to_string();
    assert_eq!(
        sentence,
        "The discount code MANY requires an order of at least €20.00."
    );
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let at = order_cart_with(&shop, cart, "MANY", "ann@example.com").await;
    assert!(at.is_ok(), "{at:?}");
}

/// Every invalid input is rejected with a message, not an internal error.
#[tokio::test]
async fn an_unknown_code_is_rejected() {
    let shop = TestShop::new().await;
    let product = shop.with_product(20).await;
    let long = "X".repeat(5_000);
    for typed in ["NOTHING", "a\0b", "' OR 1=1", "\u{1F600}", &long] {
        let ordered = order_with(&shop, &product, typed, "ann@example.com").await;
        let clipped: String = typed.chars().take(40).collect();
        assert_eq!(ordered, Err(ShopError::CodeUnknown(clipped)), "{typed:.20}");
    }
    assert_eq!(shop.count("customer_order").await, 0);
    assert_eq!(shop.count("hold").await, 0);
}

#[tokio::test]
async fn a_discount_is_rounded_half_up_and_never_exceeds_the_subtotal() {
    let shop = TestShop::new().await;
    for (name, value, price, discount, shipping) in [
        ("HALF-UP", DiscountValue::Percent(10), 1_005, 101, 490),
        ("DOWN", DiscountValue::Percent(10), 1_004, 100, 490),
        ("THIRD", DiscountValue::Percent(33), 101, 33, 490),
        ("ALL", DiscountValue::Percent(100), 1_005, 1_005, 490),
        ("MORE", DiscountValue::Cents(999_999), 1_005, 1_005, 490),
        ("SOME", DiscountValue::Cents(5), 1_005, 5, 490),
        ("BELOW-FREE", DiscountValue::Cents(1), 5_000, 1, 490),
        ("STILL-FREE", DiscountValue::Cents(1), 5_001, 1, 0),
    ] {
        create(
            &shop,
            NewCode {
                value,
                ..code(name)
            },
        )
        .await;
        let product = shop.product().stock(1).price_cents(price).create().await;
        let ordered = order_with(&shop, &product, name, &format!("{name}@example.com")).await;
        let id = ordered.expect("it is paid").receipt.order_id;
        let order = shop.orders().find(&id).await.expect("the order exists");
        let bill = order.bill;
        assert_eq!(
            (bill.discount.cents, bill.shipping.cents, bill.total.cents),
            (discount, shipping, price - discount + shipping),
            "{name}"
        );
        assert_eq!(order.discount_code.as_deref(), Some(name));
        let paid = order.payment.expect("the payment exists").captured;
        assert_eq!(paid, bill.total, "{name}");
    }
}

#[tokio::test]
async fn a_use_is_released_when_the_order_is_declined_or_cancelled() {
    let shop = TestShop::new().await;
    let product = shop.with_product(20).await;
    create(
        &shop,
        NewCode {
            uses_max: 1,
            per_customer_limit: Some(1),
            ..code("SINGLE")
        },
    )
    .await;
    let cart = shop.cart_of(&[(&product, 1)]).await;
    let mut request = shop.checkout(cart, "ann@example.com");
    request.code = Some("SINGLE".to_owned());
    let declined = shop
        .payments()
        .pay(request, card(test_cards::DECLINED))
        .await
        .result;
    assert!(declined.is_err());
    assert_eq!(uses(&shop).await, 0, "declined");

    let paid = order_cart_with(&shop, cart, "SINGLE", "ann@example.com").await;
    let id = paid.expect("the use is available again").receipt.order_id;
    assert_eq!(uses(&shop).await, 1);
    let used_up = order_with(&shop, &product, "SINGLE", "ben@example.com").await;
    assert_eq!(used_up, Err(ShopError::CodeUsedUp("SINGLE".to_owned())));

    shop.order_administration(&administrator())
        .apply(&id, OrderAction::Cancel, None)
        .await
        .expect("it is cancelled");
    assert_eq!(uses(&shop).await, 0, "cancelled");
    let paid = order_with(&shop, &product, "SINGLE", "ben@example.com").await;
    assert!(paid.is_ok(), "{paid:?}");
    check_audit_clean(&shop).await;
}

/// A late payment without stock: if the order is cancelled, the use is released; if it is
/// backordered, the use still counts.
#[tokio::test]
async fn a_late_payment_without_stock_releases_the_use_unless_backordered() {
    let (shop, scripted) = (TestShop::new().await, ScriptedProvider::default());
    for (paid_without_stock, name, kept) in [
        (PaidWithoutStock::Refund, "REFUND", 0),
        (PaidWithoutStock::Backorder, "BACKORDER", 1),
    ] {
        let here = shop.paid_through(&scripted).with_terms(ShopTerms {
            paid_without_stock,
            ..ShopTerms::default()
        });
        let product = shop.with_product(1).await;
        create(&shop, code(name)).await;
        let cart = shop.cart_of(&[(&product, 1)]).await;
        let mut request = shop.checkout(cart, "ann@example.com");
        request.code = Some(name.to_owned());
        let started = shop.start_payment(here, &scripted, request).await;
        assert_eq!(
            uses_of(&shop, name).await,
            1,
            "while the payment is pending"
        );
        shop.expire_holds().await;
        shop.reservations()
            .sweep_expired()
            .await
            .expect("it is swept");
        shop.buy(&product)
            .await
            .expect("the units are available again");
        scripted.answer(started.charge, Ok(ChargeState::Captured));
        started.answer().await.expect("the request ends");
        assert_eq!(uses_of(&shop, name).await, kept, "{paid_without_stock:?}");
    }
}

#[tokio::test]
async fn an_invalid_code_rejects_the_order_and_changes_nothing() {
    let shop = TestShop::new().await;
    let product = shop.with_product(2).await;
    let cart = shop.cart_of(&[(&product, 2)]).await;
    let refused = order_cart_with(&shop, cart, "NOTHING", "ann@example.com").await;
    assert!(refused.is_err());
    let view = shop
        .carts()
        .view(Some(cart))
        .await
        .expect("the cart is read");
    assert_eq!(view.lines[0].quantity.get(), 2);
    assert_eq!(shop.level(&product).await.available, 2);
}

#[tokio::test]
async fn a_preview_of_a_code_counts_no_use() {
    let shop = TestShop::new().await;
    let product = shop.product().stock(2).price_cents(1_000).create().await;
    create(&shop, code("TEN")).await;
    let cart = shop.cart_of(&[(&product, 2)]).await;
    for (typed, counts, total) in [
        ("TEN", true, 2_000 - 200 + 490),
        ("ELEVEN", false, 2_000 + 490),
    ] {
        let cart = shop
            .carts()
            .view(Some(cart))
            .await
            .expect("the cart is read");
        let view = shop
            .carts()
            .checkout_view(cart, typed)
            .await
            .expect("it is shown");
        let applied = view.code.expect("the code is shown");
        assert_eq!((applied.counts, view.bill.total.cents), (counts, total));
    }
    assert_eq!(uses(&shop).await, 0);
}

#[tokio::test]
async fn an_invalid_code_is_not_created() {
    let shop = TestShop::new().await;
    let now = OffsetDateTime::now_utc();
    create(&shop, code("TAKEN")).await;
    for (new, field) in [
        (code(""), "code"),
        (code("\0\u{200b}"), "code"),
        (code(&"X".repeat(41)), "code"),
        (code(" taken "), "code"),
        (
            NewCode {
                value: DiscountValue::Percent(0),
                ..code("A")
            },
            "value",
        ),
        (
            NewCode {
                value: DiscountValue::Percent(101),
                ..code("A")
            },
            "value",
        ),
        (
            NewCode {
                value: DiscountValue::Cents(0),
                ..code("A")
            },
            "value",
        ),
        (
            NewCode {
                starts_at: Some(now),
                ends_at: Some(now),
                ..code("A")
            },
            "ends_at",
        ),
        (
            NewCode {
                ends_at: Some(now - Duration::hours(1)),
                ..code("A")
            },
            "ends_at",
        ),
    ] {
        let refused = shop
            .discount_administration(&administrator())
            .create(new.clone(), None)
            .await;
        let error = refused.expect_err("it is refused");
        assert!(error.field_message(field).is_some(), "{new:?}: {error:?}");
    }
    assert_eq!(shop.count("discount_code").await, 1);
}

#[tokio::test]
async fn a_code_created_concurrently_is_created_once() {
    let shop = TestShop::new().await;
    let requests = (0..6).map(|number| {
        let shop = shop.handle();
        let key = claim(&format!("administrator-{number}"), "create code", &["TEN"]);
        tokio::spawn(async move {
            shop.discount_administration(&administrator())
                .create(code("TEN"), Some(key))
                .await
        })
    });
    let mut refused = Vec::new();
    for request in within(PATIENCE, "6 administrators", join_all(requests)).await {
        refused.extend(request.expect("the task ends").err());
    }
    assert_eq!(refused.len(), 5);
    for error in refused {
        assert!(error.field_message("code").is_some(), "{error:?}");
    }
}
