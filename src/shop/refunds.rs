//! Administrators' actions on an order: cancel it, refund it, or return goods to stock. Each action
//! is one transaction with its idempotency key, and writes the ledger. The refund is sent
//! afterwards, and retried until the provider confirms it.

use sea_orm::{
    ColumnTrait, EntityTrait, QueryFilter,
    sea_query::{Expr, ExprTrait},
};
use uuid::Uuid;

use super::{
    discounts, holds,
    holds::ReleaseReason,
    idempotency::{self, Claim},
    inventory::{
        announcement,
        counters::{self, CounterDelta},
    },
    ledger::{self, Movement, MovementKind},
    orders::{self, NewStatus},
    settlement,
};
use crate::{
    db::{
        dialect,
        entity::{customer_order, order_line, payment, product},
        locks,
        txn::{self, Abort, Work},
    },
    model::{CancelReason, OrderStatus, PaymentState, Quantity, RefundReason, ShopError, bill},
    shop::Shop,
};

/// An administrator's action on an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderAction {
    /// Cancels the order: returns sold units to stock and refunds the captured payment.
    Cancel,
    /// Refunds the rest of the captured payment. The customer keeps the goods.
    RefundAll,
    /// Refunds the price of `quantity` units of a line.
    RefundLine { line_id: i64, quantity: Quantity },
    /// Returns `quantity` units of a line to stock, without a refund.
    ReturnLine { line_id: i64, quantity: Quantity },
}

/// Changes orders for an administrator; see [`Shop::order_administration`].
#[derive(Clone, Copy, Debug)]
pub struct OrderAdministration<'a> {
    pub(super) shop: &'a Shop,
}

impl OrderAdministration<'_> {
    /// Applies `action` to the order, once per key.
    ///
    /// # Errors
    /// [`ShopError::UnknownOrder`]; [`ShopError::InvalidState`] if the order's state does not allow
    /// the action, or if the order belongs to a simulation run;
    /// [`ShopError::IdempotencyKeyReused`].
    pub async fn apply(
        self,
        public_id: &str,
        action: OrderAction,
        claim: Option<Claim>,
    ) -> Result<(), ShopError> {
        let public_id = Uuid::try_parse(public_id).map_err(|_| ShopError::UnknownOrder)?;
        let shop = self.shop.clone();
        let charge = txn::run_for_result(
            &self.shop.db,
            self.shop.policy(action.name()),
            move |work| {
                let (shop, claim) = (shop.clone(), claim.clone());
                Box::pin(async move {
                    if let Some(charge) = idempotency::claim(work, claim.as_ref()).await? {
                        return Ok(charge);
                    }
                    let charge: Option<Uuid> = apply_action(work, &shop, public_id, action).await?;
                    idempotency::record(work, claim.as_ref(), &charge).await?;
                    Ok(charge)
                })
            },
        )
        .await?;
        if let Some(charge) = charge {
            self.shop.payments().send_refunds(charge).await;
        }
        Ok(())
    }
}

impl OrderAction {
    const fn name(self) -> &'static str {
        match self {
            Self::Cancel => "cancel order",
            Self::RefundAll => "refund order",
            Self::RefundLine { .. } => "refund line",
            Self::ReturnLine { .. } => "return line",
        }
    }
}

/// A locked order with its payment and its lines.
struct LockedOrder {
    order: customer_order::Model,
    status: OrderStatus,
    /// The payment, if it was captured.
    captured: Option<payment::Model>,
    lines: Vec<order_line::Model>,
}

impl LockedOrder {
    fn line(&self, line_id: i64) -> Result<&order_line::Model, ShopError> {
        self.lines
            .iter()
            .find(|line| line.id == line_id)
            .ok_or(ShopError::UnknownOrder)
    }
}

/// Applies an action and returns the charge whose refunds are to be sent.
async fn apply_action(
    work: &Work,
    shop: &Shop,
    public_id: Uuid,
    action: OrderAction,
) -> Result<Option<Uuid>, Abort> {
    let locked = lock_order(work, public_id).await?;
    check_no_private_product(work, &locked.lines).await?;
    match action {
        OrderAction::Cancel => cancel(work, shop, &locked).await?,
        OrderAction::RefundAll => refund_all(work, &locked).await?,
        OrderAction::RefundLine { line_id, quantity } => {
            refund_line(work, &locked, line_id, quantity).await?;
        }
        OrderAction::ReturnLine { line_id, quantity } => {
            let line = locked.line(line_id)?;
            if !locked.status.is_sold() {
                return Err(invalid_state("Only units of a sold order can be returned."));
            }
            if line.returned_quantity + signed(quantity) > line.quantity {
                return Err(invalid_state(
                    "You cannot return more units than were sold.",
                ));
            }
            settlement::lock_stock(work, std::slice::from_ref(line)).await?;
            return_units(work, shop, line, quantity.get().into()).await?;
        }
    }
    Ok(locked.captured.map(|payment| payment.reference))
}

async fn lock_order(work: &Work, public_id: Uuid) -> Result<LockedOrder, Abort> {
    let found = customer_order::Entity::find()
        .filter(customer_order::Column::PublicId.eq(public_id))
        .one(work.connection())
        .await?
        .ok_or(ShopError::UnknownOrder)?;
    let order = locks::order(work, found.id)
        .await?
        .ok_or(ShopError::UnknownOrder)?;
    let payments = locks::payments_of_order(work, order.id).await?;
    Ok(LockedOrder {
        status: orders::status_of(&order)?,
        captured: payments
            .into_iter()
            .find(|payment| payment.state == PaymentState::Captured.as_str()),
        lines: orders::lines_of(work, order.id).await?,
        order,
    })
}

/// Refuses to change an order of a private product: it would change the stock of a run after, or
/// during, its verdict.
async fn check_no_private_product(work: &Work, lines: &[order_line::Model]) -> Result<(), Abort> {
    let ids: Vec<i64> = lines.iter().map(|line| line.product_id).collect();
    let private = product::Entity::find()
        .filter(dialect::column_in(product::Column::Id, &ids))
        .filter(product::Column::LaneId.is_not_null())
        .one(work.connection())
        .await?;
    match private {
        Some(_) => Err(invalid_state(
            "This order belongs to a simulation run. Changing it would change the result of the run.",
        )),
        None => Ok(()),
    }
}

/// Cancels an order, also while its payment is pending: if the provider captures the payment later,
/// it is refunded automatically.
async fn cancel(work: &Work, shop: &Shop, locked: &LockedOrder) -> Result<(), Abort> {
    match locked.status {
        OrderStatus::Cancelled | OrderStatus::Declined => {
            return Err(invalid_state(
                "This order is already cancelled or declined.",
            ));
        }
        OrderStatus::Pending => {
            let held = locks::holds_of_order(work, locked.order.id).await?;
            holds::release(work, shop, &held, ReleaseReason::Order).await?;
        }
        OrderStatus::Backordered => {}
        OrderStatus::Placed | OrderStatus::Paid => {
            settlement::lock_stock(work, &locked.lines).await?;
            for line in &locked.lines {
                let not_returned = i64::from(line.quantity - line.returned_quantity);
                if not_returned > 0 {
                    return_units(work, shop, line, not_returned).await?;
                }
            }
        }
    }
    discounts::release_use(work, locked.order.id).await?;
    orders::set_status(
        work,
        locked.order.id,
        settlement::cancelled(CancelReason::Shop),
    )
    .await?;
    match &locked.captured {
        Some(payment) => {
            settlement::plan_refund(
                work,
                payment,
                locked.order.due_cents,
                RefundReason::Cancelled,
            )
            .await
        }
        None => Ok(()),
    }
}

async fn refund_all(work: &Work, locked: &LockedOrder) -> Result<(), Abort> {
    for line in &locked.lines {
        mark_refunded(work, line, line.quantity - line.refunded_quantity).await?;
    }
    refund(work, locked, locked.order.due_cents).await
}

async fn refund_line(
    work: &Work,
    locked: &LockedOrder,
    line_id: i64,
    quantity: Quantity,
) -> Result<(), Abort> {
    let line = locked.line(line_id)?;
    if line.refunded_quantity + signed(quantity) > line.quantity {
        return Err(invalid_state(
            "You cannot refund more units than were ordered.",
        ));
    }
    mark_refunded(work, line, signed(quantity)).await?;
    let before = line_share(&locked.order, line, line.refunded_quantity);
    let after = line_share(
        &locked.order,
        line,
        line.refunded_quantity + signed(quantity),
    );
    refund(
        work,
        locked,
        Ord::min(after - before, locked.order.due_cents),
    )
    .await
}

/// Returns the amount paid for `units` of a line: their price minus their share of the discount,
/// without shipping. A refund is the difference of two such amounts, so that the partial refunds of
/// a line always add up to the line.
fn line_share(order: &customer_order::Model, line: &order_line::Model, units: i32) -> i64 {
    let gross = line.unit_price_cents.saturating_mul(units.into());
    let paid = order.subtotal_cents - order.discount_cents;
    bill::share(gross, paid, Ord::max(order.subtotal_cents, 1))
}

async fn refund(work: &Work, locked: &LockedOrder, cents: i64) -> Result<(), Abort> {
    if locked.status == OrderStatus::Backordered {
        // The order would still be fulfilled after the refund.
        return Err(invalid_state(
            "This order is waiting for stock. Cancel it to refund the full amount.",
        ));
    }
    let payment = locked
        .captured
        .as_ref()
        .filter(|_| cents > 0)
        .ok_or_else(|| ShopError::InvalidState("Nothing is left to refund.".to_owned()))?;
    let new = NewStatus {
        status: locked.status,
        reason: None,
        due_cents: locked.order.due_cents - cents,
    };
    orders::set_status(work, locked.order.id, new).await?;
    settlement::plan_refund(work, payment, cents, RefundReason::Goodwill).await
}

async fn mark_refunded(work: &Work, line: &order_line::Model, units: i32) -> Result<(), Abort> {
    let column = order_line::Column::RefundedQuantity;
    order_line::Entity::update_many()
        .col_expr(column, Expr::col(column).add(units))
        .filter(order_line::Column::Id.eq(line.id))
        .exec(work.connection())
        .await?;
    Ok(())
}

/// Returns units of a line to stock. The caller has locked the stock row.
async fn return_units(
    work: &Work,
    shop: &Shop,
    line: &order_line::Model,
    units: i64,
) -> Result<(), Abort> {
    let level = counters::apply(work, line.product_id, CounterDelta::return_to_stock(units))
        .await?
        .ok_or_else(|| {
            ShopError::InvalidState("You cannot return more units than were sold.".to_owned())
        })?;
    announcement::announce_after_commit(work, shop, line.product_id, level);
    let column = order_line::Column::ReturnedQuantity;
    order_line::Entity::update_many()
        .col_expr(column, Expr::col(column).add(units))
        .filter(order_line::Column::Id.eq(line.id))
        .exec(work.connection())
        .await?;
    let movement = Movement {
        order_id: Some(line.order_id),
        ..Movement::of(line.product_id, MovementKind::Return, units)
    };
    Ok(ledger::append(work, &[movement]).await?)
}

fn signed(quantity: Quantity) -> i32 {
    quantity.get().cast_signed()
}

fn invalid_state(sentence: &str) -> Abort {
    ShopError::InvalidState(sentence.to_owned()).into()
}
