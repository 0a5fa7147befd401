//! `doorbuster sweep`: it runs the matrix, and all three files contain the same results.

use regex::Regex;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{TestShop, check_audit_clean, program::run, strategies};

/// The output of a sweep of a small matrix.
struct SweepOutput {
    html: String,
    csv: String,
    json: Value,
    stdout: String,
}

async fn sweep(code: i32, more: &[&str]) -> SweepOutput {
    let shop = TestShop::new().await;
    let folder = TempDir::new().expect("a temporary folder");
    let out = folder.path().join("not/there/yet");
    let mut arguments = vec!["sweep", "--out", out.to_str().expect("text")];
    arguments.extend(more);
    let ended = run(Some(shop.database.url()), &arguments).await;
    ended.check_code(code);
    assert!(ended.left_nothing, "all files are in the output folder");
    check_audit_clean(&shop).await;
    let text = |name: &str| {
        std::fs::read_to_string(out.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    SweepOutput {
        html: text("sweep.html"),
        csv: text("sweep.csv"),
        json: serde_json::from_str(&text("sweep.json")).expect("one JSON object"),
        stdout: ended.stdout,
    }
}

#[tokio::test]
async fn a_sweep_writes_the_same_results_to_three_files() {
    let output = sweep(
        0,
        &[
            "--strategies",
            "row-lock,conditional-update",
            "--buyers",
            "1,4",
            "--stock",
            "3,40",
            "--repeat",
            "2",
        ],
    )
    .await;
    assert!(
        output.stdout.contains("16 runs of 8 cells: no safe cell"),
        "{}",
        output.stdout
    );
    for name in ["sweep.html", "sweep.csv", "sweep.json"] {
        assert!(output.stdout.contains(name), "{}", output.stdout);
    }

    let runs = output.json["runs"].as_array().expect("runs");
    assert_eq!(runs.len(), 16);
    for run in runs {
        let verdict = &run["verdict"];
        let expected = verdict["buyers"].as_i64().min(verdict["stock"].as_i64());
        assert_eq!(verdict["sold"].as_i64(), expected, "{run:#}");
        assert_eq!(run["held"], true);
    }
    let cells = output.json["cells"].as_array().expect("cells");
    assert_eq!(cells.len(), 8);
    for cell in cells {
        let speed = |figure: &str| {
            cell["orders_per_second"][figure]
                .as_f64()
                .expect("a figure")
        };
        assert!(
            0.0 < speed("min")
                && speed("min") <= speed("median")
                && speed("median") <= speed("max"),
            "{cell:#}"
        );
    }
    assert_eq!(output.json["machine"]["pool_size"], 16);
    assert_eq!(output.json["plan"]["seed"], 42);

    let rows: Vec<Vec<&str>> = output
        .csv
        .lines()
        .map(|line| line.split(',').collect())
        .collect();
    assert_eq!(rows.len(), 17, "a header, and a row per run");
    assert!(rows.iter().all(|row| row.len() == rows[0].len()));
    let column = rows[0]
        .iter()
        .position(|name| *name == "sold")
        .expect("a column");
    let sold: Vec<&str> = rows[1..].iter().map(|row| row[column]).collect();
    let expected: Vec<String> = runs
        .iter()
        .map(|run| run["verdict"]["sold"].to_string())
        .collect();
    assert_eq!(sold, expected);

    assert!(output.html.contains("No safe cell oversold or undersold"));
    for strategy in ["row-lock", "conditional-update"] {
        // A row in each heat map and table, a line in each chart.
        assert!(output.html.matches(strategy).count() >= 8, "{strategy}");
    }
    check_is_self_contained(&output.html);
}

/// An unsafe strategy is an exhibit: the report marks it, and the exit code remains 0.
#[tokio::test]
async fn an_unsafe_strategy_is_marked_and_does_not_fail_the_sweep() {
    let output = sweep(
        0,
        &[
            "--strategies",
            "row-lock,unguarded",
            "--buyers",
            "20",
            "--stock",
            "5",
            "--repeat",
            "1",
            "--race-window-ms",
            "20",
        ],
    )
    .await;
    let exhibit = &output.json["cells"][1];
    assert_eq!(exhibit["strategy"], "unguarded");
    assert_eq!(exhibit["held"], false, "{exhibit:#}");
    assert!(exhibit["oversold"].as_i64() > Some(0));
    assert!(output.html.contains("unguarded ⚠"));
    assert!(output.html.contains("marked ⚠, oversold"));
}

/// Each server has a mutex of its own, so `process-mutex` oversells. The lock of `row-lock` is in
/// the database, which they share.
#[tokio::test]
async fn on_two_servers_a_sweep_shows_that_a_mutex_in_memory_does_not_help() {
    let output = sweep(
        0,
        &[
            "--strategies",
            "row-lock,process-mutex",
            "--buyers",
            "20",
            "--stock",
            "5",
            "--repeat",
            "1",
            "--race-window-ms",
            "20",
            "--servers",
            "2",
        ],
    )
    .await;
    assert_eq!(output.json["plan"]["own_servers"], 2);
    assert_eq!(output.json["machine"]["pool_size"], 16);
    let [safe, exhibit] = [0_usize, 1].map(|cell| &output.json["cells"][cell]);
    assert_eq!(safe["held"], true, "{safe:#}");
    assert_eq!(safe["failed"], 0, "{safe:#}");
    assert_eq!(exhibit["strategy"], "process-mutex");
    assert!(exhibit["oversold"].as_i64() > Some(0), "{exhibit:#}");
    for part in [
        "16 transactions on each of 2 servers",
        "over HTTP to one of the servers",
        "--race-window-ms 20 --servers 2 --out FOLDER",
    ] {
        assert!(output.html.contains(part), "{part}");
    }
    check_is_self_contained(&output.html);
}

#[tokio::test]
async fn a_sweep_with_too_many_servers_is_refused() {
    let more = ["sweep", "--out", "never-created", "--servers", "9"];
    let ended = run(None, &more).await;
    ended.check_code(2);
    assert!(
        ended.stderr.contains("9 is not in 0..=8"),
        "{}",
        ended.stderr
    );
    assert!(ended.left_nothing, "no folder and no database");
}

/// By default, a sweep runs every safe strategy. Without stock, the charts are empty.
#[tokio::test]
async fn a_sweep_runs_every_safe_strategy_by_default() {
    let output = sweep(0, &["--buyers", "2", "--stock", "0", "--repeat", "1"]).await;
    let safe: Vec<&str> = strategies()
        .filter(|strategy| strategy.is_safe() && !strategy.row().needs_redis)
        .map(|strategy| strategy.as_str())
        .collect();
    let planned: Vec<&str> = output.json["plan"]["strategies"]
        .as_array()
        .expect("strategies")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(planned, safe);
    assert!(output.html.contains("Nothing was sold"));
}

#[tokio::test]
async fn a_folder_that_cannot_be_created_fails_before_the_first_run() {
    let ended = run(
        Some("postgres://user@127.0.0.1:1/nothing"),
        &["sweep", "--out", "/dev/null/sweep"],
    )
    .await;
    ended.check_code(1);
    assert!(ended.stderr.contains("/dev/null/sweep"), "{}", ended.stderr);
}

/// Checks that the page works offline: it loads nothing and runs no script.
#[track_caller]
fn check_is_self_contained(html: &str) {
    let fetches = Regex::new(
        r#"(?i)<(script|link|img|iframe|object|embed)\b|\b(src|href)\s*=|url\(|@import|https?://"#,
    )
    .expect("a pattern");
    let found: Vec<&str> = fetches
        .find_iter(html)
        .map(|found| found.as_str())
        .collect();
    assert!(found.is_empty(), "{found:?}");
    assert!(html.contains("default-src 'none'"));
    assert!(html.starts_with("<!DOCTYPE html>") && html.trim_end().ends_with("</html>"));
}
