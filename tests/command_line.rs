//! The command line: exit codes, and standard output that contains only a command's result.

mod preflight;
mod reading;
mod settings;

use std::{process::Stdio, time::Duration};

use doorbuster::{
    model::{DatabaseEngine, RunState, StrategyKey},
    simulation::store::{self, ListedRun},
};
use futures::future::join_all;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::{
    TestDatabase, TestShop, administrator, check_audit_clean,
    program::{Ended, doorbuster, run, run_into, run_until},
    race::wait_until_true,
    within,
};

/// The longest time until a killed simulation is counted.
const COUNTED_MAX: Duration = Duration::from_secs(180);
/// A URL without a server: a command that opens no database does not fail.
const NO_SERVER: &str = "postgres://user@127.0.0.1:1/nothing";

/// Checks `expected` figures, and that the JSON object has all fields of the contract.
#[track_caller]
fn check_figures(ended: &Ended, expected: &[(&str, i64)]) {
    let verdict = ended.json();
    for (name, figure) in expected {
        assert_eq!(verdict[name], Value::from(*figure), "{name} in {verdict:#}");
    }
    for name in [
        "succeeded",
        "rejected",
        "failed",
        "attempts",
        "retries",
        "sold",
        "remaining",
        "oversold",
        "undersold",
        "strategy",
        "safe",
        "seed",
        "buyers",
        "stock",
        "quantity",
        "rounds",
        "elapsed_ms",
        "orders_per_second",
        "latency_ms",
        "time_split_ms",
    ] {
        assert!(!verdict[name].is_null(), "{name} is part of the contract");
    }
    for name in ["p50", "p90", "p95", "p99", "max"] {
        assert!(verdict["latency_ms"][name].is_number(), "latency_ms.{name}");
    }
    for name in ["pool_wait", "lock_wait", "execute", "commit"] {
        assert!(
            verdict["time_split_ms"][name].is_number(),
            "time_split_ms.{name}"
        );
    }
}

/// The command creates, migrates and seeds the database.
#[tokio::test]
async fn a_safe_simulation_exits_with_0() {
    let database = TestDatabase::absent().await;
    let ended = run(
        Some(database.url()),
        &["simulate", "--buyers", "33", "--stock", "20", "--json"],
    )
    .await;
    ended.check_code(0);
    check_figures(
        &ended,
        &[
            ("succeeded", 20),
            ("rejected", 13),
            ("failed", 0),
            ("remaining", 0),
            ("oversold", 0),
            ("undersold", 0),
            ("attempts", 33),
        ],
    );
    assert!(ended.left_nothing, "no data folder was created");
    let five = [
        "simulate",
        "--strategy",
        "conditional-update",
        "--buyers",
        "10",
        "--stock",
        "5",
        "--json",
    ];
    let ended = run(Some(database.url()), &five).await;
    check_figures(
        ended.check_code(0),
        &[("succeeded", 5), ("rejected", 5), ("sold", 5)],
    );
    let products: i64 = database
        .by_hand()
        .await
        .value("SELECT count(*) FROM product WHERE lane_id IS NULL")
        .await;
    assert!(products >= 24, "the shop was seeded");
}

/// Returns the arguments of a small simulation with `more` appended.
fn simulate<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["simulate", "--buyers", "12", "--stock", "5", "--json"];
    arguments.extend(more);
    arguments
}

#[tokio::test]
async fn several_strategies_are_lanes_of_one_json_object() {
    let shop = TestShop::new().await;
    let url = Some(shop.database.url());
    for together in [&[][..], &["--together", "--pool", "6"]] {
        let mut more = vec!["--strategy", "row-lock,conditional-update"];
        more.extend(together);
        let ended = run(url, &simulate(&more)).await;
        let object = ended.check_code(0).json();
        assert_eq!(object["passed"], Value::from(true), "{object:#}");
        let lanes = object["lanes"].as_array().expect("lanes");
        for (lane, strategy) in lanes.iter().zip(["row-lock", "conditional-update"]) {
            assert_eq!(lane["strategy"], strategy, "{object:#}");
            assert_eq!(
                (&lane["succeeded"], &lane["rejected"]),
                (&5.into(), &7.into())
            );
        }
        assert_eq!(lanes.len(), 2);
    }
    let as_text = ["--strategy", "row-lock,unguarded", "--race-window-ms", "5"];
    let as_text: Vec<_> = simulate(&as_text)
        .into_iter()
        .filter(|argument| *argument != "--json")
        .collect();
    let ended = run(url, &as_text).await;
    let stdout = &ended.check_code(3).stdout;
    assert!(
        stdout.contains("row-lock (safe), 12 buyers, 5 in stock, quantity 1, 1 round, seed 42")
            && stdout.contains("unguarded (unsafe)"),
        "{stdout}"
    );
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn arrivals_quantities_and_faults_are_flags() {
    let shop = TestShop::new().await;
    let url = Some(shop.database.url());
    for more in [
        &["--arrivals", "open", "--rate", "500", "--ramp-ms", "20"][..],
        &[
            "--rounds",
            "2",
            "--think-ms",
            "5",
            "--ramp-ms",
            "20",
            "--pool",
            "2",
        ],
        &["--quantity", "1..3", "--seed", "7"],
        &["--fault", "double-click=50,abandon=12.5,drop-connection=10"],
        &["--fault", "double-click=100", "--journey", "checkout"],
    ] {
        let ended = run(url, &simulate(more)).await;
        let verdict = ended.check_code(0).json();
        let calls = ["succeeded", "rejected", "failed"].map(|name| verdict[name].as_i64());
        let calls: Option<i64> = calls.into_iter().sum();
        assert_eq!(verdict["attempts"].as_i64(), calls, "{more:?}: {verdict:#}");
        assert_eq!(
            verdict["promised"], verdict["sold"],
            "{more:?}: {verdict:#}"
        );
    }
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_missed_threshold_exits_with_3() {
    let shop = TestShop::new().await;
    let url = Some(shop.database.url());
    let held = ["--threshold", "p99-ms=60000,failed=0,retries=1000000"];
    run(url, &simulate(&held)).await.check_code(0);
    let missed = ["--threshold", "failed=0,orders-per-second=1000000"];
    let ended = run(url, &simulate(&missed)).await;
    let verdict = ended.check_code(3).json();
    let thresholds = verdict["thresholds"].as_array().expect("thresholds");
    let held: Vec<_> = thresholds.iter().map(|one| &one["held"]).collect();
    assert_eq!(held, [true, false], "{verdict:#}");
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn an_oversold_simulation_exits_with_3_and_the_audit_lists_the_exhibit() {
    let shop = TestShop::new().await;
    let url = Some(shop.database.url());
    let wide = [
        "simulate",
        "--strategy",
        "unguarded",
        "--buyers",
        "100",
        "--stock",
        "10",
        "--race-window-ms",
        "5",
        "--json",
    ];
    let ended = run(url, &wide).await;
    let oversold = ended.check_code(3).json()["oversold"]
        .as_i64()
        .expect("a number");
    assert!(oversold > 0);
    let audit = run(url, &["audit", "--json"]).await;
    let report = audit.check_code(0).json();
    assert_eq!(
        report["exhibits"][0]["oversold"],
        Value::from(oversold),
        "{report:#}"
    );
    let as_text = run(url, &["audit", "--fast"]).await;
    assert!(
        as_text.check_code(0).stdout.contains("exhibit"),
        "{}",
        as_text.stdout
    );
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn an_audit_with_violations_exits_with_3() {
    let shop = TestShop::new().await;
    shop.without_final_audit();
    shop.by_hand
        .run("INSERT INTO idempotency_key (key, fingerprint) VALUES ('mute', repeat('0', 64))")
        .await;
    let ended = run(Some(shop.database.url()), &["audit", "--json"]).await;
    let report = ended.check_code(3).json();
    let rules = report["rules"].as_array().expect("rules");
    let broken: Vec<_> = rules
        .iter()
        .filter(|rule| rule["violations"] != 0)
        .map(|rule| &rule["rule"])
        .collect();
    assert_eq!(broken, ["key-has-answer"]);
}

#[tokio::test]
async fn wrong_usage_exits_with_2() {
    for arguments in [
        &["simulate"][..],
        &["simulate", "--buyers", "33"],
        &["simulate", "--buyers", "0", "--stock", "20"],
        &["simulate", "--buyers", "-3", "--stock", "20"],
        &["simulate", "--buyers", "10001", "--stock", "20"],
        &["simulate", "--buyers", "33", "--stock", "1000001"],
        &[
            "simulate",
            "--buyers",
            "33",
            "--stock",
            "20",
            "--quantity",
            "0",
        ],
        &[
            "simulate",
            "--buyers",
            "33",
            "--stock",
            "20",
            "--quantity",
            "1001",
        ],
        &[
            "simulate", "--buyers", "33", "--stock", "20", "--rounds", "0",
        ],
        &[
            "simulate", "--buyers", "10000", "--stock", "20", "--rounds", "1000",
        ],
        &[
            "simulate",
            "--buyers",
            "33",
            "--stock",
            "20",
            "--race-window-ms",
            "2001",
        ],
        &[
            "simulate",
            "--buyers",
            "33",
            "--stock",
            "20",
            "--strategy",
            "hope",
        ],
        &[
            "simulate",
            "--buyers",
            "33",
            "--stock",
            "20",
            "--strategy",
            "unguarded",
            "--journey",
            "checkout",
        ],
        &[
            "simulate",
            "--buyers",
            "33",
            "--stock",
            "20",
            "--target",
            "http://127.0.0.1:1",
            "--race-window-ms",
            "5",
        ],
        &[
            "simulate",
            "--buyers",
            "33",
            "--stock",
            "20",
            "--target",
            "not a url",
        ],
        &simulate(&["--strategy", "row-lock,hope"]),
        &simulate(&["--strategy", ""]),
        &simulate(&["--quantity", "3..1"]),
        &simulate(&["--quantity", "1..1001"]),
        &simulate(&["--arrivals", "open"]),
        &simulate(&["--arrivals", "sometimes"]),
        &simulate(&["--rate", "100"]),
        &simulate(&["--arrivals", "open", "--rate", "0"]),
        &simulate(&["--arrivals", "open", "--rate", "100", "--think-ms", "5"]),
        &simulate(&["--think-ms", "60001"]),
        &simulate(&["--ramp-ms", "-1"]),
        &simulate(&["--pool", "0"]),
        &simulate(&["--pool", "65"]),
        &simulate(&[
            "--together",
            "--pool",
            "40",
            "--strategy",
            "row-lock,conditional-update",
        ]),
        &simulate(&["--fault", "melt=1"]),
        &simulate(&["--fault", "freeze"]),
        &simulate(&["--fault", "freeze=60,abandon=41"]),
        &simulate(&["--threshold", "luck=1"]),
        &simulate(&["--threshold", "p99-ms=fast"]),
        &simulate(&["--target", "http://127.0.0.1:1", "--journey", "checkout"]),
        &simulate(&["--target", "http://127.0.0.1:1", "--pool", "4"]),
        &simulate(&["--target", "http://127.0.0.1:1", "--fault", "freeze=1"]),
        &simulate(&[
            "--target",
            "http://127.0.0.1:1",
            "--fault",
            "slow-statement=1",
        ]),
        &simulate(&[
            "--target",
            "http://127.0.0.1:1",
            "--fault",
            "drop-connection=1",
        ]),
        &["sweep"],
        &["sweep", "--out", "report", "--buyers", "1,0"],
        &["sweep", "--out", "report", "--buyers", "10001"],
        &["sweep", "--out", "report", "--stock", "1000001"],
        &["sweep", "--out", "report", "--strategies", "row-lock,hope"],
        &["sweep", "--out", "report", "--repeat", "0"],
        &["sweep", "--out", "report", "--repeat", "101"],
        &[
            "sweep", "--out", "report", "--buyers", "10000", "--rounds", "1000",
        ],
        &["audit", "--loud"],
        &["migrate", "sideways"],
        &["sell"],
    ] {
        let ended = run(Some(NO_SERVER), arguments).await;
        assert_eq!(ended.code, Some(2), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stdout.is_empty(), "{arguments:?}: {}", ended.stdout);
        assert!(!ended.stderr.is_empty(), "{arguments:?} prints an error");
        assert!(ended.left_nothing, "{arguments:?}");
    }
}

#[tokio::test]
async fn a_plan_that_contradicts_itself_is_refused_with_what_is_wrong() {
    for (more, expected) in [
        (
            &["--fault", "freeze=1,freeze=100"][..],
            "the fault freeze is given twice",
        ),
        (
            &["--fault", "abandon=1", "--fault", "abandon=2"],
            "cannot be used multiple times",
        ),
        (
            &["--threshold", "failed=0,failed=9"],
            "the threshold failed is given twice",
        ),
        (
            &["--quantity", "4..2"],
            "a range must begin with its smaller number: 2..4, not 4..2",
        ),
        (
            &[
                "--strategy",
                "row-lock,micro-batch",
                "--fault",
                "drop-connection=1",
            ],
            "The fault drop-connection cannot be injected with micro-batch",
        ),
        (
            &[
                "--target",
                "http://127.0.0.1:1",
                "--threshold",
                "failed=0,retries=0",
            ],
            "The threshold retries cannot be checked over HTTP",
        ),
        (
            &[
                "--strategy",
                "early-release",
                "--fault",
                "abandon=1,freeze=1",
            ],
            "The fault freeze cannot be injected with early-release",
        ),
    ] {
        let ended = run(Some(NO_SERVER), &simulate(more)).await;
        assert_eq!(ended.code, Some(2), "{more:?}: {}", ended.stderr);
        assert!(
            ended.stderr.contains(expected),
            "{more:?}: {}",
            ended.stderr
        );
    }
}

/// A strategy that the engine does not have is listed with the reason, without a connection.
#[tokio::test]
async fn the_list_says_why_a_strategy_is_not_available() {
    let url = "mysql://user:hush@127.0.0.1:1/nothing";
    let ended = run(Some(url), &["simulate", "--list"]).await;
    ended.check_code(0);
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(lines.len(), StrategyKey::ALL.len());
    for (strategy, line) in StrategyKey::ALL.into_iter().zip(lines) {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[..2], [strategy.as_str(), strategy.safety()]);
        let reason = strategy.reason_against(DatabaseEngine::MySql, false);
        let expected = reason.map_or_else(
            || strategy.row().summary.to_owned(),
            |reason| format!("not available {reason}"),
        );
        assert!(line.ends_with(&expected), "{line}");
    }
}

#[tokio::test]
async fn the_list_of_strategies_opens_no_database() {
    for url in [Some(NO_SERVER), None] {
        let ended = run(url, &["simulate", "--list"]).await;
        ended.check_code(0);
        let lines: Vec<Vec<&str>> = ended
            .stdout
            .lines()
            .map(|line| line.split_whitespace().take(2).collect())
            .collect();
        let registry = StrategyKey::ALL.map(|strategy| vec![strategy.as_str(), strategy.safety()]);
        assert_eq!(lines, registry.as_slice());
        assert_eq!(lines[0], ["row-lock", "safe"], "the default comes first");
        assert!(
            ended.left_nothing && ended.stderr.is_empty(),
            "{}",
            ended.stderr
        );
    }
}

#[tokio::test]
async fn any_other_failure_exits_with_1_and_an_error_without_the_password() {
    let commands = [
        &["audit", "--json"][..],
        &["simulate", "--buyers", "3", "--stock", "1", "--json"],
        &["seed"],
        &["migrate"],
    ];
    let urls = [
        "postgres://user:hush@127.0.0.1:1/nothing",
        "mysql://user:hush@127.0.0.1/shop",
    ];
    // Concurrently: each command waits for a server that does not respond.
    let ended = join_all(urls.iter().flat_map(|url| {
        commands.map(|arguments| async move { (arguments, run(Some(url), arguments).await) })
    }));
    for (arguments, ended) in ended.await {
        assert_eq!(ended.code, Some(1), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stdout.is_empty(), "{arguments:?}: {}", ended.stdout);
        assert!(
            ended.stderr.contains("doorbuster: ") && !ended.stderr.contains("hush"),
            "{arguments:?}: {}",
            ended.stderr
        );
    }
}

#[tokio::test]
async fn migrate_and_seed_are_commands() {
    let database = TestDatabase::absent().await;
    let url = Some(database.url());
    let pending = run(url, &["migrate", "status"]).await;
    let steps = pending.check_code(0).stdout.lines().count();
    assert!(
        steps > 0
            && pending
                .stdout
                .lines()
                .all(|line| line.starts_with("pending")),
        "{}",
        pending.stdout
    );
    let up = run(url, &["migrate"]).await;
    assert!(
        up.check_code(0)
            .stdout
            .lines()
            .all(|line| line.starts_with("applied")),
        "{}",
        up.stdout
    );
    let down = run(url, &["migrate", "down"]).await;
    assert_eq!(
        down.check_code(0)
            .stdout
            .lines()
            .filter(|line| line.starts_with("applied"))
            .count(),
        steps - 1
    );
    let seeded = run(url, &["seed"]).await;
    assert!(
        seeded.check_code(0).stdout.starts_with("Wrote "),
        "{}",
        seeded.stdout
    );
    let again = run(url, &["seed"]).await;
    assert!(
        again.check_code(0).stdout.contains("nothing was changed"),
        "{}",
        again.stdout
    );
    let fresh = run(url, &["migrate", "fresh"]).await;
    assert!(
        fresh
            .check_code(0)
            .stdout
            .lines()
            .all(|line| line.starts_with("applied")),
        "{}",
        fresh.stdout
    );
    let products: i64 = database
        .by_hand()
        .await
        .value("SELECT count(*) FROM product")
        .await;
    assert_eq!(products, 0);
}

/// Two commands start while the database does not exist.
#[tokio::test]
async fn two_commands_can_create_the_database_at_the_same_time() {
    let database = TestDatabase::absent().await;
    let simulate = ["simulate", "--buyers", "10", "--stock", "5", "--json"];
    let (one, two) = tokio::join!(
        run(Some(database.url()), &simulate),
        run(Some(database.url()), &simulate)
    );
    for ended in [one, two] {
        check_figures(ended.check_code(0), &[("succeeded", 5), ("rejected", 5)]);
    }
}

/// The complete checkout: reserve, pay at a provider that the command starts, confirm.
#[tokio::test]
async fn the_checkout_journey_sells_exactly_the_stock() {
    let shop = TestShop::new().await;
    for strategy in ["row-lock", "conditional-update"] {
        let ended = run(
            Some(shop.database.url()),
            &[
                "simulate",
                "--journey",
                "checkout",
                "--strategy",
                strategy,
                "--buyers",
                "60",
                "--stock",
                "20",
                "--json",
            ],
        )
        .await;
        check_figures(
            ended.check_code(0),
            &[
                ("succeeded", 20),
                ("rejected", 40),
                ("failed", 0),
                ("sold", 20),
                ("remaining", 0),
                ("oversold", 0),
                ("undersold", 0),
            ],
        );
        assert_eq!(ended.json()["strategy"], strategy);
        let left: String = shop
            .by_hand
            .value(&format!(
                "SELECT s.available || ' available, ' || s.reserved || ' reserved, ' || s.sold || ' sold, ' \
                        || (SELECT count(*) FROM hold WHERE state = 'held') || ' holds' \
                 FROM stock s JOIN product p ON p.id = s.product_id JOIN simulation_lane l ON l.id = p.lane_id \
                 WHERE l.strategy = '{strategy}'"
            ))
            .await;
        assert_eq!(
            left, "0 available, 0 reserved, 20 sold, 0 holds",
            "{strategy}"
        );
    }
    check_audit_clean(&shop).await;
}

/// Killed without a chance to store anything.
#[tokio::test]
async fn the_orders_of_a_simulation_that_was_killed_are_counted() {
    let shop = TestShop::new().await;
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    // A minute of arrivals.
    let arguments = [
        "simulate",
        "--buyers",
        "6000",
        "--stock",
        "9000",
        "--arrivals",
        "open",
        "--rate",
        "100",
    ];
    let mut killed = doorbuster(folder.path(), &arguments)
        .env("DATABASE_URL", shop.database.url())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let orders = "SELECT count(*) FROM customer_order WHERE lane_id IS NOT NULL";
    let points = "SELECT count(*) FROM simulation_sample";
    within(COUNTED_MAX, "orders and points", async {
        while shop.by_hand.value::<i64>(orders).await < 20
            || shop.by_hand.value::<i64>(points).await == 0
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    // On Unix, this is SIGKILL.
    killed.kill().expect("it is a child of this process");
    killed.wait().expect("it ends");

    within(COUNTED_MAX, "the count", async {
        while store::fail_abandoned(shop.db(), 0)
            .await
            .expect("it is checked")
            == 0
        {}
    })
    .await;
    let runs = store::latest(shop.db(), 1)
        .await
        .expect("the run is stored");
    let [ListedRun::Readable(run)] = runs.as_slice() else {
        panic!("one run: {runs:?}");
    };
    assert_eq!(run.state, RunState::Failed);
    let verdict = run.lanes[0]
        .verdict
        .as_ref()
        .expect("its orders are counted");
    let sold = shop.by_hand.value::<i64>(orders).await;
    assert_eq!(
        (verdict.sold, verdict.stock, verdict.oversold),
        (sold, 9_000, 0)
    );
    assert_eq!(verdict.remaining, 9_000 - sold);
    check_audit_clean(&shop).await;
}

/// The commands that print, with arguments that make each of them succeed.
const PRINTING: [&[&str]; 9] = [
    &["--help"],
    &["--version"],
    &["simulate", "--list"],
    &["simulate", "--buyers", "3", "--stock", "2"],
    &["simulate", "--buyers", "3", "--stock", "2", "--json"],
    &["audit"],
    &["audit", "--json"],
    &["migrate", "status"],
    &["seed"],
];

#[tokio::test]
async fn a_closed_pipe_is_no_error_and_a_full_disk_is_one_with_a_sentence() {
    let shop = TestShop::new().await;
    let url = shop.database.url();
    for arguments in PRINTING {
        // As `| head -1` does after its first line.
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let ended = run_into(writer.into(), url, arguments).await;
        assert_eq!(ended.code, Some(0), "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.is_empty(), "{arguments:?}: {}", ended.stderr);

        let full = std::fs::File::options().write(true).open("/dev/full");
        let full = full.expect("a device that is always full");
        let ended = run_into(full.into(), url, arguments).await;
        assert_eq!(ended.code, Some(1), "{arguments:?}: {}", ended.stderr);
        assert!(
            ended
                .stderr
                .starts_with("doorbuster: the result could not be written")
                && ended.stderr.lines().count() == 1,
            "{arguments:?}: {}",
            ended.stderr
        );
    }
    check_audit_clean(&shop).await;
}

/// Buyers in all steps of a checkout: some have reserved, some wait for the payment. The provider
/// that the command started ends with it: it has the same standard error, whose end is awaited.
#[tokio::test]
async fn a_signal_aborts_a_simulation_and_releases_its_reservations() {
    let shop = TestShop::new().await;
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let before = shop.count("payment").await;
        let paying = format!("SELECT count(*) > {before} + 20 FROM payment");
        let endless = [
            "simulate",
            "--journey",
            "checkout",
            "--buyers",
            "60",
            "--rounds",
            "1000",
            "--stock",
            "100000",
            "--json",
        ];
        let ready = wait_until_true(&shop.by_hand, &paying);
        let ended = run_until(signal, shop.database.url(), &endless, ready).await;
        let verdict = ended.check_code(code).json();
        assert_eq!(verdict["interrupted"], true, "{verdict:#}");
        assert!(verdict["sold"].as_i64() > Some(0), "{verdict:#}");
        assert!(verdict["attempts"].as_i64() < Some(60_000), "{verdict:#}");
        assert_eq!(verdict["held"], 0, "{verdict:#}");
        assert_eq!(
            (&verdict["oversold"], &verdict["undersold"]),
            (&0.into(), &0.into())
        );
        assert!(
            ended.stderr.contains("Interrupted after "),
            "{}",
            ended.stderr
        );
        let left: String = shop
            .by_hand
            .value(
                "SELECT (SELECT state FROM simulation_run ORDER BY id DESC LIMIT 1) || ', ' \
                        || (SELECT sum(reserved) FROM stock) || ' reserved, ' \
                        || (SELECT count(*) FROM customer_order WHERE status = 'pending') || ' pending'",
            )
            .await;
        assert_eq!(left, "aborted, 0 reserved, 0 pending");
    }
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_signal_ends_a_sweep_with_its_complete_runs() {
    let shop = TestShop::new().await;
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let out = folder.path().to_str().expect("text");
    let endless = [
        "sweep",
        "--out",
        out,
        "--strategies",
        "row-lock",
        "--buyers",
        "1,4",
        "--rounds",
        "20",
        "--stock",
        "100000",
        "--repeat",
        "50",
    ];
    // The warm-up run and the first counted one are complete.
    let ready = wait_until_true(&shop.by_hand, "SELECT count(*) > 2 FROM simulation_run");
    let ended = run_until(Signal::SIGINT, shop.database.url(), &endless, ready).await;
    ended.check_code(130);
    let json = std::fs::read_to_string(folder.path().join("sweep.json")).expect("a file");
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["interrupted"], true);
    let runs = json["runs"].as_array().expect("runs").len();
    assert!((1..100).contains(&runs), "{runs}");
    assert!(!folder.path().join("sweep.html").exists());
    let states: String = shop
        .by_hand
        .value("SELECT string_agg(DISTINCT state, ', ' ORDER BY state) FROM simulation_run")
        .await;
    assert_eq!(states, "aborted, finished");
    check_audit_clean(&shop).await;
}

/// The second simulation waits, and a signal ends the wait.
#[tokio::test]
async fn a_simulation_that_waits_for_another_says_so() {
    let shop = TestShop::new().await;
    let engine =
        doorbuster::simulation::Engine::new(shop.database.url().to_owned(), shop.feed().clone());
    let started = engine
        .start(
            &administrator(),
            doorbuster::model::SimulationPlan::preset(),
        )
        .await
        .expect("it starts");
    let ready = shop.until_blocked(1);
    let ended = run_until(Signal::SIGINT, shop.database.url(), &simulate(&[]), ready).await;
    ended.check_code(130);
    assert_eq!(ended.json()["interrupted"], true);
    assert!(
        ended
            .stderr
            .contains("Another simulation is running on this database."),
        "{}",
        ended.stderr
    );
    engine.finish(started, &[], |_| {}).await.expect("it ends");
    assert_eq!(shop.count("simulation_run").await, 1);
    run(Some(shop.database.url()), &simulate(&[]))
        .await
        .check_code(0);
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn sales_are_planned_opened_ended_and_listed() {
    let shop = TestShop::new().await;
    let url = Some(shop.database.url());
    let phone = ["--product", "flash-sale-smartphone"];
    let list = async || run(url, &["sale", "list", "--json"]).await.json()[0].clone();
    let before = list().await;
    assert_eq!(
        (&before["slug"], &before["state"], &before["starts_at"]),
        (
            &Value::from("flash-sale-smartphone"),
            &Value::from("open"),
            &Value::Null
        )
    );
    let plan = |more: &[&'static str]| {
        let times = [
            "--from",
            "2150-01-01T00:00:00+01:00",
            "--until",
            "2150-01-02T00:00:00Z",
        ];
        let arguments = ["sale", "plan"].into_iter().chain(phone).chain(times);
        let arguments: Vec<_> = arguments.chain(more.iter().copied()).collect();
        async move { run(url, &arguments).await }
    };
    let planned = plan(&[
        "--price-cents",
        "50000",
        "--compare-at-cents",
        "60000",
        "--limit",
        "2",
    ])
    .await;
    let stdout = &planned.check_code(0).stdout;
    assert!(
        stdout.starts_with("Flash Sale Smartphone: announced, from 2149-12-31T23:00:00Z"),
        "{stdout}"
    );
    let after = list().await;
    for (field, expected) in [
        ("state", Value::from("announced")),
        ("starts_at", Value::from("2149-12-31T23:00:00Z")),
        ("ends_at", Value::from("2150-01-02T00:00:00Z")),
        ("price_cents", Value::from(50_000)),
        ("compare_at_cents", Value::from(60_000)),
        ("per_customer_limit", Value::from(2)),
    ] {
        assert_eq!(after[field], expected, "{field}");
    }
    for (wrong, sentence) in [
        (&["--price-cents", "0"][..], "--price-cents: Enter a price"),
        (&["--price-cents", "-5"][..], "--price-cents: Enter a price"),
        (
            &["--compare-at-cents", "50000"][..],
            "--compare-at-cents: Enter more than",
        ),
        (&["--limit", "0"][..], "--limit: Enter a whole number"),
    ] {
        let refused = plan(wrong).await;
        assert!(refused.check_code(1).stdout.is_empty(), "{wrong:?}");
        assert!(
            refused.stderr.contains(sentence),
            "{wrong:?}: {}",
            refused.stderr
        );
    }
    // A higher price than the one to compare with, which has to go.
    let dearer = plan(&["--price-cents", "70000", "--no-compare-at", "--no-limit"]).await;
    dearer.check_code(0);
    let after = list().await;
    for field in ["compare_at_cents", "per_customer_limit"] {
        assert_eq!(after[field], Value::Null, "{field}");
    }
    for (act, state) in [("open", "open"), ("end", "ended"), ("end", "ended")] {
        let changed = run(url, &["sale", act, phone[0], phone[1]]).await;
        let stdout = &changed.check_code(0).stdout;
        assert!(
            stdout.starts_with(&format!("Flash Sale Smartphone: {state}")),
            "{stdout}"
        );
        assert_eq!(list().await["state"], Value::from(state));
    }
    let past = [
        "--from",
        "2020-01-01T00:00:00Z",
        "--until",
        "2150-01-02T00:00:00Z",
    ];
    let arguments: Vec<_> = ["sale", "plan"]
        .into_iter()
        .chain(phone)
        .chain(past)
        .collect();
    let began = run(url, &arguments).await;
    let stdout = &began.check_code(0).stdout;
    assert!(
        stdout.starts_with("Flash Sale Smartphone: open") && stdout.contains("it began at once"),
        "{stdout}"
    );
    let ended = run(url, &["sale", "end", phone[0], phone[1]]).await;
    ended.check_code(0);
    let text = run(url, &["sale", "list"]).await;
    let first = text.check_code(0).stdout.lines().next().unwrap_or_default();
    assert!(
        first.starts_with("ended ") && first.ends_with("flash-sale-smartphone"),
        "{first}"
    );
    let unknown = run(url, &["sale", "open", "--product", "no-such-product"]).await;
    assert!(
        unknown.check_code(1).stderr.contains("There is no product"),
        "{}",
        unknown.stderr
    );
    let actors: String = shop
        .by_hand
        .value("SELECT string_agg(DISTINCT actor, ', ') FROM product_change")
        .await;
    assert_eq!(actors, "command line");
    check_audit_clean(&shop).await;
}

#[tokio::test]
async fn a_sale_command_with_wrong_usage_exits_with_2() {
    for arguments in [
        &["sale"][..],
        &["sale", "close"][..],
        &["sale", "open"][..],
        &[
            "sale",
            "plan",
            "--product",
            "x",
            "--from",
            "2150-01-01T00:00:00Z",
        ][..],
        &[
            "sale",
            "plan",
            "--product",
            "x",
            "--from",
            "tomorrow",
            "--until",
            "2150-01-01T00:00:00Z",
        ][..],
        &[
            "sale",
            "plan",
            "--product",
            "x",
            "--from",
            "2150-01-01",
            "--until",
            "2150-01-02T00:00:00Z",
        ][..],
        &["sale", "list", "--product", "x"][..],
    ] {
        let ended = run(Some(NO_SERVER), arguments).await;
        assert!(ended.check_code(2).stdout.is_empty(), "{arguments:?}");
        assert!(!ended.stderr.is_empty(), "{arguments:?}");
    }
}
