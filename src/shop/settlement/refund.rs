//! Refunds, from the decision until the provider confirms them.

use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder,
    sea_query::Expr,
};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::find_by_reference;
use crate::{
    db::{
        entity::{customer_order, payment, refund},
        txn::{Abort, Work},
    },
    model::RefundReason,
    payment::gateway::RefundRequest,
    shop::{Shop, catalog, orders::watch, payments::record},
};

/// Writes a pending refund of `cents`. Its reference is derived from the payment's reference and
/// the number of earlier refunds, so that deciding the same refund twice cannot pay it twice.
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

/// Returns the reference of a payment's refund number `index`, counted from 0: a version 8 UUID
/// made from a hash.
pub fn refund_reference(payment: Uuid, index: usize) -> Uuid {
    let mut hash = Sha256::new();
    hash.update(b"refund");
    hash.update(payment.as_bytes());
    hash.update((index as u64).to_be_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// Marks a refund as succeeded, after the provider confirmed it. A refund of another amount than
/// `reported_cents` stays pending, and the audit reports it.
pub async fn mark_refund_succeeded(
    work: &Work,
    shop: &Shop,
    reference: Uuid,
    reported_cents: Option<i64>,
) -> Result<(), Abort> {
    let found = refund::Entity::find()
        .filter(refund::Column::Reference.eq(reference))
        .one(work.connection())
        .await?;
    let planned = found.as_ref().map(|refund| refund.amount_cents);
    if let (Some(planned), Some(reported)) = (planned, reported_cents)
        && planned != reported
    {
        tracing::error!(%reference, planned, reported, "the payment provider reports another amount of a refund, in cents");
        return Ok(());
    }
    refund::Entity::update_many()
        .col_expr(refund::Column::State, Expr::value("succeeded"))
        .col_expr(refund::Column::SettledAt, Expr::current_timestamp())
        .filter(refund::Column::Reference.eq(reference))
        .filter(refund::Column::State.eq("pending"))
        .exec(work.connection())
        .await?;
    let Some(refund) = found else {
        return Ok(());
    };
    let order = customer_order::Entity::find_by_id(refund.order_id)
        .one(work.connection())
        .await?;
    if let Some(order) = order {
        watch::announce_after_commit(work, shop, order.public_id);
    }
    Ok(())
}

/// Returns the references of a charge's pending refunds, oldest first.
pub async fn pending_refunds<C: ConnectionTrait>(
    connection: &C,
    charge: Uuid,
) -> Result<Vec<Uuid>, DbErr> {
    let Some(payment) = find_by_reference(connection, charge).await? else {
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

/// Returns the provider request for a refund, or `None` if the refund is not pending.
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
        amount: catalog::money(row.amount_cents, record::charged_currency(&payment)),
    }))
}
