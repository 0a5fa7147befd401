//! Asking the provider about outcomes that nobody has told.

use sea_orm::{EntityTrait, QueryFilter, sea_query::Expr};
use uuid::Uuid;

use super::ASK_EVERY;
use crate::{
    config::crash_point,
    db::{
        dialect,
        entity::{payment, refund},
        locks,
        txn::{self, TxnError},
    },
    payment::gateway::{ChargeState, GatewayError, PaymentGateway},
    shop::{Shop, settlement},
};

/// A charge that is not settled after this long is withdrawn.
const GIVEN_UP_AFTER: time::Duration = time::Duration::seconds(40);
/// Questions that the task of one charge asks.
const ASKED_MAX: i32 = 12;
/// Unknown outcomes that one round of asking takes up.
const ASKED_AT_ONCE: u64 = 20;

impl Shop {
    /// Asks the provider about every outcome that is due to be known, after a restart too. Any number of servers may do it at once.
    ///
    /// # Errors
    /// What the database says.
    pub async fn resolve_unknown(&self) -> Result<(), TxnError> {
        let Ok(gateway) = self.gateway() else {
            return Ok(());
        };
        let payments = self.claim_due_payments().await?;
        let questions = payments
            .into_iter()
            .map(|(reference, age)| self.resolve(&*gateway, reference, age));
        futures::future::join_all(questions).await;
        let refunds = self.claim_due_refunds().await?;
        let payments = refunds
            .into_iter()
            .map(|reference| self.pay_back_one(&*gateway, reference));
        futures::future::join_all(payments).await;
        Ok(())
    }

    /// Asks about a charge again and again. A simulated buyer has no server beside it that would ask.
    pub(super) async fn ask_until_known(&self, gateway: &dyn PaymentGateway, reference: Uuid) {
        for asked in 1..=ASKED_MAX {
            tokio::time::sleep(ASK_EVERY.unsigned_abs()).await;
            self.resolve(gateway, reference, ASK_EVERY * asked).await;
            match settlement::is_settled(self.db.reader(), reference).await {
                Ok(false) => {}
                Ok(true) => return,
                Err(error) => tracing::warn!(%reference, %error, "looking at a payment"),
            }
        }
    }

    /// Asks how a charge went. What the provider never heard of, or cannot finish, is withdrawn, and then it can be told.
    async fn resolve(&self, gateway: &dyn PaymentGateway, reference: Uuid, age: time::Duration) {
        crash_point::pass("before call of", "charge state");
        let known = gateway.charge_state(reference).await;
        crash_point::pass("after call of", "charge state");
        let state = match known {
            Ok(Some(ChargeState::Processing)) if age < GIVEN_UP_AFTER => return,
            Ok(None | Some(ChargeState::Processing)) => void(gateway, reference).await,
            Ok(Some(state)) => Ok(state),
            Err(error) => Err(error),
        };
        let settled = match state {
            Ok(state) => self
                .settle(reference, state)
                .await
                .map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = settled {
            tracing::warn!(%reference, error, "asking about a charge");
        }
    }

    /// Takes up payments whose outcome is due to be known, with their age, and puts the next question about them off.
    async fn claim_due_payments(&self) -> Result<Vec<(Uuid, time::Duration)>, TxnError> {
        txn::run_for_result(&self.db, self.policy("claim unknown payments"), |work| {
            Box::pin(async move {
                let due = locks::due_payments(work, ASKED_AT_ONCE).await?;
                let now = dialect::now(work.connection()).await?;
                let ids: Vec<i64> = due.iter().map(|payment| payment.id).collect();
                payment::Entity::update_many()
                    .col_expr(payment::Column::AskAt, Expr::value(now + ASK_EVERY))
                    .filter(dialect::column_in(payment::Column::Id, &ids))
                    .exec(work.connection())
                    .await?;
                let due = due.into_iter();
                Ok(due
                    .map(|payment| (payment.reference, now - payment.created_at))
                    .collect())
            })
        })
        .await
    }

    /// The same for refunds that are not paid yet.
    async fn claim_due_refunds(&self) -> Result<Vec<Uuid>, TxnError> {
        txn::run_for_result(&self.db, self.policy("claim unpaid refunds"), |work| {
            Box::pin(async move {
                let due = locks::due_refunds(work, ASKED_AT_ONCE).await?;
                let now = dialect::now(work.connection()).await?;
                let ids: Vec<i64> = due.iter().map(|refund| refund.id).collect();
                refund::Entity::update_many()
                    .col_expr(refund::Column::AskAt, Expr::value(now + ASK_EVERY))
                    .filter(dialect::column_in(refund::Column::Id, &ids))
                    .exec(work.connection())
                    .await?;
                Ok(due.into_iter().map(|refund| refund.reference).collect())
            })
        })
        .await
    }
}

async fn void(gateway: &dyn PaymentGateway, reference: Uuid) -> Result<ChargeState, GatewayError> {
    crash_point::pass("before call of", "void");
    let answer = gateway.void(reference).await;
    crash_point::pass("after call of", "void");
    answer
}
