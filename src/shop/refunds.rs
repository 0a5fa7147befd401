//! Administrators' actions on an order: cancel it, refund it, or return goods to stock. Each action
//! is one transaction with its idempotency key, and writes the ledger. The refund is sent
//! afterwards, and retried until the provider confirms it.
//!
//! The refund of a unit is what was paid for it: its price, its share of the discount, and its
//! share of the delivery ([`shares`]). So the refunds of an order add up to what was paid for it,
//! whatever the order of the parts. Money and goods are separate: a unit that was refunded but not
//! returned still counts against the limits per customer, because the customer has it.

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
    orders::{self, NewStatus, watch},
    settlement,
};
use crate::{
    db::{
        dialect,
        entity::{customer_order, order_line, payment, product},
        locks,
        txn::{self, Abort, Work},
    },
    model::{CancelReason, OrderStatus, PaymentState, Quantity, RefundReason, ShopError, shares},
    shop::Shop,
};

/// An administrator's action on an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderAction {
    /// Cancels the order: returns sold units to stock and refunds the captured payment.
    Cancel,
    /// Refunds the rest of the captured payment. The customer keeps the goods.
    RefundAll,
    /// Refunds what was paid for `quantity` units of a line, with their share of the delivery.
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

    /// What was paid for all refunded units, in cents, when `line_id` has `refunded` of them.
    fn paid_for_refunded_units(&self, line_id: i64, refunded: i32) -> i64 {
        let (mut before, mut paid) = (0, 0);
        for line in &self.lines {
            let units = match line.id == line_id {
                true => refunded,
                false => line.refunded_quantity,
            };
            paid += shares::paid_for_units(
                self.order.total_cents,
                self.order.subtotal_cents,
                before,
                line.unit_price_cents,
                units.into(),
            );
            before += line.unit_price_cents * i64::from(line.quantity);
        }
        paid
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
    watch::announce_after_commit(work, shop, public_id);
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
    if locked.order.discount_code.is_some() {
        release_code_if_nothing_is_kept(work, locked.order.id).await?;
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
        NewStatus::cancelled(CancelReason::Shop),
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
    // Compared with what was refunded so far, and not with the line alone: an order that was partly
    // refunded by another rule then adds up too.
    let paid = locked.paid_for_refunded_units(line_id, line.refunded_quantity + signed(quantity));
    let earlier = locked.order.total_cents - locked.order.due_cents;
    let cents = (paid - earlier).clamp(0, Ord::max(locked.order.due_cents, 0));
    refund(work, locked, cents).await
}

/// Refunds `cents`, which may be nothing: a unit whose price the discount covers cost nothing.
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
        .filter(|_| locked.order.due_cents > 0)
        .ok_or_else(|| ShopError::InvalidState("Nothing is left to refund.".to_owned()))?;
    let new = NewStatus {
        status: locked.status,
        reason: None,
        due_cents: locked.order.due_cents - cents,
    };
    orders::set_status(work, locked.order.id, new).await?;
    settlement::plan_refund(work, payment, cents, RefundReason::Goodwill).await
}

/// Releases the use of the discount code when every unit came back and all money was refunded: the
/// customer has nothing that the code made cheaper.
async fn release_code_if_nothing_is_kept(work: &Work, order_id: i64) -> Result<(), Abort> {
    let order = customer_order::Entity::find_by_id(order_id)
        .one(work.connection())
        .await?;
    let is_refunded = order
        .is_some_and(|order| order.status == OrderStatus::Paid.as_str() && order.due_cents == 0);
    if !is_refunded {
        return Ok(());
    }
    let lines = orders::lines_of(work, order_id).await?;
    if lines
        .iter()
        .all(|line| line.returned_quantity >= line.quantity)
    {
        discounts::release_use(work, order_id).await?;
    }
    Ok(())
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
