use serde_json::json;

use super::*;

fn question(columns: &'static [&'static str]) -> Question {
    Question {
        says: "",
        sql: "",
        columns,
        names_lane: false,
    }
}

fn evidence(figures: [(&'static str, i64); 7], is_private: bool) -> Evidence {
    Evidence {
        product_name: "Lane 1".to_owned(),
        is_private,
        at: String::new(),
        answers: vec![Answered {
            question: question(&[]),
            parameters: Vec::new(),
            figures: figures.to_vec(),
        }],
    }
}

/// Initial, remaining, held, sold by the run and to others; the row has `row_sold`.
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

fn standing(strategy: StrategyKey, evidence: Option<Evidence>) -> Standing {
    let stored = Verdict {
        strategy,
        ..Verdict::example()
    };
    LaneProof::of(strategy, Some(stored), evidence).standing
}

#[test]
fn each_unit_must_be_somewhere_and_in_one_place_only() {
    let row_lock = |figures| standing(StrategyKey::RowLock, Some(evidence(figures, true)));
    assert_eq!(row_lock(of([20, 0, 0, 20, 0], 20)), Standing::Holds);
    for broken in [
        of([20, 1, 0, 20, 0], 20),
        of([20, 0, 0, 20, 0], 19),
        of([20, -1, 0, 21, 0], 21),
        of([19, 0, 0, 19, 0], 19),
    ] {
        assert_eq!(row_lock(broken), Standing::Broken, "{broken:?}");
    }
}

#[test]
fn a_shop_product_may_have_been_sold_to_others_and_an_exhibit_may_lose() {
    let shop = of([50, 5, 3, 18, 24], 42);
    assert_eq!(
        standing(StrategyKey::RowLock, Some(evidence(shop, false))),
        Standing::Holds
    );
    let lost = evidence(of([20, 12, 0, 27, 0], 8), true);
    assert_eq!(lost.balance().oversold(), 7);
    assert_eq!(
        standing(StrategyKey::Unguarded, Some(lost)),
        Standing::Exhibit
    );
    assert_eq!(standing(StrategyKey::RowLock, None), Standing::Removed);
}

#[test]
fn the_worst_lane_speaks_first() {
    let lane = |strategy| {
        json!({
            "strategy": strategy, "productName": "", "stock": 20, "samples": [], "latencyMs": Verdict::example().latency_ms,
            "verdict": Verdict::example(),
        })
    };
    let run = json!({
        "id": "", "state": "finished", "plan": crate::model::SimulationPlan::preset(), "startedAt": "", "passed": true, "failure": null,
        "lanes": [lane(StrategyKey::RowLock), lane(StrategyKey::Unguarded)],
    });
    let run: RunSnapshot = serde_json::from_value(run).expect("a run");
    let server = DatabaseServer {
        version: String::new(),
        fsync: String::new(),
        now: String::new(),
    };
    let certificate =
        |answers| Certificate::of(run.clone(), server.clone(), answers, Audited::Never);
    let whole = || Some(evidence(of([20, 0, 0, 20, 0], 20), true));
    assert_eq!(
        certificate(vec![whole(), whole()]).standing(),
        Standing::Holds
    );
    let lost = Some(evidence(of([20, 12, 0, 27, 0], 8), true));
    let exhibit = certificate(vec![whole(), lost.clone()]);
    assert_eq!(exhibit.standing(), Standing::Exhibit);
    assert!(
        exhibit.sentence().contains("unguarded: 7 units"),
        "{}",
        exhibit.sentence()
    );
    assert_eq!(
        certificate(vec![lost, whole()]).standing(),
        Standing::Broken
    );
    assert_eq!(certificate(Vec::new()).standing(), Standing::Removed);
}
