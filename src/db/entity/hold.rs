//! Units reserved for a cart, and then for the order that is being paid.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "hold")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    /// `None` once the cart is deleted.
    pub cart_id: Option<Uuid>,
    /// The order that is being paid.
    pub order_id: Option<i64>,
    pub product_id: i64,
    pub quantity: i32,
    /// `held`, `sold` or `released`.
    pub state: String,
    /// Why it was released.
    pub reason: Option<String>,
    /// Whether its one extension has been used.
    pub extended: bool,
    pub expires_at: TimeDateTimeWithTimeZone,
    pub created_at: TimeDateTimeWithTimeZone,
    pub closed_at: Option<TimeDateTimeWithTimeZone>,
    /// The address that limits it, until a day after it was closed; `None` without a limit.
    pub network: Option<String>,
    /// When its reservation began; `None` without a limit.
    pub reserved_at: Option<TimeDateTimeWithTimeZone>,
    /// The price of a unit when the shopper reserved it; `None` for a hold of an older version.
    pub unit_price_cents: Option<i64>,
    /// Whether it expires when the sale of its product ends, before the time of its reservation.
    pub ends_with_sale: bool,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
