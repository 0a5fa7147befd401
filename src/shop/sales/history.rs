//! The history of a product: each change of its sale, with what was before.

use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};
use time::OffsetDateTime;

use super::Sales;
use crate::{
    db::{
        entity::product_change,
        txn::{self, Abort, Work},
    },
    model::ShopError,
    shop::administrator::Actor,
};

/// Maximum number of changes that a page shows.
const CHANGES_MAX: u64 = 100;

/// One changed field of a product's sale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductChange {
    pub id: i64,
    pub at: OffsetDateTime,
    /// `administrator` or `command line`.
    pub actor: String,
    /// `from`, `until`, `price`, `compare-at price` or `limit`.
    pub field: String,
    /// A time in RFC 3339, cents, or units; `None` if there was no value.
    pub before: Option<String>,
    pub after: Option<String>,
}

/// A field, and its values before and after.
pub(super) type FieldChange = (&'static str, Option<String>, Option<String>);

/// Writes changes that were made at `at`.
pub(super) async fn append(
    work: &Work,
    product_id: i64,
    actor: Actor,
    at: OffsetDateTime,
    changes: Vec<FieldChange>,
) -> Result<(), DbErr> {
    let rows = changes
        .into_iter()
        .map(|(field, before, after)| product_change::ActiveModel {
            id: NotSet,
            product_id: Set(product_id),
            at: Set(at),
            actor: Set(actor.as_str().to_owned()),
            field: Set(field.to_owned()),
            before: Set(before),
            after: Set(after),
        });
    product_change::Entity::insert_many(rows)
        .exec_without_returning(work.connection())
        .await
        .map(drop)
}

/// Checks that nothing was changed after the change `seen`; 0 if there was none. The caller has
/// locked the sale.
///
/// # Errors
/// [`ShopError::InvalidState`].
pub(super) async fn check_seen(work: &Work, product_id: i64, seen: i64) -> Result<(), Abort> {
    let unseen = product_change::Entity::find()
        .filter(product_change::Column::ProductId.eq(product_id))
        .filter(product_change::Column::Id.gt(seen))
        .one(work.connection())
        .await?;
    match unseen {
        None => Ok(()),
        Some(_) => Err(ShopError::InvalidState(
            "This sale was changed after you opened the page. Compare your plan with the history below, then save again."
                .to_owned(),
        )
        .into()),
    }
}

impl Sales<'_> {
    /// Returns the last changes of a product's sale, newest first.
    ///
    /// # Errors
    /// [`ShopError::Unavailable`] or [`ShopError::Internal`] if the database fails.
    pub async fn history(self, product_id: i64) -> Result<Vec<ProductChange>, ShopError> {
        let rows = product_change::Entity::find()
            .filter(product_change::Column::ProductId.eq(product_id))
            .order_by_desc(product_change::Column::Id)
            .limit(CHANGES_MAX)
            .all(self.shop.db.reader())
            .await
            .map_err(txn::read_error)?;
        Ok(rows
            .into_iter()
            .map(|row| ProductChange {
                id: row.id,
                at: row.at,
                actor: row.actor,
                field: row.field,
                before: row.before,
                after: row.after,
            })
            .collect())
    }
}
