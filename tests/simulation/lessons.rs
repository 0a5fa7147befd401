//! The lessons (regression cards): the wrong rule fails, the shop's rule does not, and the database
//! shows both.

use doorbuster::{
    model::{LessonKey, LessonResult, ShopError},
    shop::Shop,
    simulation::{lessons, store},
};

use super::RUN_MAX;
use crate::support::{TestShop, administrator, check_audit_clean, shop::claim};

/// Plays a lesson, and returns its stored result.
async fn play(shop: &TestShop, lesson: LessonKey) -> LessonResult {
    lessons::play(&administrator(), shop, lesson, None)
        .await
        .unwrap_or_else(|error| panic!("{lesson}: {error}"));
    let mut runs = store::last_lessons(shop.db()).await.expect("they are read");
    let at = runs.iter().position(|run| run.lesson == lesson);
    runs.swap_remove(at.expect("it is kept")).result
}

/// Whether the wrong rule failed, and whether the shop's rule failed.
fn broken(result: &LessonResult) -> (bool, bool) {
    (result.wrong.broken, result.shop.broken)
}

/// The named figures, for the wrong rule and for the shop's.
fn figures<const N: usize>(result: &LessonResult, names: [&str; N]) -> [(i64, i64); N] {
    names.map(|name| {
        let figure = result.figure(name);
        figure.unwrap_or_else(|| panic!("no figure {name}: {result:#?}"))
    })
}

/// Reads `(available, reserved, sold, ordered)` of the exhibit with this name, and of the guarded
/// product with this name.
async fn stock_rows(shop: &TestShop, name: &str) -> [String; 2] {
    let of = async |unguarded: bool| {
        let sql = format!(
            "SELECT concat_ws(' ', s.available, s.reserved, s.sold, \
               (SELECT coalesce(sum(l.quantity), 0) FROM order_line l WHERE l.product_id = p.id)) \
             FROM product p JOIN stock s ON s.product_id = p.id \
             WHERE p.name = '{name}' AND p.lane_id IS NOT NULL AND s.unguarded = {unguarded}"
        );
        shop.by_hand.value::<String>(&sql).await
    };
    [of(true).await, of(false).await]
}

#[tokio::test]
async fn a_cart_can_buy_the_unit_that_it_holds() {
    let shop = TestShop::new().await;
    let result = play(&shop, LessonKey::OwnHold).await;
    assert_eq!(broken(&result), (true, false), "{result:#?}");
    let expected = [(0, 0), (1, 0), (0, 1), (1, 0)];
    let names = ["Available", "Reserved for the shopper", "Sold", "Rejected"];
    assert_eq!(figures(&result, names), expected);
    // The exhibit rejects the shopper who holds its only unit; the shop sells it to that shopper.
    assert_eq!(
        stock_rows(&shop, "Last phone").await,
        ["0 1 0 0", "0 0 1 1"]
    );
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_negative_quantity_is_rejected_by_the_type_and_by_the_database() {
    let shop = TestShop::new().await;
    let result = play(&shop, LessonKey::NegativeQuantity).await;
    assert_eq!(broken(&result), (true, false), "{result:#?}");
    let names = ["Stock after", "Order total", "Rejected"];
    let expected = [(13, 10), (-3_000, 0), (0, 1)];
    assert_eq!(figures(&result, names), expected);
    assert_eq!(
        stock_rows(&shop, "Headphones").await,
        ["13 0 -3 0", "10 0 0 0"]
    );
    let means = &result.shop.explanation;
    for expected in [
        ShopError::QuantityInvalid.to_string().as_str(),
        "stock_conserved",
    ] {
        assert!(means.contains(expected), "{expected} is not in: {means}");
    }
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn an_off_by_one_check_oversells_without_any_race() {
    let shop = TestShop::new().await;
    let result = play(&shop, LessonKey::OffByOne).await;
    assert_eq!(broken(&result), (true, false), "{result:#?}");
    let names = ["Sold", "Rejected", "Stock counter"];
    assert_eq!(figures(&result, names), [(21, 20), (4, 5), (-1, 0)]);
    assert_eq!(
        stock_rows(&shop, "Game console").await,
        ["-1 0 21 21", "0 0 20 20"]
    );
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn adding_to_the_cart_does_not_reset_the_hold_timer() {
    let shop = TestShop::new().await;
    let result = play(&shop, LessonKey::HoldTimer).await;
    assert_eq!(broken(&result), (true, false), "{result:#?}");
    let [(wrong_moved, shop_moved)] = figures(&result, ["Hold extended by"]);
    assert!(wrong_moved >= 540, "{wrong_moved} s");
    assert_eq!(shop_moved, 0);
    let names = ["Still held after expiry", "Next shopper rejected", "Sold"];
    assert_eq!(figures(&result, names), [(1, 0), (1, 0), (0, 1)]);
    assert_eq!(
        stock_rows(&shop, "Last phone").await,
        ["0 1 0 0", "0 0 1 1"]
    );
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_counter_in_memory_undersells_after_lost_transactions() {
    let shop = TestShop::new().await;
    let result = play(&shop, LessonKey::MemoryFirst).await;
    assert_eq!(broken(&result), (true, false), "{result:#?}");
    let names = [
        "Connections cut",
        "Sold",
        "Rejected as sold out",
        "Counter used to reject",
        "Available",
    ];
    let expected = [(2, 2), (3, 5), (2, 0), (0, 0), (2, 0)];
    assert_eq!(figures(&result, names), expected);
    assert_eq!(stock_rows(&shop, "Sneakers").await, ["2 0 3 3", "0 0 5 5"]);
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_coupon_can_be_used_only_once() {
    let shop = TestShop::new().await;
    let result = play(&shop, LessonKey::CouponTwice).await;
    assert_eq!(broken(&result), (true, false), "{result:#?}");
    let names = ["Orders that used the code", "Uses counted", "Rejected"];
    assert_eq!(figures(&result, names), [(2, 1), (1, 1), (0, 1)]);
    let used = "SELECT concat_ws(' ', c.uses, c.uses_max, c.ends_at <= CURRENT_TIMESTAMP, \
                  (SELECT count(*) FROM discount_use u WHERE u.code = c.code AND NOT u.given_back), \
                  (SELECT count(*) FROM customer_order o WHERE o.discount_code = c.code AND o.status = 'paid')) \
                FROM discount_code c";
    let used: String = shop.by_hand.value(used).await;
    assert_eq!(used, "1 1 t 1 1", "used once, and ended");
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn the_audit_lists_the_exhibit_of_a_lesson_by_name() {
    let shop = TestShop::new().await;
    play(&shop, LessonKey::OffByOne).await;
    let exhibits = shop.audit().await.exhibits;
    let lost: Vec<_> = exhibits
        .iter()
        .map(|exhibit| (exhibit.strategy.as_str(), exhibit.oversold))
        .collect();
    assert_eq!(lost, [("lesson off-by-one", 1)]);
}

#[tokio::test]
async fn a_lesson_is_played_once_per_idempotency_key() {
    let shop = TestShop::new().await;
    let lesson = LessonKey::NegativeQuantity;
    for (key, runs) in [("first", 1), ("first", 1), ("second", 2)] {
        let claim = claim(key, "run-lesson", &[lesson.as_str()]);
        lessons::play(&administrator(), &shop, lesson, Some(claim))
            .await
            .expect("it is played");
        assert_eq!(shop.count("simulation_run").await, runs, "{key}");
    }
    let kept = store::last_lessons(shop.db()).await.expect("they are read");
    assert_eq!(kept.len(), 1, "the last one of each");
    check_audit_clean(&shop).await;
}

/// The provider was unavailable: the same form plays the lesson when it is back.
#[tokio::test]
async fn a_lesson_that_failed_frees_its_idempotency_key() {
    let shop = TestShop::new().await;
    let lesson = LessonKey::CouponTwice;
    let claim = claim("failed-first", "run-lesson", &[lesson.as_str()]);
    let without_provider = Shop::new(shop.db().clone(), shop.feed().clone());
    let signed_in = administrator();
    let failed = lessons::play(&signed_in, &without_provider, lesson, Some(claim.clone()));
    let failed = failed.await;
    assert!(
        matches!(failed, Err(ShopError::ProviderUnavailable { .. })),
        "{failed:?}"
    );
    for _ in 0..2 {
        lessons::play(&administrator(), &shop, lesson, Some(claim.clone()))
            .await
            .expect("it is played, then its result is found");
    }
    assert_eq!(shop.count("simulation_run").await, 2);
    let kept = store::last_lessons(shop.db()).await.expect("they are read");
    assert_eq!(kept.len(), 1);
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_lesson_is_not_listed_as_a_simulation() {
    let shop = TestShop::new().await;
    play(&shop, LessonKey::NegativeQuantity).await;
    let listed = store::latest(shop.db(), 10).await.expect("they are read");
    assert!(listed.is_empty(), "{listed:#?}");
    let id: uuid::Uuid = shop.by_hand.value("SELECT id FROM simulation_run").await;
    let found = store::find(shop.db(), id).await.err();
    assert_eq!(found, Some(ShopError::UnknownSimulation));
    let in_catalogue = shop.catalog().products().await.expect("they are read");
    assert!(
        in_catalogue
            .iter()
            .all(|shown| shown.product.name != "Headphones")
    );
}

#[tokio::test]
async fn a_lesson_that_pays_fails_without_a_payment_provider() {
    let shop = TestShop::new().await;
    let without_provider = Shop::new(shop.db().clone(), shop.feed().clone());
    let played = lessons::play(
        &administrator(),
        &without_provider,
        LessonKey::CouponTwice,
        None,
    )
    .await;
    assert!(
        matches!(played, Err(ShopError::ProviderUnavailable { .. })),
        "{played:?}"
    );
    let state: String = shop.by_hand.value("SELECT state FROM simulation_run").await;
    assert_eq!(state, "failed");
    let kept = store::last_lessons(shop.db()).await.expect("they are read");
    assert!(kept.is_empty(), "{kept:#?}");
    let open = "SELECT count(*) FROM discount_code WHERE ends_at > CURRENT_TIMESTAMP";
    let open: i64 = shop.by_hand.value(open).await;
    assert_eq!(open, 0, "no other shopper can use the code");
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn old_lessons_are_deleted_with_their_codes() {
    let shop = TestShop::new().await;
    let before = shop.count("product").await;
    play(&shop, LessonKey::CouponTwice).await;
    play(&shop, LessonKey::OwnHold).await;
    assert!(shop.count("product").await > before);
    shop.by_hand
        .run("UPDATE simulation_run SET started_at = started_at - INTERVAL '31 days'")
        .await;
    let pruned = store::prune(shop.db(), RUN_MAX).await;
    assert_eq!(pruned.expect("they are removed").count, 2);
    assert_eq!(shop.count("product").await, before);
    for table in ["customer_order", "discount_code", "simulation_lane", "hold"] {
        assert_eq!(shop.count(table).await, 0, "{table}");
    }
    check_audit_clean(&shop).await;
}
