//! What an administrator does with the gates: seeds them, and reconciles them at once.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use super::{Gates, GatesError, Reconciliation, Seeding, apart, each, read_rows};
use crate::{
    db::{entity::product, txn},
    shop::inventory::gate::LevelWrite,
};

/// Seeds and reconciles the gates; see [`crate::shop::Shop::gate_administration`].
#[derive(Clone, Copy, Debug)]
pub struct GateAdministration<'a> {
    pub(in crate::shop) gates: Gates<'a>,
}

impl GateAdministration<'_> {
    /// Writes the stock row of each product of the shop to its gate, whatever the gate contained. A
    /// purchase does the same for its product when it finds no gate.
    pub async fn seed(self) -> Result<Seeding, GatesError> {
        let gate = self.gates.gate()?;
        let reader = self.gates.shop.db.reader();
        let ids: Vec<i64> = product::Entity::find()
            .select_only()
            .column(product::Column::Id)
            .filter(product::Column::LaneId.is_null())
            .into_tuple()
            .all(reader)
            .await
            .map_err(txn::read_error)?;
        let rows = read_rows(reader, &ids).await;
        let rows = rows.map_err(txn::read_error)?;
        let stored = each(gate, rows, |gate, id, level| async move {
            gate.store_level(id, level, LevelWrite::Always).await
        });
        let (stored, failed) = apart(stored.await);
        self.gates.unless_unavailable(&failed).await?;
        Ok(Seeding {
            seeded: stored.len(),
            failed,
        })
    }

    /// Writes the stock row to each gate that differs, as maintenance does every two seconds.
    /// Returns `None` if a server is at it.
    pub async fn reconcile(self) -> Result<Option<Reconciliation>, GatesError> {
        self.gates.reconcile().await
    }
}
