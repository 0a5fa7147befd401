//! The list of runs, and the exports of a run.

use doorbuster::{
    model::{RunSnapshot, SimulationPlan, StrategyKey, run_label::RunLabel},
    simulation::{
        export,
        store::{self, RunFilter, RunOutcome},
    },
};
use serde_json::Value;

use super::{plan, run};
use crate::support::{TestShop, administrator};

async fn listed(
    shop: &TestShop,
    filter: RunFilter,
    at_most: usize,
) -> (Vec<String>, Option<uuid::Uuid>) {
    let page = store::list(shop.db(), filter, at_most)
        .await
        .expect("a list");
    let ids = page.runs.iter().map(|run| run.id().to_owned());
    (ids.collect(), page.next)
}

#[tokio::test]
async fn runs_are_listed_by_strategy_and_outcome_page_by_page() {
    let shop = TestShop::new().await;
    let mut safe = Vec::new();
    for _ in 0..3 {
        safe.insert(0, run(&shop, plan(StrategyKey::RowLock, 3, 2)).await.id);
    }
    let lost = SimulationPlan {
        strategies: vec![StrategyKey::ConditionalUpdate, StrategyKey::Unguarded],
        race_window_ms: 30,
        ..plan(StrategyKey::RowLock, 6, 2)
    };
    let lost = run(&shop, lost).await.id;
    let by = |strategy, outcome| RunFilter {
        strategy,
        outcome,
        before: None,
    };
    let (first, next) = listed(&shop, RunFilter::default(), 2).await;
    assert_eq!(first, [lost.clone(), safe[0].clone()]);
    assert!(next.is_some());
    let rest = RunFilter {
        before: next,
        ..RunFilter::default()
    };
    assert_eq!(listed(&shop, rest, 2).await, (safe[1..].to_vec(), None));
    for (filter, expected) in [
        (by(Some(StrategyKey::Unguarded), None), vec![lost.clone()]),
        (
            by(Some(StrategyKey::RowLock), Some(RunOutcome::Passed)),
            safe.clone(),
        ),
        (
            by(Some(StrategyKey::RowLock), Some(RunOutcome::NotPassed)),
            Vec::new(),
        ),
        (by(None, Some(RunOutcome::NotPassed)), vec![lost]),
        (by(None, Some(RunOutcome::Running)), Vec::new()),
        (by(None, Some(RunOutcome::Failed)), Vec::new()),
    ] {
        assert_eq!(
            listed(&shop, filter, 9).await,
            (expected, None),
            "{filter:?}"
        );
    }
}

#[tokio::test]
async fn repeats_are_found_by_their_whole_plan() {
    let shop = TestShop::new().await;
    let plan_of_run = plan(StrategyKey::RowLock, 3, 2);
    let other = SimulationPlan {
        seed: 7,
        ..plan_of_run.clone()
    };
    let first = run(&shop, plan_of_run.clone()).await.id;
    let second = run(&shop, plan_of_run.clone()).await.id;
    run(&shop, other).await;
    let repeats = store::runs_of_plan(shop.db(), &plan_of_run)
        .await
        .expect("runs");
    let ids: Vec<_> = repeats.into_iter().map(|run| run.id).collect();
    assert_eq!(ids, [second, first]);
}

/// Parses a CSV file without quoted cells. Each row maps column names to cells.
fn rows(csv: &str) -> Vec<std::collections::HashMap<&str, &str>> {
    let mut lines = csv
        .split_terminator("\r\n")
        .map(|line| line.split(',').collect::<Vec<_>>());
    let names = lines.next().expect("a header");
    lines
        .map(|cells| {
            assert_eq!(cells.len(), names.len(), "{cells:?}");
            names.iter().copied().zip(cells).collect()
        })
        .collect()
}

#[tokio::test]
async fn exports_equal_the_stored_run() {
    let shop = TestShop::new().await;
    let plan_of_run = SimulationPlan {
        strategies: vec![StrategyKey::RowLock, StrategyKey::ConditionalUpdate],
        ..plan(StrategyKey::RowLock, 8, 5)
    };
    let id = run(&shop, plan_of_run).await.id.parse().expect("an id");
    // A name without a comma needs no quotes.
    let label = RunLabel::parse("Two lanes", "").expect("it is short");
    store::rename(&administrator(), shop.db(), id, label)
        .await
        .expect("it is named");
    let stored = store::find(shop.db(), id).await.expect("it is stored");

    let samples = export::samples(&stored);
    let samples = rows(&samples);
    let points: usize = stored.lanes.iter().map(|lane| lane.samples.len()).sum();
    assert_eq!(samples.len(), points);
    let last = samples.last().expect("a point");
    assert_eq!(
        (last["lane"], last["strategy"], last["remaining"]),
        ("2", "conditional-update", "0")
    );
    assert_eq!((last["succeeded"], last["rejected"]), ("5", "3"));

    let figures = export::figures(&stored);
    let figures = rows(&figures);
    assert_eq!(figures.len(), 2);
    for (row, lane) in figures.iter().zip(&stored.lanes) {
        let verdict = lane.verdict.as_ref().expect("a verdict");
        assert_eq!(row["strategy"], lane.strategy.as_str());
        assert_eq!(row["passed"], "true");
        assert_eq!(row["sold"], verdict.sold.to_string());
        assert_eq!(row["latency_ms_p99"].parse(), Ok(verdict.latency_ms.p99));
    }

    // A clean run has the same columns as one with retries, failures and faults.
    for name in [
        "retries",
        "failures_timed_out",
        "refusals_declined",
        "lately_backoff_us",
    ] {
        assert_eq!(last[name], "0", "{last:?}");
    }
    let header = |csv: &str| csv.lines().next().map(ToOwned::to_owned);
    let none = RunSnapshot {
        lanes: Vec::new(),
        ..stored.clone()
    };
    assert_eq!(
        header(&export::samples(&none)),
        header(&export::samples(&stored))
    );
    assert_eq!(
        header(&export::figures(&none)),
        header(&export::figures(&stored))
    );
    let started_at = checked_start(&stored);
    assert_eq!(last["started_at"], started_at);

    let json = export::json(&stored, "now").expect("JSON");
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(
        (&json["format"], &json["version"]),
        (&"doorbuster-run".into(), &1.into())
    );
    let point = &json["run"]["lanes"][0]["samples"][0];
    assert_eq!(point["retries"], 0, "{point:#}");
    assert_eq!(point["failures"]["timedOut"], 0, "{point:#}");
    let read: RunSnapshot = serde_json::from_value(json["run"].clone()).expect("a run");
    assert_eq!(read, stored);
}

/// Returns the start of a run, which must be a time in RFC 3339 with seconds.
fn checked_start(run: &RunSnapshot) -> &str {
    let format = &time::format_description::well_known::Rfc3339;
    time::OffsetDateTime::parse(&run.started_at, format).expect("a time");
    &run.started_at
}

#[tokio::test]
async fn a_replay_contains_its_samples_and_escapes_its_data() {
    let shop = TestShop::new().await;
    let mut stored = run(&shop, plan(StrategyKey::RowLock, 8, 5)).await;
    stored.failure = Some("</script><script>alert(1)</script>".to_owned());
    stored.passed = None;
    let html = export::replay(&stored, "<now>");
    assert!(!html.contains("<script>alert"), "{html}");
    assert!(html.contains("&lt;now&gt;"));
    let data = html
        .split("id=\"data\">")
        .nth(1)
        .and_then(|rest| rest.split("</script>").next());
    let data: Value = serde_json::from_str(data.expect("data")).expect("JSON");
    let lane = &stored.lanes[0];
    let points = data["lanes"][0]["points"].as_array().expect("points");
    assert_eq!(points.len(), lane.samples.len());
    let last = lane.last();
    let expected = serde_json::json!([
        last.elapsed_ms,
        last.remaining,
        last.succeeded,
        last.unsuccessful(),
        5
    ]);
    assert_eq!(points.last(), Some(&expected));
    for foreign in ["http://", "https://", " src=", "@import", "url("] {
        let found = html
            .replace("http://www.w3.org/2000/svg", "")
            .replace("url(#", "");
        assert!(!found.contains(foreign), "{foreign} in {html}");
    }
}
