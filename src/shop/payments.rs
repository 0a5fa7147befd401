//! Taking the money for an order, and giving it back: hold → pay → confirm or make good.
//!
//! No row is locked while the provider is asked. What it answers, what it tells of its own accord, and what it says when it is asked
//! later all go through [`super::settlement`], which is idempotent: whichever comes first counts, and the others change nothing. So an answer
//! that was lost, a webhook that comes twice, and a server that was killed at any moment all end in the same state.

mod asking;
mod paying_back;

use std::{sync::Arc, time::Duration};

use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    ColumnTrait, DbErr, EntityTrait, QueryFilter, TryInsertResult,
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
        entity::{customer_order, payment, payment_event},
        txn::{self, Abort, Outcome, TxnError, Work},
    },
    model::{Money, OrderStatus, PaymentCard, Receipt, ShopError},
    payment::gateway::{
        Charge, ChargeState, GatewayError, PaymentGateway, ProviderEvent, RefundState,
    },
    shop::Shop,
};

/// How long a shopper who pressed *Pay* is kept waiting for the provider, before they are told that the payment is being confirmed.
const ANSWERED_WITHIN: Duration = Duration::from_secs(3);
/// How often somebody who waits looks again.
const LOOKED_EVERY: Duration = Duration::from_millis(50);
/// Between two questions about one outcome. The first comes when the call itself must be over.
const ASK_EVERY: time::Duration = time::Duration::seconds(5);
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
