//! The row of a payment, written with its order.

use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
};
use uuid::Uuid;

use crate::{
    db::{
        dialect,
        entity::payment,
        txn::{Abort, Work},
    },
    model::{Money, PaymentState},
};

/// Interval between two queries about one outcome. The first query is due when the call itself must
/// have timed out.
pub const QUERY_INTERVAL: time::Duration = time::Duration::seconds(5);

/// Writes the pending payment of a new order, and returns its reference. `key` is the idempotency
/// key of the request, which is free again if the payment fails.
pub async fn open(work: &Work, order_id: i64, amount: Money, key: &str) -> Result<Uuid, Abort> {
    let now = dialect::now(work.connection()).await?;
    let row = payment::ActiveModel {
        id: NotSet,
        order_id: Set(order_id),
        reference: Set(Uuid::new_v4()),
        state: Set("pending".to_owned()),
        amount_cents: Set(amount.cents),
        currency: Set(amount.currency.code().to_owned()),
        captured_cents: NotSet,
        reported_cents: NotSet,
        reported_currency: NotSet,
        decline_reason: NotSet,
        created_at: NotSet,
        settled_at: NotSet,
        ask_at: Set(now + QUERY_INTERVAL),
        idempotency_key: Set(Some(key.to_owned())),
    }
    .insert(work.connection())
    .await?;
    Ok(row.reference)
}

/// Returns the currency in which a payment was charged.
pub fn charged_currency(payment: &payment::Model) -> &str {
    let is_wrong = payment.state == PaymentState::WrongAmount.as_str();
    let reported = payment.reported_currency.as_deref().filter(|_| is_wrong);
    reported.unwrap_or(&payment.currency)
}
