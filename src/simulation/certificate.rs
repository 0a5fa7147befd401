//! The certificate of a run: initial = remaining + held + sold, lane by lane, with the statements that prove it and what the database
//! answers now. `store::certify` asks; what the answers mean is decided here.

#[cfg(test)]
mod tests;

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
