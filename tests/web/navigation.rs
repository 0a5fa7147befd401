//! The navigation of the admin pages marks the current section.

use axum::http::StatusCode;

use super::support::{TestShop, Visitor};

/// Returns the navigation of an admin page.
#[track_caller]
fn navigation(page: &str) -> &str {
    page.split("aria-label=\"Admin\" class=\"subnav\"")
        .nth(1)
        .and_then(|rest| rest.split("</nav>").next())
        .unwrap_or_else(|| panic!("no navigation in {page}"))
}

#[tokio::test]
async fn every_admin_page_marks_its_section_as_current() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let order = shop
        .buy(&product)
        .await
        .expect("the purchase succeeds")
        .order_id;
    let mut admin = Visitor::of(&shop);
    admin.sign_in(&shop).await;
    let order = format!("/admin/orders/{order}");
    for (path, section) in [
        ("/admin", "/admin"),
        (order.as_str(), "/admin"),
        ("/admin/products", "/admin/products"),
        ("/admin/products/flash-sale-smartphone", "/admin/products"),
        ("/admin/stock", "/admin/stock"),
        ("/admin/discounts", "/admin/discounts"),
        ("/admin/events", "/admin/events"),
        ("/admin/redis", "/admin/redis"),
        ("/admin/redis/1", "/admin/redis"),
        ("/admin/queue", "/admin/queue"),
        ("/admin/simulations", "/admin/simulations"),
        ("/admin/simulations/runs", "/admin/simulations"),
        ("/admin/strategies/row-lock", "/admin/simulations"),
        ("/admin/stepper", "/admin/stepper"),
        ("/admin/stepper?story=lost-update", "/admin/stepper"),
        ("/admin/lessons", "/admin/lessons"),
    ] {
        let page = admin.page(path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        let navigation = navigation(&page.body);
        let current = format!("href=\"{section}\" aria-current=\"page\"");
        assert!(navigation.contains(&current), "{path}: {navigation}");
        assert_eq!(navigation.matches("aria-current").count(), 1, "{path}");
    }
}
