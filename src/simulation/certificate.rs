//! The certificate of a run: initial = remaining + held + sold, lane by lane, with the statements that prove it and what the database
//! answers now. `store::certify` asks; what the answers mean is decided here.

use super::store::DatabaseServer;
use crate::{
    model::{RunSnapshot, StrategyKey, Verdict},
    shop::audit::AuditReport,
};

/// A statement that is part of the proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    pub says: &'static str,
    pub sql: &'static str,
    /// All of them whole numbers.
    pub columns: &'static [&'static str],
    /// Whether `$2` is the lane.
    pub names_lane: bool,
}

/// The same with its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    pub question: Question,
    /// `$1`, `$2` …
    pub parameters: Vec<i64>,
    /// By column.
    pub figures: Vec<(&'static str, i64)>,
}

/// All that the database says of one lane's product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    pub product_name: String,
    /// Whether nobody but this lane's buyers could buy it.
    pub is_private: bool,
    /// The moment of the snapshot, by the database's clock.
    pub at: String,
    pub answers: Vec<Answered>,
}

impl Evidence {
    fn figure(&self, column: &str) -> i64 {
        let mut figures = self.answers.iter().flat_map(|answer| &answer.figures);
        let found = figures.find(|(name, _)| *name == column);
        found.map_or(0, |(_, value)| *value)
    }

    /// The terms of the equation.
    pub fn balance(&self) -> Balance {
        Balance {
            initial: self.figure("initial"),
            remaining: self.figure("remaining"),
            held: self.figure("held"),
            sold: self.figure("sold_by_run"),
            sold_to_others: self.figure("sold_to_others"),
        }
    }
}

/// Units, each term from a source of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    /// All that ever came in.
    pub initial: i64,
    pub remaining: i64,
    pub held: i64,
    /// On order lines of this lane, less what was returned.
    pub sold: i64,
    /// On all other order lines of the product, less what was returned.
    pub sold_to_others: i64,
}

impl Balance {
    /// Units that are nowhere; below zero: units that are somewhere and never came in.
    pub const fn missing(&self) -> i64 {
        self.initial - self.remaining - self.held - self.sold - self.sold_to_others
    }

    /// Units on order lines beyond all that came in.
    pub fn oversold(&self) -> i64 {
        (self.sold + self.sold_to_others - self.initial).max(0)
    }
}

/// What must hold, and whether it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    pub says: String,
    pub holds: bool,
}

/// What the certificate says of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Every unit is accounted for.
    Holds,
    /// It does not hold, and the strategy never promised that it would.
    Exhibit,
    /// It does not hold, and it should.
    Broken,
    /// Its rows are there no more: only the stored verdict is.
    Removed,
}

/// One lane of a certificate.
#[derive(Clone, Debug, PartialEq)]
pub struct LaneProof {
    pub strategy: StrategyKey,
    /// None: the lane's rows are there no more.
    pub evidence: Option<Evidence>,
    pub checks: Vec<Check>,
    pub stored: Option<Verdict>,
    pub standing: Standing,
}

/// The audit of the whole shop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audited {
    /// In the snapshot of the proof.
    Now(AuditReport),
    /// The last one that was kept: there is too much to go through while a page is waiting.
    Earlier(AuditReport),
    Never,
}

/// See the module's documentation.
#[derive(Clone, Debug, PartialEq)]
pub struct Certificate {
    pub run: RunSnapshot,
    pub server: DatabaseServer,
    pub lanes: Vec<LaneProof>,
    pub audited: Audited,
}

impl Certificate {
    /// What the answers come to, one for each lane of the run.
    pub fn of(
        run: RunSnapshot,
        server: DatabaseServer,
        answers: Vec<Option<Evidence>>,
        audited: Audited,
    ) -> Self {
        // A run whose lanes are gone still has its verdicts.
        let answers = answers.into_iter().chain(std::iter::repeat(None));
        let lanes = run.lanes.iter().zip(answers);
        let lanes = lanes
            .map(|(lane, evidence)| LaneProof::of(lane.strategy, lane.verdict.clone(), evidence));
        Self {
            lanes: lanes.collect(),
            run,
            server,
            audited,
        }
    }

    /// What the certificate says as a whole: its worst lane, a broken one before all.
    pub fn standing(&self) -> Standing {
        let is_any = |standing| self.lanes.iter().any(|lane| lane.standing == standing);
        [Standing::Broken, Standing::Exhibit, Standing::Removed]
            .into_iter()
            .find(|standing| is_any(*standing))
            .unwrap_or(Standing::Holds)
    }

    /// The sentence at its top.
    pub fn sentence(&self) -> String {
        let of = |standing| {
            let lanes = self
                .lanes
                .iter()
                .filter(move |lane| lane.standing == standing);
            let names: Vec<_> = lanes.map(|lane| lane.strategy.as_str()).collect();
            names.join(", ")
        };
        let lost: i64 = self.lanes.iter().filter_map(LaneProof::lost).sum();
        match self.standing() {
            Standing::Holds => "It holds: every unit that came in is on the shelf, held, or on an order line.".to_owned(),
            Standing::Broken => format!("It does not hold for {}: see the marked lines.", of(Standing::Broken)),
            Standing::Exhibit if lost > 0 => format!(
                "It does not hold for {}: {lost} units were sold that were never there. It is an exhibit; nothing was promised of it.",
                of(Standing::Exhibit)
            ),
            Standing::Exhibit => format!(
                "It does not hold for {}: its stock row lost count. It is an exhibit; nothing was promised of it.",
                of(Standing::Exhibit)
            ),
            Standing::Removed => "It cannot be proven any more: what was sold has been removed from the database. Below stands the verdict that was stored when the run ended.".to_owned(),
        }
    }
}

impl LaneProof {
    fn of(strategy: StrategyKey, stored: Option<Verdict>, evidence: Option<Evidence>) -> Self {
        let checks = evidence
            .as_ref()
            .map(|evidence| checks(evidence, stored.as_ref()));
        let standing = match &checks {
            None => Standing::Removed,
            Some(checks) if checks.iter().all(|check| check.holds) => Standing::Holds,
            Some(_) if strategy.is_safe() => Standing::Broken,
            Some(_) => Standing::Exhibit,
        };
        Self {
            strategy,
            evidence,
            checks: checks.unwrap_or_default(),
            stored,
            standing,
        }
    }

    /// Units that an exhibit sold beyond what there was.
    fn lost(&self) -> Option<i64> {
        let evidence = self.evidence.as_ref()?;
        (self.standing == Standing::Exhibit).then(|| evidence.balance().oversold())
    }
}

fn checks(evidence: &Evidence, stored: Option<&Verdict>) -> Vec<Check> {
    let balance = evidence.balance();
    let (reserved, row_sold) = (evidence.figure("reserved"), evidence.figure("sold"));
    let in_all = balance.sold + balance.sold_to_others;
    let check = |says: String, holds| Check { says, holds };
    let others = match (evidence.is_private, balance.sold_to_others) {
        (true, 0) => String::new(),
        (_, others) => format!(" + {others} sold to others"),
    };
    let mut checks = vec![
        check(
            format!(
                "{} came in = {} remaining + {} held + {} sold{others}",
                balance.initial, balance.remaining, balance.held, balance.sold
            ),
            balance.missing() == 0,
        ),
        check(
            format!("The stock row says {row_sold} sold; order lines say {in_all}"),
            row_sold == in_all,
        ),
        check(
            format!(
                "The stock row says {reserved} reserved; holds say {}",
                balance.held
            ),
            reserved == balance.held,
        ),
        check(
            format!("{} remaining is not below zero", balance.remaining),
            balance.remaining >= 0,
        ),
    ];
    if let Some(verdict) = stored {
        if evidence.is_private {
            checks.push(check(
                format!(
                    "Sold as when the run ended: {} of {}",
                    verdict.sold, verdict.stock
                ),
                verdict.sold == balance.sold && verdict.stock == balance.initial,
            ));
        }
        checks.push(check(
            format!(
                "The run's verdict: oversold {}, undersold {}",
                verdict.oversold, verdict.undersold
            ),
            verdict.invariants_held(),
        ));
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

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
}
