//! The wrong guesses of one kind that came from a network.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "wrong_guess")]
pub struct Model {
    /// The kind, a space, and an IPv4 address or the first address of a /64 network of IPv6.
    #[sea_orm(primary_key, auto_increment = false)]
    pub kind_and_network: String,
    /// The time at which all of them are forgiven.
    pub forgiven_at: TimeDateTimeWithTimeZone,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
