//! Names of products in every script, as long as they may be.

use axum::http::StatusCode;

use super::support::{TestShop, Visitor};
use crate::support::check_audit_clean;

/// See `model::product::NAME_CHARS_MAX`.
const NAME_CHARS_MAX: usize = 120;

/// Letters from left to right and from right to left, with and without marks that combine.
const LETTERS: [&str; 6] = ["W", "ק", "قَ", "e\u{301}", "山", "😀"];

fn of_length(letters: &str, chars: usize) -> String {
    letters.chars().cycle().take(chars).collect()
}

#[tokio::test]
async fn a_name_of_120_characters_is_shown_and_sold_and_one_of_121_is_refused() {
    let shop = TestShop::new().await;
    let product = shop.with_product(50).await;
    let id = product.id;
    shop.by_hand
        .run(&format!(
            "UPDATE product SET slug = 'named' WHERE id = {id}"
        ))
        .await;
    for letters in LETTERS {
        let rename = |name: &str| format!("UPDATE product SET name = '{name}' WHERE id = {id}");
        let longer = of_length(letters, NAME_CHARS_MAX + 1);
        let refused = shop.by_hand.try_run(&rename(&longer)).await;
        let refused = refused.expect_err("it is too long").to_string();
        assert!(refused.contains("too long"), "{letters}: {refused}");

        let name = of_length(letters, NAME_CHARS_MAX);
        shop.by_hand.run(&rename(&name)).await;
        let mut visitor = Visitor::of(&shop);
        let page = visitor.page("/products/named").await;
        assert_eq!(page.status, StatusCode::OK, "{letters}");
        let heading = format!("<h1 dir=\"auto\">{name}</h1>");
        assert!(page.body.contains(&heading), "{letters}: {}", page.body);
        let home = visitor.page("/").await.body;
        assert!(
            home.contains(&format!("dir=\"auto\">{name}</a>")),
            "{letters}"
        );

        let id = shop.paid(&[(&product, 1)], "ann@example.com").await;
        let order = visitor.page(&format!("/orders/{id}")).await.body;
        assert!(
            order.contains(&format!("<bdi>{name}</bdi>")),
            "{letters}: {order}"
        );
    }
    check_audit_clean(&shop).await;
}
