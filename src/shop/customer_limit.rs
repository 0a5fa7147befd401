//! Limits per customer: how many units of a product one customer may keep from all of their orders.
//!
//! A customer is identified by a folded e-mail address (`email_address`): `Ann+sale@Example.com`
//! and `ann@example.com` are one customer. A unit counts while the customer has it or may still get
//! it: a returned unit and one of a cancelled or declined order do not count, a unit that was
//! refunded but not returned does. The count is correct only while the product's stock row is
//! locked: otherwise two checkouts of one customer could both count before either writes its order.

use sea_orm::{
    ColumnTrait, EntityTrait, QueryFilter, QuerySelect, QueryTrait,
    sea_query::{Expr, ExprTrait},
};

use crate::{
    db::{
        dialect,
        entity::{customer_order, order_line},
        txn::{Abort, Work},
    },
    model::{OrderStatus, ShopError},
    shop::catalog::Offer,
};

/// Checks that the customer may order `more` units of `offer` in addition to those they keep. The
/// caller must have locked the stock row.
///
/// # Errors
/// [`ShopError::OverCustomerLimit`].
pub async fn check(work: &Work, offer: &Offer, email_folded: &str, more: i64) -> Result<(), Abort> {
    if offer.per_customer_limit.is_none() {
        return Ok(());
    }
    offer.check_limit(more)?;
    let orders_of_customer = customer_order::Entity::find()
        .select_only()
        .column(customer_order::Column::Id)
        .filter(customer_order::Column::EmailFolded.eq(email_folded))
        .filter(customer_order::Column::Status.is_not_in([
            OrderStatus::Declined.as_str(),
            OrderStatus::Cancelled.as_str(),
        ]))
        .into_query();
    let kept: Option<Option<i64>> = order_line::Entity::find()
        .select_only()
        .column_as(
            dialect::as_integer(
                Expr::col(order_line::Column::Quantity)
                    .sub(Expr::col(order_line::Column::ReturnedQuantity))
                    .sum(),
            ),
            "units",
        )
        .filter(order_line::Column::ProductId.eq(offer.id))
        .filter(order_line::Column::OrderId.in_subquery(orders_of_customer))
        .into_tuple()
        .one(work.connection())
        .await?;
    offer
        .check_limit(kept.flatten().unwrap_or(0) + more)
        .map_err(|error: ShopError| error.into())
}
