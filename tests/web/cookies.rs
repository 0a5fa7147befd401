//! The cookies of a browser, all together.

use url::form_urlencoded::Serializer;

use super::support::{TestShop, Visitor, hidden_fields, send_from_page, value_of};

/// See `web::cookie_budget`.
const COOKIES_LEN_MAX: usize = 6_000;
const PHONE: &str = "/products/flash-sale-smartphone";

/// A form that was interrupted by the end of the session, with as much text as is kept.
async fn interrupt_an_admin_form(visitor: &mut Visitor, letter: &str) {
    let text = letter.repeat(2_500 / letter.len());
    let fields = Serializer::new(String::new())
        .append_pair("from_page", "/admin/stock")
        .append_pair("reason", &text)
        .finish();
    let answer = send_from_page(visitor, "admin/take-stock", &fields).await;
    assert_eq!(answer.header("location"), "/admin/login", "{letter}");
}

/// The longest contact that the checkout accepts, in a script.
fn longest_contact(letter: &str) -> Vec<(&'static str, String)> {
    let of = |chars: usize| letter.chars().cycle().take(chars).collect::<String>();
    vec![
        ("name", of(200)),
        (
            "email",
            format!("{}@{}.example", "a".repeat(64), "b".repeat(63)),
        ),
        ("street", of(160)),
        ("postal_code", "12345".to_owned()),
        ("city", of(80)),
        ("country", "DE".to_owned()),
    ]
}

/// A shopper whose session ends at the checkout, in a browser in which an admin form was
/// interrupted just before: the contact is kept, and the browser can still open every page.
#[tokio::test]
async fn the_longest_texts_in_every_script_leave_the_header_small() {
    let shop = TestShop::new().await;
    for letter in ["x", "ق", "e\u{301}", "字", "𐐷"] {
        let mut shopper = Visitor::of(&shop);
        interrupt_an_admin_form(&mut shopper, letter).await;
        let kept = shopper.cookie_header().unwrap_or_default();
        assert!(kept.contains("doorbuster-resumption"), "{letter}: {kept}");

        let page = shopper.page(PHONE).await.body;
        let add = format!("{}&product_id=1&quantity=1", hidden_fields(&page));
        let answer = send_from_page(&mut shopper, "cart/buy-now", &add).await;
        let checkout = answer.header("location").to_owned();
        let page = shopper.page(&checkout).await.body;
        let contact = longest_contact(letter);
        let fields = Serializer::new(String::new())
            .append_pair("cart_id", &value_of(&page, "cart_id"))
            .extend_pairs(&contact)
            .finish();
        let form = format!("{}&{fields}", hidden_fields(&page));
        shop.by_hand.run("DELETE FROM session").await;
        let answer = send_from_page(&mut shopper, "checkout/pay", &form).await;
        let target = answer.header("location").to_owned();
        let cookies = shopper.cookie_header().unwrap_or_default();
        assert!(
            cookies.len() <= COOKIES_LEN_MAX,
            "{letter}: {} bytes",
            cookies.len()
        );
        assert!(cookies.contains("doorbuster-contact"), "{letter}");
        let shown = shopper.page(&target).await.body;
        assert!(shown.contains("Your session has ended"), "{letter}");
        assert!(
            shown.contains("kept in this browser for an hour"),
            "{letter}"
        );
    }
}
