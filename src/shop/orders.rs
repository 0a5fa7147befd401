//! Orders: written in the transaction that sells or reserves their stock, and read by their link.

mod customer;
mod customer_link;
mod number;
pub(in crate::shop) mod public_id;
mod reading;
pub mod watch;

pub use customer::CustomerOrders;
pub use number::number_of;
pub use reading::Orders;

use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder,
    sea_query::Expr,
};
use uuid::Uuid;

use crate::{
    db::{
        entity::{customer_order, order_line},
        txn::{Abort, Work},
    },
    model::{Bill, CancelReason, Contact, Money, OrderStatus, Quantity, ShopError},
    shop::{
        catalog::Offer,
        email_address,
        ledger::{self, Movement, MovementKind},
    },
};

/// An order to write.
#[derive(Debug)]
pub struct NewOrder {
    /// `None` for an express purchase.
    pub contact: Option<Contact>,
    /// The workbench lane of a simulated buyer.
    pub lane_id: Option<i64>,
    /// The cart to which the lines return if the order is declined.
    pub cart_id: Option<Uuid>,
    /// The discount code that the bill includes.
    pub code: Option<String>,
    pub bill: Bill,
    /// At least one line, and one line per product.
    pub lines: Vec<NewLine>,
}

/// One line of a [`NewOrder`], at the price stored in the database.
#[derive(Debug)]
pub struct NewLine {
    product_id: i64,
    product_name: String,
    unit_price: Money,
    quantity: Quantity,
    amount: Money,
    customer_limit: Option<i32>,
}

impl NewLine {
    /// Creates a line of `quantity` units of `offer`.
    ///
    /// # Errors
    /// [`ShopError::Invalid`] if the amount overflows.
    pub fn of(offer: &Offer, quantity: Quantity) -> Result<Self, ShopError> {
        Ok(Self {
            product_id: offer.id,
            product_name: offer.name.clone(),
            unit_price: offer.price,
            quantity,
            amount: offer.price.times(quantity).ok_or_else(too_large)?,
            customer_limit: offer
                .per_customer_limit
                .map(|limit| i32::try_from(limit).unwrap_or(i32::MAX)),
        })
    }
}

/// The ids of a written order.
#[derive(Clone, Copy, Debug)]
pub struct WrittenOrder {
    pub id: i64,
    pub public_id: Uuid,
}

/// Returns the sum of `lines`.
///
/// # Errors
/// [`ShopError::CartEmpty`] without lines; [`ShopError::Invalid`] if the sum overflows or the
/// currencies differ.
pub fn subtotal(lines: &[NewLine]) -> Result<Money, ShopError> {
    let (first, rest) = lines.split_first().ok_or(ShopError::CartEmpty)?;
    rest.iter()
        .try_fold(first.amount, |sum, line| sum.plus(line.amount))
        .ok_or_else(too_large)
}

/// Returns the error for an amount that overflows.
pub fn too_large() -> ShopError {
    ShopError::Invalid("the total of this order is too large".to_owned())
}

/// Writes the order of an express purchase, sold on account, with one sell movement per line. The
/// same transaction has already taken its stock.
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

/// Writes an order with a pending card payment. Its stock is reserved, and sold once the payment is
/// captured.
pub async fn write_pending(work: &Work, order: &NewOrder) -> Result<WrittenOrder, Abort> {
    write(work, order, OrderStatus::Pending, "card").await
}

async fn write(
    work: &Work,
    order: &NewOrder,
    status: OrderStatus,
    payment_method: &str,
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
        public_id: Set(public_id::new()),
        status: Set(status.as_str().to_owned()),
        status_reason: NotSet,
        settlement: Set(payment_method.to_owned()),
        customer_name: text(|contact| &contact.name),
        email: text(|contact| &contact.email),
        email_folded: Set(contact.map(|contact| email_address::fold_email(&contact.email))),
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
        // An express purchase has no customer to whom a limit could apply.
        customer_limit: match contact {
            Some(_) => Set(line.customer_limit),
            None => NotSet,
        },
    });
    order_line::Entity::insert_many(lines)
        .exec_without_returning(work.connection())
        .await?;
    Ok(WrittenOrder {
        id: row.id,
        public_id: row.public_id,
    })
}

/// Returns the lines of an order, sorted by product id: the order in which stock rows are locked.
pub async fn lines_of(work: &Work, order_id: i64) -> Result<Vec<order_line::Model>, DbErr> {
    order_line::Entity::find()
        .filter(order_line::Column::OrderId.eq(order_id))
        .order_by_asc(order_line::Column::ProductId)
        .all(work.connection())
        .await
}

/// Returns the id of an order by its public id.
///
/// # Errors
/// [`ShopError::UnknownOrder`].
pub async fn id_of_public(work: &Work, public_id: &str) -> Result<i64, Abort> {
    let public_id = Uuid::try_parse(public_id).map_err(|_| ShopError::UnknownOrder)?;
    let order = customer_order::Entity::find()
        .filter(customer_order::Column::PublicId.eq(public_id))
        .one(work.connection())
        .await?;
    Ok(order.ok_or(ShopError::UnknownOrder)?.id)
}

/// The new status of an order.
#[derive(Clone, Copy, Debug)]
pub struct NewStatus {
    pub status: OrderStatus,
    pub reason: Option<CancelReason>,
    /// The amount that the shop keeps of the captured payment.
    pub due_cents: i64,
}

impl NewStatus {
    /// Returns the status of a cancelled order, for which the shop keeps no money.
    pub const fn cancelled(reason: CancelReason) -> Self {
        Self {
            status: OrderStatus::Cancelled,
            reason: Some(reason),
            due_cents: 0,
        }
    }
}

/// Changes the status of an order. The caller has locked it.
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

/// Returns the status of an order row.
///
/// # Errors
/// [`DbErr::Type`] for a status that this version does not know.
pub fn status_of(order: &customer_order::Model) -> Result<OrderStatus, DbErr> {
    OrderStatus::parse(&order.status)
        .ok_or_else(|| DbErr::Type(format!("order {}: status {}", order.id, order.status)))
}

/// Returns the contact of an order, or `None` for an express purchase.
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
