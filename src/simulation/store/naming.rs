//! Stores the names and the notes of runs.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
use uuid::Uuid;

use super::{lessons::LESSON_PLANS, stepping::STEPPED};
use crate::{
    db::{
        Db,
        entity::simulation_run,
        txn::{self, Policy, TxnError},
    },
    model::{ShopError, run_label::RunLabel},
    shop::administrator::Administrator,
};

/// Gives a run another name and another note, also while it is in progress.
///
/// # Errors
/// [`ShopError::UnknownSimulation`] inside [`TxnError::Refused`].
pub async fn rename(_: &Administrator, db: &Db, id: Uuid, label: RunLabel) -> Result<(), TxnError> {
    txn::run_for_result(db, Policy::request("rename simulation"), move |work| {
        let label = label.clone();
        Box::pin(async move {
            let renamed = simulation_run::Entity::update_many()
                .col_expr(simulation_run::Column::Name, Expr::value(label.name))
                .col_expr(simulation_run::Column::Note, Expr::value(label.note))
                .filter(simulation_run::Column::Id.eq(id))
                .filter(simulation_run::Column::State.ne(STEPPED))
                .filter(simulation_run::Column::Plan.not_like(LESSON_PLANS))
                .exec(work.connection())
                .await?;
            match renamed.rows_affected {
                0 => Err(ShopError::UnknownSimulation.into()),
                _ => Ok(()),
            }
        })
    })
    .await
}
