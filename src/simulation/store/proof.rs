//! Reads the evidence of a certificate: each figure with its own statement, all from one database
//! snapshot.

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
    model::{DatabaseEngine, ShopError},
    shop::{
        audit::{self, AuditReport, LatestAudit, Stored},
        moment,
    },
    simulation::certificate::{Certificate, CertificateAudit, Evidence, ProofQuery, ProofResult},
};

/// The deadline with the audit in the same snapshot: longer than this, a page should not wait.
const WHOLE_DEADLINE: Duration = Duration::from_secs(3);
/// If the last full audit took longer, in milliseconds, none is run while a page waits.
const QUICK_AUDIT_MAX_MS: u64 = 1_000;
/// The deadline without the audit, when only a few rows are read.
const LANES_DEADLINE: Duration = Duration::from_millis(1_500);

/// Returns the questions about each lane, with the product as `$1` and the lane as `$2`. Each part
/// of the equation has its own source: ledger, stock row, holds and order lines are written by
/// different statements, so they agree only if no unit was lost between them.
fn questions() -> [ProofQuery; 4] {
    let sum = |units: &str| dialect::integer(&format!("coalesce(sum({units}), 0)"));
    let (received, held) = (sum("quantity"), sum("quantity"));
    let sold = "l.quantity - l.returned_quantity";
    let sold_by_run = sum(&format!("CASE WHEN o.lane_id = $2 THEN {sold} ELSE 0 END"));
    let sold_to_others = sum(&format!("CASE WHEN o.lane_id = $2 THEN 0 ELSE {sold} END"));
    [
        ProofQuery {
            description: "Units received, from the ledger",
            sql: format!(
                "SELECT {received} AS initial\n\
                 FROM stock_movement\n\
                 WHERE product_id = $1 AND kind IN ('receive', 'adjust')"
            ),
            columns: &["initial"],
            uses_lane: false,
        },
        ProofQuery {
            description: "Units in the stock row",
            sql: "SELECT available AS remaining, reserved, sold\n\
                  FROM stock_level\n\
                  WHERE product_id = $1"
                .to_owned(),
            columns: &["remaining", "reserved", "sold"],
            uses_lane: false,
        },
        ProofQuery {
            description: "Units reserved, from the active holds",
            sql: format!(
                "SELECT {held} AS held\n\
                 FROM hold\n\
                 WHERE product_id = $1 AND state = 'held'"
            ),
            columns: &["held"],
            uses_lane: false,
        },
        ProofQuery {
            description: "Units sold, from the order lines",
            sql: format!(
                "SELECT {sold_by_run} AS sold_by_run,\n       {sold_to_others} AS sold_to_others\n\
                 FROM order_line l\n\
                 JOIN customer_order o ON o.id = l.order_id AND o.status IN ('placed', 'paid')\n\
                 WHERE l.product_id = $1"
            ),
            columns: &["sold_by_run", "sold_to_others"],
            uses_lane: true,
        },
    ]
}

/// Reads the evidence for the certificate of a run.
///
/// # Errors
/// [`ShopError::UnknownSimulation`].
pub async fn certify(db: &Db, id: Uuid) -> Result<Certificate, ShopError> {
    let run = find(db, id).await?;
    let server = super::server(db).await?;
    let last = audit::latest(db, Stored::Full).await?;
    let is_quick = last
        .as_ref()
        .is_none_or(|last| last.report.took_ms <= QUICK_AUDIT_MAX_MS);
    let (answers, audited) = match ask(db, id, is_quick).await {
        Ok((answers, Some(report))) => (answers, CertificateAudit::Now(report)),
        // The shop has too many sales for an audit while a page is waiting: use the last report.
        Ok((answers, None)) => (answers, earlier(last)),
        Err(TxnError::DeadlinePassed { .. }) => (ask(db, id, false).await?.0, earlier(last)),
        Err(error) => return Err(error.into()),
    };
    Ok(Certificate::of(run, server, answers, audited))
}

fn earlier(last: Option<LatestAudit>) -> CertificateAudit {
    last.map_or(CertificateAudit::Never, |last| {
        CertificateAudit::Earlier(last.report)
    })
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

/// Reads the evidence of one lane; `None` if the lane's product was deleted.
async fn evidence(work: &Work, lane: &simulation_lane::Model) -> Result<Option<Evidence>, Abort> {
    let Some(product_id) = lane.product_id else {
        return Ok(None);
    };
    let product = product::Entity::find_by_id(product_id);
    let Some(product) = product.one(work.connection()).await? else {
        return Ok(None);
    };
    let mut answers = Vec::new();
    for query in questions() {
        let Some(answer) = answer(work, query, product_id, lane.id).await? else {
            return Ok(None);
        };
        answers.push(answer);
    }
    Ok(Some(Evidence {
        product_name: product.name,
        is_private: product.lane_id.is_some(),
        at: moment::in_utc(dialect::now(work.connection()).await?),
        results: answers,
    }))
}

async fn answer(
    work: &Work,
    query: ProofQuery,
    product_id: i64,
    lane_id: i64,
) -> Result<Option<ProofResult>, DbErr> {
    let mut parameters = vec![product_id];
    if query.uses_lane {
        parameters.push(lane_id);
    }
    let values = parameters.iter().map(|value| sea_orm::Value::from(*value));
    let statement = dialect::statement(&query.sql, values);
    let Some(row) = work.connection().query_one_raw(statement).await? else {
        return Ok(None);
    };
    let figures = query
        .columns
        .iter()
        .map(|column| Ok((*column, row.try_get::<i64>("", column)?)));
    let figures = figures.collect::<Result<Vec<_>, DbErr>>()?;
    Ok(Some(ProofResult {
        query,
        engine: DatabaseEngine::of(work.connection()),
        parameters,
        figures,
    }))
}
