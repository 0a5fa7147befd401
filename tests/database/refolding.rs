//! The migration that folds stored e-mail addresses again: as the shop's function does, and without
//! making orders that were allowed into violations.

use doorbuster::{
    db::schema::{self, Step},
    model::DiscountValue,
    shop::discounts::NewCode,
};

use crate::support::{PlacesOrders, TestShop, administrator, check_audit_clean};

const MIGRATION: &str = "m0024_kept_units";

/// What the version before the migration stored for an address.
const FOLD_AS_BEFORE: &str = "split_part(split_part(lower(trim(email)), '@', 1), '+', 1) || '@' || split_part(lower(trim(email)), '@', 2)";

/// Reverts migrations until `migration` is reverted.
pub async fn revert(url: &str, migration: &str) {
    loop {
        let steps = schema::status(url).await.expect("they are listed");
        if !steps
            .iter()
            .any(|step| step.name == migration && step.applied)
        {
            return;
        }
        schema::migrate(url, Step::Down)
            .await
            .expect("one migration is reverted");
    }
}

#[tokio::test]
async fn stored_addresses_are_folded_as_the_shop_folds_them() {
    let shop = TestShop::new().await;
    let product = shop.with_product(50).await;
    for address in [
        "ann@example.com",
        "Ann+Sale@Example.com",
        "+ann@example.org",
        "+bob@example.org",
        "++@example.org",
        "a.nn@example.com",
        "a.n.n@gmail.com",
        "A.Nn+x+y@GoogleMail.com",
        "ann@gmail.com",
        "+a.nn@gmail.com",
        "...@gmail.com",
        "gmail.com@example.com",
        "ann@notgmail.com",
        " ann@googlemail.com ",
    ] {
        shop.paid(&[(&product, 1)], address).await;
    }
    let stored =
        "SELECT string_agg(email || ' is ' || email_folded, ', ' ORDER BY id) FROM customer_order";
    let by_function: String = shop.by_hand.value(stored).await;
    shop.by_hand
        .run(&format!(
            "UPDATE customer_order SET email_folded = {FOLD_AS_BEFORE}"
        ))
        .await;
    let before: String = shop.by_hand.value(stored).await;
    assert!(
        before.contains("+ann@example.org is @example.org"),
        "{before}"
    );
    revert(shop.database.url(), MIGRATION).await;
    schema::migrate(shop.database.url(), Step::Up)
        .await
        .expect("up");
    let by_migration: String = shop.by_hand.value(stored).await;
    assert_eq!(by_migration, by_function);
}

/// Two spellings of one mailbox were two customers, and each used a code once and bought two.
#[tokio::test]
async fn customers_who_become_one_break_no_rule() {
    let shop = TestShop::new().await;
    let product = shop.product().stock(50).limit(2).create().await;
    let new = NewCode {
        code: "ONCE".to_owned(),
        value: DiscountValue::Percent(10),
        min_subtotal_cents: 0,
        starts_at: None,
        ends_at: None,
        uses_max: 100,
        per_customer_limit: Some(1),
    };
    shop.discount_administration(&administrator())
        .create(new, None)
        .await
        .expect("it is created");
    for address in ["an.n@gmail.com", "bob@gmail.com"] {
        let cart = shop.cart_of(&[(&product, 2)]).await;
        let mut request = shop.checkout(cart, address);
        request.code = Some("ONCE".to_owned());
        let placed = shop.place_order(request).await.result;
        assert!(placed.is_ok(), "{address}: {placed:?}");
    }
    shop.by_hand
        .run(&format!(
            "UPDATE customer_order SET email = 'a.nn@gmail.com' WHERE email = 'bob@gmail.com'; \
             UPDATE customer_order SET email_folded = {FOLD_AS_BEFORE}; \
             UPDATE discount_use u SET email_folded = o.email_folded FROM customer_order o WHERE o.id = u.order_id"
        ))
        .await;
    revert(shop.database.url(), MIGRATION).await;
    schema::migrate(shop.database.url(), Step::Up)
        .await
        .expect("up");
    let customers: i64 = shop
        .by_hand
        .value("SELECT count(DISTINCT email_folded) FROM customer_order")
        .await;
    assert_eq!(customers, 1);
    check_audit_clean(&shop).await;
}
