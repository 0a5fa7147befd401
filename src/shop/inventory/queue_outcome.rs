//! The outcomes of queued orders that were not written under their own id.
//!
//! A queued order may be decided by several consumers at the same time, and again after a crash. It
//! is decided under the lock of its stock row: the first decision is stored, as an order with its
//! id or as a row here, and every later consumer finds it. So a caller who was rejected never has
//! an order, even if stock comes back before the entry is acknowledged.

use std::collections::HashMap;

use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::queued_order::QueuedOrder;
use crate::{
    db::{
        dialect, engine,
        entity::{customer_order, queue_outcome},
        retention::{self, ExpiredRows},
        txn::{self, Abort, TxnError, Work},
    },
    model::{Receipt, ShopError},
    shop::{Shop, catalog},
};

/// Outcomes that have been stored for 72 hours, as long as idempotency keys are.
pub const OLD_OUTCOMES: ExpiredRows = ExpiredRows {
    name: "outcomes of queued orders",
    table: "queue_outcome",
    key: "order_id",
    emptied_column: None,
    read_key: retention::read_key::<Uuid>,
    is_expired: |now, age| queue_outcome::Column::DecidedAt.lt(now - age),
    age: time::Duration::hours(72),
};

/// The sentence for the buyer of an order that the database could not write.
const CANNOT_BE_WRITTEN: &str =
    "The shop could not process this order. Nothing was bought; order again.";

/// The incident of an order whose outcome is stored and cannot be read.
const UNREADABLE: &str = "order-outcome-unreadable";

/// See the module's documentation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueueOutcome {
    Refused(ShopError),
    /// Its key was used before, for the order of this receipt.
    SoldAs(Receipt),
}

impl QueueOutcome {
    /// The outcome as the answer to the order.
    pub fn into_answer(self) -> Result<Receipt, ShopError> {
        match self {
            Self::Refused(refusal) => Err(refusal),
            Self::SoldAs(receipt) => Ok(receipt),
        }
    }
}

/// Rejects an order that cannot be written, unless it is decided. Returns false if it is.
pub async fn reject(shop: &Shop, order: &QueuedOrder) -> Result<bool, TxnError> {
    let policy = shop.policy("reject a queued order");
    let order = order.clone();
    txn::run_for_result(&shop.db, policy, move |work| {
        let order = order.clone();
        Box::pin(async move {
            // A consumer that decides the order holds this lock.
            catalog::lock_offers(work, &[order.product_id]).await?;
            let ids = vec![order.order_id];
            if !stored(work.connection(), ids).await?.is_empty() {
                return Ok(false);
            }
            let written = customer_order::Entity::find()
                .filter(customer_order::Column::PublicId.eq(order.order_id))
                .one(work.connection())
                .await?;
            if written.is_some() {
                return Ok(false);
            }
            let refusal = ShopError::InvalidState(CANNOT_BE_WRITTEN.to_owned());
            store(work, vec![(order.order_id, QueueOutcome::Refused(refusal))]).await?;
            Ok(true)
        })
    })
    .await
}

/// Returns the stored outcomes of those of the orders that have one. One that cannot be read is an
/// error for its order alone, which is not decided again.
pub async fn stored<C: ConnectionTrait>(
    connection: &C,
    order_ids: Vec<Uuid>,
) -> Result<HashMap<Uuid, QueueOutcome>, DbErr> {
    let rows = queue_outcome::Entity::find()
        .filter(dialect::uuid_in(queue_outcome::Column::OrderId, order_ids))
        .all(connection)
        .await?;
    let with_id = |row: queue_outcome::Model| (row.order_id, outcome_of(&row));
    Ok(rows.into_iter().map(with_id).collect())
}

/// Reads an outcome. Another version may have stored it in another format.
fn outcome_of(row: &queue_outcome::Model) -> QueueOutcome {
    serde_json::from_str(&row.outcome).unwrap_or_else(|error| {
        tracing::error!(%error, order = %row.order_id, "the outcome of a queued order cannot be read");
        QueueOutcome::Refused(ShopError::Internal {
            incident: UNREADABLE.to_owned(),
        })
    })
}

/// Stores outcomes.
///
/// # Errors
/// [`Abort::Conflict`] if one of the orders has an outcome by now.
pub async fn store(work: &Work, outcomes: Vec<(Uuid, QueueOutcome)>) -> Result<(), Abort> {
    if outcomes.is_empty() {
        return Ok(());
    }
    let mut rows = Vec::with_capacity(outcomes.len());
    for (order_id, outcome) in outcomes {
        let text =
            serde_json::to_string(&outcome).map_err(|error| DbErr::Json(error.to_string()))?;
        rows.push(queue_outcome::ActiveModel {
            order_id: Set(order_id),
            outcome: Set(text),
            decided_at: NotSet,
        });
    }
    let insert = queue_outcome::Entity::insert_many(rows);
    match insert.exec_without_returning(work.connection()).await {
        Err(error) if engine::is_unique_violation(&error) => Err(Abort::Conflict),
        result => Ok(result.map(drop)?),
    }
}
