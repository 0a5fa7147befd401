//! Payments and refunds of orders: reserve → pay → confirm or compensate.
//!
//! No row is locked during a call to the provider. The provider's response, its webhooks, and its
//! responses to later queries all go through [`super::settlement`], which is idempotent: the first
//! result counts, and later ones change nothing. A lost response, a duplicate webhook, and a server
//! process killed at any point therefore all lead to the same state.

mod polling;
pub(super) mod record;
mod refunding;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, DbErr, EntityTrait, QueryFilter, TryInsertResult,
};
use tracing::{Instrument, Span};
use uuid::Uuid;

use super::{
    checkout::{self, CheckoutStarted, OrderRequest},
    orders, settlement,
};
use crate::{
    config::crash_point,
    db::{
        entity::{customer_order, payment, payment_event},
        txn::{self, Outcome, TxnError, Work},
    },
    metrics::Journey,
    model::{OrderStatus, PaymentCard, Receipt, ShopError},
    payment::gateway::{
        Charge, ChargeReport, ChargeState, GatewayError, PaymentGateway, ProviderEvent, RefundState,
    },
    shop::Shop,
    telemetry::spans,
};

/// How long the request of *Pay* waits for the provider before it reports that the payment is being
/// confirmed.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(3);
/// Suggested delay before a retry if the provider cannot be reached, in seconds.
const PROVIDER_RETRY_AFTER_S: u64 = 5;

/// The result of a payment request, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentResponse {
    pub receipt: Receipt,
    /// [`OrderStatus::Pending`] means that the outcome is not known yet; it will be known within a
    /// minute.
    pub status: OrderStatus,
}

/// Pays orders and settles payments; see [`Shop::payments`].
#[derive(Clone, Copy, Debug)]
pub struct Payments<'a> {
    pub(super) shop: &'a Shop,
}

impl Payments<'_> {
    /// Orders and pays for a cart. A retry with the same key leads to the same order at any time.
    ///
    /// # Errors
    /// The errors of [`checkout::start`]; [`ShopError::CardDeclined`], after which the cart and the
    /// form are restored; [`ShopError::ProviderUnavailable`].
    pub async fn pay(self, request: OrderRequest, card: PaymentCard) -> Outcome<PaymentResponse> {
        // Without a provider the payment would never be charged, and the order would stay pending.
        if let Err(error) = self.shop.gateway() {
            return Outcome::refused(error);
        }
        let shop = self.shop.clone();
        // A separate task: the order is placed and paid even if the shopper closes the page.
        let begun = shop.metrics().attempt(Journey::Pay);
        let started = async move {
            shop.payments()
                .start_checkout_and_charge(request, card)
                .await
        };
        let started = tokio::spawn(started.in_current_span()).await;
        let started =
            started.unwrap_or_else(|_| Outcome::failed(TxnError::Panicked { name: "pay" }));
        let (result, mut cost) = started.into_parts();
        let waiting = Instant::now();
        let result = match result {
            Ok(receipt) => self
                .wait_for_outcome(receipt)
                .await
                .map_err(TxnError::Refused),
            Err(error) => Err(error),
        };
        cost.split.payment += waiting.elapsed();
        let end = result
            .as_ref()
            .map(|_| ())
            .map_err(TxnError::refusal_reason);
        let trace = spans::trace_of(&Span::current());
        self.shop.metrics().end(Journey::Pay, begun, end, trace);
        cost.with_result(result)
    }

    /// Writes the order, and starts the charge in a separate task.
    async fn start_checkout_and_charge(
        self,
        request: OrderRequest,
        card: PaymentCard,
    ) -> Outcome<Receipt> {
        let gateway = match self.shop.gateway() {
            Ok(gateway) => gateway,
            Err(error) => return Outcome::refused(error),
        };
        let shop = self.shop.clone();
        let is_unavailable = gateway.check().await.is_err();
        let started = txn::run(
            &self.shop.db,
            self.shop.policy("begin payment"),
            move |work| {
                let (shop, request) = (shop.clone(), request.clone());
                Box::pin(async move {
                    let started = checkout::start(work, &shop, &request).await?;
                    // An order that exists already may have been charged.
                    if is_unavailable && matches!(started, CheckoutStarted::New { .. }) {
                        let retry_after_s = PROVIDER_RETRY_AFTER_S;
                        return Err(ShopError::ProviderUnavailable { retry_after_s }.into());
                    }
                    Ok(started)
                })
            },
        )
        .await;
        started.map(|started| match started {
            CheckoutStarted::Existing(receipt) => receipt,
            CheckoutStarted::New {
                receipt,
                payment,
                amount,
            } => {
                let charge = Charge {
                    reference: payment,
                    amount,
                    card,
                };
                let shop = self.shop.clone();
                let charge = async move { shop.payments().charge(gateway, charge).await };
                tokio::spawn(charge.in_current_span());
                receipt
            }
        })
    }

    /// Waits until the payment of an order is settled, at most for [`RESPONSE_TIMEOUT`] or a longer
    /// deadline of the shop. It reads the order only after a change.
    async fn wait_for_outcome(self, receipt: Receipt) -> Result<PaymentResponse, ShopError> {
        let timeout = if self.shop.deadline > txn::REQUEST_DEADLINE {
            self.shop.deadline
        } else {
            RESPONSE_TIMEOUT
        };
        let deadline = tokio::time::Instant::now() + timeout;
        let public_id = Uuid::try_parse(&receipt.order_id).map_err(|_| ShopError::UnknownOrder)?;
        let mut order = self.shop.orders().watch(public_id);
        loop {
            let (status, declined) = self.payment_status(public_id).await?;
            match (status, declined) {
                (OrderStatus::Declined, Some(reason)) => {
                    return Err(ShopError::CardDeclined { reason });
                }
                (OrderStatus::Declined, None) => {
                    return Err(ShopError::ProviderUnavailable {
                        retry_after_s: PROVIDER_RETRY_AFTER_S,
                    });
                }
                (OrderStatus::Pending, _) => {
                    let change = tokio::time::timeout_at(deadline, order.changed()).await;
                    if change.is_err() {
                        return Ok(PaymentResponse { receipt, status });
                    }
                }
                (status, _) => return Ok(PaymentResponse { receipt, status }),
            }
        }
    }

    /// Returns the status of an order, and the decline reason if its card was declined.
    async fn payment_status(
        self,
        public_id: Uuid,
    ) -> Result<(OrderStatus, Option<String>), ShopError> {
        let found = customer_order::Entity::find()
            .filter(customer_order::Column::PublicId.eq(public_id))
            .one(self.shop.db.reader())
            .await
            .map_err(txn::read_error)?
            .ok_or(ShopError::UnknownOrder)?;
        let status = orders::status_of(&found).map_err(txn::read_error)?;
        if status != OrderStatus::Declined {
            return Ok((status, None));
        }
        let payment = payment::Entity::find()
            .filter(payment::Column::OrderId.eq(found.id))
            .one(self.shop.db.reader())
            .await
            .map_err(txn::read_error)?;
        Ok((status, payment.and_then(|payment| payment.decline_reason)))
    }

    /// Charges the card. If the outcome is unknown, it queries the provider until the charge is
    /// settled; the server processes query every unknown outcome too.
    async fn charge(self, gateway: Arc<dyn PaymentGateway>, charge: Charge) {
        let reference = charge.reference;
        crash_point::pass("before call of", "charge");
        let response = gateway.charge(&charge).await;
        crash_point::pass("after call of", "charge");
        let report = match response {
            Ok(report) => report,
            // The request was not sent, so the charge cannot have been captured.
            Err(GatewayError::NotSent(reason)) => {
                tracing::warn!(%reference, reason, "the payment provider cannot be reached");
                ChargeState::Voided.into()
            }
            Err(GatewayError::Refused(reason)) => {
                tracing::warn!(%reference, reason, "the payment provider rejected a charge");
                ChargeState::Declined {
                    reason: "The payment provider rejected this payment.".to_owned(),
                }
                .into()
            }
            Err(error @ GatewayError::Unknown(_)) => {
                tracing::warn!(%reference, %error, "the outcome of a charge is unknown");
                return self.poll_until_settled(&*gateway, reference).await;
            }
        };
        if let Err(error) = self.settle(reference, report).await {
            tracing::warn!(%reference, %error, "could not settle a charge; it will be retried");
        }
    }

    /// Settles a payment by a report about its charge, and sends the refunds that result.
    pub async fn settle(
        self,
        reference: Uuid,
        report: impl Into<ChargeReport>,
    ) -> Result<(), TxnError> {
        let (shop, report) = (self.shop.clone(), report.into());
        txn::run_for_result(
            &self.shop.db,
            self.shop.policy("settle payment"),
            move |work| {
                let (shop, report) = (shop.clone(), report.clone());
                Box::pin(async move { settlement::settle(work, &shop, reference, &report).await })
            },
        )
        .await?;
        self.send_refunds(reference).await;
        Ok(())
    }

    /// Processes a webhook event, which may be late, duplicate, or out of order.
    ///
    /// # Errors
    /// [`TxnError`] if the transaction fails; the provider then sends the event again.
    pub async fn process_webhook_event(self, event: ProviderEvent) -> Result<(), TxnError> {
        let (shop, reference) = (self.shop.clone(), event.charge);
        txn::run_for_result(
            &self.shop.db,
            self.shop.policy("process webhook"),
            move |work| {
                let (shop, event) = (shop.clone(), event.clone());
                Box::pin(async move {
                    if !record_event(work, &event).await? {
                        return Ok(());
                    }
                    let report = ChargeReport {
                        state: event.charge_state,
                        captured: event.captured,
                    };
                    settlement::settle(work, &shop, event.charge, &report).await?;
                    if let Some((refund, RefundState::Succeeded)) = event.refund {
                        let cents = event.refund_cents;
                        settlement::mark_refund_succeeded(work, &shop, refund, cents).await?;
                    }
                    Ok(())
                })
            },
        )
        .await?;
        self.send_refunds(reference).await;
        Ok(())
    }
}

/// Records the event. Returns false if it was recorded before.
async fn record_event(work: &Work, event: &ProviderEvent) -> Result<bool, DbErr> {
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
