//! Orders: written inside the transaction that takes their stock, read by their link.

use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{NotSet, Set},
    ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

use crate::{
    db::{
        entity::{customer_order, order_line},
        txn::{self, Abort, Work},
    },
    model::{Contact, Money, OrderLineView, OrderView, Quantity, ShopError},
    shop::{
        Shop,
        catalog::{self, Offer},
        customer_limit,
        ledger::{self, Movement, MovementKind},
    },
};

/// An order about to be written. Its stock has been taken in the same transaction.
#[derive(Debug)]
pub struct NewOrder {
    /// None for an express purchase.
    pub contact: Option<Contact>,
    /// The lane on whose behalf a simulated buyer bought.
    pub lane_id: Option<i64>,
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
    pub public_id: Uuid,
}

/// Writes the order, its lines, and one sell movement a line.
///
/// # Errors
/// [`ShopError::CartEmpty`] without lines, [`ShopError::Invalid`] if the total does not fit or mixes currencies; what the database
/// says.
pub async fn write(work: &Work, order: &NewOrder) -> Result<WrittenOrder, Abort> {
    let total = total(&order.lines)?;
    let contact = order.contact.as_ref();
    let text = |field: fn(&Contact) -> &String| Set(contact.map(|contact| field(contact).clone()));
    let row = customer_order::ActiveModel {
        id: NotSet,
        public_id: Set(Uuid::now_v7()),
        status: Set("placed".to_owned()),
        settlement: Set("on_account".to_owned()),
        customer_name: text(|contact| &contact.name),
        email: text(|contact| &contact.email),
        email_folded: Set(contact.map(|contact| customer_limit::fold_email(&contact.email))),
        street: text(|contact| &contact.street),
        postal_code: text(|contact| &contact.postal_code),
        city: text(|contact| &contact.city),
        country: text(|contact| &contact.country),
        currency: Set(total.currency.code().to_owned()),
        total_cents: Set(total.cents),
        lane_id: Set(order.lane_id),
        placed_at: NotSet,
    }
    .insert(work.connection())
    .await?;
    write_lines(work, row.id, &order.lines).await?;
    Ok(WrittenOrder {
        public_id: row.public_id,
    })
}

async fn write_lines(work: &Work, order_id: i64, lines: &[NewLine]) -> Result<(), Abort> {
    let rows = lines.iter().map(|line| order_line::ActiveModel {
        id: NotSet,
        order_id: Set(order_id),
        product_id: Set(line.product_id),
        product_name: Set(line.product_name.clone()),
        unit_price_cents: Set(line.unit_price.cents),
        quantity: Set(line.quantity.get().cast_signed()),
    });
    order_line::Entity::insert_many(rows)
        .exec_without_returning(work.connection())
        .await?;
    let movements: Vec<_> = lines
        .iter()
        .map(|line| Movement {
            product_id: line.product_id,
            kind: MovementKind::Sell,
            quantity: line.quantity.into(),
            order_id: Some(order_id),
        })
        .collect();
    ledger::append(work, &movements).await?;
    Ok(())
}

fn total(lines: &[NewLine]) -> Result<Money, ShopError> {
    let (first, rest) = lines.split_first().ok_or(ShopError::CartEmpty)?;
    rest.iter()
        .try_fold(first.amount, |sum, line| sum.plus(line.amount))
        .ok_or_else(too_large)
}

fn too_large() -> ShopError {
    ShopError::Invalid("the total of this order is too large".to_owned())
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
        let lines = order_line::Entity::find()
            .filter(order_line::Column::OrderId.eq(order.id))
            .order_by_asc(order_line::Column::Id)
            .all(self.db.reader())
            .await
            .map_err(txn::read_error)?;
        view(order, lines).map_err(txn::read_error)
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
        let ids: Vec<i64> = orders.iter().map(|order| order.id).collect();
        let mut lines = order_line::Entity::find()
            .filter(crate::db::dialect::column_in(
                order_line::Column::OrderId,
                &ids,
            ))
            .order_by_asc(order_line::Column::Id)
            .all(self.db.reader())
            .await
            .map_err(txn::read_error)?;
        orders
            .into_iter()
            .map(|order| {
                let own = lines
                    .extract_if(.., |line| line.order_id == order.id)
                    .collect();
                view(order, own).map_err(txn::read_error)
            })
            .collect()
    }
}

fn view(order: customer_order::Model, lines: Vec<order_line::Model>) -> Result<OrderView, DbErr> {
    let currency = order.currency;
    let lines = lines
        .into_iter()
        .map(|line| line_view(line, &currency))
        .collect::<Result<_, _>>()?;
    Ok(OrderView {
        public_id: order.public_id.to_string(),
        number: format!("DB-{:06}", order.id),
        placed_at: catalog::in_utc(order.placed_at),
        contact: order.customer_name.map(|name| Contact {
            name,
            email: order.email.unwrap_or_default(),
            street: order.street.unwrap_or_default(),
            postal_code: order.postal_code.unwrap_or_default(),
            city: order.city.unwrap_or_default(),
            country: order.country.unwrap_or_default(),
        }),
        lines,
        total: catalog::money(order.total_cents, &currency),
    })
}

fn line_view(line: order_line::Model, currency: &str) -> Result<OrderLineView, DbErr> {
    let quantity = Quantity::new(line.quantity.into())
        .map_err(|error| DbErr::Type(format!("order line {}: {error}", line.id)))?;
    let unit_price = catalog::money(line.unit_price_cents, currency);
    Ok(OrderLineView {
        product_name: line.product_name,
        unit_price,
        quantity,
        amount: unit_price
            .times(quantity)
            .ok_or_else(|| DbErr::Type(format!("order line {}: the amount overflows", line.id)))?,
    })
}
