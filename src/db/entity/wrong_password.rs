//! The wrong passwords that came from a network, as servers of the previous version count them.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "wrong_password")]
pub struct Model {
    /// An IPv4 address, or the first address of a /64 network of IPv6.
    #[sea_orm(primary_key, auto_increment = false)]
    pub network: String,
    /// The time at which all of them are forgiven.
    pub forgiven_at: TimeDateTimeWithTimeZone,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
