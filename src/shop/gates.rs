//! The gates in Redis as a whole: seeds them from the stock rows, compares them with the rows, and
//! writes the row to a gate that differs. Any server may do so at any time.

mod administration;
mod comparison;
mod one_product;

pub use administration::GateAdministration;
pub use comparison::{Difference, GateReport};
pub use one_product::ProductInspection;

use std::{collections::HashMap, fmt, time::Duration};

use futures::{StreamExt, stream};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QuerySelect};

use super::{
    Shop,
    audit::{RuleResult, rules::Rule},
    inventory::{
        counters::Level,
        gate::{GateState, StockGate},
    },
};
use crate::{
    db::{
        dialect,
        entity::{product, stock},
        txn::{self, TxnError},
    },
    model::{ShopError, StockLayout},
    redis::Unavailable,
};

/// The rule of the audit about the gates.
pub const RULE: Rule = Rule {
    name: "gates-within-rows",
    requirement: "A gate in Redis lets through no more units than its stock row and its leases \
                  have.",
    checks: &[],
};
/// The advisory lock of a reconciliation: an arbitrary number that no other lock uses. It saves
/// work only: a gate that two servers teach at the same time has learned its row twice.
const RECONCILE_LOCK: i64 = 0x6761_7465;
/// How often a server reconciles the gates.
pub const RECONCILE_EVERY: Duration = Duration::from_secs(2);
/// How often the audit looks again at gates that differ: the servers reconcile them meanwhile.
const LOOKS: u32 = 4;

/// How many gates are read or written at the same time: each call waits for the network.
const AT_ONCE: usize = 16;

/// Why the gates could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum GatesError {
    #[error("this needs Redis: set REDIS_URL")]
    NoRedis,
    #[error(transparent)]
    Redis(#[from] Unavailable),
    #[error(transparent)]
    Shop(#[from] ShopError),
}

impl From<TxnError> for GatesError {
    fn from(error: TxnError) -> Self {
        Self::Shop(error.into())
    }
}

/// A gate that could not be read or written, although Redis answers. The others were.
#[derive(Clone, Debug)]
pub struct GateFailure {
    pub product_id: i64,
    pub reason: Unavailable,
}

impl fmt::Display for GateFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "product {}: {}", self.product_id, self.reason)
    }
}

/// What seeding did.
#[derive(Clone, Debug, Default)]
pub struct Seeding {
    /// The number of gates to which their row was written.
    pub seeded: usize,
    pub failed: Vec<GateFailure>,
}

/// The gates beside their rows.
#[derive(Clone, Debug, Default)]
pub struct Inspection {
    pub gates: Vec<GateReport>,
    /// The gates that cannot be read. They let nothing through: purchases go to the row.
    pub failed: Vec<GateFailure>,
}

/// What a reconciliation did.
#[derive(Clone, Debug, Default)]
pub struct Reconciliation {
    /// The gates that were compared.
    pub compared: usize,
    /// The gates that differed and were reconciled, as they were before.
    pub reconciled: Vec<GateReport>,
    /// The gates of products that no longer exist, which were removed.
    pub removed: usize,
    /// The gates that could not be read or written.
    pub failed: Vec<GateFailure>,
}

/// What a reconciliation does with a gate.
enum Act {
    Forget,
    Store(Level, GateReport, Difference),
}

/// Inspects the gates, and reconciles them for maintenance; see [`Shop::gates`].
#[derive(Clone, Copy, Debug)]
pub struct Gates<'a> {
    pub(super) shop: &'a Shop,
}

impl Gates<'_> {
    /// Compares the gates that were used in the last hour with their rows.
    pub async fn inspect(self) -> Result<Inspection, GatesError> {
        let (states, failed) = self.read_gates().await?;
        let ids: Vec<i64> = states.iter().map(|(id, _)| *id).collect();
        let reader = self.shop.db.reader();
        let rows = read_rows(reader, &ids).await.map_err(txn::read_error)?;
        let names: Vec<(i64, String)> = product::Entity::find()
            .select_only()
            .columns([product::Column::Id, product::Column::Name])
            .filter(dialect::column_in(product::Column::Id, &ids))
            .into_tuple()
            .all(reader)
            .await
            .map_err(txn::read_error)?;
        let names: HashMap<i64, String> = names.into_iter().collect();
        let report = |(id, state): &(i64, GateState)| {
            let name = names.get(id).cloned().unwrap_or_default();
            GateReport::of(*id, name, *state, rows.get(id).copied())
        };
        Ok(Inspection {
            gates: states.iter().map(report).collect(),
            failed,
        })
    }

    /// Writes the stock row to each gate that differs, also if another one cannot be written.
    /// Returns `None` if another server does so at this moment. For maintenance; a person needs
    /// [`Shop::gate_administration`].
    pub(crate) async fn reconcile(self) -> Result<Option<Reconciliation>, GatesError> {
        let gate = self.gate()?;
        // Before the rows, so that a row is as new as its gate.
        let (states, mut failed) = self.read_gates().await?;
        if states.is_empty() {
            return Ok(Some(Reconciliation {
                failed,
                ..Reconciliation::default()
            }));
        }
        let ids: Vec<i64> = states.iter().map(|(id, _)| *id).collect();
        let policy = self.shop.policy("reconcile stock gates");
        let rows = txn::run_for_result(&self.shop.db, policy, move |work| {
            let ids = ids.clone();
            Box::pin(async move {
                let connection = work.connection();
                let is_first =
                    dialect::try_advisory_lock_in_transaction(connection, RECONCILE_LOCK).await?;
                Ok(match is_first {
                    true => Some(read_rows(connection, &ids).await?),
                    false => None,
                })
            })
        })
        .await?;
        let Some(rows) = rows else {
            return Ok(None);
        };
        let compared = states.len();
        let acts = states.into_iter().filter_map(|(id, state)| {
            let Some(row) = rows.get(&id).copied() else {
                return Some((id, Act::Forget));
            };
            let report = GateReport::of(id, String::new(), state, Some(row));
            let difference = report.difference?;
            Some((id, Act::Store(row, report, difference)))
        });
        let done = each(gate, acts, |gate, id, act| async move {
            match act {
                Act::Forget => gate.forget(id).await.map(|()| None),
                Act::Store(row, report, difference) => {
                    let stored = gate.store_level(id, row, difference.level_write()).await;
                    stored.map(|()| Some(report))
                }
            }
        });
        let (done, not_done) = apart(done.await);
        failed.extend(not_done);
        self.unless_unavailable(&failed).await?;
        let acts = done.len();
        let reconciled: Vec<_> = done.into_iter().filter_map(|(_, report)| report).collect();
        Ok(Some(Reconciliation {
            compared,
            removed: acts - reconciled.len(),
            reconciled,
            failed,
        }))
    }

    /// Checks [`RULE`]. A purchase may change row and gate between two looks, so only a gate that
    /// differs in each of several looks violates it.
    pub async fn audit(self) -> Result<RuleResult, GatesError> {
        let mut violations = self.violations().await?;
        for _ in 1..LOOKS {
            if violations.is_empty() {
                break;
            }
            tokio::time::sleep(RECONCILE_EVERY).await;
            let again = self.violations().await?;
            violations.retain(|(id, _)| again.iter().any(|(other, _)| other == id));
        }
        let mut result = RuleResult::of(&RULE);
        result.add(violations.into_iter().map(|(_, text)| text).collect());
        Ok(result)
    }

    async fn violations(self) -> Result<Vec<(i64, String)>, GatesError> {
        let inspected = self.inspect().await?;
        let violating = inspected.gates.iter();
        let violating = violating.filter(|report| report.is_violation());
        Ok(violating
            .map(|report| (report.product_id, report.to_string()))
            .collect())
    }

    fn gate(&self) -> Result<&StockGate, GatesError> {
        self.shop.gate().ok_or(GatesError::NoRedis)
    }

    /// Reads the gates that were used in the last hour.
    async fn read_gates(self) -> Result<(Vec<(i64, GateState)>, Vec<GateFailure>), GatesError> {
        let gate = self.gate()?;
        let ids = gate.products().await?;
        let asked = ids.into_iter().map(|id| (id, ()));
        let read = each(
            gate,
            asked,
            |gate, id, ()| async move { gate.inspect(id).await },
        );
        let (read, failed) = apart(read.await);
        self.unless_unavailable(&failed).await?;
        let read = read.into_iter();
        let states = read.filter_map(|(id, state)| Some((id, state?)));
        Ok((states.collect(), failed))
    }

    /// # Errors
    /// [`GatesError::Redis`] if gates have failed and Redis is unavailable: then all of them would.
    async fn unless_unavailable(self, failed: &[GateFailure]) -> Result<(), GatesError> {
        if !failed.is_empty() {
            self.gate()?.redis().incarnation().await?;
        }
        Ok(())
    }
}

/// Calls Redis for each product, [`AT_ONCE`] at a time, in their order. A call that fails keeps no
/// other one from being made.
async fn each<I, T, F>(
    gate: &StockGate,
    products: impl IntoIterator<Item = (i64, I)>,
    call: impl Fn(StockGate, i64, I) -> F,
) -> Vec<(i64, Result<T, Unavailable>)>
where
    F: Future<Output = Result<T, Unavailable>>,
{
    let calls = products.into_iter().map(|(id, input)| {
        let answer = call(gate.clone(), id, input);
        async move { (id, answer.await) }
    });
    let calls: Vec<_> = calls.collect();
    // While a connection is opened, all calls but one are refused. If it cannot be opened, each
    // call says why.
    let _ = gate.redis().incarnation().await;
    stream::iter(calls).buffered(AT_ONCE).collect().await
}

/// Divides the results into those of the calls that succeeded, and the failures.
fn apart<T>(results: Vec<(i64, Result<T, Unavailable>)>) -> (Vec<(i64, T)>, Vec<GateFailure>) {
    let (mut done, mut failed) = (Vec::with_capacity(results.len()), Vec::new());
    for (product_id, result) in results {
        match result {
            Ok(value) => done.push((product_id, value)),
            Err(reason) => failed.push(GateFailure { product_id, reason }),
        }
    }
    (done, failed)
}

/// Reads the levels of those of the products `ids` whose stock is a single row.
async fn read_rows<C: sea_orm::ConnectionTrait>(
    connection: &C,
    ids: &[i64],
) -> Result<HashMap<i64, Level>, DbErr> {
    let rows = stock::Entity::find()
        .filter(dialect::column_in(stock::Column::ProductId, ids))
        .filter(stock::Column::Layout.eq(StockLayout::Row.as_str()))
        .all(connection)
        .await?;
    Ok(rows
        .iter()
        .map(|row| (row.product_id, Level::of(row)))
        .collect())
}
