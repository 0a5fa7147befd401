use serde_json::json;

use super::*;
use crate::{db::dialect, model::StrategyKey};

fn query(columns: &'static [&'static str]) -> ProofQuery {
    ProofQuery {
        description: "",
        sql: String::new(),
        columns,
        uses_lane: false,
    }
}

fn evidence(figures: [(&'static str, i64); 7], is_private: bool) -> Evidence {
    Evidence {
        product_name: "Lane 1".to_owned(),
        is_private,
        at: String::new(),
        results: vec![ProofResult {
            query: query(&[]),
            engine: DatabaseEngine::Postgres,
            parameters: Vec::new(),
            figures: figures.to_vec(),
        }],
    }
}

/// Initial, remaining, held, sold by the run and sold to others; the stock row counts `row_sold`.
fn of(
    [initial, remaining, held, run, others]: [i64; 5],
    row_sold: i64,
) -> [(&'static str, i64); 7] {
    [
        ("initial", initial),
        ("remaining", remaining),
        ("reserved", held),
        ("sold", row_sold),
        ("held", held),
        ("sold_by_run", run),
        ("sold_to_others", others),
    ]
}

fn lane(strategy: StrategyKey) -> LaneSnapshot {
    let verdict = Verdict {
        strategy,
        ..Verdict::example()
    };
    let lane = json!({
        "strategy": strategy, "productName": "", "stock": 20, "samples": [], "latencyMs": verdict.latency_ms,
        "verdict": verdict,
    });
    serde_json::from_value(lane).expect("a lane")
}

fn status(strategy: StrategyKey, evidence: Option<Evidence>) -> ProofStatus {
    LaneProof::of(&lane(strategy), evidence).status
}

#[test]
fn every_unit_must_be_counted_exactly_once() {
    let row_lock = |figures| status(StrategyKey::RowLock, Some(evidence(figures, true)));
    assert_eq!(row_lock(of([20, 0, 0, 20, 0], 20)), ProofStatus::Holds);
    for broken in [
        of([20, 1, 0, 20, 0], 20),
        of([20, 0, 0, 20, 0], 19),
        of([20, -1, 0, 21, 0], 21),
        of([19, 0, 0, 19, 0], 19),
    ] {
        assert_eq!(row_lock(broken), ProofStatus::Broken, "{broken:?}");
    }
}

#[test]
fn sales_to_others_count_and_an_unsafe_strategy_may_oversell() {
    let shop = of([50, 5, 3, 18, 24], 42);
    assert_eq!(
        status(StrategyKey::RowLock, Some(evidence(shop, false))),
        ProofStatus::Holds
    );
    let lost = evidence(of([20, 12, 0, 27, 0], 8), true);
    assert_eq!(lost.balance().oversold(), 7);
    assert_eq!(
        status(StrategyKey::Unguarded, Some(lost)),
        ProofStatus::Exhibit
    );
    assert_eq!(status(StrategyKey::RowLock, None), ProofStatus::Removed);
}

#[test]
fn the_worst_lane_decides_the_status() {
    let run = json!({
        "id": "", "state": "finished", "plan": crate::model::SimulationPlan::preset(), "startedAt": "", "passed": true, "failure": null,
        "lanes": [lane(StrategyKey::RowLock), lane(StrategyKey::Unguarded)],
    });
    let run: RunSnapshot = serde_json::from_value(run).expect("a run");
    let server = DatabaseServer {
        name: String::new(),
        fsync: String::new(),
        now: time::OffsetDateTime::UNIX_EPOCH,
    };
    let certificate = |answers| {
        Certificate::of(
            run.clone(),
            server.clone(),
            answers,
            CertificateAudit::Never,
        )
    };
    let whole = || Some(evidence(of([20, 0, 0, 20, 0], 20), true));
    assert_eq!(
        certificate(vec![whole(), whole()]).status(),
        ProofStatus::Holds
    );
    let lost = Some(evidence(of([20, 12, 0, 27, 0], 8), true));
    let exhibit = certificate(vec![whole(), lost.clone()]);
    assert_eq!(exhibit.status(), ProofStatus::Exhibit);
    assert!(
        exhibit.summary().contains("unguarded: 7 units"),
        "{}",
        exhibit.summary()
    );
    assert_eq!(
        certificate(vec![lost, whole()]).status(),
        ProofStatus::Broken
    );
    assert_eq!(certificate(Vec::new()).status(), ProofStatus::Removed);
}

#[test]
fn a_printed_statement_has_its_parameters_as_literals() {
    let mut result = ProofResult {
        query: ProofQuery {
            description: "",
            sql: format!(
                "SELECT $2, $1, {}\nFROM x WHERE a = $1",
                dialect::integer("$10")
            ),
            columns: &[],
            uses_lane: true,
        },
        engine: DatabaseEngine::Postgres,
        parameters: vec![71, 72, 0, 0, 0, 0, 0, 0, 0, 80],
        figures: Vec::new(),
    };
    assert_eq!(
        result.statement(),
        format!(
            "SELECT 72, 71, {}\nFROM x WHERE a = 71;",
            dialect::integer("80")
        )
    );
    result.engine = DatabaseEngine::MySql;
    assert_eq!(
        result.statement(),
        "SELECT 72, 71, CAST(80 AS SIGNED)\nFROM x WHERE a = 71;"
    );
}
