//! Orders for pages, found by their link.

use std::collections::HashMap;

use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::{contact_of, number_of, status_of, watch::WatchedOrder};
use crate::{
    db::{
        dialect,
        entity::{customer_order, order_line, payment, refund},
        txn,
    },
    feed::ChangeSet,
    model::{
        Bill, CancelReason, OrderLineView, OrderView, PaymentState, PaymentView, Quantity,
        RefundReason, RefundView, ShopError, shares,
    },
    payment::gateway::ReportedAmount,
    shop::{Shop, catalog, moment, payments::record},
};

/// Reads orders; see [`Shop::orders`].
#[derive(Clone, Copy, Debug)]
pub struct Orders<'a> {
    pub(in crate::shop) shop: &'a Shop,
}

impl Orders<'_> {
    /// Returns an order by its public id.
    ///
    /// # Errors
    /// [`ShopError::UnknownOrder`], also for an id in another format; [`ShopError::Unavailable`] or
    /// [`ShopError::Internal`] if the database fails.
    pub async fn find(self, public_id: &str) -> Result<OrderView, ShopError> {
        let public_id = Uuid::try_parse(public_id).map_err(|_| ShopError::UnknownOrder)?;
        let order = customer_order::Entity::find()
            .filter(customer_order::Column::PublicId.eq(public_id))
            .one(self.shop.db.reader())
            .await
            .map_err(txn::read_error)?
            .ok_or(ShopError::UnknownOrder)?;
        let mut views = self.views(vec![order]).await?;
        views.pop().ok_or(ShopError::UnknownOrder)
    }

    /// Watches an order, until the guard is dropped. Read the order after this call: only later
    /// changes are notified.
    pub fn watch(self, public_id: Uuid) -> WatchedOrder {
        let shop = self.shop;
        shop.order_watch.watch(&shop.db, &shop.feed, public_id)
    }

    /// Wakes the watchers of the orders that a notice names.
    pub fn notice(self, changes: &ChangeSet) {
        self.shop.order_watch.notice(changes);
    }

    /// Returns the shop's latest orders, newest first, without those of workbench lanes.
    ///
    /// # Errors
    /// The errors of [`Orders::find`], except [`ShopError::UnknownOrder`].
    pub async fn latest(self, at_most: u64) -> Result<Vec<OrderView>, ShopError> {
        let orders = customer_order::Entity::find()
            .filter(customer_order::Column::LaneId.is_null())
            .order_by_desc(customer_order::Column::Id)
            .limit(at_most)
            .all(self.shop.db.reader())
            .await
            .map_err(txn::read_error)?;
        self.views(orders).await
    }

    /// Reads the lines, payments and refunds of `orders` with one query per table.
    pub(super) async fn views(
        self,
        orders: Vec<customer_order::Model>,
    ) -> Result<Vec<OrderView>, ShopError> {
        let ids: Vec<i64> = orders.iter().map(|order| order.id).collect();
        let reader = self.shop.db.reader();
        let mut lines = order_line::Entity::find()
            .filter(dialect::column_in(order_line::Column::OrderId, &ids))
            .order_by_asc(order_line::Column::Id)
            .all(reader)
            .await
            .map_err(txn::read_error)?;
        let products: Vec<i64> = lines.iter().map(|line| line.product_id).collect();
        let slugs = catalog::slugs(reader, &products)
            .await
            .map_err(txn::read_error)?;
        let payments = payment::Entity::find()
            .filter(dialect::column_in(payment::Column::OrderId, &ids))
            .order_by_asc(payment::Column::Id)
            .all(reader)
            .await
            .map_err(txn::read_error)?;
        let mut refunds = refund::Entity::find()
            .filter(dialect::column_in(refund::Column::OrderId, &ids))
            .order_by_asc(refund::Column::Id)
            .all(reader)
            .await
            .map_err(txn::read_error)?;
        orders
            .into_iter()
            .map(|order| {
                let id = order.id;
                let parts = Parts {
                    lines: lines.extract_if(.., |line| line.order_id == id).collect(),
                    payment: payments.iter().rfind(|payment| payment.order_id == id),
                    refunds: refunds
                        .extract_if(.., |refund| refund.order_id == id)
                        .collect(),
                    slugs: &slugs,
                };
                view(order, parts).map_err(txn::read_error)
            })
            .collect()
    }
}

/// The rows that belong to one order.
struct Parts<'a> {
    lines: Vec<order_line::Model>,
    payment: Option<&'a payment::Model>,
    refunds: Vec<refund::Model>,
    /// Of the products, by their ids.
    slugs: &'a HashMap<i64, String>,
}

fn view(order: customer_order::Model, parts: Parts<'_>) -> Result<OrderView, DbErr> {
    let status = status_of(&order)?;
    let contact = contact_of(&order);
    let currency = order.currency;
    let money = |cents| catalog::money(cents, &currency);
    let lines = parts
        .lines
        .into_iter()
        .map(|line| line_view(line, &currency, parts.slugs))
        .collect::<Result<_, _>>()?;
    let bill = Bill {
        subtotal: money(order.subtotal_cents),
        discount: money(order.discount_cents),
        shipping: money(order.shipping_cents),
        total: money(order.total_cents),
        tax: money(order.tax_cents),
        tax_basis_points: order.tax_basis_points,
    };
    Ok(OrderView {
        public_id: order.public_id.to_string(),
        number: number_of(order.id),
        placed_at: moment::in_utc(order.placed_at),
        status,
        cancel_reason: order.status_reason.as_deref().and_then(CancelReason::parse),
        contact,
        lines,
        bill,
        discount_code: order.discount_code,
        payment: parts.payment.map(payment_view).transpose()?,
        refunds: refund_views(parts.refunds, parts.payment, &bill)?,
    })
}

fn line_view(
    line: order_line::Model,
    currency: &str,
    slugs: &HashMap<i64, String>,
) -> Result<OrderLineView, DbErr> {
    let quantity = Quantity::new(line.quantity.into())
        .map_err(|error| DbErr::Type(format!("order line {}: {error}", line.id)))?;
    let unit_price = catalog::money(line.unit_price_cents, currency);
    let units = |number: i32| u32::try_from(number).unwrap_or(0);
    Ok(OrderLineView {
        id: line.id,
        product_id: line.product_id,
        product_slug: slugs.get(&line.product_id).cloned().unwrap_or_default(),
        product_name: line.product_name,
        unit_price,
        quantity,
        amount: unit_price
            .times(quantity)
            .ok_or_else(|| DbErr::Type(format!("order line {}: the amount overflows", line.id)))?,
        returned: units(line.returned_quantity),
        refunded: units(line.refunded_quantity),
    })
}

fn payment_view(payment: &payment::Model) -> Result<PaymentView, DbErr> {
    Ok(PaymentView {
        state: PaymentState::parse(&payment.state)
            .ok_or_else(|| DbErr::Type(format!("payment {}: {}", payment.id, payment.state)))?,
        captured: catalog::money(payment.captured_cents, record::charged_currency(payment)),
        wrong_amount: payment
            .reported_cents
            .zip(payment.reported_currency.as_deref())
            .map(|(cents, currency)| ReportedAmount::new(cents, currency).to_string()),
        decline_reason: payment.decline_reason.clone(),
    })
}

/// The refunds of an order, oldest first. The tax in each is the difference of two shares of the
/// order's tax, so that together they are the whole tax once everything is refunded. A charge of a
/// wrong amount paid for nothing, and contains no tax.
fn refund_views(
    refunds: Vec<refund::Model>,
    payment: Option<&payment::Model>,
    bill: &Bill,
) -> Result<Vec<RefundView>, DbErr> {
    let currency = payment.map_or(bill.total.currency.code(), record::charged_currency);
    let (total, mut earlier) = (bill.total.cents, 0);
    refunds
        .into_iter()
        .map(|refund| {
            let reason = RefundReason::parse(&refund.reason)
                .ok_or_else(|| DbErr::Type(format!("refund {}: {}", refund.id, refund.reason)))?;
            let until = match reason {
                RefundReason::WrongAmount => earlier,
                _ => Ord::min(earlier + refund.amount_cents, total),
            };
            let tax_cents = shares::share_between(bill.tax.cents, earlier, until, total);
            earlier = until;
            Ok(RefundView {
                amount: catalog::money(refund.amount_cents, currency),
                tax: catalog::money(tax_cents, currency),
                reason,
                done: refund.state == "succeeded",
                decided_at: moment::in_utc(refund.created_at),
            })
        })
        .collect()
}
