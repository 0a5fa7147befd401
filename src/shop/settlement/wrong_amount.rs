//! A charge of another amount, or in another currency, than is due. It never sells anything: the
//! order is cancelled, everything that was charged is refunded, and the log and the order's admin
//! page show it.

use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, sea_query::Expr};

use super::plan_refund;
use crate::{
    db::{
        entity::{customer_order, payment},
        locks,
        txn::{Abort, Work},
    },
    model::{CancelReason, OrderStatus, PaymentState, RefundReason},
    payment::gateway::{ChargeReport, ReportedAmount},
    shop::{
        Shop, discounts,
        holds::{self, ReleaseReason},
        orders::{self, NewStatus},
    },
};

/// Returns the amount that was charged, if it is not the amount that is due. Once a wrong amount
/// was reported, the payment never counts as right.
pub(super) fn of(payment: &payment::Model, report: &ChargeReport) -> Option<ReportedAmount> {
    let due = ReportedAmount::new(payment.amount_cents, &payment.currency);
    let charged = report.captured.clone().unwrap_or_else(|| due.clone());
    let was_wrong = payment.state == PaymentState::WrongAmount.as_str();
    (was_wrong || charged != due).then_some(charged)
}

/// Settles a payment whose charge has a wrong amount. The caller has locked the order and the
/// payment.
pub(super) async fn settle(
    work: &Work,
    shop: &Shop,
    order: &customer_order::Model,
    payment: &payment::Model,
    charged: &ReportedAmount,
) -> Result<(), Abort> {
    if reported(payment).as_ref() == Some(charged) {
        return Ok(());
    }
    tracing::error!(
        order = orders::number_of(order.id),
        reference = %payment.reference,
        due = %ReportedAmount::new(payment.amount_cents, &payment.currency),
        reported = %charged,
        "the payment provider reports a charge of another amount than is due"
    );
    match PaymentState::parse(&payment.state) {
        // The right amount was reported before, and the order is sold: a person has to decide.
        Some(PaymentState::Captured) => Ok(note(work, payment, charged).await?),
        Some(PaymentState::WrongAmount) => refund_more(work, payment, charged).await,
        _ => {
            close(work, payment, charged).await?;
            if orders::status_of(order)? == OrderStatus::Pending {
                cancel(work, shop, order).await?;
            }
            plan_refund(work, payment, charged.cents, RefundReason::WrongAmount).await
        }
    }
}

async fn cancel(work: &Work, shop: &Shop, order: &customer_order::Model) -> Result<(), Abort> {
    let held = locks::holds_of_order(work, order.id).await?;
    holds::release(work, shop, &held, ReleaseReason::Order).await?;
    discounts::release_use(work, order.id).await?;
    let new = NewStatus::cancelled(CancelReason::WrongAmount);
    Ok(orders::set_status(work, order.id, new).await?)
}

fn reported(payment: &payment::Model) -> Option<ReportedAmount> {
    let currency = payment.reported_currency.as_deref()?;
    Some(ReportedAmount::new(payment.reported_cents?, currency))
}

/// Refunds what a later report adds to an earlier one. A smaller amount, or one in another
/// currency, contradicts the earlier report; its refund stays as it was planned.
async fn refund_more(
    work: &Work,
    payment: &payment::Model,
    charged: &ReportedAmount,
) -> Result<(), Abort> {
    let more = charged.cents.saturating_sub(payment.captured_cents);
    if more <= 0 || payment.reported_currency.as_ref() != Some(&charged.currency) {
        return Ok(());
    }
    close(work, payment, charged).await?;
    plan_refund(work, payment, more, RefundReason::WrongAmount).await
}

async fn close(
    work: &Work,
    payment: &payment::Model,
    charged: &ReportedAmount,
) -> Result<(), DbErr> {
    note(work, payment, charged).await?;
    let state = PaymentState::WrongAmount.as_str();
    payment::Entity::update_many()
        .col_expr(payment::Column::State, Expr::value(state))
        .col_expr(
            payment::Column::CapturedCents,
            Expr::value(Ord::max(charged.cents, 0)),
        )
        .col_expr(payment::Column::DeclineReason, Expr::value(None::<String>))
        .col_expr(payment::Column::SettledAt, Expr::current_timestamp())
        .filter(payment::Column::Id.eq(payment.id))
        .exec(work.connection())
        .await
        .map(drop)
}

/// Stores the reported amount, which the order's admin page shows.
async fn note(
    work: &Work,
    payment: &payment::Model,
    charged: &ReportedAmount,
) -> Result<(), DbErr> {
    payment::Entity::update_many()
        .col_expr(payment::Column::ReportedCents, Expr::value(charged.cents))
        .col_expr(
            payment::Column::ReportedCurrency,
            Expr::value(charged.currency.as_str()),
        )
        .filter(payment::Column::Id.eq(payment.id))
        .exec(work.connection())
        .await
        .map(drop)
}
