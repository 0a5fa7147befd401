//! The ground on which a session of the stepper stands: private products, as a run has them, and what a late payment needs.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
use time::Duration;

use super::{OpenedRun, opening};
use crate::{
    db::{
        Db, dialect,
        entity::{hold, payment},
        txn::{self, Abort, Policy, TxnError, Work},
    },
    model::SimulationPlan,
    shop::catalog::{self, Offer},
};

/// The state of a run that is none: it has lanes, and neither crowd nor verdict.
pub(super) const STEPPED: &str = "stepped";

/// What a session has to sell.
#[derive(Clone, Debug)]
pub struct SteppedGround {
    pub run: OpenedRun,
    /// One a lane.
    pub offers: Vec<Offer>,
}

/// Writes the lanes of a session, each with a private product.
///
/// # Errors
/// What the database says.
pub async fn open_stepped(db: &Db, plan: SimulationPlan) -> Result<SteppedGround, TxnError> {
    txn::run_for_result(db, Policy::request("open stepper"), move |work| {
        let plan = plan.clone();
        Box::pin(async move {
            let run = opening::open_in_txn(work, &plan, STEPPED).await?;
            let mut offers = Vec::with_capacity(run.lanes.len());
            for lane in &run.lanes {
                offers.push(catalog::offer(work, lane.product_id).await?);
            }
            Ok(SteppedGround { run, offers })
        })
    })
    .await
}

/// Dates the payment of an order and its hold so far ahead that the shop's own housekeeping leaves them to the story.
///
/// # Errors
/// What the database says.
pub async fn date_ahead(work: &Work, order_id: i64, by: Duration) -> Result<(), Abort> {
    let then = dialect::now(work.connection()).await? + by;
    payment::Entity::update_many()
        .col_expr(payment::Column::CreatedAt, Expr::value(then))
        .col_expr(payment::Column::AskAt, Expr::value(then))
        .filter(payment::Column::OrderId.eq(order_id))
        .exec(work.connection())
        .await?;
    hold::Entity::update_many()
        .col_expr(hold::Column::ExpiresAt, Expr::value(then))
        .filter(hold::Column::OrderId.eq(order_id))
        .exec(work.connection())
        .await?;
    Ok(())
}

/// Has the time of an order's holds be over.
///
/// # Errors
/// What the database says.
pub async fn turn_clock(work: &Work, order_id: i64) -> Result<(), Abort> {
    hold::Entity::update_many()
        .col_expr(hold::Column::ExpiresAt, Expr::current_timestamp())
        .filter(hold::Column::OrderId.eq(order_id))
        .exec(work.connection())
        .await?;
    Ok(())
}
