//! What the tests of the admin pages about Redis share.

use axum::http::StatusCode;
use doorbuster::shop::inventory::gate::StockGate;

use super::support::{TestShop, Visitor};

/// Returns the administrator at a server with these gates, or at one without Redis.
pub async fn admin_at(shop: &TestShop, gate: Option<StockGate>) -> Visitor {
    let mut admin = Visitor::of_gated(shop, gate);
    admin.sign_in(shop).await;
    admin
}

/// The page is shown although Redis was killed.
pub async fn check_shows_redis_unavailable(admin: &mut Visitor, path: &str) {
    let page = admin.page(path).await;
    assert_eq!(page.status, StatusCode::OK, "{path}");
    assert!(
        page.body.contains("Redis does not answer."),
        "{path}: {}",
        page.body
    );
}

/// Only the administrator can send this form.
pub async fn check_refused_to_strangers(form: &str, fields: &str) {
    let shop = TestShop::new().await;
    let answer = Visitor::of(&shop).post_form(form, fields).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{form}");
}
