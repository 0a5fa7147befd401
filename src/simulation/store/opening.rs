//! Opens a run: stores it with its lanes, and creates the product that each lane sells.

use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    ColumnTrait, DbErr, EntityTrait, QueryFilter,
    sea_query::Expr,
};
use uuid::Uuid;

use super::{OpenedLane, OpenedRun, json::to_json};
use crate::{
    db::{
        Db,
        entity::{product, simulation_lane, simulation_run},
        txn::{self, Abort, Policy, TxnError, Work},
    },
    model::{Currency, RunState, ShopError, SimulationPlan, StrategyKey, plan::Writers},
    shop::{
        catalog,
        idempotency::{self, Claim},
        inventory::layout,
        moment,
    },
    simulation::run_secret::RunSecret,
};

/// The unit price of a private product.
const PRICE_CENTS: i64 = 1_000;

/// The result of opening a run.
#[derive(Clone, Debug)]
pub enum RunOpening {
    New(OpenedRun),
    /// The idempotency key was used before: the run that it opened.
    Existing(Uuid),
}

/// Stores the run `id` (a UUIDv7) and its lanes, each with a private product or a product of the
/// shop. Does so at most once for each idempotency key.
///
/// # Errors
/// [`ShopError::UnknownProduct`] inside [`TxnError::Refused`].
pub async fn open(
    db: &Db,
    id: Uuid,
    plan: &SimulationPlan,
    claim: Option<Claim>,
) -> Result<RunOpening, TxnError> {
    let plan = plan.clone();
    txn::run_for_result(db, Policy::request("open simulation"), move |work| {
        let (plan, claim) = (plan.clone(), claim.clone());
        Box::pin(async move {
            if let Some(known) = idempotency::claim(work, claim.as_ref()).await? {
                return Ok(RunOpening::Existing(known));
            }
            let opened = open_in_txn(work, id, &plan, RunState::Running.as_str()).await?;
            idempotency::record(work, claim.as_ref(), &opened.id).await?;
            Ok(RunOpening::New(opened))
        })
    })
    .await
}

/// Finds the run that was opened with an idempotency key. Waits if that run is being opened.
///
/// # Errors
/// [`ShopError::IdempotencyKeyReused`] inside [`TxnError::Refused`].
pub async fn find_by_key(db: &Db, claim: Claim) -> Result<Option<Uuid>, TxnError> {
    let found = txn::run_for_result(db, Policy::request("look for simulation"), move |work| {
        let claim = claim.clone();
        Box::pin(async move {
            let known: Option<Uuid> = idempotency::claim(work, Some(&claim)).await?;
            // A free key must stay free: the error rolls back the claim.
            known.ok_or_else(|| Abort::from(ShopError::UnknownSimulation))
        })
    })
    .await;
    match found {
        Ok(id) => Ok(Some(id)),
        Err(TxnError::Refused(ShopError::UnknownSimulation)) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) async fn open_in_txn(
    work: &Work,
    id: Uuid,
    plan: &SimulationPlan,
    state: &str,
) -> Result<OpenedRun, Abort> {
    let secret = RunSecret::random();
    let run = insert_run(work, id, to_json(plan)?, state, Some(&secret)).await?;
    let mut lanes = Vec::with_capacity(plan.lane_count());
    for lane in plan.lanes() {
        lanes.push(open_lane(work, plan, run.id, lane).await?);
    }
    Ok(OpenedRun {
        id: run.id,
        secret,
        started_at: moment::in_rfc3339(run.started_at),
        lanes,
    })
}

/// Stores a run that starts now, with its plan as JSON and the hash of its secret, if it has one.
pub(super) async fn insert_run(
    work: &Work,
    id: Uuid,
    plan: String,
    state: &str,
    secret: Option<&RunSecret>,
) -> Result<simulation_run::Model, DbErr> {
    simulation_run::ActiveModel {
        id: Set(id),
        state: Set(state.to_owned()),
        plan: Set(plan),
        verdict: NotSet,
        command: NotSet,
        events: NotSet,
        failure: NotSet,
        started_at: NotSet,
        beat_at: NotSet,
        ended_at: NotSet,
        name: NotSet,
        note: NotSet,
        buyer_secret: Set(secret.map(RunSecret::hash)),
    }
    .insert(work.connection())
    .await
}

async fn open_lane(
    work: &Work,
    plan: &SimulationPlan,
    run_id: Uuid,
    (strategy, writers): (StrategyKey, Option<Writers>),
) -> Result<OpenedLane, Abort> {
    let lane = simulation_lane::ActiveModel {
        id: NotSet,
        run_id: Set(run_id),
        strategy: Set(strategy.to_string()),
        product_id: Set(plan.product_id),
        start: NotSet,
    }
    .insert(work.connection())
    .await?;
    let (product_id, product_name) = match plan.product_id {
        Some(id) => shop_product(work, id).await?,
        None => {
            let new = PrivateProduct {
                name: format!("Lane {}", lane.id),
                description: format!("A private product of the workbench, sold by {strategy}."),
                units: plan.stock,
                strategy,
            };
            private_product(work, lane.id, new).await?
        }
    };
    Ok(OpenedLane {
        id: lane.id,
        strategy,
        writers,
        product_id,
        product_name,
    })
}

async fn shop_product(work: &Work, id: i64) -> Result<(i64, String), Abort> {
    let offer = catalog::offer(work, id).await?;
    if offer.lane_id.is_some() {
        return Err(ShopError::UnknownProduct.into());
    }
    Ok((id, offer.name))
}

/// A product to be created for one lane only, with its stock layout.
pub(super) struct PrivateProduct {
    pub name: String,
    pub description: String,
    pub units: u32,
    pub strategy: StrategyKey,
}

/// Creates the private product of a lane. Returns its id and its name.
pub(super) async fn private_product(
    work: &Work,
    lane_id: i64,
    new: PrivateProduct,
) -> Result<(i64, String), Abort> {
    let product = product::ActiveModel {
        id: NotSet,
        slug: Set(format!("lane-{lane_id}")),
        name: Set(new.name),
        description: Set(new.description),
        category: Set("Workbench".to_owned()),
        artwork: Set("artwork/flash-sale-smartphone.svg".to_owned()),
        price_cents: Set(PRICE_CENTS),
        currency: Set(Currency::EUR.code().to_owned()),
        per_customer_limit: NotSet,
        sale_starts_at: NotSet,
        sale_ends_at: NotSet,
        lane_id: Set(Some(lane_id)),
        compare_at_cents: NotSet,
    }
    .insert(work.connection())
    .await?;
    layout::lay_out(work, product.id, new.units.into(), new.strategy).await?;
    simulation_lane::Entity::update_many()
        .col_expr(simulation_lane::Column::ProductId, Expr::value(product.id))
        .filter(simulation_lane::Column::Id.eq(lane_id))
        .exec(work.connection())
        .await?;
    Ok((product.id, product.name))
}
