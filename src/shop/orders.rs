//! Orders: written inside the transaction that takes or holds their stock, read by their link.

use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::Expr,
};
use uuid::Uuid;

use crate::{
    db::{
        dialect,
        entity::{customer_order, order_line, payment, refund},
        txn::{self, Abort, Work},
    },
    model::{
        Bill, CancelReason, Contact, Money, OrderLineView, OrderStatus, OrderView, PaymentState,
        PaymentView, Quantity, RefundReason, RefundView, ShopError,
    },
    shop::{
        Shop,
        catalog::{self, Offer},
        customer_limit,
        ledger::{self, Movement, MovementKind},
    },
};

/// An order about to be written.
#[derive(Debug)]
pub struct NewOrder {
    /// None for an express purchase.
    pub contact: Option<Contact>,
    /// The lane on whose behalf a simulated buyer bought.
    pub lane_id: Option<i64>,
    /// Where its lines go back to if it comes to nothing.
    pub cart_id: Option<Uuid>,
    /// The discount code that the bill reckons with.
    pub code: Option<String>,
    pub bill: Bill,
    /// At least one; one a product.
    pub lines: Vec<NewLine>,
}

/// One line of a [`NewOrder`], at the price that the database says.
#[derive(Debug)]
pub struct NewLine {
    product_id: i64,
    product_name: String,
    unit_price: Money,
    quantity: Quantity,
    amount: Money,
}

impl NewLine {
    /// `quantity` units of `offer`.
    ///
    /// # Errors
    /// [`ShopError::Invalid`] if the amount does not fit.
    pub fn of(offer: &Offer, quantity: Quantity) -> Result<Self, ShopError> {
        Ok(Self {
            product_id: offer.id,
            product_name: offer.name.clone(),
            unit_price: offer.price,
            quantity,
            amount: offer.price.times(quantity).ok_or_else(too_large)?,
        })
    }
}

/// What was written.
#[derive(Clone, Copy, Debug)]
pub struct WrittenOrder {
    pub id: i64,
    pub public_id: Uuid,
}

/// The sum of `lines`.
///
/// # Errors
/// [`ShopError::CartEmpty`] without lines; [`ShopError::Invalid`] if it does not fit or mixes currencies.
pub fn subtotal(lines: &[NewLine]) -> Result<Money, ShopError> {
    let (first, rest) = lines.split_first().ok_or(ShopError::CartEmpty)?;
    rest.iter()
        .try_fold(first.amount, |sum, line| sum.plus(line.amount))
        .ok_or_else(too_large)
}

/// What is said of an amount that does not fit.
pub fn too_large() -> ShopError {
    ShopError::Invalid("the total of this order is too large".to_owned())
}

/// Writes an express purchase: sold on account, with one sell movement a line. Its stock has been taken in the same transaction.
///
/// # Errors
/// What the database says.
pub async fn write_placed(work: &Work, order: &NewOrder) -> Result<WrittenOrder, Abort> {
    let written = write(work, order, OrderStatus::Placed, "on_account").await?;
    let movements: Vec<_> = order
        .lines
        .iter()
        .map(|line| Movement {
            order_id: Some(written.id),
            ..Movement::of(line.product_id, MovementKind::Sell, line.quantity.into())
        })
        .collect();
    ledger::append(work, &movements).await?;
    Ok(written)
}

/// Writes an order that is about to be paid for. Its stock is held, and sold once it is paid.
///
/// # Errors
/// What the database says.
pub async fn write_pending(work: &Work, order: &NewOrder) -> Result<WrittenOrder, Abort> {
    write(work, order, OrderStatus::Pending, "card").await
}

async fn write(
    work: &Work,
    order: &NewOrder,
    status: OrderStatus,
    settlement: &str,
) -> Result<WrittenOrder, Abort> {
    let contact = order.contact.as_ref();
    let text = |field: fn(&Contact) -> &String| Set(contact.map(|contact| field(contact).clone()));
    let bill = &order.bill;
    let due = if status.is_sold() {
        bill.total.cents
    } else {
        0
    };
    let row = customer_order::ActiveModel {
        id: NotSet,
        public_id: Set(Uuid::now_v7()),
        status: Set(status.as_str().to_owned()),
        status_reason: NotSet,
        settlement: Set(settlement.to_owned()),
        customer_name: text(|contact| &contact.name),
        email: text(|contact| &contact.email),
        email_folded: Set(contact.map(|contact| customer_limit::fold_email(&contact.email))),
        street: text(|contact| &contact.street),
        postal_code: text(|contact| &contact.postal_code),
        city: text(|contact| &contact.city),
        country: text(|contact| &contact.country),
        currency: Set(bill.total.currency.code().to_owned()),
        subtotal_cents: Set(bill.subtotal.cents),
        discount_code: Set(order.code.clone()),
        discount_cents: Set(bill.discount.cents),
        shipping_cents: Set(bill.shipping.cents),
        tax_basis_points: Set(bill.tax_basis_points),
        tax_cents: Set(bill.tax.cents),
        total_cents: Set(bill.total.cents),
        due_cents: Set(due),
        cart_id: Set(order.cart_id),
        lane_id: Set(order.lane_id),
        placed_at: NotSet,
        changed_at: NotSet,
    }
    .insert(work.connection())
    .await?;
    let lines = order.lines.iter().map(|line| order_line::ActiveModel {
        id: NotSet,
        order_id: Set(row.id),
        product_id: Set(line.product_id),
        product_name: Set(line.product_name.clone()),
        unit_price_cents: Set(line.unit_price.cents),
        quantity: Set(line.quantity.get().cast_signed()),
        returned_quantity: NotSet,
        refunded_quantity: NotSet,
    });
    order_line::Entity::insert_many(lines)
        .exec_without_returning(work.connection())
        .await?;
    Ok(WrittenOrder {
        id: row.id,
        public_id: row.public_id,
    })
}

/// The lines of an order, by product id: the order in which stock is locked.
///
/// # Errors
/// What the database says.
pub async fn lines_of(work: &Work, order_id: i64) -> Result<Vec<order_line::Model>, DbErr> {
    order_line::Entity::find()
        .filter(order_line::Column::OrderId.eq(order_id))
        .order_by_asc(order_line::Column::ProductId)
        .all(work.connection())
        .await
}

/// The id of an order by its public id.
///
/// # Errors
/// [`ShopError::UnknownOrder`]; what the database says.
pub async fn id_of_public(work: &Work, public_id: &str) -> Result<i64, Abort> {
    let public_id = Uuid::try_parse(public_id).map_err(|_| ShopError::UnknownOrder)?;
    let order = customer_order::Entity::find()
        .filter(customer_order::Column::PublicId.eq(public_id))
        .one(work.connection())
        .await?;
    Ok(order.ok_or(ShopError::UnknownOrder)?.id)
}

/// Where an order is to stand from now on.
#[derive(Clone, Copy, Debug)]
pub struct NewStatus {
    pub status: OrderStatus,
    pub reason: Option<CancelReason>,
    /// What the shop is to keep of what it took.
    pub due_cents: i64,
}

/// Moves an order, which is locked, on.
///
/// # Errors
/// What the database says.
pub async fn set_status(work: &Work, order_id: i64, new: NewStatus) -> Result<(), DbErr> {
    let reason = new.reason.map(CancelReason::as_str);
    customer_order::Entity::update_many()
        .col_expr(
            customer_order::Column::Status,
            Expr::value(new.status.as_str()),
        )
        .col_expr(customer_order::Column::StatusReason, Expr::value(reason))
        .col_expr(customer_order::Column::DueCents, Expr::value(new.due_cents))
        .col_expr(customer_order::Column::ChangedAt, Expr::current_timestamp())
        .filter(customer_order::Column::Id.eq(order_id))
        .exec(work.connection())
        .await
        .map(drop)
}

/// The status of a row.
///
/// # Errors
/// [`DbErr::Type`] for a word that this version does not know.
pub fn status_of(order: &customer_order::Model) -> Result<OrderStatus, DbErr> {
    OrderStatus::parse(&order.status)
        .ok_or_else(|| DbErr::Type(format!("order {}: status {}", order.id, order.status)))
}

/// Who it goes to; none for an express purchase.
pub fn contact_of(order: &customer_order::Model) -> Option<Contact> {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    order.customer_name.clone().map(|name| Contact {
        name,
        email: text(&order.email),
        street: text(&order.street),
        postal_code: text(&order.postal_code),
        city: text(&order.city),
        country: text(&order.country),
    })
}

/// The number that people quote.
pub fn number_of(order_id: i64) -> String {
    format!("DB-{order_id:06}")
}

/// The id behind such a number, however it was typed.
fn id_of(number: &str) -> Option<i64> {
    let digits = number.trim().to_uppercase();
    let digits = digits.strip_prefix("DB").unwrap_or(&digits);
    digits.trim_start_matches('-').parse().ok()
}

impl Shop {
    /// An order by its public id.
    ///
    /// # Errors
    /// [`ShopError::UnknownOrder`], also for an id of another shape; [`ShopError::Unavailable`] or [`ShopError::Internal`] when the
    /// database fails.
    pub async fn order(&self, public_id: &str) -> Result<OrderView, ShopError> {
        let public_id = Uuid::try_parse(public_id).map_err(|_| ShopError::UnknownOrder)?;
        let order = customer_order::Entity::find()
            .filter(customer_order::Column::PublicId.eq(public_id))
            .one(self.db.reader())
            .await
            .map_err(txn::read_error)?
            .ok_or(ShopError::UnknownOrder)?;
        let mut views = self.views(vec![order]).await?;
        views.pop().ok_or(ShopError::UnknownOrder)
    }

    /// The public id of the order with this number and this e-mail address. Whichever of the two is wrong, the answer is the same.
    ///
    /// # Errors
    /// [`ShopError::UnknownOrder`]; as [`Shop::order`].
    pub async fn find_order(&self, number: &str, email: &str) -> Result<String, ShopError> {
        let email = customer_limit::fold_email(email);
        if email.contains('\0') {
            return Err(ShopError::UnknownOrder);
        }
        // Asked also for a number that is none, so that the answer takes as long.
        let order = customer_order::Entity::find()
            .filter(customer_order::Column::Id.eq(id_of(number).unwrap_or(0)))
            .filter(customer_order::Column::EmailFolded.eq(email))
            .one(self.db.reader())
            .await
            .map_err(txn::read_error)?
            .ok_or(ShopError::UnknownOrder)?;
        Ok(order.public_id.to_string())
    }

    /// The shop's latest orders, newest first; those of workbench lanes left out.
    ///
    /// # Errors
    /// As [`Shop::order`], but for the unknown.
    pub async fn latest_orders(&self, at_most: u64) -> Result<Vec<OrderView>, ShopError> {
        let orders = customer_order::Entity::find()
            .filter(customer_order::Column::LaneId.is_null())
            .order_by_desc(customer_order::Column::Id)
            .limit(at_most)
            .all(self.db.reader())
            .await
            .map_err(txn::read_error)?;
        self.views(orders).await
    }

    /// Orders with all that belongs to them, in one read a table.
    async fn views(&self, orders: Vec<customer_order::Model>) -> Result<Vec<OrderView>, ShopError> {
        let ids: Vec<i64> = orders.iter().map(|order| order.id).collect();
        let reader = self.db.reader();
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

/// What belongs to one order.
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
        placed_at: catalog::in_utc(order.placed_at),
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
            .map(|refund| refund_view(refund, &currency))
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
        captured: catalog::money(payment.captured_cents, &payment.currency),
        decline_reason: payment.decline_reason.clone(),
    })
}

fn refund_view(refund: refund::Model, currency: &str) -> Result<RefundView, DbErr> {
    Ok(RefundView {
        amount: catalog::money(refund.amount_cents, currency),
        reason: RefundReason::parse(&refund.reason)
            .ok_or_else(|| DbErr::Type(format!("refund {}: {}", refund.id, refund.reason)))?,
        done: refund.state == "succeeded",
        decided_at: catalog::in_utc(refund.created_at),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_number_is_read_as_people_type_it() {
        for typed in ["DB-000042", "db-42", " 42 ", "DB000042"] {
            assert_eq!(id_of(typed), Some(42), "{typed}");
        }
        assert_eq!(id_of("DB-"), None);
        assert_eq!(id_of("order"), None);
    }
}
