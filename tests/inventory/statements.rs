//! The exact statements that each strategy sends, as files in `snapshots/`, and in
//! `snapshots/mysql/` those for MySQL and MariaDB. They show a reader how the strategies differ,
//! and a reviewer when one changes.

use std::fmt::Write;

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
    let folder = match shop.db().engine() {
        Engine::Postgres => "snapshots",
        Engine::MySql => "snapshots/mysql",
    };
    for strategy in strategies() {
        let product = shop.with_stock_for(strategy, 3).await;
        let sale = recorded.purchase(&product, strategy, 2).await;
        let refusal = recorded.purchase(&product, strategy, 5).await;
        let text = format!("-- a sale\n{sale}\n-- a refusal\n{refusal}");
        insta::with_settings!({
            snapshot_path => folder,
            prepend_module_to_snapshot => false,
            omit_expression => true,
            description => strategy.row().summary,
        }, {
            insta::assert_snapshot!(strategy.as_str(), text);
        });
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
