//! What the shop's people may do about an order: call it off, pay back, take goods back. Each is decided in one transaction with its key, and
//! writes the ledger; the money moves afterwards, and is asked about until it has.

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
        counters::{self, Shift},
        purchase,
    },
    ledger::{self, Movement, MovementKind},
    orders::{self, NewStatus},
    settlement,
};
use crate::{
    db::{
        entity::{customer_order, order_line, payment},
        locks,
        txn::{self, Abort, Work},
    },
    model::{CancelReason, OrderStatus, PaymentState, Quantity, RefundReason, ShopError, bill},
    shop::Shop,
};

/// What is to be done about an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderAct {
    /// Call it off: what was sold goes back to the shelf, what was taken goes back to the customer.
    Cancel,
    /// Pay back all that is left of what was taken. The goods stay with the customer.
    RefundAll,
    /// Pay back the price of so many units of a line.
    RefundLine { line_id: i64, quantity: Quantity },
    /// Put so many units of a line back on the shelf. No money moves.
    TakeBack { line_id: i64, quantity: Quantity },
}

impl Shop {
    /// Does `act` about the order, once for the key.
    ///
    /// # Errors
    /// [`ShopError::UnknownOrder`]; [`ShopError::NotNow`] if the order's state does not allow it; a reused key; or what the database failure
    /// means.
    pub async fn act_on_order(
        &self,
        public_id: &str,
        act: OrderAct,
        claim: Option<Claim>,
    ) -> Result<(), ShopError> {
        let public_id = Uuid::try_parse(public_id).map_err(|_| ShopError::UnknownOrder)?;
        let shop = self.clone();
        let charge = txn::run_for_result(&self.db, self.policy(act.name()), move |work| {
            let (shop, claim) = (shop.clone(), claim.clone());
            Box::pin(async move {
                if let Some(charge) = idempotency::claim(work, claim.as_ref()).await? {
                    return Ok(charge);
                }
                let charge: Option<Uuid> = do_act(work, &shop, public_id, act).await?;
                idempotency::record(work, claim.as_ref(), &charge).await?;
                Ok(charge)
            })
        })
        .await?;
        if let Some(charge) = charge {
            self.pay_back(charge).await;
        }
        Ok(())
    }
}

impl OrderAct {
    const fn name(self) -> &'static str {
        match self {
            Self::Cancel => "cancel order",
            Self::RefundAll => "refund order",
            Self::RefundLine { .. } => "refund line",
            Self::TakeBack { .. } => "take back",
        }
    }
}

/// An order with all that an act may need, locked.
struct Case {
    order: customer_order::Model,
    status: OrderStatus,
    /// The payment, if the money was taken.
    captured: Option<payment::Model>,
    lines: Vec<order_line::Model>,
}

impl Case {
    fn line(&self, line_id: i64) -> Result<&order_line::Model, ShopError> {
        self.lines
            .iter()
            .find(|line| line.id == line_id)
            .ok_or(ShopError::UnknownOrder)
    }
}

/// Returns the charge from which something is to be paid back.
async fn do_act(
    work: &Work,
    shop: &Shop,
    public_id: Uuid,
    act: OrderAct,
) -> Result<Option<Uuid>, Abort> {
    let case = open(work, public_id).await?;
    match act {
        OrderAct::Cancel => cancel(work, shop, &case).await?,
        OrderAct::RefundAll => refund_all(work, &case).await?,
        OrderAct::RefundLine { line_id, quantity } => {
            refund_line(work, &case, line_id, quantity).await?;
        }
        OrderAct::TakeBack { line_id, quantity } => {
            let line = case.line(line_id)?;
            if !case.status.is_sold() {
                return Err(not_now("Only what was sold can come back."));
            }
            if line.returned_quantity + signed(quantity) > line.quantity {
                return Err(not_now("More would come back than was sold."));
            }
            settlement::lock_stock(work, std::slice::from_ref(line)).await?;
            take_back(work, shop, line, quantity.get().into()).await?;
        }
    }
    Ok(case.captured.map(|payment| payment.reference))
}

async fn open(work: &Work, public_id: Uuid) -> Result<Case, Abort> {
    let found = customer_order::Entity::find()
        .filter(customer_order::Column::PublicId.eq(public_id))
        .one(work.connection())
        .await?
        .ok_or(ShopError::UnknownOrder)?;
    let order = locks::order(work, found.id)
        .await?
        .ok_or(ShopError::UnknownOrder)?;
    let payments = locks::payments_of_order(work, order.id).await?;
    Ok(Case {
        status: orders::status_of(&order)?,
        captured: payments
            .into_iter()
            .find(|payment| payment.state == PaymentState::Captured.as_str()),
        lines: orders::lines_of(work, order.id).await?,
        order,
    })
}

/// An order that is still being paid for is called off too: should the money be taken after all, it goes back by itself.
async fn cancel(work: &Work, shop: &Shop, case: &Case) -> Result<(), Abort> {
    match case.status {
        OrderStatus::Cancelled | OrderStatus::Declined => {
            return Err(not_now("This order has been called off already."));
        }
        OrderStatus::Pending => {
            let held = locks::holds_of_order(work, case.order.id).await?;
            holds::release(work, shop, &held, ReleaseReason::Order).await?;
        }
        OrderStatus::Backordered => {}
        OrderStatus::Placed | OrderStatus::Paid => {
            settlement::lock_stock(work, &case.lines).await?;
            for line in &case.lines {
                let out = i64::from(line.quantity - line.returned_quantity);
                if out > 0 {
                    take_back(work, shop, line, out).await?;
                }
            }
        }
    }
    discounts::give_back(work, case.order.id).await?;
    orders::set_status(
        work,
        case.order.id,
        settlement::cancelled(CancelReason::Shop),
    )
    .await?;
    match &case.captured {
        Some(payment) => {
            settlement::plan_refund(work, payment, case.order.due_cents, RefundReason::Cancelled)
                .await
        }
        None => Ok(()),
    }
}

async fn refund_all(work: &Work, case: &Case) -> Result<(), Abort> {
    for line in &case.lines {
        mark_refunded(work, line, line.quantity - line.refunded_quantity).await?;
    }
    refund(work, case, case.order.due_cents).await
}

async fn refund_line(
    work: &Work,
    case: &Case,
    line_id: i64,
    quantity: Quantity,
) -> Result<(), Abort> {
    let line = case.line(line_id)?;
    if line.refunded_quantity + signed(quantity) > line.quantity {
        return Err(not_now("More would be paid back than was bought."));
    }
    mark_refunded(work, line, signed(quantity)).await?;
    let before = line_share(&case.order, line, line.refunded_quantity);
    let after = line_share(&case.order, line, line.refunded_quantity + signed(quantity));
    refund(work, case, Ord::min(after - before, case.order.due_cents)).await
}

/// What `units` of a line cost in the end: their price less their share of the discount. Shipping is not part of it. Differences of
/// this are what is paid back, so that the parts of a line always add up to the line.
fn line_share(order: &customer_order::Model, line: &order_line::Model, units: i32) -> i64 {
    let gross = line.unit_price_cents.saturating_mul(units.into());
    let paid = order.subtotal_cents - order.discount_cents;
    bill::share(gross, paid, Ord::max(order.subtotal_cents, 1))
}

async fn refund(work: &Work, case: &Case, cents: i64) -> Result<(), Abort> {
    if case.status == OrderStatus::Backordered {
        // It would still be served, and then for nothing.
        return Err(not_now(
            "An order that waits for stock can be cancelled, and then all of it is paid back.",
        ));
    }
    let payment = case
        .captured
        .as_ref()
        .filter(|_| cents > 0)
        .ok_or_else(|| ShopError::NotNow("There is nothing left to pay back.".to_owned()))?;
    let new = NewStatus {
        status: case.status,
        reason: None,
        due_cents: case.order.due_cents - cents,
    };
    orders::set_status(work, case.order.id, new).await?;
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

/// The stock row is locked.
async fn take_back(
    work: &Work,
    shop: &Shop,
    line: &order_line::Model,
    units: i64,
) -> Result<(), Abort> {
    let level = counters::apply(work, line.product_id, Shift::take_back(units))
        .await?
        .ok_or_else(|| ShopError::NotNow("More would come back than was sold.".to_owned()))?;
    purchase::announce(work, shop, line.product_id, level);
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

fn not_now(sentence: &str) -> Abort {
    ShopError::NotNow(sentence.to_owned()).into()
}
