//! `doorbuster preflight`: the checks before a sale. `tests/embedded.rs` has a shop that is ready,
//! and `reading` has other schemas.

use doorbuster::simulation::store;
use serde_json::Value;
use tempfile::TempDir;

use super::NO_SERVER;
use crate::support::{
    TestShop, check_audit_clean,
    program::{doorbuster, end_of, run},
};

/// A product of the catalogue, without a plan of its sale.
const PHONE: &str = "flash-sale-smartphone";

/// Returns the state and the detail of a check.
#[track_caller]
fn check<'a>(report: &'a Value, name: &str) -> (&'a str, &'a str) {
    let checks = report["checks"].as_array().expect("a list of checks");
    let check = checks.iter().find(|check| check["check"] == name);
    let check = check.unwrap_or_else(|| panic!("{name} in {report:#}"));
    let text = |field: &str| check[field].as_str().expect("a text");
    (text("state"), text("detail"))
}

#[tokio::test]
async fn a_shop_that_is_not_ready_exits_with_3_and_says_why() {
    let shop = TestShop::new().await;
    let folder = TempDir::new().expect("a temporary folder");
    let mut command = doorbuster(folder.path(), &["preflight", "--sale", PHONE, "--json"]);
    command
        .env("DATABASE_URL", shop.database.url())
        .env("PUBLIC_URL", "https://shop.test")
        .env("PAYMENT_PROVIDER_URL", "http://127.0.0.1:1/")
        .env("REDIS_URL", "redis://127.0.0.1:1/0");
    let ended = end_of(command, &folder).await;
    let report = ended.check_code(3).json();
    assert_eq!(report["ready"], false);
    for (name, reason) in [
        ("sale", "it has no start"),
        ("proxies", "TRUSTED_PROXIES is not set"),
        ("provider", "could not reach the payment provider"),
        ("redis", "Redis is not available"),
        ("history", "no full audit has run yet"),
    ] {
        let (state, detail) = check(&report, name);
        assert_eq!(state, "failed", "{name}: {detail}");
        assert!(detail.contains(reason), "{name}: {detail}");
    }
    for (name, expected) in [
        ("clock", "differ by"),
        (
            "race",
            "20 of 20 units sold, 33 buyers, 13 rejected, 0 failed",
        ),
        ("changes", "no violations"),
    ] {
        let (state, detail) = check(&report, name);
        assert_eq!(state, "ok", "{name}: {detail}");
        assert!(detail.contains(expected), "{name}: {detail}");
    }
    // The server of the tests is faster without it.
    let server = store::server(shop.handle().db()).await.expect("it answers");
    let durable = if server.fsync == "on" { "ok" } else { "failed" };
    assert_eq!(check(&report, "durability").0, durable);
    assert!(ended.left_nothing, "no data folder was created");
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn an_unknown_product_exits_with_1_and_wrong_usage_with_2() {
    let shop = TestShop::new().await;
    let unknown = ["preflight", "--sale", "no-such-product"];
    let ended = run(Some(shop.database.url()), &unknown).await;
    assert!(ended.check_code(1).stdout.is_empty());
    assert!(
        ended.stderr.contains("There is no product"),
        "{}",
        ended.stderr
    );
    let ended = run(Some(NO_SERVER), &["preflight"]).await;
    assert!(ended.check_code(2).stdout.is_empty());
    check_audit_clean(&shop).await;
}
