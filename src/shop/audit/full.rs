//! The full audit: reads all of history, in many short snapshots. Each part of history is checked
//! in one snapshot, so a violation that is found is a violation in that snapshot; and every
//! violation is found that was committed before the audit began and is still there when its part is
//! read. See docs/decisions/0039-a-full-audit-in-parts.md.

use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, DbErr};
use time::OffsetDateTime;

use super::{
    AuditReport, RuleResult, changes,
    counters::{Counters, Step},
    evaluate, evaluate_whole,
    exhibits::{self, Exhibit},
    pace::Pace,
    parts::{Cursor, Key},
    rules::{Check, Extent, RULES, Rule},
};
use crate::{
    db::{
        Db, dialect,
        txn::{self, Policy, TxnError, Work},
    },
    shop::moment,
};

/// Deadline of a snapshot. It is long for the movements that have to be read in one snapshot while
/// another transaction stays open.
const SNAPSHOT_DEADLINE: Duration = Duration::from_secs(600);
/// Most lanes with an unsafe strategy that one part reads.
const LANES_AT_ONCE: u32 = 20;

/// What comes after a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Part,
    /// The snapshot must end: see [`Counters::decide`].
    DecidedId,
    Nothing,
}

/// A full audit between two of its snapshots.
///
/// A snapshot works on a copy, which replaces this one when the snapshot has ended.
#[derive(Clone, Debug)]
pub struct FullAudit {
    pace: Pace,
    started: Instant,
    /// Time of the first snapshot by the database's clock.
    at: Option<OffsetDateTime>,
    results: Vec<RuleResult>,
    exhibits: Vec<Exhibit>,
    /// The positions of the rule and of its check.
    rule: usize,
    check: usize,
    /// How many rules were passed to the caller.
    announced: usize,
    /// How far the check has come.
    cursor: Cursor,
    counters: Counters,
    /// How many rows the next part should have.
    rows: u64,
    /// The number of the snapshot.
    snapshot: u32,
    next: Next,
    /// The time that the parts of the last snapshot took.
    took: Duration,
    /// The same for all snapshots.
    worked: Duration,
}

impl FullAudit {
    /// Creates an audit that has not read anything.
    pub fn new(pace: Pace) -> Self {
        Self {
            pace,
            started: Instant::now(),
            at: None,
            results: RULES.iter().map(RuleResult::of).collect(),
            exhibits: Vec::new(),
            rule: 0,
            check: 0,
            announced: 0,
            cursor: Cursor::default(),
            counters: Counters::default(),
            rows: pace.first_rows(),
            snapshot: 0,
            next: Next::Part,
            took: Duration::ZERO,
            worked: Duration::ZERO,
        }
    }

    /// Runs it to its end, with the pauses of its pace. Calls `before` with each rule before it is
    /// checked.
    ///
    /// # Errors
    /// [`TxnError`] if the database fails. A violation is not an error.
    pub async fn run(
        mut self,
        db: &Db,
        before: impl Fn(&Rule) + Clone + Send + Sync + 'static,
    ) -> Result<AuditReport, TxnError> {
        while self.read_snapshot(db, before.clone()).await? {
            let pause = self.pace.pause(self.took, self.worked);
            if pause > Duration::ZERO {
                tokio::time::sleep(pause).await;
            }
        }
        Ok(self.report())
    }

    /// Reads the next parts, in a snapshot of their own. Returns true if something is left.
    ///
    /// # Errors
    /// As [`FullAudit::run`].
    pub async fn read_snapshot(
        &mut self,
        db: &Db,
        before: impl Fn(&Rule) + Clone + Send + Sync + 'static,
    ) -> Result<bool, TxnError> {
        if self.next == Next::DecidedId {
            let decided = changes::decided_ids(db).await;
            let decided = decided.map_err(|source| TxnError::Unavailable {
                name: "audit",
                source: Some(source),
            })?;
            let id = decided.and_then(|ids| ids.get("stock_movement").copied());
            self.counters.decide(id);
        }
        let mut copy = self.clone();
        copy.snapshot += 1;
        let policy = Policy::snapshot("audit", SNAPSHOT_DEADLINE);
        *self = txn::run_for_result(db, policy, move |work| {
            let (mut audit, before) = (copy.clone(), before.clone());
            Box::pin(async move {
                dialect::prefer_indexes(work.connection()).await?;
                audit.read_parts(work, &before).await?;
                Ok(audit)
            })
        })
        .await?;
        Ok(self.next != Next::Nothing)
    }

    /// Reads everything in the caller's snapshot.
    ///
    /// # Errors
    /// If the database fails. A violation is not an error.
    pub async fn read_all(&mut self, work: &Work) -> Result<(), DbErr> {
        while self.next != Next::Nothing {
            if self.next == Next::DecidedId {
                // Whatever is committed meanwhile, this snapshot does not show it.
                self.counters.decide(None);
            }
            self.read_parts(work, &|_| {}).await?;
        }
        Ok(())
    }

    /// Returns what was found so far.
    pub fn report(&self) -> AuditReport {
        let took = self.started.elapsed();
        AuditReport {
            at: self.at.map(moment::in_utc).unwrap_or_default(),
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            checked_orders: None,
            rules: self.results.clone(),
            exhibits: self.exhibits.clone(),
        }
    }

    /// Reads parts until the snapshot should end.
    async fn read_parts(
        &mut self,
        work: &Work,
        before: &(impl Fn(&Rule) + Sync),
    ) -> Result<(), DbErr> {
        let (connection, opened) = (work.connection(), Instant::now());
        if self.at.is_none() {
            self.at = Some(dialect::now(connection).await?);
        }
        loop {
            self.next = self.read_part(connection, before).await?;
            let open = opened.elapsed();
            if self.next != Next::Part || self.pace.is_over(open) {
                self.took = open;
                self.worked += open;
                return Ok(());
            }
        }
    }

    async fn read_part(
        &mut self,
        connection: &impl ConnectionTrait,
        before: &(impl Fn(&Rule) + Sync),
    ) -> Result<Next, DbErr> {
        let Some(rule) = RULES.get(self.rule) else {
            return self.read_exhibits(connection).await;
        };
        if self.announced == self.rule {
            before(rule);
            self.announced += 1;
        }
        let Some(check) = rule.checks.get(self.check) else {
            self.rule += 1;
            self.check = 0;
            return Ok(Next::Part);
        };
        if let Some(counted) = check.counted {
            let started = Instant::now();
            let counters = &mut self.counters;
            let rows = (self.rows, self.pace.tail);
            let step = counters.next(connection, counted, rows, self.snapshot);
            return Ok(match step.await? {
                Step::Continue { is_full } => {
                    self.adapt_rows(is_full, started);
                    Next::Part
                }
                Step::NeedsDecidedId => Next::DecidedId,
                Step::Compared(violations) => {
                    self.finish_check(violations);
                    Next::Part
                }
            });
        }
        match (check.extent, Key::of(check.sql)) {
            (Extent::Restricted, Some(key)) => self.read_range(connection, check, key).await?,
            _ => {
                let violations = evaluate_whole(connection, check).await?;
                self.finish_check(violations);
            }
        }
        Ok(Next::Part)
    }

    async fn read_range(
        &mut self,
        connection: &impl ConnectionTrait,
        check: &Check,
        key: Key,
    ) -> Result<(), DbErr> {
        let started = Instant::now();
        let part = self.cursor.next(connection, key, self.rows).await?;
        let violations = evaluate(connection, part.restrict(check.sql), check.sentence).await?;
        if part.is_last() {
            self.finish_check(violations);
        } else {
            self.add(violations);
            self.adapt_rows(true, started);
        }
        Ok(())
    }

    async fn read_exhibits(&mut self, connection: &impl ConnectionTrait) -> Result<Next, DbErr> {
        let after = self
            .exhibits
            .last()
            .map_or(i64::MIN, |last| last.product_id);
        let found = exhibits::read(connection, after, LANES_AT_ONCE).await?;
        let is_complete = found.len() < LANES_AT_ONCE as usize;
        self.exhibits.extend(found);
        Ok(if is_complete {
            Next::Nothing
        } else {
            Next::Part
        })
    }

    fn finish_check(&mut self, violations: Vec<String>) {
        self.add(violations);
        self.check += 1;
    }

    fn add(&mut self, violations: Vec<String>) {
        if let Some(result) = self.results.get_mut(self.rule) {
            result.add(violations);
        }
    }

    /// A part with fewer rows than wanted says nothing about their time.
    fn adapt_rows(&mut self, is_full: bool, started: Instant) {
        if is_full {
            self.rows = self.pace.next_rows(self.rows, started.elapsed());
        }
    }
}
