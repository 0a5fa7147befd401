//! The exact statements that each strategy sends, as files in `snapshots/`: one for each strategy,
//! with a section for each engine, of which a run of the tests compares or writes its own. They
//! show a reader how the strategies differ, and a reviewer when one changes.

use std::{fmt::Write, fs, iter, path::Path};

use doorbuster::{
    db::{Db, PoolSettings, engine::Engine},
    feed::Feed,
    model::StrategyKey,
    shop::Shop,
};

use crate::support::{TestProduct, TestShop, proxy::Proxy, strategies};

/// A connection that returns to its pool sends it, if any test of this process has taken a named
/// lock: it belongs to no purchase.
const RELEASE_LOCKS: &str = "DO RELEASE_ALL_LOCKS()";

/// One connection, so that all statements are sent in order.
const POOL: PoolSettings = PoolSettings {
    application_name: "doorbuster test statements",
    transactions_max: 1,
    readers_max: 1,
    ..PoolSettings::SHOP
};

/// A shop on one connection whose statements are recorded.
struct RecordedShop<'a> {
    shop: &'a TestShop,
    through: Shop,
    wire: Proxy,
}

impl<'a> RecordedShop<'a> {
    async fn in_front_of(shop: &'a TestShop) -> Self {
        let wire = Proxy::before(shop.database.url()).await;
        let db = Db::connect(wire.url(), POOL).await.expect("it answers");
        db.warm_up().await.expect("it answers");
        Self {
            shop,
            through: Shop::new(db, Feed::default()).with_gate(shop.gate().cloned()),
            wire,
        }
    }

    /// Returns the statements of a purchase, one on each line.
    async fn purchase(
        &self,
        product: &TestProduct,
        strategy: StrategyKey,
        quantity: u32,
    ) -> String {
        self.wire.statements();
        let key = format!("{}-{strategy}-{quantity}", product.id);
        let purchase = self.shop.buy(product).by(strategy).quantity(quantity);
        // The statements show whether it sold.
        let _ = purchase.key(&key).on(&self.through).await;
        self.wire
            .statements()
            .iter()
            .filter(|statement| *statement != RELEASE_LOCKS)
            .fold(String::new(), |mut text, statement| {
                // Writing to a String cannot fail.
                let _ = writeln!(text, "{}", statement.trim());
                text
            })
    }
}

#[tokio::test]
async fn each_strategy_sends_the_statements_of_its_snapshot() {
    let shop = TestShop::new().await;
    let recorded = RecordedShop::in_front_of(&shop).await;
    let engine = shop.db().engine();
    let is_update = std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inventory/snapshots");
    let mut differences = Vec::new();
    for strategy in strategies() {
        let product = shop.with_stock_for(strategy, 3).await;
        let sale = recorded.purchase(&product, strategy, 2).await;
        let refusal = recorded.purchase(&product, strategy, 5).await;
        let name = engine.name();
        let sent = format!("-- {name}: a sale\n{sale}\n-- {name}: a refusal\n{refusal}");
        let path = folder.join(format!("{strategy}.sql"));
        let file = fs::read_to_string(&path).unwrap_or_default();
        let expected = with_section(&file, engine, &sent);
        if is_update {
            fs::write(&path, expected).expect("the file can be written");
        } else if let Some(difference) = first_difference(&file, &expected) {
            differences.push(format!("{}: {difference}", path.display()));
        }
    }
    assert!(
        differences.is_empty(),
        "if this is intended, write the files with INSTA_UPDATE=always, and read them:\n{}",
        differences.join("\n")
    );
}

/// Returns the file of a strategy with `sent` as the section of `engine`.
fn with_section(file: &str, engine: Engine, sent: &str) -> String {
    let of_mysql = format!("-- {}: a sale\n", Engine::MySql.name());
    let (postgres, mysql) = file.split_at(file.find(&of_mysql).unwrap_or(file.len()));
    let sections = match engine {
        Engine::Postgres => [sent, mysql],
        Engine::MySql => [postgres, sent],
    };
    let sections = sections.map(str::trim_end).into_iter();
    let present: Vec<&str> = sections.filter(|section| !section.is_empty()).collect();
    present.join("\n\n") + "\n"
}

/// Names the first line that differs.
fn first_difference(recorded: &str, sent: &str) -> Option<String> {
    let length = recorded.lines().count().max(sent.lines().count());
    let nothing = iter::repeat("(nothing)");
    let recorded = recorded.lines().chain(nothing.clone());
    let both = recorded.zip(sent.lines().chain(nothing));
    (1..)
        .zip(both.take(length))
        .find(|(_, (recorded, sent))| recorded != sent)
        .map(|(line, (recorded, sent))| {
            format!("line {line}\n  recorded: {recorded}\n  sent:     {sent}")
        })
}

#[test]
fn a_changed_statement_is_found_and_leaves_the_other_engine_alone() {
    let file = with_section("", Engine::MySql, "-- MySQL and MariaDB: a sale\nCOMMIT\n");
    let both = with_section(&file, Engine::Postgres, "-- PostgreSQL: a sale\nBEGIN\n");
    assert_eq!(
        both,
        "-- PostgreSQL: a sale\nBEGIN\n\n-- MySQL and MariaDB: a sale\nCOMMIT\n"
    );
    let again = with_section(
        &both,
        Engine::MySql,
        "-- MySQL and MariaDB: a sale\nCOMMIT\n",
    );
    assert_eq!(first_difference(&both, &again), None);
    for changed in ["-- PostgreSQL: a sale\nROLLBACK", "-- PostgreSQL: a sale"] {
        let changed = with_section(&both, Engine::Postgres, changed);
        let difference = first_difference(&both, &changed).expect("a difference");
        assert!(
            difference.starts_with("line 2\n  recorded: BEGIN"),
            "{difference}"
        );
    }
}

/// The procedure runs the statement of `single-statement`; only the names of its parameters differ.
#[tokio::test]
async fn early_release_runs_the_single_statement() {
    let shop = TestShop::new().await;
    let recorded = RecordedShop::in_front_of(&shop).await;
    let product = shop.with_product(3).await;
    let single = recorded
        .purchase(&product, StrategyKey::SingleStatement, 1)
        .await;
    let procedure: String = shop
        .by_hand
        .value("SELECT prosrc FROM pg_proc WHERE proname = 'purchase_early_release'")
        .await;
    let from = procedure
        .find("WITH offer")
        .expect("the statement begins with it");
    let to = procedure.find("COMMIT;").expect("it commits");
    let mut inside = procedure[from..to].to_owned();
    for (name, number) in [
        ("p_product_id", "$1"),
        ("p_units", "$2"),
        ("p_public_id", "$3"),
        ("p_lane_id", "$4"),
        ("p_key", "$5"),
        ("p_fingerprint", "$6"),
        ("p_tax_basis_points", "$7"),
        (
            "SELECT taken.available, taken.version INTO remaining, new_version FROM taken;",
            "SELECT taken.available AS remaining, taken.version AS new_version FROM taken",
        ),
    ] {
        inside = inside.replace(name, number);
    }
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(words(&inside), words(&single));
}
