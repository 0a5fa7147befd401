//! On which database engines each strategy runs: the table in the README, which is written from the
//! registry, and the refusal of a strategy that the engine does not have.

use std::{fmt::Write, path::Path};

use doorbuster::model::{DatabaseEngine, ShopError, StrategyKey};

use crate::support::{TestShop, check_audit_clean};

const BEGIN: &str = "<!-- Written from src/model/strategy/registry.rs by \
                     `INSTA_UPDATE=always ./makew integration inventory::engines` -->\n";
const END: &str = "<!-- The end of that table -->\n";
const ENGINES: [DatabaseEngine; 2] = [DatabaseEngine::Postgres, DatabaseEngine::MySql];

/// The table of the registry, in Markdown. It names the strategies that an engine does not have, so
/// that any other new one changes nothing here.
fn table() -> String {
    let mut table = BEGIN.to_owned();
    let mut row = |cells: [&str; 3]| {
        // Writing to a String cannot fail.
        let _ = writeln!(table, "| {} |", cells.join(" | "));
    };
    let [postgres, mysql] = ENGINES.map(DatabaseEngine::name);
    row(["strategy", postgres, mysql]);
    row(["---"; 3]);
    row(["every one that is not named here", "yes", "yes"]);
    if StrategyKey::ALL.iter().any(|key| key.row().needs_redis) {
        row(["the same, if it needs Redis", "with Redis", "with Redis"]);
    }
    for strategy in StrategyKey::ALL {
        let reasons = ENGINES.map(|engine| strategy.row().engines.reason_against(engine));
        if reasons.iter().any(Option::is_some) {
            let [postgres, mysql] = reasons.map(|reason| match reason {
                Some(reason) => format!("no: {reason}"),
                None => "yes".to_owned(),
            });
            row([&format!("`{strategy}`"), &postgres, &mysql]);
        }
    }
    table + END
}

#[test]
fn the_readme_names_the_engines_of_every_strategy() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = std::fs::read_to_string(&path).expect("the README can be read");
    let parts = readme
        .split_once(BEGIN)
        .and_then(|(before, rest)| Some((before, rest.split_once(END)?)));
    let (before, (rows, after)) = parts.expect("the README has both marks of the table");
    let expected = table();
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        let written = format!("{before}{expected}{after}");
        std::fs::write(&path, written).expect("the README can be written");
        return;
    }
    assert_eq!(format!("{BEGIN}{rows}{END}"), expected);
}

#[tokio::test]
async fn a_strategy_that_the_engine_does_not_have_is_refused_with_the_reason() {
    let shop = TestShop::new().await;
    let product = shop.with_product(5).await;
    let engine = shop.db().engine();
    let mut sold = 0;
    for strategy in StrategyKey::ALL {
        if !strategy.may_sell_in_shop() {
            continue;
        }
        let bought = shop.buy(&product).by(strategy).await;
        let Some(reason) = strategy.row().engines.reason_against(engine) else {
            assert!(bought.is_ok(), "{strategy}: {bought:?}");
            sold += 1;
            shop.restock(&product, 1).await;
            continue;
        };
        let expected = ShopError::StrategyNotOnEngine {
            strategy: strategy.to_string(),
            engine: engine.name().to_owned(),
            reason: reason.to_owned(),
        };
        assert_eq!(bought, Err(expected));
    }
    assert_eq!(shop.count("customer_order").await, sold);
    check_audit_clean(&shop).await;
}
