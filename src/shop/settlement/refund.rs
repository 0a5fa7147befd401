//! Refunds from the decision to the provider's word that they are paid.

use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder,
    sea_query::Expr,
};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::by_reference;
use crate::{
    db::{
        entity::{payment, refund},
        txn::{Abort, Work},
    },
    model::RefundReason,
    payment::gateway::RefundRequest,
    shop::catalog,
};

/// Decides that `cents` go back. The first refund of a payment has a reference that follows from the payment's: whoever decides it, and
/// however often, it is one refund.
///
/// # Errors
/// What the database says.
pub async fn plan_refund(
    work: &Work,
    payment: &payment::Model,
    cents: i64,
    reason: RefundReason,
) -> Result<(), Abort> {
    if cents <= 0 {
        return Ok(());
    }
    let earlier = refund::Entity::find()
        .filter(refund::Column::PaymentId.eq(payment.id))
        .all(work.connection())
        .await?
        .len();
    refund::ActiveModel {
        id: NotSet,
        payment_id: Set(payment.id),
        order_id: Set(payment.order_id),
        reference: Set(refund_reference(payment.reference, earlier)),
        state: Set("pending".to_owned()),
        reason: Set(reason.as_str().to_owned()),
        amount_cents: Set(cents),
        created_at: NotSet,
        settled_at: NotSet,
        ask_at: NotSet,
    }
    .insert(work.connection())
    .await?;
    Ok(())
}

/// The reference of a payment's refund number `index`, counted from 0: a UUID of version 8 made from a hash.
pub fn refund_reference(payment: Uuid, index: usize) -> Uuid {
    let mut hash = Sha256::new();
    hash.update(b"refund");
    hash.update(payment.as_bytes());
    hash.update((index as u64).to_be_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// The provider has paid a refund back.
///
/// # Errors
/// What the database says.
pub async fn refund_succeeded(work: &Work, reference: Uuid) -> Result<(), Abort> {
    refund::Entity::update_many()
        .col_expr(refund::Column::State, Expr::value("succeeded"))
        .col_expr(refund::Column::SettledAt, Expr::current_timestamp())
        .filter(refund::Column::Reference.eq(reference))
        .filter(refund::Column::State.eq("pending"))
        .exec(work.connection())
        .await?;
    Ok(())
}

/// The refunds of a charge that the provider has not confirmed, oldest first.
///
/// # Errors
/// What the database says.
pub async fn pending_refunds<C: ConnectionTrait>(
    connection: &C,
    charge: Uuid,
) -> Result<Vec<Uuid>, DbErr> {
    let Some(payment) = by_reference(connection, charge).await? else {
        return Ok(Vec::new());
    };
    let rows = refund::Entity::find()
        .filter(refund::Column::PaymentId.eq(payment.id))
        .filter(refund::Column::State.eq("pending"))
        .order_by_asc(refund::Column::Id)
        .all(connection)
        .await?;
    Ok(rows.into_iter().map(|row| row.reference).collect())
}

/// What to ask of the provider for a refund; `None` if it is not waiting.
///
/// # Errors
/// What the database says.
pub async fn refund_request<C: ConnectionTrait>(
    connection: &C,
    reference: Uuid,
) -> Result<Option<RefundRequest>, DbErr> {
    let row = refund::Entity::find()
        .filter(refund::Column::Reference.eq(reference))
        .filter(refund::Column::State.eq("pending"))
        .one(connection)
        .await?;
    let Some(row) = row else {
        return Ok(None);
    };
    let payment = payment::Entity::find_by_id(row.payment_id)
        .one(connection)
        .await?;
    Ok(payment.map(|payment| RefundRequest {
        reference,
        charge: payment.reference,
        amount: catalog::money(row.amount_cents, &payment.currency),
    }))
}
