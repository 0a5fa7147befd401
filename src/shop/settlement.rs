//! Settles payments: applies the state of a charge to its order, which is confirmed, compensated
//! (refund or backorder), or cancelled. Each settlement is one transaction and is idempotent.

mod refund;
mod wrong_amount;

pub use refund::{
    mark_refund_succeeded, pending_refunds, plan_refund, refund_reference, refund_request,
};

use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, sea_query::Expr};
use uuid::Uuid;

use super::{
    cart::{self, CheckoutDraft},
    discounts, holds,
    holds::ReleaseReason,
    idempotency,
    inventory::{
        announcement,
        counters::{self, CounterDelta},
    },
    ledger::{self, Movement, MovementKind},
    orders::{self, NewStatus, watch},
};
use crate::{
    config::PaidWithoutStock,
    db::{
        entity::{customer_order, hold, order_line, payment, stock},
        locks,
        txn::{Abort, Work},
    },
    model::{CancelReason, OrderStatus, PaymentState, RefundReason},
    payment::gateway::{ChargeReport, ChargeState},
    shop::Shop,
};

/// Settles the payment with this `reference` by a report about its charge. A charge without a
/// payment in this shop is ignored. A charge of another amount than is due never sells anything;
/// see [`wrong_amount`].
pub async fn settle(
    work: &Work,
    shop: &Shop,
    reference: Uuid,
    report: &ChargeReport,
) -> Result<(), Abort> {
    let Some(found) = find_by_reference(work.connection(), reference).await? else {
        return Ok(());
    };
    let failed = match &report.state {
        ChargeState::Processing => return Ok(()),
        ChargeState::Captured => None,
        ChargeState::Declined { reason } => Some((PaymentState::Declined, Some(reason.clone()))),
        ChargeState::Voided => Some((PaymentState::Voided, None)),
    };
    if failed.is_some() {
        // The lines may return to the cart, and a cart is locked before its order.
        let order = customer_order::Entity::find_by_id(found.order_id)
            .one(work.connection())
            .await?;
        if let Some(cart_id) = order.and_then(|order| order.cart_id) {
            locks::cart(work, cart_id).await?;
        }
    }
    let Some(order) = locks::order(work, found.order_id).await? else {
        return Ok(());
    };
    watch::announce_after_commit(work, shop, order.public_id);
    let payments = locks::payments_of_order(work, order.id).await?;
    let Some(payment) = payments.into_iter().find(|payment| payment.id == found.id) else {
        return Ok(());
    };
    if failed.is_none()
        && let Some(charged) = wrong_amount::of(&payment, report)
    {
        return wrong_amount::settle(work, shop, &order, &payment, &charged).await;
    }
    match (PaymentState::parse(&payment.state), failed) {
        (Some(PaymentState::Pending), Some((state, reason))) => {
            close_payment(work, &payment, state, reason).await?;
            cancel_unpaid_order(work, shop, &order, &payment).await
        }
        (Some(PaymentState::Captured), None) => Ok(()),
        (Some(PaymentState::Pending), None) => {
            close_payment(work, &payment, PaymentState::Captured, None).await?;
            confirm_or_compensate(work, shop, &order, &payment).await
        }
        (_, None) => {
            // The provider captured the charge after it had reported it as declined or voided.
            tracing::error!(%reference, "the provider captured a payment that was already closed");
            close_payment(work, &payment, PaymentState::Captured, None).await?;
            confirm_or_compensate(work, shop, &order, &payment).await
        }
        (_, Some(_)) => Ok(()),
    }
}

async fn find_by_reference<C: ConnectionTrait>(
    connection: &C,
    reference: Uuid,
) -> Result<Option<payment::Model>, DbErr> {
    payment::Entity::find()
        .filter(payment::Column::Reference.eq(reference))
        .one(connection)
        .await
}

/// Returns true if the outcome of a charge is known.
pub async fn is_settled<C: ConnectionTrait>(
    connection: &C,
    reference: Uuid,
) -> Result<bool, DbErr> {
    let payment = find_by_reference(connection, reference).await?;
    Ok(payment.is_none_or(|payment| payment.state != PaymentState::Pending.as_str()))
}

async fn close_payment(
    work: &Work,
    payment: &payment::Model,
    state: PaymentState,
    reason: Option<String>,
) -> Result<(), DbErr> {
    let captured = match state {
        PaymentState::Captured => payment.amount_cents,
        _ => 0,
    };
    let reason = reason.map(|reason| reason.chars().take(200).collect::<String>());
    payment::Entity::update_many()
        .col_expr(payment::Column::State, Expr::value(state.as_str()))
        .col_expr(payment::Column::CapturedCents, Expr::value(captured))
        .col_expr(payment::Column::DeclineReason, Expr::value(reason))
        .col_expr(payment::Column::SettledAt, Expr::current_timestamp())
        .filter(payment::Column::Id.eq(payment.id))
        .exec(work.connection())
        .await
        .map(drop)
}

/// Confirms the order of a captured payment: sells its held units or available stock. If neither
/// covers every line, the order is compensated by a refund or a backorder.
async fn confirm_or_compensate(
    work: &Work,
    shop: &Shop,
    order: &customer_order::Model,
    payment: &payment::Model,
) -> Result<(), Abort> {
    if orders::status_of(order)? != OrderStatus::Pending {
        // The order was cancelled or declined in the meantime.
        return plan_refund(work, payment, payment.amount_cents, RefundReason::Cancelled).await;
    }
    let lines = orders::lines_of(work, order.id).await?;
    let held = locks::holds_of_order(work, order.id).await?;
    let rows = lock_stock(work, &lines).await?;
    if lines.iter().all(|line| is_covered(line, &held, &rows)) {
        sell(work, shop, &lines, &held).await?;
        return Ok(orders::set_status(work, order.id, paid(order)).await?);
    }
    holds::release(work, shop, &held, ReleaseReason::Order).await?;
    match shop.terms.paid_without_stock {
        PaidWithoutStock::Backorder => {
            let new = NewStatus {
                status: OrderStatus::Backordered,
                ..paid(order)
            };
            Ok(orders::set_status(work, order.id, new).await?)
        }
        PaidWithoutStock::Refund => {
            discounts::release_use(work, order.id).await?;
            orders::set_status(work, order.id, NewStatus::cancelled(CancelReason::NoStock)).await?;
            plan_refund(work, payment, payment.amount_cents, RefundReason::NoStock).await
        }
    }
}

fn paid(order: &customer_order::Model) -> NewStatus {
    NewStatus {
        status: OrderStatus::Paid,
        reason: None,
        due_cents: order.total_cents,
    }
}

/// Locks the stock rows of `lines`, in id order.
pub async fn lock_stock(
    work: &Work,
    lines: &[order_line::Model],
) -> Result<Vec<stock::Model>, DbErr> {
    let ids: Vec<i64> = lines.iter().map(|line| line.product_id).collect();
    locks::stock_rows(work, &ids).await
}

fn is_covered(line: &order_line::Model, held: &[hold::Model], rows: &[stock::Model]) -> bool {
    let is_held = held.iter().any(|hold| hold.product_id == line.product_id);
    let row = rows.iter().find(|row| row.product_id == line.product_id);
    is_held || row.is_some_and(|row| row.available >= line.quantity.into())
}

/// Sells every line of an order, from its hold if it has one. The caller has checked that stock
/// covers all lines.
pub async fn sell(
    work: &Work,
    shop: &Shop,
    lines: &[order_line::Model],
    held: &[hold::Model],
) -> Result<(), Abort> {
    let mut movements = Vec::with_capacity(lines.len());
    for line in lines {
        let units = i64::from(line.quantity);
        let hold = held.iter().find(|hold| hold.product_id == line.product_id);
        let shift = match hold {
            Some(_) => CounterDelta::sell_held(units),
            None => CounterDelta {
                available: -units,
                sold: units,
                ..CounterDelta::default()
            },
        };
        let level = counters::apply(work, line.product_id, shift)
            .await?
            .ok_or(DbErr::RecordNotUpdated)?;
        announcement::announce_after_commit(work, shop, line.product_id, level);
        movements.push(Movement {
            order_id: Some(line.order_id),
            hold_id: hold.map(|hold| hold.id),
            ..Movement::of(line.product_id, MovementKind::Sell, units)
        });
    }
    holds::mark_sold(work, held).await?;
    Ok(ledger::append(work, &movements).await?)
}

/// Cancels an unpaid order after its charge was declined or voided. The cart and the form are
/// restored if the cart is still empty, and the request's key is free again: the same form may be
/// sent with another card, or when the provider can be reached. The caller has locked the cart.
async fn cancel_unpaid_order(
    work: &Work,
    shop: &Shop,
    order: &customer_order::Model,
    payment: &payment::Model,
) -> Result<(), Abort> {
    if orders::status_of(order)? != OrderStatus::Pending {
        return Ok(());
    }
    let held = locks::holds_of_order(work, order.id).await?;
    let lines = orders::lines_of(work, order.id).await?;
    let restored = match order.cart_id {
        Some(cart_id) => {
            let draft = CheckoutDraft {
                contact: orders::contact_of(order).unwrap_or_default(),
                code: order.discount_code.clone().unwrap_or_default(),
            };
            let cart_lines: Vec<_> = lines
                .iter()
                .map(|line| (line.product_id, line.quantity))
                .collect();
            cart::restore(work, cart_id, &cart_lines, &draft).await?
        }
        None => false,
    };
    if restored {
        holds::assign_to_order(work, &held, None).await?;
        holds::sale_end::shorten_returned(work, &held).await?;
    } else {
        holds::release(work, shop, &held, ReleaseReason::Order).await?;
    }
    discounts::release_use(work, order.id).await?;
    let declined = NewStatus {
        status: OrderStatus::Declined,
        reason: None,
        due_cents: 0,
    };
    orders::set_status(work, order.id, declined).await?;
    match &payment.idempotency_key {
        Some(key) => Ok(idempotency::free(work, key).await?),
        None => Ok(()),
    }
}
