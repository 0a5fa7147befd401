//! What the database says about a run's units now, statement by statement, all of one moment.

use std::time::Duration;

use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder};
use uuid::Uuid;

use super::find;
use crate::{
    db::{
        Db, dialect,
        entity::{product, simulation_lane},
        txn::{self, Abort, Policy, TxnError, Work},
    },
    model::ShopError,
    shop::{
        audit::{self, AuditReport},
        moment,
    },
    simulation::certificate::{Answered, Audited, Certificate, Evidence, Question},
};

/// With the audit in the same snapshot. Beyond it, the page would come too late.
const WHOLE_DEADLINE: Duration = Duration::from_secs(3);
/// Without the audit: a few rows.
const LANES_DEADLINE: Duration = Duration::from_millis(1_500);

/// What is asked of each lane's product, `$1`, and lane, `$2`. Each part of the equation has a source of its own: ledger, stock row, holds
/// and order lines are written by different statements, so that they agree only if no unit was lost between them.
const QUESTIONS: [Question; 4] = [
    Question {
        says: "What came in, by the ledger",
        sql: "SELECT coalesce(sum(quantity), 0)::bigint AS initial\nFROM stock_movement\nWHERE product_id = $1 AND kind IN ('receive', 'adjust')",
        columns: &["initial"],
        names_lane: false,
    },
    Question {
        says: "What the stock row has",
        sql: "SELECT available AS remaining, reserved, sold\nFROM stock_level\nWHERE product_id = $1",
        columns: &["remaining", "reserved", "sold"],
        names_lane: false,
    },
    Question {
        says: "What is held, by the holds that stand",
        sql: "SELECT coalesce(sum(quantity), 0)::bigint AS held\nFROM hold\nWHERE product_id = $1 AND state = 'held'",
        columns: &["held"],
        names_lane: false,
    },
    Question {
        says: "What was sold, by the order lines",
        sql: "SELECT coalesce(sum(l.quantity - l.returned_quantity) FILTER (WHERE o.lane_id = $2), 0)::bigint AS sold_by_run,\n       coalesce(sum(l.quantity - l.returned_quantity) FILTER (WHERE o.lane_id IS DISTINCT FROM $2), 0)::bigint AS sold_to_others\nFROM order_line l\nJOIN customer_order o ON o.id = l.order_id AND o.status IN ('placed', 'paid')\nWHERE l.product_id = $1",
        columns: &["sold_by_run", "sold_to_others"],
        names_lane: true,
    },
];

/// Asks for everything that a certificate of the run says.
///
/// # Errors
/// [`ShopError::UnknownSimulation`]; what a database failure means.
pub async fn certify(db: &Db, id: Uuid) -> Result<Certificate, ShopError> {
    let run = find(db, id).await?;
    let server = super::server(db).await?;
    let (answers, audited) = match ask(db, id, true).await {
        Ok((answers, Some(report))) => (answers, Audited::Now(report)),
        // Too much has been sold to go through all of it while a page is waiting.
        Ok(_) | Err(TxnError::DeadlinePassed { .. }) => {
            let (answers, _) = ask(db, id, false).await?;
            let last = audit::last(db).await?;
            (answers, last.map_or(Audited::Never, Audited::Earlier))
        }
        Err(error) => return Err(error.into()),
    };
    Ok(Certificate::of(run, server, answers, audited))
}

type Answers = (Vec<Option<Evidence>>, Option<AuditReport>);

async fn ask(db: &Db, id: Uuid, with_audit: bool) -> Result<Answers, TxnError> {
    let deadline = if with_audit {
        WHOLE_DEADLINE
    } else {
        LANES_DEADLINE
    };
    let policy = Policy::snapshot("certificate", deadline);
    txn::run_for_result(db, policy, move |work| {
        Box::pin(async move {
            let lanes = simulation_lane::Entity::find()
                .filter(simulation_lane::Column::RunId.eq(id))
                .order_by_asc(simulation_lane::Column::Id)
                .all(work.connection())
                .await?;
            let mut answers = Vec::with_capacity(lanes.len());
            for lane in &lanes {
                answers.push(evidence(work, lane).await?);
            }
            let report = match with_audit {
                true => Some(audit::report(work).await?),
                false => None,
            };
            Ok((answers, report))
        })
    })
    .await
}

/// None when the lane's product is there no more.
async fn evidence(work: &Work, lane: &simulation_lane::Model) -> Result<Option<Evidence>, Abort> {
    let Some(product_id) = lane.product_id else {
        return Ok(None);
    };
    let product = product::Entity::find_by_id(product_id);
    let Some(product) = product.one(work.connection()).await? else {
        return Ok(None);
    };
    let mut answers = Vec::with_capacity(QUESTIONS.len());
    for question in QUESTIONS {
        let Some(answer) = answer(work, question, product_id, lane.id).await? else {
            return Ok(None);
        };
        answers.push(answer);
    }
    Ok(Some(Evidence {
        product_name: product.name,
        is_private: product.lane_id.is_some(),
        at: moment::in_utc(dialect::now(work.connection()).await?),
        answers,
    }))
}

async fn answer(
    work: &Work,
    question: Question,
    product_id: i64,
    lane_id: i64,
) -> Result<Option<Answered>, DbErr> {
    let mut parameters = vec![product_id];
    if question.names_lane {
        parameters.push(lane_id);
    }
    let values = parameters.iter().map(|value| sea_orm::Value::from(*value));
    let statement = dialect::statement(question.sql, values);
    let Some(row) = work.connection().query_one_raw(statement).await? else {
        return Ok(None);
    };
    let figures = question
        .columns
        .iter()
        .map(|column| Ok((*column, row.try_get::<i64>("", column)?)));
    Ok(Some(Answered {
        question,
        parameters,
        figures: figures.collect::<Result<_, DbErr>>()?,
    }))
}
