//! *Buy now*: one product alone, whatever is in the cart.

use doorbuster::{
    config::{HoldLimits, ShopTerms},
    model::{Contact, ShopError, cart::items},
    shop::{
        Shop,
        cart::{CheckoutDraft, OLD_CARTS},
        cart_pair::other_cart,
        holds::HolderAddress,
    },
};
use futures::future::join_all;
use uuid::Uuid;

use crate::support::{
    PATIENCE, PlacesOrders, TestProduct, TestShop, check_audit_clean,
    shop::{contact, draft, units_of, unkeyed},
    within,
};

async fn buy_now(
    shop: &Shop,
    cart: Uuid,
    product: &TestProduct,
    units: u32,
) -> Result<Uuid, ShopError> {
    shop.carts()
        .buy_now(cart, product.id, units_of(units), None)
        .await
}

/// Returns the products and quantities in a cart.
async fn contents(shop: &Shop, cart: Uuid) -> String {
    let view = shop.carts().view(Some(cart)).await.expect("it is read");
    items(
        view.lines
            .iter()
            .map(|line| (line.product.id, line.quantity)),
    )
}

#[tokio::test]
async fn it_neither_buys_nor_changes_what_is_in_the_cart() {
    let shop = TestShop::new().await;
    let (kettle, lamp) = (shop.with_product(5).await, shop.with_product(5).await);
    let cart = shop.cart_of(&[(&kettle, 2)]).await;
    assert_eq!(buy_now(&shop, cart, &lamp, 3).await, Ok(cart));
    let now = other_cart(cart);
    assert_eq!(contents(&shop, cart).await, format!("{}x2", kettle.id));
    assert_eq!(contents(&shop, now).await, format!("{}x3", lamp.id));
    assert_eq!(shop.level(&lamp).await.reserved, 3);
    assert_eq!(
        shop.level(&kettle).await.reserved,
        0,
        "a cart reserves nothing"
    );
    let paid = shop.place_order(shop.checkout(now, "ann@example.com"));
    paid.await.result.expect("it is paid");
    assert_eq!(shop.level(&lamp).await.sold, 3);
    assert_eq!(contents(&shop, cart).await, format!("{}x2", kettle.id));
    check_audit_clean(&shop).await;
}

/// It failed with "Nothing was put into your cart", and one more unit was in it each time.
#[tokio::test]
async fn a_sold_out_line_of_the_cart_does_not_matter_and_pressing_again_adds_nothing() {
    let shop = TestShop::new().await;
    let (gone, lamp) = (shop.with_product(1).await, shop.with_product(5).await);
    let cart = shop.cart_of(&[(&gone, 1)]).await;
    shop.buy(&gone).await.expect("another buyer is faster");
    for _ in 0..3 {
        buy_now(&shop, cart, &lamp, 1)
            .await
            .expect("it is reserved");
    }
    assert_eq!(
        contents(&shop, other_cart(cart)).await,
        format!("{}x1", lamp.id)
    );
    assert_eq!(shop.level(&lamp).await.reserved, 1);
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn if_it_cannot_be_reserved_nothing_changes() {
    let shop = TestShop::new().await;
    let (kettle, lamp) = (shop.with_product(5).await, shop.with_product(2).await);
    let cart = Uuid::now_v7();
    let refused = buy_now(&shop, cart, &lamp, 3).await;
    assert_eq!(refused, Err(lamp.insufficient(2, 3)));
    assert_eq!(shop.count("cart").await, 0);
    buy_now(&shop, cart, &kettle, 1)
        .await
        .expect("it is reserved");
    let refused = buy_now(&shop, cart, &lamp, 3).await;
    assert_eq!(refused, Err(lamp.insufficient(2, 3)));
    assert_eq!(
        contents(&shop, other_cart(cart)).await,
        format!("{}x1", kettle.id),
        "what was bought before is still reserved"
    );
    assert_eq!(shop.level(&kettle).await.reserved, 1);
    check_audit_clean(&shop).await;
}

/// Two windows of one session. One of them wins; the other's unit is released, and its page
/// does not buy the winner's product.
#[tokio::test]
async fn two_products_at_once_leave_one_reserved_and_no_page_buys_the_other() {
    let shop = TestShop::new().await;
    let (kettle, lamp) = (shop.with_product(5).await, shop.with_product(5).await);
    let cart = Uuid::now_v7();
    let presses = [&kettle, &lamp].map(|product| {
        let (shop, id) = (shop.handle(), product.id);
        tokio::spawn(async move { shop.carts().buy_now(cart, id, units_of(1), None).await })
    });
    for pressed in within(PATIENCE, "both", join_all(presses)).await {
        assert_eq!(pressed.expect("no panic"), Ok(cart));
    }
    let now = other_cart(cart);
    let (winner, loser) = match contents(&shop, now).await {
        items if items == format!("{}x1", kettle.id) => (&kettle, &lamp),
        items if items == format!("{}x1", lamp.id) => (&lamp, &kettle),
        items => panic!("one product is bought alone: {items}"),
    };
    assert_eq!(shop.level(winner).await.reserved, 1);
    assert_eq!(shop.level(loser).await.reserved, 0);
    let mut request = shop.checkout(now, "ann@example.com");
    request.expected_items = Some(format!("{}x1", loser.id));
    let refused = shop.place_order(request).await.result;
    assert_eq!(
        refused.map(drop).map_err(ShopError::from),
        Err(ShopError::ItemsChanged)
    );
    let mut request = shop.checkout(now, "ann@example.com");
    request.expected_items = Some(format!("{}x1", winner.id));
    let paid = shop.place_order(request).await.result;
    paid.expect("the page of the winner pays");
    check_audit_clean(&shop).await;
}

/// A payment has locked stock when it comes to the other cart. If it waited for that one, a second
/// window that reserves the same product in it would wait for the stock: a deadlock.
#[tokio::test]
async fn a_payment_does_not_wait_for_the_other_cart() {
    let shop = TestShop::new().await;
    let lamp = shop.with_product(5).await;
    let cart = shop.cart_of(&[(&lamp, 1)]).await;
    buy_now(&shop, cart, &lamp, 1)
        .await
        .expect("it is reserved");
    let typed = draft(contact("ann@example.com"));
    let saved = shop.carts().save_draft(cart, &typed).await;
    saved.expect("it is saved");
    let lock = shop.database.by_hand().await;
    let other = other_cart(cart);
    lock.run(&format!(
        "BEGIN; SELECT 1 FROM cart WHERE id = '{other}' FOR UPDATE"
    ))
    .await;
    let paid = shop.place_order(shop.checkout(cart, "ann@example.com"));
    let paid = within(PATIENCE, "the payment", paid).await;
    paid.result.expect("it does not wait");
    lock.run("COMMIT").await;
    let kept = shop.carts().draft(Some(other)).await.expect("it is read");
    assert_eq!(kept.contact, Contact::default(), "nothing was handed over");
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn an_abandoned_purchase_is_released_and_deleted_like_a_cart() {
    let shop = TestShop::new().await;
    let lamp = shop.with_product(5).await;
    let cart = Uuid::now_v7();
    buy_now(&shop, cart, &lamp, 2)
        .await
        .expect("it is reserved");
    shop.expire_holds().await;
    let swept = shop.reservations().sweep_expired().await;
    assert_eq!(swept.expect("it is swept"), 1);
    assert_eq!(shop.level(&lamp).await.available, 5);
    shop.by_hand
        .run("UPDATE cart SET changed_at = changed_at - INTERVAL '25 hours'")
        .await;
    let deleted = doorbuster::db::retention::delete(shop.db(), &OLD_CARTS, PATIENCE).await;
    assert_eq!(deleted.expect("it is deleted").count, 1);
    check_audit_clean(&shop).await;
}

/// Returns the shop for one shopper with limits.
fn limited(shop: &TestShop, session_hold_units_max: u32) -> Shop {
    let terms = ShopTerms {
        hold_limits: HoldLimits {
            session_hold_units_max,
            session_hold_cents_max: 0,
            address_hold_units_max: 0,
            address_hold_cents_max: 0,
            unpaid_pause_s: 0,
            address_unpaid_max: 0,
        },
        ..ShopTerms::default()
    };
    let address = HolderAddress::new([10, 0, 0, 1].into());
    shop.on_terms(terms).for_holder(address)
}

#[tokio::test]
async fn both_carts_count_for_what_a_session_may_hold() {
    let shop = TestShop::new().await;
    let here = limited(&shop, 4);
    let (kettle, lamp) = (shop.with_product(9).await, shop.with_product(9).await);
    let cart = shop.cart_of(&[(&kettle, 3)]).await;
    let reserved = here.reservations().reserve(cart, None).await;
    reserved.result.expect("three units fit");
    let over = buy_now(&here, cart, &lamp, 2).await;
    assert!(
        matches!(over, Err(ShopError::OverHoldLimit { .. })),
        "{over:?}"
    );
    buy_now(&here, cart, &lamp, 1)
        .await
        .expect("the fourth unit fits");
    let set = here
        .carts()
        .set_quantity(unkeyed(cart), kettle.id, units_of(4));
    let over = set.await;
    assert!(
        matches!(over, Err(ShopError::OverHoldLimit { .. })),
        "{over:?}"
    );
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn both_carts_count_for_the_limit_of_each_customer() {
    let shop = TestShop::new().await;
    let here = limited(&shop, 0);
    let lamp = shop.product().stock(9).limit(2).create().await;
    let cart = shop.cart_of(&[(&lamp, 1)]).await;
    // A cart without a reservation holds nothing.
    buy_now(&here, cart, &lamp, 2)
        .await
        .expect("it is reserved");
    let reserved = here.reservations().reserve(cart, None).await;
    let over = ShopError::OverLimitWithOtherCart {
        product: lamp.name.clone(),
        limit: 2,
        held: 2,
    };
    assert_eq!(reserved.result.map_err(ShopError::from), Err(over.clone()));
    assert_eq!(
        over.to_string(),
        format!(
            "2 is the limit per customer, and 2 of {} are reserved for you already. Pay for them, or remove them from \
             your cart.",
            lamp.name
        )
    );
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn the_contact_is_typed_once_for_both_carts() {
    let shop = TestShop::new().await;
    let (kettle, lamp) = (shop.with_product(5).await, shop.with_product(5).await);
    let cart = shop.cart_of(&[(&kettle, 1)]).await;
    let typed = CheckoutDraft {
        code: "TEN".to_owned(),
        ..draft(contact("ann@example.com"))
    };
    let saved = shop.carts().save_draft(cart, &typed).await;
    saved.expect("it is saved");
    buy_now(&shop, cart, &lamp, 1)
        .await
        .expect("it is reserved");
    let now = other_cart(cart);
    let shown = shop.carts().draft_with_contact(now).await;
    let without_code = draft(contact("ann@example.com"));
    assert_eq!(shown, Ok(without_code.clone()), "a code is for one order");
    let paid = shop.place_order(shop.checkout(cart, "ann@example.com"));
    paid.await.result.expect("the cart is paid");
    let shown = shop.carts().draft_with_contact(now).await;
    assert_eq!(shown, Ok(without_code), "paying does not forget it");
    assert_ne!(contact("ann@example.com"), Contact::default());
    check_audit_clean(&shop).await;
}
