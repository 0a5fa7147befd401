//! The gates in Redis as a whole: seeds them from the stock rows, compares them with the rows, and
//! teaches a gate that differs. Any server may do so at any time.

mod comparison;

pub use comparison::{Difference, GateReport};

use std::{collections::HashMap, time::Duration};

use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QuerySelect};

use super::{
    Shop,
    audit::RuleResult,
    inventory::{
        counters::Level,
        gate::{GateState, Learning, StockGate},
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

/// The advisory lock of a reconciliation: an arbitrary number that no other lock uses.
const RECONCILE_LOCK: i64 = 0x6761_7465;
/// How often a server reconciles the gates.
pub const RECONCILE_EVERY: Duration = Duration::from_secs(2);
/// How often the audit looks again at gates that differ: the servers reconcile them meanwhile.
const LOOKS: u32 = 4;

/// Why the gates could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum GatesError {
    #[error("there is no Redis: set REDIS_URL")]
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

/// What a reconciliation did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reconciliation {
    /// The gates that were compared.
    pub compared: usize,
    /// The gates that differed and were taught their row, as they were before.
    pub taught: Vec<GateReport>,
    /// The gates of products that no longer exist, which were removed.
    pub removed: usize,
}

/// Seeds, inspects and reconciles the gates; see [`Shop::gates`].
#[derive(Clone, Copy, Debug)]
pub struct Gates<'a> {
    pub(super) shop: &'a Shop,
}

impl Gates<'_> {
    /// Teaches each product of the shop's gate its stock row, whatever the gate knew. Returns the
    /// number of products. A purchase does the same for its product when it finds no gate.
    pub async fn seed(self) -> Result<usize, GatesError> {
        let gate = self.gate()?;
        let ids: Vec<i64> = product::Entity::find()
            .select_only()
            .column(product::Column::Id)
            .filter(product::Column::LaneId.is_null())
            .into_tuple()
            .all(self.shop.db.reader())
            .await
            .map_err(txn::read_error)?;
        let rows = read_rows(self.shop.db.reader(), &ids).await;
        let rows = rows.map_err(txn::read_error)?;
        for (id, level) in &rows {
            gate.learn(*id, *level, Learning::Always).await?;
        }
        Ok(rows.len())
    }

    /// Compares the gates that were used in the last hour with their rows.
    pub async fn inspect(self) -> Result<Vec<GateReport>, GatesError> {
        let states = self.read_gates().await?;
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
        Ok(states.iter().map(report).collect())
    }

    /// Teaches each gate that differs its stock row. Returns `None` if another server is at it.
    pub async fn reconcile(self) -> Result<Option<Reconciliation>, GatesError> {
        let gate = self.gate()?;
        // Before the rows, so that a row is as new as its gate.
        let states = self.read_gates().await?;
        if states.is_empty() {
            return Ok(Some(Reconciliation::default()));
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
        let mut done = Reconciliation {
            compared: states.len(),
            ..Reconciliation::default()
        };
        for (id, state) in states {
            let Some(row) = rows.get(&id).copied() else {
                gate.forget(id).await?;
                done.removed += 1;
                continue;
            };
            let report = GateReport::of(id, String::new(), state, Some(row));
            let Some(difference) = report.difference else {
                continue;
            };
            gate.learn(id, row, difference.learning()).await?;
            done.taught.push(report);
        }
        Ok(Some(done))
    }

    /// Checks the rule of the audit about the gates. A purchase may change row and gate between two
    /// looks, so only a gate that differs in each of several looks violates it.
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
        Ok(RuleResult {
            rule: "gates-within-rows".to_owned(),
            requirement: "A gate in Redis lets through no more units than its stock row and its \
                          leases have."
                .to_owned(),
            violations: violations.len(),
            listed: violations.into_iter().map(|(_, text)| text).collect(),
        })
    }

    async fn violations(self) -> Result<Vec<(i64, String)>, GatesError> {
        let reports = self.inspect().await?;
        let violating = reports.iter().filter(|report| report.is_violation());
        Ok(violating
            .map(|report| (report.product_id, report.to_string()))
            .collect())
    }

    fn gate(&self) -> Result<&StockGate, GatesError> {
        self.shop.gate().ok_or(GatesError::NoRedis)
    }

    async fn read_gates(self) -> Result<Vec<(i64, GateState)>, GatesError> {
        let gate = self.gate()?;
        let mut states = Vec::new();
        for id in gate.products().await? {
            if let Some(state) = gate.inspect(id).await? {
                states.push((id, state));
            }
        }
        Ok(states)
    }
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
