//! One changed field of a product's sale; append-only.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "product_change")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub product_id: i64,
    pub at: TimeDateTimeWithTimeZone,
    /// `administrator` or `command line`.
    pub actor: String,
    /// `from`, `until`, `price`, `compare-at price` or `limit`.
    pub field: String,
    /// A time in RFC 3339, cents, or units; `None` if there was no value.
    pub before: Option<String>,
    pub after: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
