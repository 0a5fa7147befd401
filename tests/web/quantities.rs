//! How many units a product's page and a cart offer, as the server renders it: without JavaScript
//! it stays so.

use super::support::{TestShop, Visitor, value_of};
use crate::support::PlacesOrders;

const PRODUCT: &str = "/products/test-product-0";
const ADD: &str = "/api/form/cart/add";

/// Returns the bound of the quantity field, and the note under it.
async fn offered(visitor: &mut Visitor) -> (String, String) {
    let page = visitor.page(PRODUCT).await.body;
    let field = page.split("id=\"quantity\"").nth(1).unwrap_or_default();
    let field = field.split('>').next().unwrap_or_default();
    assert!(
        field.contains("aria-describedby=\"quantity-note\""),
        "{field}"
    );
    let most = field.split("max=\"").nth(1).unwrap_or_default();
    let most = most.split('"').next().unwrap_or_default();
    let note = page.split("id=\"quantity-note\"").nth(1);
    let note = note.and_then(|rest| rest.split_once('>'));
    let note = note.map(|(_, rest)| rest.split('<').next().unwrap_or_default());
    let note = note.unwrap_or_else(|| panic!("the page has no note: {page}"));
    (most.to_owned(), note.trim().to_owned())
}

#[tokio::test]
async fn the_quantity_is_bounded_by_the_stock_less_what_is_in_the_cart() {
    let shop = TestShop::new().await;
    let lamp = shop.product().stock(5).create().await;
    let mut visitor = Visitor::of(&shop);
    let expected = ("5".to_owned(), "Only 5 left.".to_owned());
    assert_eq!(offered(&mut visitor).await, expected);

    let one = format!("product_id={}&quantity=1", lamp.id);
    visitor.submit(PRODUCT, ADD, &one).await;
    let note = "Only 5 left, and 1 is in your cart: you can add 4 more.";
    let expected = ("4".to_owned(), note.to_owned());
    assert_eq!(offered(&mut visitor).await, expected);
    // What the cart has reserved is not available to others, but it is to this shopper.
    let cart = value_of(&visitor.page("/cart").await.body, "cart_id");
    let enter = "/api/form/checkout/enter";
    let answer = visitor
        .submit("/cart", enter, &format!("cart_id={cart}"))
        .await;
    assert_eq!(answer.header("location"), "/checkout", "{answer:?}");
    assert_eq!(offered(&mut visitor).await, expected);
    let expected = ("4".to_owned(), "Only 4 left.".to_owned());
    assert_eq!(offered(&mut Visitor::of(&shop)).await, expected);

    let four = format!("product_id={}&quantity=4", lamp.id);
    visitor.submit(PRODUCT, ADD, &four).await;
    let (most, _) = offered(&mut visitor).await;
    assert_eq!(most, "1", "a browser could not satisfy less");
}

#[tokio::test]
async fn the_quantity_is_bounded_by_the_limit_for_each_customer() {
    let shop = TestShop::new().await;
    let lamp = shop.product().stock(50).limit(2).create().await;
    let mut visitor = Visitor::of(&shop);
    let expected = ("2".to_owned(), "2 is the limit per customer.".to_owned());
    assert_eq!(offered(&mut visitor).await, expected);
    let one = format!("product_id={}&quantity=1", lamp.id);
    visitor.submit(PRODUCT, ADD, &one).await;
    let note = "2 is the limit per customer, and 1 is in your cart: you can add 1 more.";
    assert_eq!(
        offered(&mut visitor).await,
        ("1".to_owned(), note.to_owned())
    );
}

#[tokio::test]
async fn where_there_are_enough_units_there_is_no_note() {
    let shop = TestShop::new().await;
    shop.product().stock(5_000).create().await;
    let expected = ("1000".to_owned(), String::new());
    assert_eq!(offered(&mut Visitor::of(&shop)).await, expected);
}

/// What is reserved may come back, what is sold does not.
#[tokio::test]
async fn a_cart_says_whether_its_units_are_reserved_or_sold() {
    let shop = TestShop::new().await;
    let lamp = shop.product().stock(1).create().await;
    let one = format!("product_id={}&quantity=1", lamp.id);
    let mut visitor = Visitor::of(&shop);
    visitor.submit(PRODUCT, ADD, &one).await;
    let other = shop.cart_of(&[(&lamp, 1)]).await;
    let reserved = shop.reservations().reserve(other, None).await;
    reserved.result.expect("the last unit is reserved");
    let page = visitor.page("/cart").await.body;
    assert!(page.contains("All reserved. Remove it, or wait"), "{page}");

    let paid = shop.place_order(shop.checkout(other, "ann@example.com"));
    paid.await.result.expect("it is paid");
    let page = visitor.page("/cart").await.body;
    assert!(page.contains("Sold out. Remove it to continue."), "{page}");
}

/// The sentence of the API is for programs.
#[tokio::test]
async fn too_many_units_are_refused_in_the_words_of_a_shopper() {
    let shop = TestShop::new().await;
    let lamp = shop.product().stock(3).create().await;
    let mut visitor = Visitor::of(&shop);
    let nine = format!("product_id={}&quantity=9", lamp.id);
    let answer = visitor.submit(PRODUCT, ADD, &nine).await;
    assert_eq!(answer.header("location"), PRODUCT, "{answer:?}");
    let page = visitor.page(PRODUCT).await.body;
    let sentence = format!("Only 3 units of {} are left.", lamp.name);
    assert!(page.contains(&sentence), "{page}");
    assert!(!page.contains("requested: 9"), "{page}");
    let answer = visitor.post_form(ADD, &nine).await;
    assert!(
        answer.body.contains("available: 3, requested: 9"),
        "{answer:?}"
    );
}
