//! Switches discount codes off and on, and keeps the history of it. A code that is off is answered
//! like one that has expired. Orders that have used it keep their discount.

use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::Expr,
};
use time::OffsetDateTime;

use super::{DiscountAdministration, Discounts, check_format, fold_code, unknown};
use crate::{
    db::{
        dialect,
        entity::{discount_code, discount_code_change},
        locks,
        txn::{self, Abort, Work},
    },
    model::ShopError,
    shop::{
        administrator::Actor,
        idempotency::{self, Claim},
        local_time,
    },
};

/// Maximum number of changes that a page shows.
const CHANGES_MAX: u64 = 100;

/// One switching of a code, as administrators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeChange {
    pub code: String,
    /// In the shop's time zone.
    pub at: String,
    /// `administrator` or `command line`.
    pub actor: String,
    /// True if the code was switched on.
    pub is_on: bool,
}

impl Discounts<'_> {
    /// Returns the last times that codes were switched off or on, newest first.
    ///
    /// # Errors
    /// [`ShopError::Unavailable`] or [`ShopError::Internal`] if the database fails.
    pub async fn changes(self) -> Result<Vec<CodeChange>, ShopError> {
        let rows = discount_code_change::Entity::find()
            .order_by_desc(discount_code_change::Column::Id)
            .limit(CHANGES_MAX)
            .all(self.shop.db.reader())
            .await
            .map_err(txn::read_error)?;
        let zone = &self.shop.terms.time_zone;
        Ok(rows
            .into_iter()
            .map(|row| CodeChange {
                code: row.code,
                at: local_time::in_zone(zone, row.at),
                actor: row.actor,
                is_on: row.is_on,
            })
            .collect())
    }
}

impl DiscountAdministration<'_> {
    /// Switches a code on or off; a code that is on or off already stays as it is. Applied once per
    /// key. Returns the stored form of the code.
    ///
    /// # Errors
    /// [`ShopError::CodeUnknown`]; [`ShopError::IdempotencyKeyReused`].
    pub async fn switch(
        self,
        code: &str,
        is_on: bool,
        claim: Option<Claim>,
    ) -> Result<String, ShopError> {
        let code = fold_code(code);
        check_format(&code)?;
        let (actor, of_work) = (self.actor, code.clone());
        txn::run_for_result(
            &self.shop.db,
            self.shop.policy("switch discount code"),
            move |work| {
                let (code, claim) = (of_work.clone(), claim.clone());
                Box::pin(async move {
                    let known = idempotency::claim::<()>(work, claim.as_ref()).await?;
                    if known.is_some() {
                        return Ok(());
                    }
                    apply(work, &code, is_on, actor).await?;
                    idempotency::record(work, claim.as_ref(), &()).await
                })
            },
        )
        .await
        .map_err(ShopError::from)?;
        Ok(code)
    }
}

async fn apply(work: &Work, code: &str, is_on: bool, actor: Actor) -> Result<(), Abort> {
    let row = locks::discount_code(work, code)
        .await?
        .ok_or_else(|| unknown(code))?;
    if row.switched_off_at.is_none() == is_on {
        return Ok(());
    }
    // The transaction may have waited for the lock: the clock as it is now.
    let now = dialect::clock_now(work.connection()).await?;
    let switched_off_at: Option<OffsetDateTime> = (!is_on).then_some(now);
    discount_code::Entity::update_many()
        .col_expr(
            discount_code::Column::SwitchedOffAt,
            Expr::value(switched_off_at),
        )
        .filter(discount_code::Column::Code.eq(code))
        .exec(work.connection())
        .await?;
    let change = discount_code_change::ActiveModel {
        id: NotSet,
        code: Set(code.to_owned()),
        at: Set(now),
        actor: Set(actor.as_str().to_owned()),
        is_on: Set(is_on),
    };
    discount_code_change::Entity::insert(change)
        .exec_without_returning(work.connection())
        .await?;
    Ok(())
}
