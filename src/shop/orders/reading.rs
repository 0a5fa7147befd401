//! Orders for pages, found by their link or by number and e-mail address.

use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::{contact_of, number_of, status_of, watch::WatchedOrder};
use crate::{
    db::{
        dialect,
        entity::{customer_order, order_line, payment, refund},
        txn,
    },
    model::{
        Bill, CancelReason, OrderLineView, OrderView, PaymentState, PaymentView, Quantity,
        RefundReason, RefundView, ShopError,
    },
    payment::gateway::ReportedAmount,
    shop::{Shop, catalog, customer_limit, moment, payments::record},
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
        self.shop.order_watch.watch(&self.shop.db, public_id)
    }

    /// Returns the public id of the order with this number and this e-mail address. The error does
    /// not reveal which of the two is wrong.
    ///
    /// # Errors
    /// [`ShopError::UnknownOrder`]; the errors of [`Orders::find`].
    pub async fn find_by_number(self, number: &str, email: &str) -> Result<String, ShopError> {
        let email = customer_limit::fold_email(email);
        if email.contains('\0') {
            return Err(ShopError::UnknownOrder);
        }
        // The query also runs for an invalid number, so that the response takes as long.
        let order = customer_order::Entity::find()
            .filter(customer_order::Column::Id.eq(id_of(number).unwrap_or(0)))
            .filter(customer_order::Column::EmailFolded.eq(email))
            .one(self.shop.db.reader())
            .await
            .map_err(txn::read_error)?
            .ok_or(ShopError::UnknownOrder)?;
        Ok(order.public_id.to_string())
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
    async fn views(self, orders: Vec<customer_order::Model>) -> Result<Vec<OrderView>, ShopError> {
        let ids: Vec<i64> = orders.iter().map(|order| order.id).collect();
        let reader = self.shop.db.reader();
        let mut lines = order_line::Entity::find()
            .filter(dialect::column_in(order_line::Column::OrderId, &ids))
            .order_by_asc(order_line::Column::Id)
            .all(reader)
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
}

fn view(order: customer_order::Model, parts: Parts<'_>) -> Result<OrderView, DbErr> {
    let status = status_of(&order)?;
    let contact = contact_of(&order);
    let currency = order.currency;
    let money = |cents| catalog::money(cents, &currency);
    let lines = parts
        .lines
        .into_iter()
        .map(|line| line_view(line, &currency))
        .collect::<Result<_, _>>()?;
    Ok(OrderView {
        public_id: order.public_id.to_string(),
        number: number_of(order.id),
        placed_at: moment::in_utc(order.placed_at),
        status,
        cancel_reason: order.status_reason.as_deref().and_then(CancelReason::parse),
        contact,
        lines,
        bill: Bill {
            subtotal: money(order.subtotal_cents),
            discount: money(order.discount_cents),
            shipping: money(order.shipping_cents),
            total: money(order.total_cents),
            tax: money(order.tax_cents),
            tax_basis_points: order.tax_basis_points,
        },
        discount_code: order.discount_code,
        payment: parts.payment.map(payment_view).transpose()?,
        refunds: parts
            .refunds
            .into_iter()
            .map(|refund| refund_view(refund, parts.payment, &currency))
            .collect::<Result<_, _>>()?,
    })
}

fn line_view(line: order_line::Model, currency: &str) -> Result<OrderLineView, DbErr> {
    let quantity = Quantity::new(line.quantity.into())
        .map_err(|error| DbErr::Type(format!("order line {}: {error}", line.id)))?;
    let unit_price = catalog::money(line.unit_price_cents, currency);
    let units = |number: i32| u32::try_from(number).unwrap_or(0);
    Ok(OrderLineView {
        id: line.id,
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

fn refund_view(
    refund: refund::Model,
    payment: Option<&payment::Model>,
    currency: &str,
) -> Result<RefundView, DbErr> {
    let currency = payment.map_or(currency, record::charged_currency);
    Ok(RefundView {
        amount: catalog::money(refund.amount_cents, currency),
        reason: RefundReason::parse(&refund.reason)
            .ok_or_else(|| DbErr::Type(format!("refund {}: {}", refund.id, refund.reason)))?,
        done: refund.state == "succeeded",
        decided_at: moment::in_utc(refund.created_at),
    })
}

/// Parses an order number in any of the accepted spellings.
fn id_of(number: &str) -> Option<i64> {
    let digits = number.trim().to_uppercase();
    let digits = digits.strip_prefix("DB").unwrap_or(&digits);
    digits.trim_start_matches('-').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::id_of;

    #[test]
    fn an_order_number_is_parsed_in_each_spelling() {
        for typed in ["DB-000042", "db-42", " 42 ", "DB000042"] {
            assert_eq!(id_of(typed), Some(42), "{typed}");
        }
        assert_eq!(id_of("DB-"), None);
        assert_eq!(id_of("order"), None);
    }
}
