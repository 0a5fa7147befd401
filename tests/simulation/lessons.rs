//! The regression cards: the wrong rule does break, the shop's does not, and both can be read from the database.

use doorbuster::{
    model::{LessonKey, LessonResult, ShopError},
    shop::{Shop, idempotency::Claim},
    simulation::{lessons, store},
};

use crate::support::{TestShop, check_audit_clean};

/// Plays a card, and returns what was kept of it.
async fn play(shop: &TestShop, lesson: LessonKey) -> LessonResult {
    lessons::play(shop, lesson, None)
        .await
        .unwrap_or_else(|error| panic!("{lesson}: {error}"));
    let mut runs = store::last_lessons(shop.db()).await.expect("they are read");
    let at = runs.iter().position(|run| run.lesson == lesson);
    runs.swap_remove(at.expect("it is kept")).result
}

/// Whether the wrong rule, and the shop's, did what no shop may do.
fn broken(result: &LessonResult) -> (bool, bool) {
    (result.wrong.broken, result.shop.broken)
}

/// What the figures of that name say, by the wrong rule and by the shop's.
fn figures<const N: usize>(result: &LessonResult, names: [&str; N]) -> [(i64, i64); N] {
    names.map(|name| {
        let figure = result.figure(name);
        figure.unwrap_or_else(|| panic!("no figure {name}: {result:#?}"))
    })
}

/// `(available, reserved, sold, ordered)` of the only shelf of that name: of the exhibit, and of the one that is guarded.
async fn shelves(shop: &TestShop, name: &str) -> [String; 2] {
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
async fn a_cart_is_blocked_by_its_own_hold_and_the_shop_sells_it() {
    let shop = TestShop::new().await;
    let result = play(&shop, LessonKey::OwnHold).await;
    assert_eq!(broken(&result), (true, false), "{result:#?}");
    let expected = [(0, 0), (1, 0), (0, 1), (1, 0)];
    let names = [
        "On the shelf",
        "Set aside for the shopper",
        "Sold",
        "Told no",
    ];
    assert_eq!(figures(&result, names), expected);
    // Nothing to be had, one set aside for who was refused; and one sold to whom it was set aside for.
    assert_eq!(shelves(&shop, "Last phone").await, ["0 1 0 0", "0 0 1 1"]);
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_negative_quantity_makes_the_shelf_grow_and_is_refused_twice() {
    let shop = TestShop::new().await;
    let result = play(&shop, LessonKey::NegativeQuantity).await;
    assert_eq!(broken(&result), (true, false), "{result:#?}");
    let names = ["On the shelf after", "The bill", "Told no"];
    let expected = [(13, 10), (-3_000, 0), (0, 1)];
    assert_eq!(figures(&result, names), expected);
    assert_eq!(
        shelves(&shop, "Headphones").await,
        ["13 0 -3 0", "10 0 0 0"]
    );
    let means = &result.shop.means;
    for told in [
        ShopError::QuantityInvalid.to_string().as_str(),
        "stock_conserved",
    ] {
        assert!(means.contains(told), "{told} is not in: {means}");
    }
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_counter_that_is_off_by_one_sells_one_too_many_without_any_race() {
    let shop = TestShop::new().await;
    let result = play(&shop, LessonKey::OffByOne).await;
    assert_eq!(broken(&result), (true, false), "{result:#?}");
    let names = ["Sold", "Told no", "The counter says"];
    assert_eq!(figures(&result, names), [(21, 20), (4, 5), (-1, 0)]);
    assert_eq!(
        shelves(&shop, "Game console").await,
        ["-1 0 21 21", "0 0 20 20"]
    );
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_bot_keeps_the_last_unit_where_adding_resets_the_timer() {
    let shop = TestShop::new().await;
    let result = play(&shop, LessonKey::HoldTimer).await;
    assert_eq!(broken(&result), (true, false), "{result:#?}");
    let [(wrong_moved, shop_moved)] = figures(&result, ["Adding moved its end by"]);
    assert!(wrong_moved >= 540, "{wrong_moved} s");
    assert_eq!(shop_moved, 0);
    let names = [
        "Still held when it should be over",
        "Next shopper told no",
        "Sold",
    ];
    assert_eq!(figures(&result, names), [(1, 0), (1, 0), (0, 1)]);
    assert_eq!(shelves(&shop, "Last phone").await, ["0 1 0 0", "0 0 1 1"]);
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn what_a_counter_in_memory_has_counted_stays_unsold() {
    let shop = TestShop::new().await;
    let result = play(&shop, LessonKey::MemoryFirst).await;
    assert_eq!(broken(&result), (true, false), "{result:#?}");
    let names = [
        "Connections cut",
        "Sold",
        "Told that it is sold out",
        "What refusals go by says",
        "On the shelf",
    ];
    let expected = [(2, 2), (3, 5), (2, 0), (0, 0), (2, 0)];
    assert_eq!(figures(&result, names), expected);
    assert_eq!(shelves(&shop, "Sneakers").await, ["2 0 3 3", "0 0 5 5"]);
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_coupon_is_spent_twice_and_the_shop_refuses_the_second() {
    let shop = TestShop::new().await;
    let result = play(&shop, LessonKey::CouponTwice).await;
    assert_eq!(broken(&result), (true, false), "{result:#?}");
    let names = [
        "Orders that used the code",
        "Uses that its counter has",
        "Told no",
    ];
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
async fn the_audit_lists_what_a_lesson_lost_under_its_name() {
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
async fn a_lesson_is_played_once_for_its_key_and_again_for_another() {
    let shop = TestShop::new().await;
    let lesson = LessonKey::NegativeQuantity;
    for (key, runs) in [("first", 1), ("first", 1), ("second", 2)] {
        let claim = Claim::new(key, "run-lesson", &[lesson.as_str()]).expect("a key");
        lessons::play(&shop, lesson, Some(claim))
            .await
            .expect("it is played");
        assert_eq!(shop.count("simulation_run").await, runs, "{key}");
    }
    let kept = store::last_lessons(shop.db()).await.expect("they are read");
    assert_eq!(kept.len(), 1, "the last one of each");
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_lesson_is_no_simulation() {
    let shop = TestShop::new().await;
    play(&shop, LessonKey::NegativeQuantity).await;
    let listed = store::latest(shop.db(), 10).await.expect("they are read");
    assert!(listed.is_empty(), "{listed:#?}");
    let id: uuid::Uuid = shop.by_hand.value("SELECT id FROM simulation_run").await;
    let found = store::find(shop.db(), id).await.err();
    assert_eq!(found, Some(ShopError::UnknownSimulation));
    let in_catalogue = shop.products(None).await.expect("they are read");
    assert!(
        in_catalogue
            .iter()
            .all(|product| product.name != "Headphones")
    );
}

#[tokio::test]
async fn without_a_provider_a_lesson_that_pays_says_so_and_keeps_no_result() {
    let shop = TestShop::new().await;
    let poor = Shop::new(shop.db().clone(), shop.feed().clone());
    let played = lessons::play(&poor, LessonKey::CouponTwice, None).await;
    assert!(
        matches!(played, Err(ShopError::ProviderAway { .. })),
        "{played:?}"
    );
    let state: String = shop.by_hand.value("SELECT state FROM simulation_run").await;
    assert_eq!(state, "failed");
    let kept = store::last_lessons(shop.db()).await.expect("they are read");
    assert!(kept.is_empty(), "{kept:#?}");
    let open = "SELECT count(*) FROM discount_code WHERE ends_at > CURRENT_TIMESTAMP";
    let open: i64 = shop.by_hand.value(open).await;
    assert_eq!(open, 0, "nobody else may use the code");
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn lessons_leave_with_old_runs_and_take_their_codes_along() {
    let shop = TestShop::new().await;
    let before = shop.count("product").await;
    play(&shop, LessonKey::CouponTwice).await;
    play(&shop, LessonKey::OwnHold).await;
    assert!(shop.count("product").await > before);
    shop.by_hand
        .run("UPDATE simulation_run SET started_at = started_at - INTERVAL '31 days'")
        .await;
    assert_eq!(store::prune(shop.db()).await.expect("they are removed"), 2);
    assert_eq!(shop.count("product").await, before);
    for table in ["customer_order", "discount_code", "simulation_lane", "hold"] {
        assert_eq!(shop.count(table).await, 0, "{table}");
    }
    check_audit_clean(&shop).await;
}
