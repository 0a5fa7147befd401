//! The points at which the server is killed: all points that the sources name.

use std::{collections::BTreeSet, path::Path};

use doorbuster::model::StrategyKey;
use futures::{StreamExt, stream};
use regex::Regex;

use super::{proof, story::Story};

/// The number of tests that run concurrently.
const AT_ONCE: usize = 5;

/// Transactions that change stock or money: the name, the story that runs the transaction, and the
/// final state. It is the same whether the server is killed before or after the commit, because the
/// same form is sent again.
const COMMITS: &[(&str, Story, &str)] = &[
    ("buy now", Story::BuyNow, "4 left, 1 held, 0 sold"),
    (
        "add to cart",
        Story::AddAndCheckOut,
        "4 left, 1 held, 0 sold",
    ),
    (
        "reserve cart",
        Story::AddAndCheckOut,
        "4 left, 1 held, 0 sold",
    ),
    (
        "set cart quantity",
        Story::SetQuantity,
        "3 left, 2 held, 0 sold",
    ),
    ("remove from cart", Story::Remove, "5 left, 0 held, 0 sold"),
    (
        "extend reservation",
        Story::Extend,
        "4 left, 1 held, 0 sold, extended",
    ),
    (
        "sweep expired holds",
        Story::HoldExpires,
        "5 left, 0 held, 0 sold",
    ),
    ("settle payment", Story::Pay, PAID),
    ("process webhook", Story::Pay, PAID),
    ("claim unknown payments", Story::ChargeNeverSent, DECLINED),
    (
        "cancel order",
        Story::OrderAction("cancel"),
        "5 left, 0 held, 0 sold; cancelled, 0 due",
    ),
    ("refund order", Story::OrderAction("refund-all"), PAID_BACK),
    ("refund line", Story::OrderAction("refund-line"), PAID_BACK),
    (
        "return line",
        Story::OrderAction("take-back"),
        "5 left, 0 held, 0 sold; paid, 1490 due",
    ),
    ("settle refund", Story::OrderAction("refund-all"), PAID_BACK),
    ("claim unpaid refunds", Story::RefundNeverSent, PAID_BACK),
    ("receive stock", Story::Receive, "8 left, 0 held, 0 sold"),
    ("stock-take", Story::CountStock, "3 left, 0 held, 0 sold"),
    (
        "fulfill backorders",
        Story::Backorder,
        "0 left, 0 held, 1 sold; paid, 1490 due",
    ),
];

/// Points whose two sides have different final states: before the first of them, no card was
/// charged, and none will be.
const UNEQUAL_POINTS: &[(&str, Story, &str)] = &[
    ("before commit of begin payment", Story::Pay, PAID),
    ("after commit of begin payment", Story::Pay, DECLINED),
    ("before call of charge", Story::Pay, DECLINED),
    ("after call of charge", Story::Pay, PAID),
    (
        "before call of charge state",
        Story::ChargeNeverSent,
        DECLINED,
    ),
    (
        "after call of charge state",
        Story::ChargeNeverSent,
        DECLINED,
    ),
    ("before call of void", Story::ChargeNeverSent, DECLINED),
    ("after call of void", Story::ChargeNeverSent, DECLINED),
    (
        "before call of refund",
        Story::OrderAction("refund-all"),
        PAID_BACK,
    ),
    (
        "after call of refund",
        Story::OrderAction("refund-all"),
        PAID_BACK,
    ),
];

const PAID: &str = "4 left, 0 held, 1 sold; paid, 1490 due";
/// The cart is unchanged and still reserved.
const DECLINED: &str = "4 left, 1 held, 0 sold; declined, 0 due";
const PAID_BACK: &str = "4 left, 0 held, 1 sold; paid, 0 due";
const EXPRESS: &str = "4 left, 0 held, 1 sold; placed, 1000 due";

/// Transactions that change neither stock nor money.
const NOT_KILLED: &[&str] = &[
    "audit",
    "audit lock",
    "change sale",
    "close keys",
    "close simulation",
    "continuous audit",
    "create discount code",
    "switch discount code",
    "add wrong guess",
    "count guess",
    "forgive guess",
    "create session",
    "delete session",
    "end abandoned sessions",
    "fail abandoned simulation",
    "find abandoned simulations",
    "delete expired rows",
    "heartbeat",
    "store audit result",
    "save checkout draft",
    "save lock snapshot",
    "look for simulation",
    "mark cart as seen",
    "reconcile stock gates",
    "reject a queued order",
    "claim events",
    "store event results",
    "change subscription",
    "end subscription",
    "send events again",
    "rename simulation",
    "start lane",
    "open simulation",
    "prune simulations",
    "save session",
    "seed",
    "set admin password",
    "shop secret",
    "simulation heartbeat",
    "simulation command",
    // Transactions of the workbench on its private products.
    "add product of lesson",
    "certificate",
    "change holds of lesson",
    "close lesson",
    "count then sell",
    "end code of lesson",
    "open late payment",
    "open lesson",
    "open stepper",
    "take any quantity",
];

fn every_point() -> Vec<(String, Story, &'static str)> {
    let sides = ["before", "after"];
    let commits = COMMITS.iter().flat_map(|(name, story, end)| {
        sides.map(|side| (format!("{side} commit of {name}"), *story, *end))
    });
    let strategies = StrategyKey::ALL
        .into_iter()
        .filter(|strategy| strategy.may_sell_in_shop())
        .flat_map(|strategy| {
            let key = strategy.as_str();
            sides.map(|side| {
                let point = format!("{side} commit of {key}");
                (point, Story::Express(key), EXPRESS)
            })
        });
    let others = UNEQUAL_POINTS
        .iter()
        .map(|(point, story, end)| ((*point).to_owned(), *story, *end));
    commits.chain(strategies).chain(others).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_at_any_point_loses_no_order_and_no_money() {
    let points = every_point()
        .into_iter()
        .filter(|(_, story, _)| story.can_run());
    let failed: Vec<String> = stream::iter(points)
        .map(|(point, story, end)| async move {
            let survived = tokio::spawn(proof::survive(point.clone(), story, end)).await;
            survived.is_err().then_some(point)
        })
        .buffer_unordered(AT_ONCE)
        .filter_map(async |failed| failed)
        .collect()
        .await;
    assert_eq!(failed, [""; 0], "see the errors above");
}

#[test]
fn every_transaction_and_provider_call_in_the_sources_is_listed() {
    let named = NamesInSources::in_sources();
    let points = every_point();
    let known_as = |kind: &str| -> BTreeSet<String> {
        points
            .iter()
            .filter_map(|(point, ..)| point.split_once(kind))
            .map(|(_, name)| name.to_owned())
            .collect()
    };
    let mut transactions = known_as(" commit of ");
    transactions.extend(NOT_KILLED.iter().map(|name| (*name).to_owned()));
    let by_variable = ["action.name()", "name", "strategy.as_str()"];
    let differences = [
        ("transactions", named.transactions, transactions),
        ("provider calls", named.calls, known_as(" call of ")),
        (
            "names that are not literals at their use",
            named.by_variable,
            by_variable.map(ToOwned::to_owned).into(),
        ),
    ]
    .into_iter()
    .flat_map(|(what, in_sources, listed)| difference(what, &in_sources, &listed))
    .collect::<Vec<_>>();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// The names that only one of the two has.
fn difference(what: &str, in_sources: &BTreeSet<String>, listed: &BTreeSet<String>) -> Vec<String> {
    let missing = in_sources.difference(listed);
    let missing = missing.map(|name| format!("{what}: add {name:?}, which the sources have"));
    let gone = listed.difference(in_sources);
    let gone = gone.map(|name| format!("{what}: remove {name:?}, which the sources have not"));
    missing.chain(gone).collect()
}

/// The names of transactions and provider calls in the sources.
#[derive(Default)]
struct NamesInSources {
    transactions: BTreeSet<String>,
    calls: BTreeSet<String>,
    by_variable: BTreeSet<String>,
}

impl NamesInSources {
    fn in_sources() -> Self {
        let mut named = Self {
            // Strategies for lanes only are killed in `strategies`, if they are safe.
            transactions: StrategyKey::ALL
                .iter()
                .filter(|key| key.may_sell_in_shop())
                .map(|key| key.as_str().to_owned())
                .collect(),
            ..Self::default()
        };
        named.read(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
            &Patterns::new(),
        );
        named
    }

    fn read(&mut self, path: &Path, patterns: &Patterns) {
        if path.is_dir() {
            for entry in std::fs::read_dir(path).expect("the sources are there") {
                self.read(&entry.expect("a source").path(), patterns);
            }
            return;
        }
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let all = |pattern: &Regex| -> Vec<String> {
            pattern
                .captures_iter(&text)
                .map(|found| found[1].to_owned())
                .collect()
        };
        self.transactions.extend(all(&patterns.transaction));
        self.transactions.extend(all(&patterns.action));
        self.calls.extend(all(&patterns.call));
        self.by_variable.extend(all(&patterns.by_variable));
    }
}

/// Patterns whose first group is a name. They are compiled once: that takes longer than a search.
struct Patterns {
    transaction: Regex,
    action: Regex,
    call: Regex,
    by_variable: Regex,
}

impl Patterns {
    fn new() -> Self {
        let pattern = |pattern: &str| Regex::new(pattern).expect("a pattern");
        let begins =
            r"(?:shop\.policy|Policy::request|Policy::snapshot|write_cart|change_stock)\(\s*";
        Self {
            transaction: pattern(&format!("{begins}\"([^\"]+)\"")),
            action: pattern(
                "Self::(?:Cancel|RefundAll|RefundLine|ReturnLine)(?: \\{ \\.\\. \\})? => \"([^\"]+)\"",
            ),
            call: pattern("crash_point::pass\\(\"before call of\", \"([^\"]+)\"\\)"),
            by_variable: pattern(&format!(r"{begins}([a-z][a-z._]*(?:\(\))?)\s*[,)]")),
        }
    }
}
