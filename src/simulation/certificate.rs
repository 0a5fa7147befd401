//! The certificate of a run: it verifies for each lane that initial = remaining + reserved + sold,
//! with the SQL statements of the proof and their current results. `store::certify` runs the
//! statements; this module evaluates the results.

#[cfg(test)]
mod tests;

use super::store::DatabaseServer;
use crate::{
    db::engine,
    model::{DatabaseEngine, LaneSnapshot, RunSnapshot, Verdict},
    shop::audit::AuditReport,
};

/// A query that is part of the proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofQuery {
    pub description: &'static str,
    /// In the words of the shop; see [`ProofResult::statement`].
    pub sql: String,
    /// The columns of its result, all integers.
    pub columns: &'static [&'static str],
    /// Whether the lane's id is its second parameter (`$2`).
    pub uses_lane: bool,
}

/// A query of the proof with its result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofResult {
    pub query: ProofQuery,
    /// The engine that answered it.
    pub engine: DatabaseEngine,
    /// The values of `$1`, `$2`, and so on.
    pub parameters: Vec<i64>,
    /// The result, by column.
    pub figures: Vec<(&'static str, i64)>,
}

/// The database's evidence about one lane's product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    pub product_name: String,
    /// Whether only this lane's buyers could buy it.
    pub is_private: bool,
    /// Time of the snapshot, by the database's clock.
    pub at: String,
    pub results: Vec<ProofResult>,
}

impl ProofResult {
    /// Returns the statement with its parameters as literals, in the words of its engine: it runs
    /// in psql or in mysql as it is printed.
    pub fn statement(&self) -> String {
        // From the last to the first, because `$1` is also the beginning of `$10`.
        let parameters = self.parameters.iter().enumerate().rev();
        let sql = parameters.fold(self.query.sql.clone(), |sql, (index, value)| {
            sql.replace(&format!("${}", index + 1), &value.to_string())
        });
        engine::in_words_of(self.engine, &sql) + ";"
    }
}

impl Evidence {
    fn figure(&self, column: &str) -> i64 {
        let mut figures = self.results.iter().flat_map(|result| &result.figures);
        let found = figures.find(|(name, _)| *name == column);
        found.map_or(0, |(_, value)| *value)
    }

    /// Returns the terms of the equation.
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

/// The terms of the equation in units, each from a source of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Balance {
    /// Units received.
    pub initial: i64,
    pub remaining: i64,
    pub held: i64,
    /// Units on order lines of this lane, minus returned units.
    pub sold: i64,
    /// Units on all other order lines of the product, minus returned units.
    pub sold_to_others: i64,
}

impl Balance {
    /// Units that are unaccounted for. A negative number counts units that were never received.
    pub const fn missing(&self) -> i64 {
        self.initial - self.remaining - self.held - self.sold - self.sold_to_others
    }

    /// Units sold beyond the units received.
    pub fn oversold(&self) -> i64 {
        (self.sold + self.sold_to_others - self.initial).max(0)
    }
}

/// An invariant, and whether it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    pub text: String,
    pub holds: bool,
}

/// The result of the proof for a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofStatus {
    /// Every unit is accounted for.
    Holds,
    /// The equation does not hold, as expected of an unsafe strategy.
    Exhibit,
    /// The equation does not hold, although the strategy is safe.
    Broken,
    /// The lane's rows have been deleted; only the stored verdict is left.
    Removed,
}

/// One lane of a certificate.
#[derive(Clone, Debug, PartialEq)]
pub struct LaneProof {
    /// See [`LaneSnapshot::name`].
    pub name: String,
    /// `None` if the lane's rows have been deleted.
    pub evidence: Option<Evidence>,
    pub checks: Vec<Check>,
    pub stored: Option<Verdict>,
    pub status: ProofStatus,
}

/// The audit of the whole shop that the certificate shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateAudit {
    /// An audit in the same snapshot as the proof.
    Now(AuditReport),
    /// The last stored audit. A new one would take too long while a page is waiting.
    Earlier(AuditReport),
    Never,
}

/// The certificate of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Certificate {
    pub run: RunSnapshot,
    pub server: DatabaseServer,
    pub lanes: Vec<LaneProof>,
    pub audited: CertificateAudit,
}

impl Certificate {
    /// Evaluates the evidence, one entry for each lane of the run.
    pub fn of(
        run: RunSnapshot,
        server: DatabaseServer,
        answers: Vec<Option<Evidence>>,
        audited: CertificateAudit,
    ) -> Self {
        // A run whose lanes were deleted still has its verdicts.
        let answers = answers.into_iter().chain(std::iter::repeat(None));
        let lanes = run.lanes.iter().zip(answers);
        let lanes = lanes.map(|(lane, evidence)| LaneProof::of(lane, evidence));
        Self {
            lanes: lanes.collect(),
            run,
            server,
            audited,
        }
    }

    /// The status of the whole certificate: that of its worst lane.
    pub fn status(&self) -> ProofStatus {
        let is_any = |status| self.lanes.iter().any(|lane| lane.status == status);
        [
            ProofStatus::Broken,
            ProofStatus::Exhibit,
            ProofStatus::Removed,
        ]
        .into_iter()
        .find(|status| is_any(*status))
        .unwrap_or(ProofStatus::Holds)
    }

    /// The summary at the top of the certificate.
    pub fn summary(&self) -> String {
        let of = |status| {
            let lanes = self.lanes.iter().filter(move |lane| lane.status == status);
            let names: Vec<_> = lanes.map(|lane| lane.name.as_str()).collect();
            names.join(", ")
        };
        let lost: i64 = self.lanes.iter().filter_map(LaneProof::lost).sum();
        match self.status() {
            ProofStatus::Holds => "It holds: every unit received is in stock, held, or sold.".to_owned(),
            ProofStatus::Broken => format!("It does not hold for {}: see the failed checks.", of(ProofStatus::Broken)),
            ProofStatus::Exhibit if lost > 0 => format!(
                "It does not hold for {}: {lost} units were oversold. Expected: this strategy is broken on purpose.",
                of(ProofStatus::Exhibit)
            ),
            ProofStatus::Exhibit => format!(
                "It does not hold for {}: updates of its stock row were lost. Expected: this strategy is broken on purpose.",
                of(ProofStatus::Exhibit)
            ),
            ProofStatus::Removed => "It can no longer be verified: the orders of this run were deleted. Below is the verdict that was stored when the run ended.".to_owned(),
        }
    }
}

impl LaneProof {
    fn of(lane: &LaneSnapshot, evidence: Option<Evidence>) -> Self {
        let stored = lane.verdict.clone();
        let checks = evidence
            .as_ref()
            .map(|evidence| checks(evidence, stored.as_ref()));
        let status = match &checks {
            None => ProofStatus::Removed,
            Some(checks) if checks.iter().all(|check| check.holds) => ProofStatus::Holds,
            Some(_) if lane.strategy.is_safe() => ProofStatus::Broken,
            Some(_) => ProofStatus::Exhibit,
        };
        Self {
            name: lane.name(),
            evidence,
            checks: checks.unwrap_or_default(),
            stored,
            status,
        }
    }

    /// Units that an unsafe strategy oversold.
    fn lost(&self) -> Option<i64> {
        let evidence = self.evidence.as_ref()?;
        (self.status == ProofStatus::Exhibit).then(|| evidence.balance().oversold())
    }
}

fn checks(evidence: &Evidence, stored: Option<&Verdict>) -> Vec<Check> {
    let balance = evidence.balance();
    let (reserved, row_sold) = (evidence.figure("reserved"), evidence.figure("sold"));
    let in_all = balance.sold + balance.sold_to_others;
    let check = |text: String, holds| Check { text, holds };
    let others = match (evidence.is_private, balance.sold_to_others) {
        (true, 0) => String::new(),
        (_, others) => format!(" + {others} sold to others"),
    };
    let mut checks = vec![
        check(
            format!(
                "{} received = {} remaining + {} held + {} sold{others}",
                balance.initial, balance.remaining, balance.held, balance.sold
            ),
            balance.missing() == 0,
        ),
        check(
            format!("Sold: {row_sold} in the stock row, {in_all} on order lines"),
            row_sold == in_all,
        ),
        check(
            format!(
                "Reserved: {reserved} in the stock row, {} in holds",
                balance.held
            ),
            reserved == balance.held,
        ),
        check(
            format!("Remaining: {}, not negative", balance.remaining),
            balance.remaining >= 0,
        ),
    ];
    if let Some(verdict) = stored {
        if evidence.is_private {
            checks.push(check(
                format!(
                    "Sold when the run ended: {} of {}",
                    verdict.sold, verdict.stock
                ),
                verdict.sold == balance.sold && verdict.stock == balance.initial,
            ));
        }
        let undersold = match verdict.known_undersold() {
            Some(undersold) => format!("undersold {undersold}"),
            None => "undersold not known, because the run was cut off".to_owned(),
        };
        checks.push(check(
            format!(
                "Verdict of the run: oversold {}, {undersold}",
                verdict.oversold
            ),
            verdict.invariants_held(),
        ));
    }
    checks
}
