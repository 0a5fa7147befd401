//! What an administrator does with the gates: seeds them, and reconciles them at once.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use super::{Gates, GatesError, Reconciliation, Seeding, apart, each, read_rows};
use crate::{
    db::{entity::product, txn},
    shop::inventory::gate::Learning,
};

/// Seeds and reconciles the gates; see [`crate::shop::Shop::gate_administration`].
#[derive(Clone, Copy, Debug)]
pub struct GateAdministration<'a> {
    pub(in crate::shop) gates: Gates<'a>,
}

impl GateAdministration<'_> {
    /// Teaches each product of the shop's gate its stock row, whatever the gate knew. A purchase
    /// does the same for its product when it finds no gate.
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
        let learnt = each(gate, rows, |gate, id, level| async move {
            gate.learn(id, level, Learning::Always).await
        });
        let (learnt, failed) = apart(learnt.await);
        self.gates.unless_away(&failed).await?;
        Ok(Seeding {
            seeded: learnt.len(),
            failed,
        })
    }

    /// Teaches each gate that differs its stock row, as maintenance does every two seconds. Returns
    /// `None` if a server is at it.
    pub async fn reconcile(self) -> Result<Option<Reconciliation>, GatesError> {
        self.gates.reconcile().await
    }
}
