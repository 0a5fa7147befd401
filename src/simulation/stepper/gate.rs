//! The gate in front of one actor's statements. It is closed until the attendee lets the actor take
//! its next step.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::future::BoxFuture;
use tokio::sync::{Semaphore, watch};

use super::row_claims::RowClaims;
use crate::{
    db::statement_hook::{
        FollowUp, Halted, StatementHook, StatementResult, StatementText, StockCounters,
    },
    model::{
        Isolation,
        stepper::{Counters, begins_transaction, writes_stock},
    },
};

/// Signals that an actor of the session has changed its state.
pub type ChangeSignal = Arc<watch::Sender<u64>>;

/// What the actor is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ActorPhase {
    /// It runs between two statements.
    Working,
    /// It waits at the gate before this statement.
    Stopped(StatementText),
    /// This statement was sent, and its result has not arrived.
    Sent(StatementText),
    /// It has finished, with a message and whether its purchase succeeded.
    Ended { message: String, succeeded: bool },
}

/// A statement with its result.
#[derive(Clone, Debug)]
pub struct PastStatement {
    /// The step that released it, counted from 1.
    pub step: usize,
    pub statement: StatementText,
    pub waited_for: Vec<usize>,
    pub result: StatementResult,
}

/// The state of an actor.
#[derive(Clone, Debug)]
pub struct GateState {
    pub phase: ActorPhase,
    pub past: Vec<PastStatement>,
    /// The counters that its open transaction has written, by product.
    pub written: BTreeMap<i64, Counters>,
    /// The stock rows that its open transaction has locked, according to its statements.
    pub claims: RowClaims,
    /// Whether a transaction of it is open.
    pub in_transaction: bool,
    step: usize,
    waited_for: BTreeSet<usize>,
}

/// A statement hook that stops its actor before each statement.
#[derive(Debug)]
pub struct StatementGate {
    state: Mutex<GateState>,
    permits: Semaphore,
    changes: ChangeSignal,
    isolation: Option<Isolation>,
    product_ids: Vec<i64>,
}

impl StatementGate {
    /// Creates a closed gate. After the actor has written stock rows, those of `product_ids` are
    /// read.
    pub fn new(
        changes: ChangeSignal,
        isolation: Option<Isolation>,
        product_ids: Vec<i64>,
    ) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(GateState {
                phase: ActorPhase::Working,
                past: Vec::new(),
                written: BTreeMap::new(),
                claims: RowClaims::default(),
                in_transaction: false,
                step: 0,
                waited_for: BTreeSet::new(),
            }),
            permits: Semaphore::new(0),
            changes,
            isolation,
            product_ids,
        })
    }

    /// Returns a copy of the current state.
    pub fn state(&self) -> GateState {
        self.lock().clone()
    }

    /// Releases the statement at the gate as step number `step`. Returns `false` if no statement
    /// waits there.
    pub fn release(&self, step: usize) -> bool {
        let mut state = self.lock();
        let ActorPhase::Stopped(statement) = &state.phase else {
            return false;
        };
        state.phase = ActorPhase::Sent(statement.clone());
        state.step = step;
        state.waited_for.clear();
        drop(state);
        self.permits.add_permits(1);
        true
    }

    /// Records the actors that block this one.
    pub fn record_blockers(&self, actors: impl IntoIterator<Item = usize>) {
        self.lock().waited_for.extend(actors);
    }

    /// Records that the actor has finished.
    pub fn finish(&self, message: String, succeeded: bool) {
        self.change(|state| state.phase = ActorPhase::Ended { message, succeeded });
    }

    /// Lets only a ROLLBACK pass from now on.
    pub fn close(&self) {
        self.permits.close();
    }

    fn change<T>(&self, change: impl FnOnce(&mut GateState) -> T) -> T {
        let changed = change(&mut self.lock());
        self.changes
            .send_modify(|changes| *changes = changes.wrapping_add(1));
        changed
    }

    fn lock(&self) -> MutexGuard<'_, GateState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StatementHook for StatementGate {
    fn isolation_override(&self) -> Option<Isolation> {
        self.isolation
    }

    fn before_statement(&self, statement: StatementText) -> BoxFuture<'_, Result<(), Halted>> {
        Box::pin(async move {
            let rolls_back = statement.sql == "ROLLBACK";
            self.change(|state| state.phase = ActorPhase::Stopped(statement.clone()));
            match self.permits.acquire().await {
                Ok(permit) => {
                    permit.forget();
                    Ok(())
                }
                Err(_) => {
                    self.change(|state| state.phase = ActorPhase::Working);
                    if rolls_back { Ok(()) } else { Err(Halted) }
                }
            }
        })
    }

    fn after_statement(&self, result: StatementResult) -> FollowUp {
        self.change(|state| {
            // A ROLLBACK that passed a closed gate is not a step.
            let ActorPhase::Sent(statement) =
                std::mem::replace(&mut state.phase, ActorPhase::Working)
            else {
                return FollowUp::Nothing;
            };
            let wrote = writes_stock(&statement.sql) && result.has_rows();
            state.claims.record(&statement, &result, &self.product_ids);
            let is_over = matches!(statement.sql.as_str(), "COMMIT" | "ROLLBACK");
            if is_over || matches!(result, StatementResult::Failed { .. }) {
                state.written.clear();
            }
            state.in_transaction =
                !is_over && (state.in_transaction || begins_transaction(&statement.sql));
            state.past.push(PastStatement {
                step: state.step,
                statement,
                waited_for: std::mem::take(&mut state.waited_for).into_iter().collect(),
                result,
            });
            if wrote {
                // The actor counts as working until the stock rows have been read.
                FollowUp::ReadStock(self.product_ids.clone())
            } else {
                FollowUp::Nothing
            }
        })
    }

    fn record_stock(&self, rows: Vec<StockCounters>) {
        self.change(|state| {
            for row in rows {
                state.written.insert(row.product_id, counters(&row));
            }
        });
    }
}

/// Converts a stock row for the page.
pub fn counters(row: &StockCounters) -> Counters {
    Counters {
        total: row.total,
        available: row.available,
        reserved: row.reserved,
        sold: row.sold,
        version: row.version,
    }
}
