//! Stores the lessons (regression cards). Playing a lesson is stored as a run with a special plan,
//! so its private products are listed, kept and deleted like those of every other run, and its
//! result survives a restart and is visible on every server.

use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    sea_query::Expr,
};
use serde::Serialize;
use uuid::Uuid;

use super::{
    json::{from_json, to_json},
    opening::{self, PrivateProduct},
};
use crate::{
    db::{
        Db, dialect,
        entity::{simulation_lane, simulation_run},
        txn::{self, Abort, Policy, TxnError, Work},
    },
    model::{LessonKey, LessonResult, LessonRun, RunState, ShopError, StrategyKey},
    shop::{
        idempotency::{self, Claim},
        moment,
    },
};

/// A `LIKE` pattern for the plans of lessons, which the pages about simulations leave out.
pub(super) const LESSON_PLANS: &str = "{\"lesson\"%";
/// The prefix of a lesson's discount code; the id of its lane and a random number follow.
const CODE_PREFIX: &str = "LESSON-";

/// The JSON that a lesson stores in place of a simulation's plan.
#[derive(Serialize)]
struct LessonPlan {
    lesson: LessonKey,
}

fn plan_of(lesson: LessonKey) -> Result<String, sea_orm::DbErr> {
    to_json(&LessonPlan { lesson })
}

/// The result of opening a lesson.
#[derive(Clone, Copy, Debug)]
pub enum LessonOpening {
    New(Uuid),
    /// The idempotency key was used before: the first request plays the lesson.
    Existing,
}

/// Stores that a lesson is being played, at most once for each idempotency key.
pub async fn open_lesson(
    db: &Db,
    lesson: LessonKey,
    claim: Option<Claim>,
) -> Result<LessonOpening, TxnError> {
    txn::run_for_result(db, Policy::request("open lesson"), move |work| {
        let claim = claim.clone();
        Box::pin(async move {
            let known: Option<Uuid> = idempotency::claim(work, claim.as_ref()).await?;
            if known.is_some() {
                return Ok(LessonOpening::Existing);
            }
            let state = RunState::Running.as_str();
            let run =
                opening::insert_run(work, Uuid::now_v7(), plan_of(lesson)?, state, None).await?;
            idempotency::record(work, claim.as_ref(), &run.id).await?;
            Ok(LessonOpening::New(run.id))
        })
    })
    .await
}

/// Stores the result of a lesson, or why it failed. The key of a lesson that failed is free again,
/// so that the same form plays it again.
pub async fn close_lesson(
    db: &Db,
    id: Uuid,
    result: Result<LessonResult, String>,
    claim: Option<Claim>,
) -> Result<(), TxnError> {
    txn::run_for_result(db, Policy::request("close lesson"), move |work| {
        let (result, claim) = (result.clone(), claim.clone());
        Box::pin(async move {
            let (state, verdict, failure) = match result {
                Ok(result) => (RunState::Finished, Some(to_json(&result)?), None),
                Err(failure) => (RunState::Failed, None, Some(failure)),
            };
            if let (RunState::Failed, Some(claim)) = (state, claim) {
                idempotency::free(work, claim.key()).await?;
            }
            simulation_run::Entity::update_many()
                .col_expr(simulation_run::Column::State, Expr::value(state.as_str()))
                .col_expr(simulation_run::Column::Verdict, Expr::value(verdict))
                .col_expr(simulation_run::Column::Failure, Expr::value(failure))
                .col_expr(simulation_run::Column::EndedAt, Expr::current_timestamp())
                .filter(simulation_run::Column::Id.eq(id))
                .exec(work.connection())
                .await?;
            Ok(())
        })
    })
    .await
}

/// Reads the last result of each lesson that has one, in the order of the cards.
pub async fn last_lessons(db: &Db) -> Result<Vec<LessonRun>, ShopError> {
    let mut lessons = Vec::new();
    for lesson in LessonKey::ALL {
        let run = simulation_run::Entity::find()
            .filter(simulation_run::Column::Plan.eq(plan_of(lesson).map_err(txn::read_error)?))
            .filter(simulation_run::Column::State.eq(RunState::Finished.as_str()))
            .order_by_desc(simulation_run::Column::Id)
            .one(db.reader())
            .await
            .map_err(txn::read_error)?;
        // A result in an older format is ignored.
        let kept = run.and_then(|run| {
            let result = from_json(run.verdict.as_deref()?).ok()?;
            Some((run.started_at, result))
        });
        lessons.extend(kept.map(|(started_at, result)| LessonRun {
            lesson,
            played_at: moment::in_utc(started_at),
            result,
        }));
    }
    Ok(lessons)
}

/// A private product to be created for a lesson.
#[derive(Clone, Copy, Debug)]
pub struct NewLessonProduct {
    pub name: &'static str,
    pub units: u32,
    /// False for an exhibit: its stock has no constraints, and the audit lists its lost units.
    pub guarded: bool,
}

/// A private product of a lesson.
#[derive(Clone, Debug)]
pub struct LessonProduct {
    pub lane_id: i64,
    pub product_id: i64,
}

/// Creates a private product for the lesson of run `id`, on its own lane.
pub async fn add_lesson_product(
    db: &Db,
    id: Uuid,
    lesson: LessonKey,
    new: NewLessonProduct,
) -> Result<LessonProduct, TxnError> {
    txn::run_for_result(db, Policy::request("add product of lesson"), move |work| {
        Box::pin(add_lesson_product_in_txn(work, id, lesson, new))
    })
    .await
}

async fn add_lesson_product_in_txn(
    work: &Work,
    id: Uuid,
    lesson: LessonKey,
    new: NewLessonProduct,
) -> Result<LessonProduct, Abort> {
    let lane = simulation_lane::ActiveModel {
        id: NotSet,
        run_id: Set(id),
        strategy: Set(lane_name(lesson)),
        product_id: NotSet,
        start: NotSet,
    }
    .insert(work.connection())
    .await?;
    // Both strategies use a plain stock row; only the exhibit's has no constraints.
    let strategy = if new.guarded {
        StrategyKey::RowLock
    } else {
        StrategyKey::Unguarded
    };
    let product = PrivateProduct {
        name: new.name.to_owned(),
        description: format!("A private product of the lesson {lesson}."),
        units: new.units,
        strategy,
    };
    let (product_id, _) = opening::private_product(work, lane.id, product).await?;
    Ok(LessonProduct {
        lane_id: lane.id,
        product_id,
    })
}

/// Returns the name under which the audit lists an exhibit of `lesson`.
fn lane_name(lesson: LessonKey) -> String {
    format!("lesson {lesson}")
}

/// The stock of a lesson's product at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromQueryResult)]
pub struct LessonStock {
    /// Units received.
    pub total: i64,
    /// Units that can be bought, by the counter in the stock row.
    pub available: i64,
    /// Reserved units, by the counter in the stock row.
    pub reserved: i64,
    /// Units sold, by the counter in the stock row.
    pub sold: i64,
    /// Units on the lines of placed and paid orders.
    pub ordered: i64,
}

/// Reads a [`LessonStock`] in one statement, so that all its numbers are of the same moment.
///
/// # Errors
/// [`ShopError::UnknownProduct`].
pub async fn read_lesson_stock(db: &Db, product_id: i64) -> Result<LessonStock, ShopError> {
    let ordered = dialect::integer("coalesce(sum(l.quantity), 0)");
    let sql = format!(
        "SELECT s.total, s.available, s.reserved, s.sold, \
           (SELECT {ordered} FROM order_line l \
            JOIN customer_order o ON o.id = l.order_id AND o.status IN ('placed', 'paid') \
            WHERE l.product_id = s.product_id) AS ordered \
         FROM stock_level s WHERE s.product_id = $1"
    );
    let row = db
        .reader()
        .query_one_raw(dialect::statement(&sql, [product_id.into()]))
        .await
        .map_err(txn::read_error)?
        .ok_or(ShopError::UnknownProduct)?;
    LessonStock::from_query_result(&row, "").map_err(txn::read_error)
}

/// Returns a new discount code for a lesson's product. It is random: with a code that can be
/// guessed, a shopper could use it up and change the lesson's result.
pub fn new_lesson_code(product: &LessonProduct) -> String {
    format!(
        "{CODE_PREFIX}{}-{:016X}",
        product.lane_id,
        rand::random::<u64>()
    )
}

/// Builds the statements that delete the orders of the lesson about codes in the run `$1`, and then
/// the codes. They need one transaction: the audit compares a code with the orders that used it.
pub(super) fn delete_codes_sql() -> Vec<String> {
    let lane = lane_name(LessonKey::CouponTwice);
    let lanes =
        format!("SELECT l.id FROM simulation_lane l WHERE l.run_id = $1 AND l.strategy = '{lane}'");
    let products = format!("SELECT p.id FROM product p WHERE p.lane_id IN ({lanes})");
    vec![
        format!(
            "DELETE FROM stock_movement WHERE order_id IS NOT NULL AND product_id IN ({products})"
        ),
        format!(
            "DELETE FROM customer_order WHERE id IN \
               (SELECT order_id FROM order_line WHERE product_id IN ({products}))"
        ),
        format!(
            "DELETE FROM discount_code WHERE EXISTS \
               (SELECT 1 FROM ({lanes}) AS own \
                WHERE discount_code.code = concat('{CODE_PREFIX}', own.id) \
                   OR discount_code.code LIKE concat('{CODE_PREFIX}', own.id, '-%')) \
             AND NOT EXISTS (SELECT 1 FROM discount_use u WHERE u.code = discount_code.code)"
        ),
    ]
}
