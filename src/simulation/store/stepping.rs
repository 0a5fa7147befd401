//! Stores what a stepper session needs: private products, as in a run, and the changed times of the
//! story about a late payment.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
use time::Duration;
use uuid::Uuid;

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

/// The state of the run row of a stepper session, which has lanes but neither buyers nor a verdict.
pub(super) const STEPPED: &str = "stepped";

/// The lanes of a stepper session and their products.
#[derive(Clone, Debug)]
pub struct SteppedLanes {
    pub run: OpenedRun,
    /// One for each lane.
    pub offers: Vec<Offer>,
}

/// Stores the lanes of a session, each with a private product.
pub async fn open_stepped(db: &Db, plan: SimulationPlan) -> Result<SteppedLanes, TxnError> {
    txn::run_for_result(db, Policy::request("open stepper"), move |work| {
        let plan = plan.clone();
        Box::pin(async move {
            let run = opening::open_in_txn(work, Uuid::now_v7(), &plan, STEPPED).await?;
            let mut offers = Vec::with_capacity(run.lanes.len());
            for lane in &run.lanes {
                offers.push(catalog::offer(work, lane.product_id).await?);
            }
            Ok(SteppedLanes { run, offers })
        })
    })
    .await
}

/// Moves the times of an order's payment and its hold into the future, so that the shop's
/// maintenance does not interfere with the story.
pub async fn postpone_deadlines(work: &Work, order_id: i64, by: Duration) -> Result<(), Abort> {
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

/// Lets the holds of an order expire now.
pub async fn expire_holds(work: &Work, order_id: i64) -> Result<(), Abort> {
    hold::Entity::update_many()
        .col_expr(hold::Column::ExpiresAt, Expr::current_timestamp())
        .filter(hold::Column::OrderId.eq(order_id))
        .exec(work.connection())
        .await?;
    Ok(())
}
