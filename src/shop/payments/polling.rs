//! Queries the provider about payments and refunds with an unknown outcome.

use sea_orm::{EntityTrait, QueryFilter, sea_query::Expr};
use uuid::Uuid;

use super::{Payments, record::QUERY_INTERVAL};
use crate::{
    config::crash_point,
    db::{
        dialect,
        entity::{payment, refund},
        locks,
        txn::{self, TxnError},
    },
    payment::gateway::{ChargeReport, ChargeState, GatewayError, PaymentGateway},
    shop::settlement,
};

/// Age at which an unsettled charge is voided.
const VOID_AFTER: time::Duration = time::Duration::seconds(40);
/// Maximum number of queries by the task of one charge.
const QUERIES_MAX: i32 = 12;
/// Maximum number of payments, and of refunds, that one round queries.
const QUERY_BATCH_SIZE: u64 = 20;

impl Payments<'_> {
    /// Queries the provider about every outcome that is due, also after a restart. Several server
    /// processes may do this at the same time.
    pub async fn resolve_unknown_outcomes(self) -> Result<(), TxnError> {
        let Ok(gateway) = self.shop.gateway() else {
            return Ok(());
        };
        let payments = self.claim_due_payments().await?;
        let queries = payments
            .into_iter()
            .map(|(reference, age)| self.resolve(&*gateway, reference, age));
        futures::future::join_all(queries).await;
        let refunds = self.claim_due_refunds().await?;
        let requests = refunds
            .into_iter()
            .map(|reference| self.send_refund(&*gateway, reference));
        futures::future::join_all(requests).await;
        Ok(())
    }

    /// Queries a charge repeatedly until it is settled. A simulated buyer needs this because no
    /// server process may be running that would query it.
    pub(super) async fn poll_until_settled(self, gateway: &dyn PaymentGateway, reference: Uuid) {
        for query in 1..=QUERIES_MAX {
            tokio::time::sleep(QUERY_INTERVAL.unsigned_abs()).await;
            self.resolve(gateway, reference, QUERY_INTERVAL * query)
                .await;
            match settlement::is_settled(self.shop.db.reader(), reference).await {
                Ok(false) => {}
                Ok(true) => return,
                Err(error) => tracing::warn!(%reference, %error, "could not read a payment"),
            }
        }
    }

    /// Queries the state of a charge and settles it. A charge that the provider does not know, or
    /// that is still processing after [`VOID_AFTER`], is voided first, so that its outcome is
    /// final.
    async fn resolve(self, gateway: &dyn PaymentGateway, reference: Uuid, age: time::Duration) {
        crash_point::pass("before call of", "charge state");
        let queried = gateway.charge_state(reference).await;
        crash_point::pass("after call of", "charge state");
        let report = match queried {
            Ok(Some(report)) if report.state != ChargeState::Processing => Ok(report),
            Ok(Some(_)) if age < VOID_AFTER => return,
            Ok(_) => void(gateway, reference).await,
            Err(error) => Err(error),
        };
        let settled = match report {
            Ok(report) => self
                .settle(reference, report)
                .await
                .map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = settled {
            tracing::warn!(%reference, error, "could not resolve a charge");
        }
    }

    /// Claims the payments that are due for a query, postpones their next query, and returns their
    /// references and ages.
    async fn claim_due_payments(self) -> Result<Vec<(Uuid, time::Duration)>, TxnError> {
        txn::run_for_result(
            &self.shop.db,
            self.shop.policy("claim unknown payments"),
            |work| {
                Box::pin(async move {
                    let due = locks::due_payments(work, QUERY_BATCH_SIZE).await?;
                    let now = dialect::now(work.connection()).await?;
                    let ids: Vec<i64> = due.iter().map(|payment| payment.id).collect();
                    payment::Entity::update_many()
                        .col_expr(payment::Column::AskAt, Expr::value(now + QUERY_INTERVAL))
                        .filter(dialect::column_in(payment::Column::Id, &ids))
                        .exec(work.connection())
                        .await?;
                    let due = due.into_iter();
                    Ok(due
                        .map(|payment| (payment.reference, now - payment.created_at))
                        .collect())
                })
            },
        )
        .await
    }

    /// Claims the pending refunds that are due for a request, and postpones their next request.
    async fn claim_due_refunds(self) -> Result<Vec<Uuid>, TxnError> {
        txn::run_for_result(
            &self.shop.db,
            self.shop.policy("claim unpaid refunds"),
            |work| {
                Box::pin(async move {
                    let due = locks::due_refunds(work, QUERY_BATCH_SIZE).await?;
                    let now = dialect::now(work.connection()).await?;
                    let ids: Vec<i64> = due.iter().map(|refund| refund.id).collect();
                    refund::Entity::update_many()
                        .col_expr(refund::Column::AskAt, Expr::value(now + QUERY_INTERVAL))
                        .filter(dialect::column_in(refund::Column::Id, &ids))
                        .exec(work.connection())
                        .await?;
                    Ok(due.into_iter().map(|refund| refund.reference).collect())
                })
            },
        )
        .await
    }
}

async fn void(gateway: &dyn PaymentGateway, reference: Uuid) -> Result<ChargeReport, GatewayError> {
    crash_point::pass("before call of", "void");
    let response = gateway.void(reference).await;
    crash_point::pass("after call of", "void");
    response
}
