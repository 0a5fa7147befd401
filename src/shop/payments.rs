//! Taking the money for an order, and giving it back: hold → pay → confirm or make good.
//!
//! No row is locked while the provider is asked. What it answers, what it tells of its own accord, and what it says when it is asked
//! later all go through [`super::settlement`], which is idempotent: whichever comes first counts, and the others change nothing. So an answer
//! that was lost, a webhook that comes twice, and a server that was killed at any moment all end in the same state.

use std::{sync::Arc, time::Duration};

use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    ColumnTrait, DbErr, EntityTrait, QueryFilter, TryInsertResult,
    sea_query::Expr,
};
use uuid::Uuid;

use super::{
    checkout::{self, Begun, OrderRequest},
    orders, settlement,
};
use crate::{
    config::crash_point,
    db::{
        dialect,
        entity::{customer_order, payment, payment_event, refund},
        locks,
        txn::{self, Abort, Outcome, TxnError, Work},
    },
    model::{Money, OrderStatus, PaymentCard, Receipt, ShopError},
    payment::gateway::{
        Charge, ChargeState, GatewayError, PaymentGateway, ProviderEvent, RefundRequest,
        RefundState,
    },
    shop::Shop,
};

/// How long a shopper who pressed *Pay* is kept waiting for the provider, before they are told that the payment is being confirmed.
const ANSWERED_WITHIN: Duration = Duration::from_secs(3);
/// How often somebody who waits looks again.
const LOOKED_EVERY: Duration = Duration::from_millis(50);
/// Between two questions about one outcome. The first comes when the call itself must be over.
const ASK_EVERY: time::Duration = time::Duration::seconds(5);
/// A charge that is not settled after this long is withdrawn.
const GIVEN_UP_AFTER: time::Duration = time::Duration::seconds(40);
/// Questions that the task of one charge asks.
const ASKED_MAX: i32 = 12;
/// Unknown outcomes that one round of asking takes up.
const ASKED_AT_ONCE: u64 = 20;
/// When the provider could not be reached at all.
const PROVIDER_RETRY_AFTER_S: u64 = 5;

/// How a press on *Pay* ended, as far as is known now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayAnswer {
    pub receipt: Receipt,
    /// [`OrderStatus::Pending`]: the outcome is not known yet, and will be within a minute.
    pub status: OrderStatus,
}

/// Writes the payment of an order that has just been written, and returns its reference.
///
/// # Errors
/// What the database says.
pub(super) async fn open(work: &Work, order_id: i64, amount: Money) -> Result<Uuid, Abort> {
    let now = dialect::now(work.connection()).await?;
    let row = payment::ActiveModel {
        id: NotSet,
        order_id: Set(order_id),
        reference: Set(Uuid::new_v4()),
        state: Set("pending".to_owned()),
        amount_cents: Set(amount.cents),
        currency: Set(amount.currency.code().to_owned()),
        captured_cents: NotSet,
        decline_reason: NotSet,
        created_at: NotSet,
        settled_at: NotSet,
        ask_at: Set(now + ASK_EVERY),
    }
    .insert(work.connection())
    .await?;
    Ok(row.reference)
}

impl Shop {
    /// Orders what is in a cart and pays for it. The same key again, at any time, leads to the same order.
    ///
    /// # Errors
    /// What [`checkout::begin`] refuses; [`ShopError::CardDeclined`], after which cart and form are as they were;
    /// [`ShopError::ProviderAway`].
    pub async fn pay(&self, request: OrderRequest, card: PaymentCard) -> Outcome<PayAnswer> {
        // Without a provider nobody would ever ask for the money, and the order would wait for ever.
        if let Err(error) = self.gateway() {
            return Outcome::refused(error);
        }
        let shop = self.clone();
        // A task of its own: whoever closes the page has ordered and paid all the same.
        let begun = tokio::spawn(async move { shop.begin_and_charge(request, card).await });
        let Ok(begun) = begun.await else {
            return Outcome::failed(TxnError::Panicked { name: "pay" });
        };
        let (result, taken) = begun.into_parts();
        let result = match result {
            Ok(receipt) => self.answer_for(receipt).await.map_err(TxnError::Refused),
            Err(error) => Err(error),
        };
        taken.with(result)
    }

    /// Writes the order, and sets the charge going without waiting for it.
    async fn begin_and_charge(self, request: OrderRequest, card: PaymentCard) -> Outcome<Receipt> {
        let gateway = match self.gateway() {
            Ok(gateway) => gateway,
            Err(error) => return Outcome::refused(error),
        };
        let shop = self.clone();
        let begun = txn::run(&self.db, self.policy("begin payment"), move |work| {
            let (shop, request) = (shop.clone(), request.clone());
            Box::pin(async move { checkout::begin(work, &shop, &request).await })
        })
        .await;
        begun.map(|begun| match begun {
            Begun::Known(receipt) => receipt,
            Begun::New {
                receipt,
                payment,
                amount,
            } => {
                let charge = Charge {
                    reference: payment,
                    amount,
                    card,
                };
                tokio::spawn(self.charge(gateway, charge));
                receipt
            }
        })
    }

    /// Waits until the payment of an order is settled, or as long as a shopper is kept waiting.
    async fn answer_for(&self, receipt: Receipt) -> Result<PayAnswer, ShopError> {
        let patience = if self.deadline > txn::REQUEST_DEADLINE {
            self.deadline
        } else {
            ANSWERED_WITHIN
        };
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            let (status, declined) = self.payment_status(&receipt.order_id).await?;
            match (status, declined) {
                (OrderStatus::Declined, Some(reason)) => {
                    return Err(ShopError::CardDeclined { reason });
                }
                (OrderStatus::Declined, None) => {
                    return Err(ShopError::ProviderAway {
                        retry_after_s: PROVIDER_RETRY_AFTER_S,
                    });
                }
                (OrderStatus::Pending, _) if tokio::time::Instant::now() < deadline => {
                    tokio::time::sleep(LOOKED_EVERY).await;
                }
                (status, _) => return Ok(PayAnswer { receipt, status }),
            }
        }
    }

    /// Where an order stands, and why its card was declined if it was.
    async fn payment_status(
        &self,
        public_id: &str,
    ) -> Result<(OrderStatus, Option<String>), ShopError> {
        let public_id = Uuid::try_parse(public_id).map_err(|_| ShopError::UnknownOrder)?;
        let found = customer_order::Entity::find()
            .filter(customer_order::Column::PublicId.eq(public_id))
            .one(self.db.reader())
            .await
            .map_err(txn::read_error)?
            .ok_or(ShopError::UnknownOrder)?;
        let status = orders::status_of(&found).map_err(txn::read_error)?;
        if status != OrderStatus::Declined {
            return Ok((status, None));
        }
        let payment = payment::Entity::find()
            .filter(payment::Column::OrderId.eq(found.id))
            .one(self.db.reader())
            .await
            .map_err(txn::read_error)?;
        Ok((status, payment.and_then(|payment| payment.decline_reason)))
    }

    /// Asks for the money, and goes on asking until the outcome is known or a later server takes over.
    async fn charge(self, gateway: Arc<dyn PaymentGateway>, charge: Charge) {
        let reference = charge.reference;
        crash_point::pass("before call of", "charge");
        let answer = gateway.charge(&charge).await;
        crash_point::pass("after call of", "charge");
        let state = match answer {
            Ok(state) => state,
            // Nothing was sent, so nothing can have been taken.
            Err(GatewayError::NotSent(why)) => {
                tracing::warn!(%reference, why, "the payment provider is away");
                ChargeState::Voided
            }
            Err(GatewayError::Refused(why)) => {
                tracing::warn!(%reference, why, "the payment provider refused a charge");
                ChargeState::Declined {
                    reason: "The payment provider does not take this payment.".to_owned(),
                }
            }
            Err(error @ GatewayError::Unknown(_)) => {
                tracing::warn!(%reference, %error, "the outcome of a charge is unknown");
                return self.ask_until_known(&*gateway, reference).await;
            }
        };
        if let Err(error) = self.settle(reference, state).await {
            tracing::warn!(%reference, %error, "a charge is to be settled later");
        }
    }

    /// A simulated buyer has no server beside it that would ask.
    async fn ask_until_known(&self, gateway: &dyn PaymentGateway, reference: Uuid) {
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

    /// Takes in how a charge stands, and pays back what has to be.
    ///
    /// # Errors
    /// What the database says.
    pub async fn settle(&self, reference: Uuid, state: ChargeState) -> Result<(), TxnError> {
        let shop = self.clone();
        txn::run_for_result(&self.db, self.policy("settle payment"), move |work| {
            let (shop, state) = (shop.clone(), state.clone());
            Box::pin(async move { settlement::settle(work, &shop, reference, &state).await })
        })
        .await?;
        self.pay_back(reference).await;
        Ok(())
    }

    /// Takes in what the provider tells of its own accord: late, twice, or out of order.
    ///
    /// # Errors
    /// What the database says; the provider then tells again.
    pub async fn take_in(&self, event: ProviderEvent) -> Result<(), TxnError> {
        let (shop, reference) = (self.clone(), event.charge);
        txn::run_for_result(&self.db, self.policy("take in webhook"), move |work| {
            let (shop, event) = (shop.clone(), event.clone());
            Box::pin(async move {
                if !is_new(work, &event).await? {
                    return Ok(());
                }
                settlement::settle(work, &shop, event.charge, &event.charge_state).await?;
                if let Some((refund, RefundState::Succeeded)) = event.refund {
                    settlement::refund_succeeded(work, refund).await?;
                }
                Ok(())
            })
        })
        .await?;
        self.pay_back(reference).await;
        Ok(())
    }

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

    /// Pays back what is to be paid back from this charge. What fails is tried again by [`Shop::resolve_unknown`].
    pub(super) async fn pay_back(&self, charge: Uuid) {
        let Ok(gateway) = self.gateway() else {
            return;
        };
        match settlement::pending_refunds(self.db.reader(), charge).await {
            Ok(refunds) => {
                for refund in refunds {
                    self.pay_back_one(&*gateway, refund).await;
                }
            }
            Err(error) => tracing::warn!(%charge, %error, "looking for refunds"),
        }
    }

    async fn pay_back_one(&self, gateway: &dyn PaymentGateway, refund: Uuid) {
        let done = match self.refund_request(refund).await {
            Ok(Some(request)) => self.ask_for_refund(gateway, &request).await,
            Ok(None) => Ok(()),
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = done {
            tracing::warn!(%refund, error, "a refund is to be tried again");
        }
    }

    async fn ask_for_refund(
        &self,
        gateway: &dyn PaymentGateway,
        request: &RefundRequest,
    ) -> Result<(), String> {
        crash_point::pass("before call of", "refund");
        let answer = gateway.refund(request).await;
        crash_point::pass("after call of", "refund");
        match answer {
            Ok(RefundState::Succeeded) => {
                let reference = request.reference;
                txn::run_for_result(&self.db, self.policy("settle refund"), move |work| {
                    Box::pin(settlement::refund_succeeded(work, reference))
                })
                .await
                .map_err(|error| error.to_string())
            }
            Ok(RefundState::Processing) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    async fn refund_request(&self, refund: Uuid) -> Result<Option<RefundRequest>, DbErr> {
        settlement::refund_request(self.db.reader(), refund).await
    }
}

async fn void(gateway: &dyn PaymentGateway, reference: Uuid) -> Result<ChargeState, GatewayError> {
    crash_point::pass("before call of", "void");
    let answer = gateway.void(reference).await;
    crash_point::pass("after call of", "void");
    answer
}

/// Notes the event; false if it was known.
async fn is_new(work: &Work, event: &ProviderEvent) -> Result<bool, DbErr> {
    let row = payment_event::ActiveModel {
        provider_event_id: Set(event.event_id.clone()),
        reference: Set(event.charge),
        kind: Set(event.kind.clone()),
        received_at: NotSet,
    };
    let inserted = payment_event::Entity::insert(row)
        .on_conflict_do_nothing()
        .exec_without_returning(work.connection())
        .await?;
    Ok(matches!(inserted, TryInsertResult::Inserted(1)))
}
