//! A changed or deleted row that the continuous audit checks next. Triggers write most of them.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_change")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    /// `order`, `hold`, `movement`, `ledger`, `code`, `key` or `email`; `limit` in old rows.
    pub kind: String,
    /// The subject, if its kind is identified by a number.
    pub row_id: Option<i64>,
    /// The subject, if its kind is identified by a text.
    pub name: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
